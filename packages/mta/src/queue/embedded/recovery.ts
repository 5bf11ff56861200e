/**
 * Brings index and body files together again, after a crash or where the index is lost.
 *
 * - Messages in files that the index never had were written, and not acknowledged: taken in all the same. To
 *   lose a message is worse than to deliver it twice.
 * - An index that is lost is made anew from the files. What the files don't say starts afresh: when a recipient
 *   is tried next, how often it was tried. What is known to have left the queue (`trace.ts`) stays out, and what is
 *   held stays held.
 * - Where an index is made anew, nobody knows whether what can't be read in a file was acknowledged. A message
 *   whose envelope can be read is taken in without its body, so that its sender hears that it is lost; and the
 *   file is kept aside for the administrator, who is told.
 */

import { Gate } from '../../relay/gate.js';
import { type BodyFileContent, readBodyFile, type StoredMessage } from './body-file.js';
import type { BodyStore } from './body-store.js';
import { codeOf, type Disk } from './disk.js';
import { NEW_FILE } from './entries.js';
import type { LmdbIndex } from './lmdb-index.js';
import { type Traced, traceKey } from './trace.js';

/**
 * A file that can't be read may be one that another process is just writing; after an hour it is not, and what
 * is not whole in it was never acknowledged.
 */
const STILL_WRITTEN = 3_600_000;
/** Files that are read at a time, and the octets of them in memory: a file may be one large message. */
const READERS = 16;
const OCTETS = 64 * 2 ** 20;

export interface RecoveryTools {
  readonly index: LmdbIndex;
  readonly bodies: BodyStore;
  readonly disk: Disk;
  readonly clock: () => number;
  readonly traced: Traced;
  /** The index is made anew: keeps a file of which not everything can be read. Undefined where it is there. */
  readonly keepAside?: ((file: string, content: BodyFileContent) => Promise<void>) | undefined;
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
  const memory = new Gate(OCTETS);
  let messages = 0;
  let whole = true;
  for (let at = 0; at < files.length; at += READERS) {
    const some = files.slice(at, at + READERS);
    const taken = await Promise.all(some.map((file) => takeInFile(tools, file, memory)));
    for (const count of taken) {
      messages += count ?? 0;
      whole &&= count !== undefined;
    }
  }
  return { messages, whole };
}

/** The number of messages; undefined where the file may still be written. */
async function takeInFile(tools: RecoveryTools, file: string, memory: Gate): Promise<number | undefined> {
  const { index, bodies, disk, traced, keepAside } = tools;
  // Everything in it has left the queue; it is about to be removed.
  if (index.table('spent').get(file) !== undefined) return 0;
  const content = await readIfThere(disk, bodies.path(file), file, memory);
  if (content === undefined) return 0;
  const { messages, bodiless, damaged } = content;
  const known = keepAside === undefined ? messages : [...messages, ...bodiless];
  const left = known.flatMap((message) => asTraced(message, traced));
  const { count, used } = await index.change((changes) => {
    const { seen } = changes.file(file) ?? NEW_FILE;
    const before = changes.counts.messages;
    for (const message of left) {
      if ((seen & (1n << BigInt(message.place.number))) !== 0n) continue;
      if (changes.message(message.id) === undefined) changes.add(message);
    }
    return { count: changes.counts.messages - before, used: changes.file(file) !== undefined };
  });
  if (damaged) await keepAside?.(file, content);
  if (used) return count;
  if (damaged && keepAside === undefined && (await isFresh(tools, file))) return undefined;
  await bodies.remove(file);
  return count;
}

/** Without those who have left the queue, and held where they are held. */
function asTraced(message: StoredMessage, traced: Traced): readonly StoredMessage[] {
  const known = traced.get(traceKey(message.place.file, message.id));
  if (known === undefined) return [message];
  const recipients = message.recipients.flatMap((recipient) => {
    const what = known.get(recipient.index);
    if (what === 'gone') return [];
    return what === undefined
      ? [recipient]
      : [{ ...recipient, state: { ...recipient.state, held: what === 'held' } }];
  });
  return recipients.length === 0 ? [] : [{ ...message, recipients }];
}

async function isFresh({ bodies, disk, clock }: RecoveryTools, file: string): Promise<boolean> {
  return clock() - (await disk.written(bodies.path(file))).time < STILL_WRITTEN;
}

async function readIfThere(
  disk: Disk,
  path: string,
  file: string,
  memory: Gate,
): Promise<BodyFileContent | undefined> {
  try {
    const { size } = await disk.written(path);
    await memory.take(size);
    try {
      return readBodyFile(file, await disk.readFile(path));
    } finally {
      memory.give(size);
    }
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
