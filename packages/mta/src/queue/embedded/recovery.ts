/**
 * Brings index and body files together again, after a crash or where the index is lost.
 *
 * - Messages in files that the index never had were written, and not acknowledged: taken in all the same. To
 *   lose a message is worse than to deliver it twice.
 * - An index that is lost is made anew from the files. What the files don't say starts afresh: when a recipient
 *   is tried next, how often it was tried, that an administrator held it. What is known to have left the queue
 *   (`trace.ts`) stays out.
 */

import { readBodyFile, type StoredMessage } from './body-file.js';
import type { BodyStore } from './body-store.js';
import { codeOf, type Disk } from './disk.js';
import { NEW_FILE } from './entries.js';
import type { LmdbIndex } from './lmdb-index.js';

/**
 * A file that can't be read may be one that another process is just writing; after an hour it is not, and what
 * is not whole in it was never acknowledged.
 */
const STILL_WRITTEN = 3_600_000;
/** Files that are read at a time. */
const READERS = 16;

export interface RecoveryTools {
  readonly index: LmdbIndex;
  readonly bodies: BodyStore;
  readonly disk: Disk;
  readonly clock: () => number;
  readonly gone: ReadonlyMap<string, ReadonlySet<number>>;
}

/**
 * Takes in what the files of a folder hold and the index never had.
 * @returns how many messages that were, and whether everything in the folder is accounted for
 */
export async function takeIn(
  tools: RecoveryTools,
  folder: string,
): Promise<{ messages: number; whole: boolean }> {
  const names = await tools.disk.list(tools.bodies.path(folder));
  const files = names.filter((name) => /^[0-9a-f]+$/u.test(name)).map((name) => `${folder}/${name}`);
  let messages = 0;
  let whole = true;
  for (let at = 0; at < files.length; at += READERS) {
    const taken = await Promise.all(files.slice(at, at + READERS).map((file) => takeInFile(tools, file)));
    for (const count of taken) {
      messages += count ?? 0;
      whole &&= count !== undefined;
    }
  }
  return { messages, whole };
}

/** The number of messages; undefined where the file may still be written. */
async function takeInFile(tools: RecoveryTools, file: string): Promise<number | undefined> {
  const { index, bodies, disk } = tools;
  // Everything in it has left the queue; it is about to be removed.
  if (index.table('spent').get(file) !== undefined) return 0;
  const octets = await readIfThere(disk, bodies.path(file));
  if (octets === undefined) return 0;
  const { messages, damaged } = readBodyFile(file, octets);
  const left = messages.flatMap((message) => withoutGone(message, tools.gone));
  const { count, used } = await index.change((changes) => {
    const { seen } = changes.file(file) ?? NEW_FILE;
    const before = changes.counts.messages;
    for (const message of left) {
      if ((seen & (1n << BigInt(message.place.number))) !== 0n) continue;
      if (changes.message(message.id) === undefined) changes.add(message);
    }
    return { count: changes.counts.messages - before, used: changes.file(file) !== undefined };
  });
  if (used) return count;
  if (damaged && (await isFresh(tools, file))) return undefined;
  await bodies.remove(file);
  return count;
}

function withoutGone(message: StoredMessage, gone: RecoveryTools['gone']): readonly StoredMessage[] {
  const indices = gone.get(message.id);
  const recipients = message.recipients.filter(({ index }) => !indices?.has(index));
  return recipients.length === 0 ? [] : [{ ...message, recipients }];
}

async function isFresh({ bodies, disk, clock }: RecoveryTools, file: string): Promise<boolean> {
  return clock() - (await disk.modified(bodies.path(file))) < STILL_WRITTEN;
}

async function readIfThere(disk: Disk, path: string): Promise<Uint8Array | undefined> {
  try {
    return await disk.readFile(path);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
