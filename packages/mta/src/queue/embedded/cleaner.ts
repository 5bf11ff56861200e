/**
 * Removes body files of which nothing is in the queue any more, some at a time.
 *
 * The index remembers such a file until its removal is on the disk. So a file that comes back with a crash is
 * not taken for one whose messages were never delivered.
 */
import { type BodyStore, folderOf } from './body-store.js';
import type { LmdbIndex } from './lmdb-index.js';

/** Milliseconds in which files are collected: their folders' flushes are shared. */
const COLLECT = 1000;
/** Files that are removed at a time. */
const AT_A_TIME = 16;

export class Cleaner {
  readonly #index: LmdbIndex;
  readonly #bodies: BodyStore;
  readonly #files = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #cleaning: Promise<void> | undefined;

  constructor(index: LmdbIndex, bodies: BodyStore) {
    this.#index = index;
    this.#bodies = bodies;
  }

  add(files: Iterable<string>): void {
    for (const file of files) this.#files.add(file);
    if (this.#files.size === 0 || this.#timer !== undefined || this.#cleaning !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#cleaning = this.#clean().finally(() => {
        this.#cleaning = undefined;
        this.add([]);
      });
    }, COLLECT);
    this.#timer.unref();
  }

  /** Removes what is left; nothing is added after that. */
  async close(): Promise<void> {
    await this.#cleaning;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    await this.#clean();
    clearTimeout(this.#timer);
  }

  /** Never rejects: what could not be removed is tried again at the next start. */
  async #clean(): Promise<void> {
    const files = [...this.#files].filter((file) => !this.#bodies.isAwaited(file));
    for (const file of files) this.#files.delete(file);
    const removed: string[] = [];
    for (let at = 0; at < files.length; at += AT_A_TIME) {
      const some = files.slice(at, at + AT_A_TIME);
      removed.push(...(await Promise.all(some.map((file) => this.#remove(file)))).flat());
    }
    if (removed.length === 0) return;
    try {
      for (const folder of new Set(removed.map(folderOf))) {
        if (this.#isLeft(folder)) await this.#bodies.removeFolder(folder);
        await this.#bodies.flush(folder);
      }
      await this.#index.change((_, draft) => {
        for (const file of removed) draft.remove('spent', file);
      });
    } catch {
      // The index remembers them.
    }
  }

  /** The file, where it was removed. */
  async #remove(file: string): Promise<readonly string[]> {
    // A message of it may have come into the queue since.
    if (this.#index.table('files').get(file) !== undefined) return [];
    try {
      await this.#bodies.remove(file);
      return [file];
    } catch {
      return [];
    }
  }

  /** Nothing is in it, and nobody writes there: another process may, and its folders stand in the index. */
  #isLeft(folder: string): boolean {
    return this.#isEmpty(folder) && this.#index.table('folders').get(folder) === undefined;
  }

  #isEmpty(folder: string): boolean {
    // '0' comes after '/'.
    for (const _ of this.#index.table('files').keys(`${folder}/`, `${folder}0`)) return false;
    return true;
  }
}
