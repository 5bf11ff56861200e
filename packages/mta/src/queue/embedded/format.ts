/**
 * Which layout the queue's folder has: a number in the file `format`.
 *
 *     format     1
 *     bodies/    FOLDER/FILE    body files (`body-file.ts`)
 *     index/                    LMDB (`lmdb-index.ts`)
 *     trace                     what has left the queue (`trace.ts`)
 *     owner.sock                the process that delivers listens here (`owner.ts`)
 *
 * A folder with an older number is upgraded when the queue's owner opens it, step by step; one with a newer
 * number is refused: an older program must not guess.
 */
import { rename } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { makeFolder as makeFolders } from '../../make-folder.js';
import { wordsOf } from '../../words-of.js';
import { QueueUnusableError } from '../queue.js';
import { codeOf, type Disk } from './disk.js';

export const FORMAT = 1;

/** From the format of that number to the next. Interrupted, it is done again from the start. */
export type Upgrades = ReadonlyMap<number, (directory: string, disk: Disk) => Promise<void>>;

/** Format 1 is the first. */
export const UPGRADES: Upgrades = new Map();

/** Makes the folder, and those above it, where there are none yet. They are on the disk when it resolves. */
export async function makeDirectory(directory: string, disk: Disk): Promise<void> {
  try {
    const path = resolve(directory);
    const first = await makeFolders(path);
    if (first === undefined) return;
    // A name is on the disk with the folder that it stands in (fsync(2)).
    for (let made = path; made.length >= first.length; made = dirname(made)) {
      await disk.flushFolder(dirname(made)).catch((error: unknown) => {
        // One that we may write in and not read can't be asked to.
        if (codeOf(error) !== 'EACCES') throw error;
      });
    }
  } catch (error) {
    throw new QueueUnusableError(`The queue's folder ${directory} can't be made: ${wordsOf(error)}`, {
      cause: error,
    });
  }
}

/**
 * Brings a folder to the present format.
 * @throws (rejects) `QueueUnusableError`
 */
export async function upgrade(
  directory: string,
  disk: Disk,
  format = FORMAT,
  upgrades = UPGRADES,
): Promise<void> {
  let found = await readFormat(directory, disk);
  if (found === undefined) {
    for (const part of ['bodies', 'index']) {
      if ((await disk.list(`${directory}/${part}`)).length > 0) {
        throw new QueueUnusableError(
          `${directory} has a queue without the number of its format in "format".`,
        );
      }
    }
    await makeFolder(directory, 'bodies', disk);
    await writeFormat(directory, disk, format);
    return;
  }
  refuseNewer(directory, found, format);
  while (found < format) {
    const step = upgrades.get(found);
    if (step === undefined) {
      throw new QueueUnusableError(`The queue in ${directory} has format ${found}, which is too old.`);
    }
    await step(directory, disk);
    found++;
    await writeFormat(directory, disk, found);
  }
}

/** Whether there is a queue, of whatever format. */
export async function hasFormat(directory: string, disk: Disk): Promise<boolean> {
  return (await readFormat(directory, disk)) !== undefined;
}

/**
 * For one who does not own the queue: it must have the present format.
 * @throws (rejects) `QueueUnusableError`
 */
export async function mustHaveFormat(directory: string, disk: Disk): Promise<void> {
  const found = await readFormat(directory, disk);
  if (found === undefined) throw new QueueUnusableError(`There is no queue in ${directory}.`);
  refuseNewer(directory, found, FORMAT);
  if (found < FORMAT) {
    throw new QueueUnusableError(
      `The queue in ${directory} has format ${found}: "danelaw serve" upgrades it.`,
    );
  }
}

function refuseNewer(directory: string, found: number, format: number): void {
  if (found <= format) return;
  throw new QueueUnusableError(
    `The queue in ${directory} has format ${found}; this version of danelaw knows formats up to ${format}.`,
  );
}

async function readFormat(directory: string, disk: Disk): Promise<number | undefined> {
  let text: string;
  try {
    text = Buffer.from(await disk.readFile(`${directory}/format`)).toString('latin1');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw new QueueUnusableError(`${directory}/format can't be read: ${wordsOf(error)}`, { cause: error });
  }
  if (!/^\d{1,9}\n?$/u.test(text)) throw new QueueUnusableError(`${directory}/format holds no number.`);
  return Number(text);
}

async function writeFormat(directory: string, disk: Disk, format: number): Promise<void> {
  const fresh = `${directory}/format.new`;
  await disk.remove(fresh).catch(() => {});
  await disk.writeFile(fresh, [Buffer.from(`${format}\n`)]);
  await rename(fresh, `${directory}/format`);
  await disk.flushFolder(directory);
}

async function makeFolder(directory: string, name: string, disk: Disk): Promise<void> {
  try {
    await disk.makeFolder(`${directory}/${name}`);
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  }
}
