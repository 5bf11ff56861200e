/**
 * The folder that keeps counts and reports over restarts:
 *
 *     STATE/format                     danelaw-tlsrpt-1
 *     STATE/days/2026-11-25/*.log      counts of that day, a journal for each long-lived process
 *     STATE/days/2026-11-25/short.log  those of short-lived ones (`danelaw send`) together
 *     STATE/outbox/2026-11-25.log      what became of that day's reports
 *     STATE/sending.1.lock             the process that sends reports
 *
 * Counting takes no lock: each process has its own file, or appends to the common one, and a line has the
 * totals that one process has for one cell. Only who sends reports must be alone.
 *
 * The folder belongs to one machine. Each node of a cluster counts and reports for itself, as RFC 8460
 * foresees (section 5.1: several sources for one policy domain, told apart by the report's id).
 */

import { randomBytes } from 'node:crypto';
import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder } from '../make-folder.js';
import { wordsOf } from '../words-of.js';
import { cellLine, readCellLine } from './cell-record.js';
import { type Cell, DayCounters, policyKey } from './counters.js';
import { appendLines, FILE_MODE, FORMAT, readLines, writeLines } from './journal.js';
import { type Day, startOf } from './policy-domain.js';
import { takeLock } from './process-lock.js';

/** Octets beyond which the common file of short-lived processes is left, and a new one begun. */
const ROTATE_ABOVE = 32 * 1024 * 1024;
/** Octets beyond which a process writes its own file anew, without the lines that later ones replace. */
const COMPACT_ABOVE = 4 * 1024 * 1024;

/** The folder can't be used. The message says why and what to do. */
export class StateError extends Error {
  override readonly name = 'StateError';
}

/** Something that the operator should know and that stops nothing. */
export type Warn = (words: string) => void;

export class State {
  readonly folder: string;
  readonly #warn: Warn;
  #ready: Promise<void> | undefined;

  constructor(folder: string, warn: Warn = () => {}) {
    this.folder = folder;
    this.#warn = warn;
  }

  /** Makes the folder where it is missing. @throws StateError */
  async prepare(): Promise<void> {
    this.#ready ??= this.#prepare();
    try {
      await this.#ready;
    } catch (error) {
      this.#ready = undefined; // the operator may mend it
      throw error;
    }
  }

  async #prepare(): Promise<void> {
    const format = join(this.folder, 'format');
    try {
      await makeFolder(join(this.folder, 'days'));
      await makeFolder(join(this.folder, 'outbox'));
      await writeFile(format, `${FORMAT}\n`, { flag: 'wx', mode: FILE_MODE }).catch((error: unknown) => {
        if (codeOf(error) !== 'EEXIST') throw error;
      });
      const found = (await readFile(format, 'utf8')).trim();
      // Empty: another process has just made it.
      if (found === '' || found === FORMAT) return;
      throw new StateError(
        `${this.folder} has the format "${found.slice(0, 40)}", and this program ${FORMAT}`,
      );
    } catch (error) {
      if (error instanceof StateError) throw error;
      throw new StateError(`the folder ${this.folder} can't be used: ${wordsOf(error)}`);
    }
  }

  /** Days with counts, oldest first. */
  async days(): Promise<Day[]> {
    return (await list(join(this.folder, 'days'))).filter((name) => !Number.isNaN(startOf(name))).sort();
  }

  /** What all processes counted on a day. Damaged files are set aside, with a warning. */
  async read(day: Day): Promise<DayCounters> {
    const folder = join(this.folder, 'days', day);
    const totals = new Map<string, Cell>();
    for (const name of await list(folder)) {
      if (!name.endsWith('.log')) continue;
      for (const value of await this.readJournal(join(folder, name))) {
        const record = readCellLine(value);
        if (record === undefined) continue;
        const { writer, cell } = record;
        totals.set(`${name} ${writer} ${cell.reportDomain} ${policyKey(cell.policy)}`, cell);
      }
    }
    const counters = new DayCounters();
    for (const cell of totals.values()) counters.merge(cell);
    return counters;
  }

  /** The lines of a journal that are whole. */
  async readJournal(file: string): Promise<readonly unknown[]> {
    const { values, damaged, foreign } = await readLines(file);
    if (foreign) {
      await rename(file, `${file}.damaged`);
      this.#warn(`${file} can't be read as a journal of TLS reports; it was set aside as ${file}.damaged`);
    } else if (damaged > 0) {
      this.#warn(`${file}: ${damaged} damaged lines were passed over, as after a crash; the others hold`);
    }
    return values;
  }

  async removeDay(day: Day): Promise<void> {
    await rm(join(this.folder, 'days', day), { recursive: true, force: true });
  }

  /** Days whose reports were begun, oldest first; also where their file was damaged: none is sent twice. */
  async outboxDays(): Promise<Day[]> {
    const files = await list(join(this.folder, 'outbox'));
    const names = [...new Set(files.map((name) => name.replace(/\.log(?:\.damaged)?$/u, '')))];
    return names.filter((name) => !Number.isNaN(startOf(name))).sort();
  }

  async removeOutbox(day: Day): Promise<void> {
    await rm(this.outboxFile(day), { force: true });
    await rm(`${this.outboxFile(day)}.damaged`, { force: true });
  }

  outboxFile(day: Day): string {
    return join(this.folder, 'outbox', `${day}.log`);
  }

  /**
   * Takes the right to send reports. Undefined where another process has it.
   *
   * @returns what gives it back
   */
  async lock(): Promise<(() => Promise<void>) | undefined> {
    return await takeLock(this.folder, 'sending', FILE_MODE);
  }
}

/** One process's counts, as they are written. */
export class CountWriter {
  readonly #state: State;
  readonly #shortLived: boolean;
  readonly #writer = randomBytes(9).toString('base64url');

  /** @param shortLived the process counts once and ends: it shares a file with others of its kind */
  constructor(state: State, shortLived: boolean) {
    this.#state = state;
    this.#shortLived = shortLived;
  }

  /** Writes the totals of cells that changed. On disk when it resolves. */
  async write(day: Day, changed: readonly Cell[], counters: DayCounters): Promise<void> {
    if (changed.length === 0) return;
    await this.#state.prepare();
    const folder = join(this.#state.folder, 'days', day);
    await makeFolder(folder);
    const file = join(folder, `${this.#shortLived ? 'short' : this.#writer}.log`);
    const size = await appendLines(
      file,
      changed.map((cell) => cellLine({ writer: this.#writer, cell })),
    );
    if (this.#shortLived) {
      if (size < ROTATE_ABOVE) return;
      // Nobody owns the file, so nobody can write it anew; a new one is begun.
      await rename(file, join(folder, `short-${this.#writer}.log`));
      return;
    }
    if (size > COMPACT_ABOVE && size > 2 * this.#compacted) {
      const cells = counters.cells().map((cell) => cellLine({ writer: this.#writer, cell }));
      this.#compacted = await writeLines(file, cells);
    }
  }

  /** Octets after the file was last written anew. */
  #compacted = 0;
}

async function list(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw error;
  }
}

const codeOf = (error: unknown): unknown =>
  error instanceof Error && 'code' in error ? error.code : undefined;
