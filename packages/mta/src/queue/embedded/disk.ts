/**
 * What the queue asks of a file system, so that tests can put one under it that is full, or fails.
 */
import { constants } from 'node:fs';
import {
  type FileHandle,
  link,
  mkdir,
  open,
  readdir,
  readFile,
  rmdir,
  stat,
  statfs,
  unlink,
} from 'node:fs/promises';

/** Nobody else reads mail. */
export const FOLDER_MODE = 0o700;
export const FILE_MODE = 0o600;

/** A folder whose names are flushed again and again. */
export interface OpenFolder {
  /** As `flushFolder`. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

export interface Disk {
  /** Writes a new file, and resolves when its content is on the disk (its name may not be: `flushFolder`). */
  writeFile(path: string, parts: readonly Uint8Array[]): Promise<void>;
  /** Resolves when the names in a folder are on the disk. */
  flushFolder(path: string): Promise<void>;
  openFolder(path: string): Promise<OpenFolder>;
  readFile(path: string): Promise<Uint8Array>;
  /** Fewer octets where the file ends before. */
  readPart(path: string, offset: number, length: number): Promise<Uint8Array>;
  /** Adds to the end of a file, which is made where there is none; without a flush. */
  append(path: string, text: string): Promise<void>;
  remove(path: string): Promise<void>;
  makeFolder(path: string): Promise<void>;
  removeFolder(path: string): Promise<void>;
  /** Names in a folder; none where there is no folder. */
  list(path: string): Promise<readonly string[]>;
  /** When a file was written last, in milliseconds since the epoch, and how many octets it has. */
  written(path: string): Promise<{ time: number; size: number }>;
  /** Gives a file a second name; there must be none of it. Takes no room. */
  link(path: string, other: string): Promise<void>;
  /** Octets that may still be written. */
  free(path: string): Promise<number>;
}

export const localDisk: Disk = {
  async writeFile(path, parts) {
    const handle = await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, FILE_MODE);
    try {
      await writeAll(handle, parts);
      await handle.datasync();
    } finally {
      await handle.close();
    }
  },
  async flushFolder(path) {
    const handle = await open(path, constants.O_RDONLY);
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  },
  async openFolder(path) {
    const handle = await open(path, constants.O_RDONLY);
    return { flush: () => handle.sync(), close: () => handle.close() };
  },
  readFile,
  async readPart(path, offset, length) {
    const handle = await open(path, constants.O_RDONLY);
    try {
      const octets = Buffer.alloc(length);
      let read = 0;
      while (read < length) {
        const { bytesRead } = await handle.read(octets, read, length - read, offset + read);
        if (bytesRead === 0) break;
        read += bytesRead;
      }
      return octets.subarray(0, read);
    } finally {
      await handle.close();
    }
  },
  async append(path, text) {
    const handle = await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND, FILE_MODE);
    try {
      await writeAll(handle, [Buffer.from(text)]);
    } finally {
      await handle.close();
    }
  },
  remove: unlink,
  async makeFolder(path) {
    await mkdir(path, { mode: FOLDER_MODE });
  },
  removeFolder: rmdir,
  async list(path) {
    try {
      return (await readdir(path)).sort();
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return [];
      throw error;
    }
  },
  async written(path) {
    const { mtimeMs: time, size } = await stat(path);
    return { time, size };
  },
  link,
  async free(path) {
    const { bavail, bsize } = await statfs(path);
    return bavail * bsize;
  },
};

/** A write may take less than it was given; then the rest follows, and says why if it can't. */
async function writeAll(handle: FileHandle, parts: readonly Uint8Array[]): Promise<void> {
  const total = parts.reduce((sum, part) => sum + part.length, 0);
  const { bytesWritten } = await handle.writev([...parts]);
  if (bytesWritten === total) return;
  const rest = Buffer.concat(parts).subarray(bytesWritten);
  for (let at = 0; at < rest.length; ) {
    at += (await handle.write(rest, at, rest.length - at)).bytesWritten;
  }
}

/** `ENOENT`, `ENOSPC`; undefined where it is no system error. */
export function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** The system says that there is no room: on the disk, in the quota, in what a file may have. */
export function isNoRoom(error: unknown): boolean {
  const code = codeOf(error);
  return code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG';
}
