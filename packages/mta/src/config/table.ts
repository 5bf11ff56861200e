/**
 * Reads a table of a TOML file, key by key, and says of each error in which line it is, under which key, and what
 * would be right.
 *
 * The reader knows which keys were asked for, so that in the end whatever is left over is an error too: a
 * misspelt key that is silently ignored is a setting that somebody believes in.
 */
import { nearest } from './nearest.js';
import { parseDuration, parseSize } from './quantity.js';

/** The file does not say what it should. The message names the file, the line and the key. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/** Where the tables come from. */
export interface Source {
  readonly file: string;
  readonly text: string;
}

export class Table {
  readonly #source: Source;
  readonly #values: Readonly<Record<string, unknown>>;
  /** `listen[2]`; empty for the file itself. */
  readonly #path: string;
  readonly #known = new Set<string>();
  readonly #onAsked: (key: string) => void;

  /** @param onAsked hears of every key that is asked for, with its table: `retry.first` */
  constructor(
    source: Source,
    values: Readonly<Record<string, unknown>>,
    path = '',
    onAsked: (key: string) => void = () => {},
  ) {
    this.#source = source;
    this.#values = values;
    this.#path = path;
    this.#onAsked = onAsked;
  }

  get keys(): readonly string[] {
    return Object.keys(this.#values);
  }

  has(key: string): boolean {
    this.#known.add(key);
    return this.#values[key] !== undefined;
  }

  /** The value as it is, for whoever checks it himself. */
  raw(key: string): unknown {
    this.#known.add(key);
    this.#onAsked(this.#name(key));
    return this.#values[key];
  }

  string(key: string): string | undefined {
    return this.#typed(key, 'a text in quotes', (value) => (typeof value === 'string' ? value : undefined));
  }

  requiredString(key: string, what: string): string {
    const value = this.string(key);
    if (value === undefined || value === '') throw this.error(key, `is missing: ${what}`);
    return value;
  }

  oneOf<T extends string>(key: string, choices: readonly T[]): T | undefined {
    const value = this.string(key);
    if (value === undefined) return undefined;
    const choice = choices.find((each) => each === value);
    if (choice !== undefined) return choice;
    const guess = nearest(value, choices);
    const hint = guess === undefined ? '' : `; did you mean "${guess}"?`;
    throw this.error(key, `must be one of ${choices.map((each) => `"${each}"`).join(', ')}${hint}`);
  }

  boolean(key: string): boolean | undefined {
    return this.#typed(key, 'true or false', (value) => (typeof value === 'boolean' ? value : undefined));
  }

  integer(key: string, least: number, most: number): number | undefined {
    return this.#typed(key, `a whole number from ${least} to ${most}`, (value) => {
      const number = typeof value === 'bigint' ? Number(value) : value;
      return typeof number === 'number' && Number.isSafeInteger(number) && number >= least && number <= most
        ? number
        : undefined;
    });
  }

  /** Milliseconds. @param least @param most as they are written in the file */
  duration(key: string, least: string, most: string): number | undefined {
    const [from, to] = [parseDuration(least) ?? 0, parseDuration(most) ?? 0];
    const what = `a duration as in "90s", "5m", "4h" or "5d", from ${least} to ${most}`;
    return this.#typed(key, what, (value) =>
      typeof value === 'string' ? within(parseDuration(value), from, to) : undefined,
    );
  }

  /** Octets. @param least @param most as they are written in the file */
  size(key: string, least: string, most: string): number | undefined {
    const [from, to] = [parseSize(least) ?? 0, parseSize(most) ?? 0];
    const what = `a size as in "500KiB", "25MiB" or "1GiB", from ${least} to ${most}`;
    return this.#typed(key, what, (value) =>
      typeof value === 'string' ? within(parseSize(value), from, to) : undefined,
    );
  }

  strings(key: string): readonly string[] | undefined {
    return this.#typed(key, 'a list of texts in quotes', (value) => {
      const isTexts = (list: unknown[]): list is string[] => list.every((each) => typeof each === 'string');
      return Array.isArray(value) && isTexts(value) ? value : undefined;
    });
  }

  /** A table of its own; an empty one where there is none. */
  table(key: string): Table {
    const value = this.#typed(key, `a table: [${this.#name(key)}]`, (each) =>
      isTable(each) ? each : undefined,
    );
    return new Table(this.#source, value ?? {}, this.#name(key), this.#onAsked);
  }

  /** `[[key]]`, any number of times. */
  tables(key: string): readonly Table[] {
    const list = this.#typed(key, `one or more tables: [[${this.#name(key)}]]`, (value) =>
      Array.isArray(value) && value.every(isTable) ? value : undefined,
    );
    return (list ?? []).map(
      (each, i) => new Table(this.#source, each, `${this.#name(key)}[${i + 1}]`, this.#onAsked),
    );
  }

  /** @throws ConfigError where there is a key that nobody asked for */
  end(): void {
    for (const key of this.keys) {
      if (this.#known.has(key)) continue;
      const guess = nearest(key, [...this.#known]);
      const keys = [...this.#known].sort().join(', ');
      const hint = guess === undefined ? `; there are ${keys}` : `; did you mean "${guess}"?`;
      throw this.error(key, `is no key here${hint}`);
    }
  }

  /** An error about a key: `danelaw.toml, line 12: retry.first: ...` */
  error(key: string, words: string): ConfigError {
    const { file, text } = this.#source;
    const line = lineOf(text, this.#path, key);
    return new ConfigError(
      `${file}${line === undefined ? '' : `, line ${line}`}: ${this.#name(key)}: ${words}`,
    );
  }

  #name(key: string): string {
    return this.#path === '' ? key : `${this.#path}.${key}`;
  }

  #typed<T>(key: string, what: string, read: (value: unknown) => T | undefined): T | undefined {
    const value = this.raw(key);
    if (value === undefined) return undefined;
    const typed = read(value);
    if (typed === undefined) throw this.error(key, `must be ${what}`);
    return typed;
  }
}

/**
 * The line in which a key is set, for people: the parser does not tell. Keys that are written in other ways than
 * `key = value` under their `[table]` are not found, and the error names them without a line.
 *
 * @param path `listen[2]`
 */
export function lineOf(text: string, path: string, key: string): number | undefined {
  const counts = new Map<string, number>();
  let here = '';
  let heading: number | undefined;
  for (const [index, line] of text.split('\n').entries()) {
    const many = /^\s*\[\[\s*([^\]]+?)\s*\]\]/u.exec(line)?.[1];
    const one = many === undefined ? /^\s*\[\s*([^\]]+?)\s*\]/u.exec(line)?.[1] : undefined;
    if (many !== undefined) {
      counts.set(many, (counts.get(many) ?? 0) + 1);
      here = `${many}[${counts.get(many)}]`;
    } else if (one !== undefined) {
      here = one;
    }
    if (here === path && heading === undefined) heading = index + 1;
    const table = path === '' ? key : `${path}.${key}`;
    if (many === key || one === table || `${here}` === `${table}[1]`) return index + 1;
    const name = /^\s*(?:"([^"]*)"|([A-Za-z0-9_-]+))\s*=/u.exec(line);
    if (here === path && (name?.[1] ?? name?.[2]) === key) return index + 1;
  }
  return path === '' ? undefined : heading;
}

const within = (value: number | undefined, least: number, most: number): number | undefined =>
  value !== undefined && value >= least && value <= most ? value : undefined;

const isTable = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);
