/**
 * A transaction of the index before it is written.
 *
 * LMDB's own write transactions would run on the thread that everything else waits for, and stay there until
 * the disk has answered. So changes are gathered here: reads see what is in the index, with the draft's own
 * changes over it; then all of it is written at once, in LMDB's thread, provided that nobody else has written
 * since the draft was begun (`lmdb-index.ts`).
 */

/** What the index consists of: `lmdb-index.ts` says what they hold. */
export const TABLES = [
  'messages',
  'works',
  'due',
  'heads',
  'destinations',
  'files',
  'spent',
  'folders',
  'state',
] as const;
export type Table = (typeof TABLES)[number];

/** An ordered map from text to text. */
export interface TableReader {
  get(key: string): string | undefined;
  /** In order, from `start` on, before `end`. */
  keys(start: string, end: string): Iterable<string>;
}

/** Comes after every character that keys are made of. */
export const AFTER_ALL = '\u007f';
/** Between the parts of a key: before every character that parts are made of. */
export const SEPARATOR = ' ';
const AFTER_SEPARATOR = '!';

/** What a draft changes. Undefined removes. */
export type Changes = ReadonlyMap<Table, ReadonlyMap<string, string | undefined>>;

export class Draft {
  readonly #base: (table: Table) => TableReader;
  readonly #changes = new Map<Table, Map<string, string | undefined>>();
  /** Keys that the draft changes, by table and first part, for `firstUnder`. */
  readonly #changedUnder = new Map<string, Set<string>>();

  constructor(base: (table: Table) => TableReader) {
    this.#base = base;
  }

  get changes(): Changes {
    return this.#changes;
  }

  get(table: Table, key: string): string | undefined {
    const changed = this.#changes.get(table);
    return changed?.has(key) ? changed.get(key) : this.#base(table).get(key);
  }

  put(table: Table, key: string, value: string): void {
    this.#change(table, key, value);
  }

  remove(table: Table, key: string): void {
    this.#change(table, key, undefined);
  }

  #change(table: Table, key: string, value: string | undefined): void {
    let changed = this.#changes.get(table);
    if (changed === undefined) {
      changed = new Map();
      this.#changes.set(table, changed);
    }
    changed.set(key, value);
    const end = key.indexOf(SEPARATOR);
    if (end < 0) return;
    const under = table + SEPARATOR + key.slice(0, end);
    const keys = this.#changedUnder.get(under);
    if (keys === undefined) this.#changedUnder.set(under, new Set([key]));
    else keys.add(key);
  }

  /**
   * The first key whose first part is that; undefined where there is none.
   * @param isNew there was none before the draft
   */
  firstUnder(table: Table, first: string, isNew = false): string | undefined {
    const changed = this.#changes.get(table);
    let found: string | undefined;
    if (!isNew) {
      for (const key of keysUnder(this.#base(table), first)) {
        if (changed?.has(key) && changed.get(key) === undefined) continue;
        found = key;
        break;
      }
    }
    for (const key of this.#changedUnder.get(table + SEPARATOR + first) ?? []) {
      if (changed?.get(key) !== undefined && (found === undefined || key < found)) found = key;
    }
    return found;
  }

  /** All keys whose first part is that, in order. */
  allUnder(table: Table, first: string): readonly string[] {
    const changed = this.#changes.get(table);
    const keys = new Set(keysUnder(this.#base(table), first));
    for (const key of this.#changedUnder.get(table + SEPARATOR + first) ?? []) {
      if (changed?.get(key) === undefined) keys.delete(key);
      else keys.add(key);
    }
    return [...keys].sort();
  }
}

/** The keys of a table whose first part is that; from one of them on, where it is given. */
export function keysUnder(table: TableReader, first: string, from = first + SEPARATOR): Iterable<string> {
  return table.keys(from, first + AFTER_SEPARATOR);
}
