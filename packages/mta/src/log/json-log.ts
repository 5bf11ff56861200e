/**
 * The log as JSON lines (pino): one for each event, for whatever collects logs.
 *
 *     {"level":"info","time":"2026-11-25T15:04:05.678Z","id":"01kb...","to":"you@example.org",...,"event":"delivered"}
 *
 * Lines are written in blocks behind the work's back, a fifth of a second after they were made at the latest; errors, and
 * everything at the end of the program, at once. What a server said may be among them: no control character gets
 * out but as JSON's escape, so that a terminal shows a line and does not obey it.
 */
import { pino, stdTimeFunctions } from 'pino';
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
  const log = pino(
    {
      level,
      base: null,
      messageKey: 'event',
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    { write: (line) => lines.write(harmless(line)) },
  );
  return {
    info: (event, fields) => log.info(fields, event),
    warn: (event, fields) => log.warn(fields, event),
    error: (event, fields) => {
      log.error(fields, event);
      lines.hurry();
    },
    flush: () => lines.flush(),
  };
}

/** Pino escapes what JSON demands: the controls below a blank. DEL, C1 and the line separators are left. */
const LEFT = /[\u007f-\u009f\u2028\u2029]/u;
const ALL_LEFT = new RegExp(LEFT, 'gu');

function harmless(line: string): string {
  if (!LEFT.test(line)) return line;
  return line.replace(ALL_LEFT, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}
