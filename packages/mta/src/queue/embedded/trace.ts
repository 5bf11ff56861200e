/**
 * A trace of what the body files can't tell, as they never change: which recipients have left the queue while the
 * file is still there, because other messages of it are not done; and which are held. Without it, an index that is
 * made anew from the files would deliver the ones again, and the others against an administrator's will.
 *
 * It is written without a flush, after the index: it is needed only where the index is lost, and then it is as
 * good as what the system has written of it. One line each: file, id, `held` or `free` where it says that, indices
 * of the recipients. What stands lower is newer.
 */

import type { Gone, Held } from './changes.js';
import { codeOf, type Disk } from './disk.js';

/** Octets after which lines about files that have gone are left out. */
const ROTATE_AT = 8 * 2 ** 20;
const LINE = /^([0-9a-f]+\/[0-9a-f]+) ([0-9a-z]{18}) (?:(held|free) )?(\d+(?:,\d+)*)$/u;

/** What is known of recipients, by `traceKey` and index: `held`, `free`, or that they have gone. */
export type Traced = ReadonlyMap<string, ReadonlyMap<number, 'gone' | 'held' | 'free'>>;

/** A message that was deleted may come again, from a backup: then it stands in another file. */
export const traceKey = (file: string, id: string): string => `${file} ${id}`;

export class Trace {
  readonly #path: string;
  readonly #disk: Disk;
  readonly #keeps: ((file: string) => boolean) | undefined;
  #queued = '';
  #writing: Promise<void> | undefined;
  /** Octets since it was rotated. */
  #written = 0;

  /** @param keeps whether the queue still has that body file; undefined: another process cares for that */
  constructor(directory: string, disk: Disk, keeps?: (file: string) => boolean) {
    this.#path = `${directory}/trace`;
    this.#disk = disk;
    this.#keeps = keeps;
  }

  add(entries: readonly (Gone | Held)[]): void {
    if (entries.length === 0) return;
    this.#queued += entries.map(lineOf).join('');
    this.#writing ??= this.#write();
  }

  /** Resolves when what was added is written, or can't be. */
  async written(): Promise<void> {
    await this.#writing;
  }

  async read(): Promise<Traced> {
    const traced = new Map<string, Map<number, 'gone' | 'held' | 'free'>>();
    for (const line of await this.#lines()) {
      const [, file, id, word = 'gone', indices] = LINE.exec(line) ?? [];
      if (file === undefined || id === undefined || indices === undefined) continue;
      const key = traceKey(file, id);
      const known = traced.get(key) ?? new Map<number, 'gone' | 'held' | 'free'>();
      const what = word === 'held' || word === 'free' ? word : 'gone';
      for (const index of indices.split(',')) known.set(Number(index), what);
      traced.set(key, known);
    }
    return traced;
  }

  async #write(): Promise<void> {
    try {
      while (this.#queued !== '') {
        const text = this.#queued;
        this.#queued = '';
        await this.#disk.append(this.#path, text);
        this.#written += text.length;
        if (this.#written > ROTATE_AT) await this.#rotate();
      }
    } catch {
      // The disk is full, most likely. The index knows better anyway.
    }
    this.#writing = undefined;
  }

  /** Leaves out what is about files that have gone. */
  async #rotate(): Promise<void> {
    this.#written = 0;
    const keeps = this.#keeps;
    if (keeps === undefined) return;
    const old = `${this.#path}.old`;
    const lines = (await this.#lines()).filter((line) => keeps(LINE.exec(line)?.[1] ?? ''));
    await this.#removeIfThere(old);
    if (lines.length > 0) await this.#disk.append(old, lines.map((line) => `${line}\n`).join(''));
    await this.#removeIfThere(this.#path);
  }

  async #lines(): Promise<readonly string[]> {
    const texts = await Promise.all([this.#readIfThere(`${this.#path}.old`), this.#readIfThere(this.#path)]);
    return texts.flatMap((text) => text.split('\n')).filter((line) => LINE.test(line));
  }

  async #readIfThere(path: string): Promise<string> {
    try {
      return Buffer.from(await this.#disk.readFile(path)).toString('latin1');
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return '';
      throw error;
    }
  }

  async #removeIfThere(path: string): Promise<void> {
    try {
      await this.#disk.remove(path);
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error;
    }
  }
}

function lineOf(entry: Gone | Held): string {
  const { file, id, indices } = entry;
  const word = 'held' in entry ? (entry.held ? 'held ' : 'free ') : '';
  return `${file} ${id} ${word}${indices.join(',')}\n`;
}
