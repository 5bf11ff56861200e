/**
 * What was told of, so that nothing is told twice: problems with the time since when they are there, in a file that
 * outlives a restart.
 *
 * - A problem is told when it is new, and once more when it becomes critical. When it is over, that is told.
 * - What could not be found out is told only after several looks in a row: name servers have bad moments. And it does not
 *   end what was known before: a look that did not get so far says nothing about it.
 * - It is written down as told when somebody has taken the news. A crash between the two tells twice, and loses nothing.
 */
import { readFile, rename, writeFile } from 'node:fs/promises';
import { codeOf } from '../queue/embedded/disk.js';
import type { Look } from './look.js';
import { keyOf, LEVELS, type Level, type Problem } from './problem.js';

export interface News {
  readonly begun: readonly Problem[];
  readonly over: readonly Problem[];
}

interface Known {
  problem: Problem;
  /** Milliseconds since the epoch. */
  readonly since: number;
  /** Looks in a row that have found it. */
  seen: number;
  /** The level that was told; undefined before. */
  told: Level | undefined;
  isOver: boolean;
}

/** Looks in a row after which it is told that something can't be found out. */
const PATIENCE = 3;
/** Octets of the file; a watch of thousands of domains with ten problems each has less. */
const MAX_FILE = 32 * 1024 * 1024;

/** The file holds something else. */
export class AlertBookError extends Error {
  override readonly name = 'AlertBookError';
}

export class AlertBook {
  readonly #file: string | undefined;
  readonly #known: Map<string, Known>;

  private constructor(file: string | undefined, known: Map<string, Known>) {
    this.#file = file;
    this.#known = known;
  }

  /**
   * @param file undefined: it ends with the process
   * @throws (rejects) AlertBookError, or the system's error but for "there is no such file"
   */
  static async open(file: string | undefined): Promise<AlertBook> {
    if (file === undefined) return new AlertBook(file, new Map());
    let text: string;
    try {
      text = await readFile(file, 'utf8');
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return new AlertBook(file, new Map());
      throw error;
    }
    const read = text.length > MAX_FILE ? undefined : parseBook(text);
    if (read === undefined) throw new AlertBookError(`${file}: these are no alerts of "danelaw watch"`);
    return new AlertBook(file, new Map(read.map((known) => [keyOf(known.problem), known])));
  }

  /** Problems that are there, and since when. */
  get problems(): readonly { readonly problem: Problem; readonly since: number }[] {
    return [...this.#known.values()].filter(({ isOver }) => !isOver);
  }

  /** Takes a look in. */
  add({ domain, problems }: Look, now: number): void {
    const found = new Set(problems.map(keyOf));
    const isWhole = problems.every(({ level }) => level !== 'unknown');
    for (const problem of problems) {
      const key = keyOf(problem);
      const known = this.#known.get(key);
      if (known === undefined) {
        this.#known.set(key, { problem, since: now, seen: 1, told: undefined, isOver: false });
      } else {
        known.problem = problem;
        known.seen += 1;
        known.isOver = false;
      }
    }
    for (const [key, known] of this.#known) {
      if (known.problem.domain !== domain || found.has(key)) continue;
      if (!isWhole && known.problem.level !== 'unknown') continue;
      if (known.told === undefined) this.#known.delete(key);
      else known.isOver = true;
    }
  }

  /** What nobody has been told of yet. */
  get news(): News {
    const known = [...this.#known.values()];
    const begun = known.filter(({ problem, seen, told, isOver }) => {
      if (isOver || (problem.level === 'unknown' && seen < PATIENCE)) return false;
      return told === undefined || (problem.level === 'critical' && told !== 'critical');
    });
    const over = known.filter(({ isOver }) => isOver);
    return { begun: begun.map(({ problem }) => problem), over: over.map(({ problem }) => problem) };
  }

  /** Somebody has been told. @throws (rejects) the system's error */
  async told({ begun, over }: News): Promise<void> {
    for (const problem of begun) {
      const known = this.#known.get(keyOf(problem));
      if (known !== undefined) known.told = problem.level;
    }
    for (const problem of over) this.#known.delete(keyOf(problem));
    await this.save();
  }

  /** @throws (rejects) the system's error */
  async save(): Promise<void> {
    if (this.#file === undefined) return;
    const unfinished = `${this.#file}.new`;
    const problems = [...this.#known.values()];
    await writeFile(unfinished, `${JSON.stringify({ version: 1, problems })}\n`, {
      mode: 0o600,
      flush: true,
    });
    await rename(unfinished, this.#file);
  }
}

function parseBook(text: string): Known[] | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isTable(value) || value['version'] !== 1 || !Array.isArray(value['problems'])) return undefined;
  const read = value['problems'].map(readKnown);
  const known = read.flatMap((each) => each ?? []);
  return known.length === read.length ? known : undefined;
}

const isTable = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const levelOf = (value: unknown): Level | undefined => LEVELS.find((each) => each === value);

function readKnown(value: unknown): Known | undefined {
  if (!isTable(value) || !isTable(value['problem'])) return undefined;
  const { since, seen, isOver, told } = value;
  const { domain, code, place, text, rule, remedy } = value['problem'];
  const level = levelOf(value['problem']['level']);
  const words = [domain, code, place, text, rule, remedy];
  if (level === undefined || !words.every((each) => typeof each === 'string')) return undefined;
  if (typeof since !== 'number' || typeof seen !== 'number' || typeof isOver !== 'boolean') return undefined;
  const [d = '', c = '', p = '', t = '', r = '', m = ''] = words.map(String);
  const problem = { domain: d, level, code: c, place: p, text: t, rule: r, remedy: m };
  return { problem, since, seen, told: levelOf(told), isOver };
}
