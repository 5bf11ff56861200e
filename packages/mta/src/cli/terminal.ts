/**
 * Where a command reads and writes: the process's streams, or a test's.
 *
 * Colour is for people at a terminal only: never in a pipe, never in JSON, and never where `NO_COLOR` asks
 * for none (https://no-color.org).
 */

/** What a command needs of its surroundings. */
export interface Io {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly stdin: Input;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborts when the person at the keyboard wants the command to end. */
  readonly signal: AbortSignal;
  /**
   * Aborts when what is written to `stdout` reaches nobody any more, as in `danelaw ... | head`. Most commands need not look:
   * what they write is lost, and they end as they would have. Those that write for long stop.
   */
  readonly readerGone?: AbortSignal;
}

export interface Input extends AsyncIterable<Uint8Array | string> {
  readonly isTTY?: boolean;
  /** Of a terminal: keys come as they are typed, and are not shown. */
  setRawMode?(on: boolean): unknown;
}

export interface Output {
  write(text: string | Uint8Array): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

/** Text in this colour or weight, or as it is where there is no colour. */
export type Paint = (text: string) => string;

export interface Palette {
  readonly good: Paint;
  readonly bad: Paint;
  readonly warn: Paint;
  readonly strong: Paint;
  readonly faint: Paint;
}

/** Wide enough for a table, narrow enough to read; also what is assumed of a pipe. */
const DEFAULT_WIDTH = 100;
const MIN_WIDTH = 60;
const MAX_WIDTH = 120;

export function widthOf(output: Output): number {
  return Math.min(MAX_WIDTH, Math.max(MIN_WIDTH, output.columns ?? DEFAULT_WIDTH));
}

export function wantsColour(output: Output, env: Io['env']): boolean {
  if (output.isTTY !== true) return false;
  // An empty NO_COLOR counts as not set, as the convention has it.
  return !env['NO_COLOR'] && env['TERM'] !== 'dumb';
}

export function paletteFor(output: Output, env: Io['env']): Palette {
  return wantsColour(output, env) ? COLOURED : PLAIN;
}

const sgr =
  (code: number): Paint =>
  (text) =>
    `\u001b[${code}m${text}\u001b[0m`;

const same: Paint = (text) => text;

const COLOURED: Palette = { good: sgr(32), bad: sgr(31), warn: sgr(33), strong: sgr(1), faint: sgr(2) };
const PLAIN: Palette = { good: same, bad: same, warn: same, strong: same, faint: same };

/** Breaks text into lines of at most `width` characters, at spaces where there are any. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = '';
    }
    line = line === '' ? word : `${line} ${word}`;
    while (line.length > width) {
      lines.push(line.slice(0, width));
      line = line.slice(width);
    }
  }
  if (line !== '') lines.push(line);
  return lines;
}

/** The text behind `label`, its further lines indented to stand under the first. */
export function hanging(label: string, text: string, width: number): string[] {
  const indent = ' '.repeat(label.length);
  return wrap(text, Math.max(MIN_WIDTH / 2, width - label.length)).map(
    (line, i) => (i === 0 ? label : indent) + line,
  );
}
