/**
 * Leaves a message in the maildrop, for the relay to take when it runs again. It is there when its file, under its name,
 * is on the disk; then, and not before, `danelaw sendmail` says that it was sent.
 */
import { constants } from 'node:fs';
import { type FileHandle, open, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf } from '../queue/embedded/disk.js';
import { FILE_MODE, flush, whyNotForSenders } from './folder.js';
import { type SpooledMessage, writeMessage } from './spooled-message.js';

export type Left =
  | { readonly status: 'left'; readonly file: string }
  /** Nothing of it is there. */
  | { readonly status: 'not-left'; readonly reason: string };

export interface LeaveOptions {
  readonly folder: string;
  /** From `makeQueueId`: the message's name, in the folder and in the queue. */
  readonly id: string;
  /** The caller's number. */
  readonly user: number;
}

/** What a file has in front of its name while it is written; the relay takes none of them. */
export const DRAFT = '.draft-';

/** Never rejects: what goes wrong is the reason why the message is not there. */
export async function leaveMessage(message: SpooledMessage, options: LeaveOptions): Promise<Left> {
  const { folder, id, user } = options;
  const why = await whyNotForSenders(folder, user);
  if (why !== undefined) return { status: 'not-left', reason: why };
  const draft = join(folder, `${DRAFT}${id}`);
  const file = join(folder, id);
  let made = '';
  try {
    const handle = await open(draft, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, FILE_MODE);
    made = draft;
    await writeWhole(handle, writeMessage(message));
    await rename(draft, file);
    made = file;
    await flush(folder);
    return { status: 'left', file };
  } catch (error) {
    // The relay may have taken it already, and then it was sent.
    if (made !== '' && (await remove(made)) === 'gone' && made === file) return { status: 'left', file };
    return { status: 'not-left', reason: wordsOf(error) };
  }
}

async function writeWhole(handle: FileHandle, octets: Uint8Array): Promise<void> {
  try {
    await handle.chmod(FILE_MODE); // the umask has no say in it
    await handle.writeFile(octets);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function remove(file: string): Promise<'removed' | 'gone' | 'kept'> {
  try {
    await unlink(file);
    return 'removed';
  } catch (error) {
    return codeOf(error) === 'ENOENT' ? 'gone' : 'kept';
  }
}

function wordsOf(error: unknown): string {
  switch (codeOf(error)) {
    case 'EACCES':
    case 'EPERM':
      return 'you may not write there';
    case 'ENOSPC':
    case 'EDQUOT':
      return 'there is no room';
    case 'EROFS':
      return 'nobody can write there';
    default:
      return error instanceof Error ? error.message : String(error);
  }
}
