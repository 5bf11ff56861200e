/**
 * Reads a file of the maildrop as hostile input. Whoever put it there may have made a symbolic link to somebody else's file,
 * a pipe that never ends, a directory, or a second link to another user's message; and he may change it meanwhile.
 */
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { codeOf } from '../queue/embedded/disk.js';

export type ReadFile =
  | { readonly status: 'ok'; readonly octets: Uint8Array; readonly uid: number }
  /** Taken away by its owner, or by another pass. */
  | { readonly status: 'gone' }
  /** It can't be read now; it may be later. */
  | { readonly status: 'unreadable'; readonly reason: string }
  /** It is no message and never will be. */
  | { readonly status: 'bad'; readonly reason: string; readonly uid: number | undefined };

/** No link is followed, no pipe waited for, no terminal taken. */
const FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY;

/** @param most octets */
export async function readHostileFile(path: string, most: number): Promise<ReadFile> {
  let handle: FileHandle;
  try {
    handle = await open(path, FLAGS);
  } catch (error) {
    return failed(error);
  }
  try {
    const found = await handle.stat();
    const { uid, nlink, size } = found;
    const bad = (reason: string): ReadFile => ({ status: 'bad', reason, uid });
    if (!found.isFile()) return bad('it is no file');
    if (nlink !== 1) return bad('it has other names, and may be the file of another user');
    if (size > most) return bad(`it has ${size} octets, and ${most} is the limit`);
    const octets = Buffer.alloc(size + 1); // one more, to see that it has not grown
    let length = 0;
    while (length < octets.length) {
      const { bytesRead } = await handle.read(octets, length, octets.length - length, length);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    return length === size ? { status: 'ok', octets: octets.subarray(0, size), uid } : bad('it was changed');
  } catch (error) {
    return failed(error);
  } finally {
    await handle.close();
  }
}

function failed(error: unknown): ReadFile {
  const code = codeOf(error);
  switch (code) {
    case undefined:
      throw error;
    case 'ENOENT':
      return { status: 'gone' };
    case 'ELOOP':
    case 'EMLINK':
      return { status: 'bad', reason: 'it is a symbolic link', uid: undefined };
    case 'ENXIO':
    case 'ENODEV':
      return { status: 'bad', reason: 'it is no file', uid: undefined };
    default:
      return { status: 'unreadable', reason: code };
  }
}
