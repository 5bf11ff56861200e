/**
 * The log for a person at a terminal: a line for each event, the important things first.
 *
 *     15:04:05 delivered  01kbq3w8nd7k2m9xq4  you@example.org  mx.example.org  DANE  250 2.0.0 Ok
 */
import { printable } from '../cli/printable.js';
import { type Output, type Paint, paletteFor } from '../cli/terminal.js';
import type { ClosableLog } from './json-log.js';
import { type LineFile, LineWriter } from './line-writer.js';

/** Fields that come first, without their names. */
const FIRST = ['id', 'from', 'to', 'destination', 'host', 'client'] as const;
/** Fields that a person does not need beside the reason. */
const LEFT_OUT = new Set<string>([
  'address',
  'port',
  'stage',
  'cipher',
  'serverName',
  'failure',
  'tries',
  'domain',
]);

const LEVELS = { info: 0, warn: 1, error: 2 } as const;

/** @param file where it is the program's own output: a terminal that is closed must not end the relay */
export function textLog(
  output: Output,
  env: Readonly<Record<string, string | undefined>>,
  level: keyof typeof LEVELS,
  clock: () => number,
  file?: LineFile,
): ClosableLog {
  const palette = paletteFor(output, env);
  const lines =
    file === undefined
      ? undefined
      : new LineWriter(file, (lost) => `${lost} lines of the log could not be written\n`);
  const write = (
    of: keyof typeof LEVELS,
    paint: Paint,
    event: string,
    fields: Readonly<Record<string, unknown>>,
  ) => {
    if (LEVELS[of] < LEVELS[level]) return;
    const time = new Date(clock()).toISOString().slice(11, 19);
    (lines ?? output).write(`${palette.faint(time)} ${paint(event.padEnd(10))} ${fieldsAsText(fields)}\n`);
  };
  return {
    info: (event, fields) => write('info', palette.good, event, fields),
    warn: (event, fields) => write('warn', palette.warn, event, fields),
    error: (event, fields) => write('error', palette.bad, event, fields),
    flush: () => lines?.flush(),
  };
}

function fieldsAsText(fields: Readonly<Record<string, unknown>>): string {
  const first = FIRST.flatMap((key) => (key in fields ? [wordOf(fields[key])] : []));
  const isFirst = new Set<string>(FIRST);
  const others = Object.entries(fields).flatMap(([key, value]) => {
    if (isFirst.has(key) || LEFT_OUT.has(key) || value === null || value === undefined || key === 'reason')
      return [];
    return [`${key}=${wordOf(value)}`];
  });
  const reason = fields['reason'] === undefined ? [] : [wordOf(fields['reason'])];
  return [...first, ...others, ...reason].filter((word) => word !== '').join('  ');
}

function wordOf(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (Array.isArray(value)) return value.map(wordOf).join(',');
  return printable(typeof value === 'object' ? JSON.stringify(value) : String(value));
}
