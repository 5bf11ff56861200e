/**
 * The maildrop's folder: where `danelaw sendmail` leaves messages while the relay does not run.
 *
 * It is to programs of any user what /tmp is to them: everybody may put files in, and nobody but a file's owner and the
 * relay may take one out or give it another name (the sticky bit). Files get the folder's group (the setgid bit) and
 * mode 0640, so that the relay can read them and other users can't. The folder belongs to the relay's user.
 *
 *     drwxrwsrwt  danelaw danelaw  /var/spool/danelaw/maildrop        mode 3777
 *
 * With mode 3770 and another group only that group's members may send mail while the relay is down.
 */
import { constants, type Stats } from 'node:fs';
import { chmod, lstat, mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf } from '../queue/embedded/disk.js';

/** Where Debian's package makes it. Users who may not read the configuration look for it here. */
export const DEFAULT_MAILDROP = '/var/spool/danelaw/maildrop';

export const FOLDER_MODE = 0o3777;
/** The owner's, and the relay's through the folder's group. */
export const FILE_MODE = 0o640;
/** Within the folder: what the relay could not take as mail. */
export const BAD_FOLDER = 'bad';

const SETGID = 0o2000;
const STICKY = 0o1000;
const WRITABLE_BY_OTHERS = 0o022;

/** Files in it can be taken away by nobody but their owners and the relay. */
function isSafe({ mode }: Stats): boolean {
  return (mode & WRITABLE_BY_OTHERS) === 0 || (mode & STICKY) !== 0;
}

/**
 * Whether `danelaw sendmail` may leave a message there.
 * @param user the caller's number
 * @returns why not, or undefined
 */
export async function whyNotForSenders(folder: string, user: number): Promise<string | undefined> {
  const found = await stats(folder);
  if (typeof found === 'string') return found;
  if (!isSafe(found)) return `others could take messages out of it: chmod ${FOLDER_MODE.toString(8)} it`;
  const isForRelay = (found.mode & SETGID) !== 0 || found.uid === user;
  return isForRelay ? undefined : `the relay could not read them: chmod ${FOLDER_MODE.toString(8)} it`;
}

/**
 * Whether the relay may take messages from there.
 * @param user the relay's number
 * @returns why not, or undefined; `absent` where there is no folder
 */
export async function whyNotForRelay(folder: string, user: number): Promise<string | undefined | 'absent'> {
  const found = await stats(folder);
  if (typeof found === 'string') return found === ABSENT ? 'absent' : found;
  if (found.uid !== user) return `it belongs to user ${found.uid} and not to the relay's, ${user}`;
  return isSafe(found) ? undefined : `others could take messages out of it: chmod +t it`;
}

const ABSENT = 'it is not there';

async function stats(folder: string): Promise<Stats | string> {
  try {
    const found = await lstat(folder);
    return found.isDirectory() ? found : 'it is no folder';
  } catch (error) {
    return codeOf(error) === 'ENOENT' ? ABSENT : `it can't be looked at (${codeOf(error) ?? String(error)})`;
  }
}

/** Makes it where its parent is there. @throws (rejects) where that is not permitted */
export async function makeFolder(folder: string): Promise<void> {
  await mkdir(folder);
  await chmod(folder, FOLDER_MODE); // the umask has no say in it
}

/** Nobody else looks into what was set aside. @throws (rejects) where somebody else has made it */
export async function makeBadFolder(folder: string, user: number): Promise<string> {
  const path = join(folder, BAD_FOLDER);
  try {
    await mkdir(path, 0o700);
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  }
  const found = await lstat(path);
  if (!found.isDirectory() || found.uid !== user) throw new Error(`${path} is not the relay's: remove it`);
  if ((found.mode & 0o7777) !== 0o700) await chmod(path, 0o700);
  return path;
}

/** Resolves when the names in the folder are on the disk. */
export async function flush(folder: string): Promise<void> {
  const handle = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
