/**
 * Opens the queue in a folder: finds out whether what is there can be used, and brings it in order.
 */
import { existsSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { QueueUnusableError } from '../queue.js';
import type { BodyFileContent } from './body-file.js';
import { BodyStore } from './body-store.js';
import type { QueueChanges } from './changes.js';
import { Claims } from './claims.js';
import { Cleaner } from './cleaner.js';
import { codeOf, type Disk, localDisk } from './disk.js';
import { AFTER_ALL, type Draft } from './draft.js';
import { EmbeddedQueue } from './embedded-queue.js';
import { hasFormat, makeDirectory, mustHaveFormat, upgrade } from './format.js';
import { checkIndex } from './index-check.js';
import { type Committed, LmdbIndex } from './lmdb-index.js';
import { own } from './owner.js';
import { takeIn } from './recovery.js';
import { Room } from './room.js';
import { Trace } from './trace.js';

export interface EmbeddedOptions {
  readonly directory: string;
  /**
   * `owner` (default) delivers, and there is one; `visitor` lists, changes and adds beside it; `maker` is a visitor that
   * makes the queue where there is none yet.
   */
  readonly mode?: 'owner' | 'visitor' | 'maker' | undefined;
  /** Default: no bound. */
  readonly maxMessages?: number | undefined;
  /** Octets of the disk that new messages leave free. Default: 64 MiB. */
  readonly minFree?: number | undefined;
  /** Milliseconds since the epoch. */
  readonly clock?: (() => number) | undefined;
  readonly disk?: Disk | undefined;
  /** Is told what was found wrong and what was done about it, in a sentence. */
  readonly onRepair?: ((text: string) => void) | undefined;
}

/** Enough to settle what is in the queue, and for others on the disk to notice. */
const MIN_FREE = 64 * 2 ** 20;
/** Fences of one process: those of the next begin behind. */
const FENCES_PER_OPENING = 2 ** 32;
/** An index that others write to while it is checked may look damaged: then it is looked at again. */
const CHECKS = 3;
const FOLDER_DIGITS = 8;
/** It stands where the index was found damaged while it was in use. */
const DAMAGED = 'index/damaged';
/** Indexes that were found damaged, with the time; and how many of them stay. */
const SET_ASIDE = 'index.damaged-';
const KEPT_ASIDE = 3;
/** Body files that could not be read as a whole when the index was made anew. */
const DAMAGED_BODIES = 'bodies.damaged';

/** @throws (rejects) `QueueUnusableError` */
export async function openEmbeddedQueue(options: EmbeddedOptions): Promise<EmbeddedQueue> {
  const { directory, disk = localDisk, mode = 'owner' } = options;
  if (mode === 'maker') {
    if (!(await hasFormat(directory, disk))) {
      const made = await openEmbeddedQueue({ ...options, mode: 'owner' });
      await made.close();
    }
    return await openEmbeddedQueue({ ...options, mode: 'visitor' });
  }
  if (mode === 'visitor') {
    await mustHaveFormat(directory, disk);
    const finding = check(directory);
    if (finding !== undefined) {
      throw new QueueUnusableError(
        `The queue's index is damaged (${finding}): "danelaw serve" makes it anew.`,
      );
    }
    return await assemble(options, async () => {});
  }
  await makeDirectory(directory, disk);
  const { release } = await own(directory).catch((error: unknown) => {
    throw unusable(directory, error);
  });
  try {
    await upgrade(directory, disk);
    await makeIndexWhole(options);
    return await assemble(options, release);
  } catch (error) {
    await release();
    throw unusable(directory, error);
  }
}

/** What the system, or LMDB, says: no permission, no room, a disk that fails. */
function unusable(directory: string, error: unknown): unknown {
  if (error instanceof QueueUnusableError || !(error instanceof Error) || !('code' in error)) return error;
  return new QueueUnusableError(`The queue in ${directory} can't be used: ${error.message}`, {
    cause: error,
  });
}

interface Tools {
  readonly index: LmdbIndex;
  readonly bodies: BodyStore;
  readonly room: Room;
}

function tools(options: EmbeddedOptions, folder: string, committed: (committed: Committed) => void): Tools {
  const { directory, disk = localDisk, clock = Date.now } = options;
  const { maxMessages = Number.POSITIVE_INFINITY, minFree = MIN_FREE, mode } = options;
  const room = new Room(directory, disk, clock, { maxMessages, minFree });
  const index = new LmdbIndex(`${directory}/${folder}`, committed, () => room.isFull());
  const names = {
    take: () => index.change(takeFolder),
    release: (name: string) => index.change((_, draft) => draft.remove('folders', name)),
  };
  return { index, room, bodies: new BodyStore(`${directory}/bodies`, disk, names, mode !== 'visitor') };
}

function takeFolder(_: QueueChanges, draft: Draft): string {
  const number = Number(draft.get('state', 'nextFolder') ?? '0');
  const name = number.toString(16).padStart(FOLDER_DIGITS, '0');
  draft.put('state', 'nextFolder', String(number + 1));
  draft.put('folders', name, '');
  return name;
}

async function assemble(options: EmbeddedOptions, leave: () => Promise<void>): Promise<EmbeddedQueue> {
  const { directory, disk = localDisk, mode = 'owner' } = options;
  let queue: EmbeddedQueue | undefined;
  const { index, bodies, room } = tools(options, 'index', (committed) => queue?.committed(committed));
  try {
    const owner = mode === 'owner';
    if (owner) await takeInWhatWasLeft(options, { index, bodies });
    const claims = owner
      ? new Claims((table) => index.table(table), await index.change(firstFence))
      : undefined;
    const inQueue = (file: string) => index.table('files').get(file) !== undefined;
    const trace = owner ? new Trace(directory, disk, inQueue) : new Trace(directory, disk);
    const cleaner = new Cleaner(index, bodies);
    const markDamaged = (why: string) => disk.append(`${directory}/${DAMAGED}`, `${why}\n`);
    queue = new EmbeddedQueue({ index, bodies, room, trace, cleaner, claims, markDamaged, leave });
    if (owner) cleaner.add(index.table('spent').keys('', AFTER_ALL));
    return queue;
  } catch (error) {
    await index.close();
    throw error;
  }
}

function firstFence(_: QueueChanges, draft: Draft): number {
  const fence = Number(draft.get('state', 'fence') ?? '0') + FENCES_PER_OPENING;
  draft.put('state', 'fence', String(fence));
  return fence;
}

/** Files that were written when the process before ended. */
async function takeInWhatWasLeft(
  options: EmbeddedOptions,
  { index, bodies }: Pick<Tools, 'index' | 'bodies'>,
) {
  const { disk = localDisk, clock = Date.now, onRepair = () => {} } = options;
  for (const folder of [...index.table('folders').keys('', AFTER_ALL)]) {
    const { messages, whole } = await takeIn({ index, bodies, disk, clock, traced: new Map() }, folder);
    if (messages > 0) onRepair(`${messages} messages that were written when danelaw ended were taken in.`);
    if (whole) await index.change((_, draft) => draft.remove('folders', folder));
  }
}

/** What is wrong with the index; undefined where it can be opened. */
function check(directory: string): string | undefined {
  if (existsSync(`${directory}/${DAMAGED}`)) return 'it had an entry that is none';
  let finding: string | undefined;
  for (let i = 0; i < CHECKS; i++) {
    finding = checkIndex(`${directory}/index/data.mdb`);
    if (finding === undefined) return undefined;
  }
  return finding;
}

/** An index that is damaged is set aside; one that is not there is made from the body files. */
async function makeIndexWhole(options: EmbeddedOptions): Promise<void> {
  const { directory, disk = localDisk, clock = Date.now, onRepair = () => {} } = options;
  const finding = check(directory);
  if (finding === undefined) return;
  const names = await disk.list(directory);
  if (names.includes('index')) {
    const aside = `${SET_ASIDE}${clock()}`;
    await rename(`${directory}/index`, `${directory}/${aside}`);
    if (finding !== 'missing')
      onRepair(`The queue's index was damaged (${finding}); it is kept as ${aside}.`);
    await forgetOldest(directory, [...names, aside]);
  }
  await rm(`${directory}/index.new`, { recursive: true, force: true });
  await disk.makeFolder(`${directory}/index.new`);
  const made = await rebuild(options);
  await disk.flushFolder(`${directory}/index.new`);
  await rename(`${directory}/index.new`, `${directory}/index`);
  await disk.flushFolder(directory);
  if (made > 0) onRepair(`The queue's index was made anew: ${made} messages are in the body files.`);
}

/** Of the indexes that were set aside the last ones stay: each is as large as the queue was. */
async function forgetOldest(directory: string, names: readonly string[]): Promise<void> {
  const timeOf = (name: string): number => Number(name.slice(SET_ASIDE.length));
  const aside = names.filter((name) => name.startsWith(SET_ASIDE) && Number.isFinite(timeOf(name)));
  for (const name of aside.sort((a, b) => timeOf(b) - timeOf(a)).slice(KEPT_ASIDE)) {
    await rm(`${directory}/${name}`, { recursive: true, force: true });
  }
}

/** Gives a body file that can't be read as a whole a second name, under which it stays. */
async function keepBodiesAside(options: EmbeddedOptions, file: string, content: BodyFileContent) {
  const { directory, disk = localDisk, onRepair = () => {} } = options;
  const aside = `${DAMAGED_BODIES}/${file.replace('/', '-')}`;
  try {
    await disk.makeFolder(`${directory}/${DAMAGED_BODIES}`);
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  }
  try {
    await disk.link(`${directory}/bodies/${file}`, `${directory}/${aside}`);
  } catch (error) {
    // An interrupted start has done it.
    if (codeOf(error) !== 'EEXIST') throw error;
  }
  await disk.flushFolder(`${directory}/${DAMAGED_BODIES}`);
  const { messages, bodiless } = content;
  onRepair(
    `bodies/${file} is damaged or was cut off; it is kept as ${aside}. In it are ${messages.length} whole ` +
      `messages, and ${bodiless.length} that are lost, of which their senders are told.`,
  );
}

async function rebuild(options: EmbeddedOptions): Promise<number> {
  const { directory, disk = localDisk, clock = Date.now } = options;
  const { index, bodies } = tools(options, 'index.new', () => {});
  try {
    const folders = (await disk.list(`${directory}/bodies`)).filter((name) => /^[0-9a-f]+$/u.test(name));
    const traced = await new Trace(directory, disk).read();
    let messages = 0;
    const keepAside = (file: string, content: BodyFileContent) => keepBodiesAside(options, file, content);
    for (const folder of folders) {
      messages += (await takeIn({ index, bodies, disk, clock, traced, keepAside }, folder)).messages;
    }
    const last = folders.at(-1);
    await index.change((_changes, draft) => {
      draft.put('state', 'nextFolder', String(last === undefined ? 0 : Number.parseInt(last, 16) + 1));
    });
    return messages;
  } finally {
    await index.close();
  }
}
