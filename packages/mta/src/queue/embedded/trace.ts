/**
 * A trace of what has left the queue while its body file is still there, because other messages of the file are
 * not done: without it, an index that is made anew from the files would deliver those messages again.
 *
 * It is written without a flush, after the index: it is needed only where the index is lost, and then it is as
 * good as what the system has written of it. One line each: file, id, indices of the recipients.
 */

import type { Gone } from './changes.js';
import { codeOf, type Disk } from './disk.js';

/** Octets after which lines about files that have gone are left out. */
const ROTATE_AT = 8 * 2 ** 20;
const LINE = /^([0-9a-f]+\/[0-9a-f]+) ([0-9a-z]{18}) (\d+(?:,\d+)*)$/u;

export type GoneRecipients = ReadonlyMap<string, ReadonlySet<number>>;

/** A message that was deleted may come again, from a backup: then it stands in another file. */
export const goneKey = (file: string, id: string): string => `${file} ${id}`;

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

  add(gone: readonly Gone[]): void {
    if (gone.length === 0) return;
    this.#queued += gone.map(({ file, id, indices }) => `${file} ${id} ${indices.join(',')}\n`).join('');
    this.#writing ??= this.#write();
  }

  /** Resolves when what was added is written, or can't be. */
  async written(): Promise<void> {
    await this.#writing;
  }

  /** Which recipients of which message are known to have gone: by `goneKey`. */
  async read(): Promise<GoneRecipients> {
    const gone = new Map<string, Set<number>>();
    for (const line of await this.#lines()) {
      const [, file, id, indices] = LINE.exec(line) ?? [];
      if (file === undefined || id === undefined || indices === undefined) continue;
      const key = goneKey(file, id);
      const known = gone.get(key) ?? new Set();
      for (const index of indices.split(',')) known.add(Number(index));
      gone.set(key, known);
    }
    return gone;
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
