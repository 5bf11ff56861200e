/**
 * The log as JSON lines: one for each event, for whatever collects logs.
 *
 *     {"level":"info","time":"2026-11-25T15:04:05.678Z","id":"01kb...","to":"you@example.org",...,"event":"delivered"}
 *
 * Lines are written in blocks behind the work's back, a fifth of a second after they were made at the latest; errors, and
 * everything at the end of the program, at once. What a server said may be among them: no control character gets
 * out but as JSON's escape, so that a terminal shows a line and does not obey it.
 */
import { type LineFile, LineWriter, lineFile } from './line-writer.js';
import type { RelayLog } from './relay-log.js';

export interface ClosableLog extends RelayLog {
  /** Writes what is waiting. */
  flush(): void;
}

/** @param file 1 is standard output */
export function jsonLog(file: number | LineFile, level: 'info' | 'warn' | 'error'): ClosableLog {
  const lines = new LineWriter(typeof file === 'number' ? lineFile(file) : file, (lost) =>
    JSON.stringify({ level: 'warn', time: new Date().toISOString(), event: 'log', lost }).concat('\n'),
  );
  const isSilent = { info: level !== 'info', warn: level === 'error' };
  return {
    info: (event, fields) => {
      if (!isSilent.info) lines.write(lineOf('info', event, fields));
    },
    warn: (event, fields) => {
      if (!isSilent.warn) lines.write(lineOf('warn', event, fields));
    },
    error: (event, fields) => {
      lines.write(lineOf('error', event, fields));
      lines.hurry();
    },
    flush: () => lines.flush(),
  };
}

/** Each message has some lines: so this is put together from text, and not by copying the fields into an object. */
function lineOf(level: string, event: string, fields: Readonly<Record<string, unknown>>): string {
  const inside = JSON.stringify(fields).slice(1, -1);
  const comma = inside === '' ? '' : ',';
  return harmless(
    `{"level":"${level}","time":"${isoTime(Date.now())}"${comma}${inside},"event":"${event}"}\n`,
  );
}

let last = { time: Number.NaN, text: '' };

function isoTime(time: number): string {
  if (time !== last.time) last = { time, text: new Date(time).toISOString() };
  return last.text;
}

/** JSON escapes the controls below a blank. DEL, C1 and the line separators are left. */
const LEFT = /[\u007f-\u009f\u2028\u2029]/u;
const ALL_LEFT = new RegExp(LEFT, 'gu');

function harmless(line: string): string {
  if (!LEFT.test(line)) return line;
  return line.replace(ALL_LEFT, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}
