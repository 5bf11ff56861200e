/**
 * Keeps bodies on disk, many at a time.
 *
 * Messages that come while others are being written wait, and go together into one file: one write, one flush
 * of the file, one of its folder, whatever their number. A folder holds a bounded number of files and belongs to
 * one process; its name comes from the index, where it stands until every file in it is named there too. So
 * after a crash only the folders that stand there have to be looked at for messages that the index has not.
 */
import { crc32 } from 'node:zlib';
import { BodyLostError, type NewMessage, QueueFullError } from '../queue.js';
import { type BodyPlace, type EncodedMessage, encodeMessage } from './body-file.js';
import type { PlacedMessage } from './changes.js';
import { codeOf, type Disk, isNoRoom, type OpenFolder } from './disk.js';

/**
 * What goes into one file at most: enough to share a flush among many, and little enough that one message that
 * waits for days does not keep much else on the disk.
 */
export const MESSAGES_PER_FILE = 64;
const OCTETS_PER_FILE = 2 ** 20;
/** Files that are being written at a time: while one waits for the disk, the next is filled. */
const WRITERS = 2;
/** The file is not there; every other failure - no descriptor left, a disk that fails - may pass. */
const GONE: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR']);
/** Bounds what is looked through after a crash, and the length of folders. */
const FILES_PER_FOLDER = 256;

interface Waiting {
  readonly encoded: EncodedMessage;
  readonly octets: number;
  readonly resolve: (placed: PlacedMessage) => void;
  readonly reject: (error: unknown) => void;
}

interface Folder {
  readonly name: string;
  /** Open while files go into it, as each is flushed together with its name. */
  readonly open: OpenFolder;
  /** Files that were begun. */
  files: number;
  /** Messages of it that the index does not know yet. */
  unknown: number;
  /** No more files go into it. */
  full: boolean;
}

/** The folders' names, in the index. */
export interface FolderNames {
  /** A name that nobody has, and that stands in the index from then on. */
  take(): Promise<string>;
  /** Every file in the folder is in the index, or has gone. */
  release(name: string): Promise<void>;
}

export class BodyStore {
  readonly #root: string;
  readonly #disk: Disk;
  readonly #names: FolderNames;
  readonly #waiting: Waiting[] = [];
  #writers = 0;
  #folder: Promise<Folder> | undefined;
  readonly #folders = new Map<string, Folder>();
  /** Messages of a file that the index does not know yet. */
  readonly #unknown = new Map<string, number>();
  readonly #releasing = new Set<Promise<unknown>>();

  readonly #perFile: number;

  /** @param shared messages share files; not where another process may settle one before the next is known */
  constructor(root: string, disk: Disk, names: FolderNames, shared: boolean) {
    this.#perFile = shared ? MESSAGES_PER_FILE : 1;
    this.#root = root;
    this.#disk = disk;
    this.#names = names;
  }

  /**
   * Resolves when the message is on the disk. `known` must be called then, when the index knows of it, or when
   * it never will.
   * @throws (rejects) `QueueFullError`
   */
  write(message: NewMessage): Promise<PlacedMessage> {
    const encoded = encodeMessage(message);
    const octets = encoded.head.length + message.body.length;
    return new Promise((resolve, reject) => {
      this.#waiting.push({ encoded, octets, resolve, reject });
      if (this.#writers < WRITERS) {
        this.#writers++;
        void this.#writeFiles();
      }
    });
  }

  /** The index knows of a message of this file, or never will. */
  known({ file }: BodyPlace): void {
    const unknown = (this.#unknown.get(file) ?? 1) - 1;
    if (unknown === 0) this.#unknown.delete(file);
    else this.#unknown.set(file, unknown);
    const folder = this.#folders.get(folderOf(file));
    if (folder === undefined) return;
    folder.unknown--;
    this.#releaseWhenKnown(folder);
  }

  /** Whether the index may still get a message of this file. */
  isAwaited(file: string): boolean {
    return this.#unknown.has(file);
  }

  /**
   * @throws (rejects) `BodyLostError` where it is not there, or not what was written; the system's error where it
   * can't be read now: that says nothing about the message
   */
  async read(id: string, { file, offset, size, crc }: BodyPlace): Promise<Uint8Array> {
    let octets: Uint8Array;
    try {
      octets = await this.#disk.readPart(this.path(file), offset, size);
    } catch (error) {
      if (!GONE.has(codeOf(error) ?? '')) throw error;
      throw new BodyLostError(`The body of ${id} is not there: ${file} has gone.`, { cause: error });
    }
    if (octets.length !== size || crc32(octets) !== crc) {
      throw new BodyLostError(`The body of ${id} in ${file} is not what was written.`);
    }
    return octets;
  }

  /** Removes a file, if it is there. */
  async remove(file: string): Promise<void> {
    try {
      await this.#disk.remove(this.path(file));
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error;
    }
  }

  /** Removes a folder, where it is empty and nothing is to be written there. */
  async removeFolder(name: string): Promise<void> {
    if (this.#folders.has(name)) return;
    try {
      await this.#disk.removeFolder(this.path(name));
    } catch (error) {
      if (!['ENOTEMPTY', 'EEXIST', 'ENOENT'].includes(codeOf(error) ?? '')) throw error;
    }
  }

  /** Resolves when what was removed from a folder stays so. */
  async flush(name: string): Promise<void> {
    try {
      await this.#disk.flushFolder(this.path(name));
    } catch (error) {
      // Gone itself: what was in it would come back only with it.
      if (codeOf(error) !== 'ENOENT') throw error;
      await this.#disk.flushFolder(this.#root);
    }
  }

  path(file: string): string {
    return `${this.#root}/${file}`;
  }

  /** Resolves when no folder of this process stands in the index any more. Nothing is being written by then. */
  async close(): Promise<void> {
    const folder = await this.#folder?.catch(() => undefined);
    if (folder !== undefined) {
      folder.full = true;
      this.#releaseWhenKnown(folder);
    }
    await Promise.all(this.#releasing);
    // One with a file that could be neither written nor removed is not released.
    await Promise.all([...this.#folders.values()].map(({ open }) => open.close()));
  }

  async #writeFiles(): Promise<void> {
    // Whoever calls in the same turn of the event loop joins.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#waiting.length > 0) {
      const group = this.#takeGroup();
      try {
        await this.#writeFile(group);
      } catch (error) {
        const reason = isNoRoom(error) ? new QueueFullError('The disk is full.', { cause: error }) : error;
        for (const { reject } of group) reject(reason);
      }
    }
    this.#writers--;
  }

  #takeGroup(): readonly Waiting[] {
    let count = 0;
    for (let octets = 0; count < Math.min(this.#waiting.length, this.#perFile); count++) {
      octets += this.#waiting[count]?.octets ?? 0;
      if (count > 0 && octets > OCTETS_PER_FILE) break;
    }
    return this.#waiting.splice(0, count);
  }

  async #writeFile(group: readonly Waiting[]): Promise<void> {
    const folder = await this.#currentFolder();
    const file = `${folder.name}/${(folder.files++).toString(16).padStart(2, '0')}`;
    folder.full = folder.files >= FILES_PER_FOLDER;
    folder.unknown += group.length;
    try {
      await this.#disk.writeFile(
        this.path(file),
        group.flatMap(({ encoded }) => [encoded.head, encoded.message.body]),
      );
      await folder.open.flush();
    } catch (error) {
      // Nothing half-written stays. Where that fails too, it is found at the next start: its folder is in the index.
      const removed = await this.remove(file).then(
        () => true,
        () => false,
      );
      if (removed) folder.unknown -= group.length;
      this.#releaseWhenKnown(folder);
      throw error;
    }
    this.#unknown.set(file, group.length);
    let offset = 0;
    for (const [number, { encoded, octets, resolve }] of group.entries()) {
      const { message, recipients, head, crc } = encoded;
      const place = { file, number, offset: offset + head.length, size: message.body.length, crc };
      offset += octets;
      const { id, envelope } = message;
      resolve({ id, envelope, recipients, place });
    }
  }

  async #currentFolder(): Promise<Folder> {
    for (;;) {
      this.#folder ??= this.#newFolder();
      const making = this.#folder;
      try {
        const folder = await making;
        if (!folder.full) return folder;
      } catch (error) {
        if (this.#folder === making) this.#folder = undefined;
        throw error;
      }
      if (this.#folder === making) this.#folder = undefined;
    }
  }

  async #newFolder(): Promise<Folder> {
    const name = await this.#names.take();
    await this.#disk.makeFolder(this.path(name));
    await this.#disk.flushFolder(this.#root);
    const open = await this.#disk.openFolder(this.path(name));
    const folder = { name, open, files: 0, unknown: 0, full: false };
    this.#folders.set(name, folder);
    return folder;
  }

  #releaseWhenKnown(folder: Folder): void {
    if (!folder.full || folder.unknown > 0 || !this.#folders.has(folder.name)) return;
    this.#folders.delete(folder.name);
    // Where it fails, the folder is looked through at the next start: nothing is lost by that.
    const releasing = Promise.allSettled([folder.open.close(), this.#names.release(folder.name)]);
    this.#releasing.add(releasing);
    void releasing.then(() => this.#releasing.delete(releasing));
  }
}

export function folderOf(file: string): string {
  return file.slice(0, file.indexOf('/'));
}
