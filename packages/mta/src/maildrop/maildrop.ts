/**
 * The relay's side of the maildrop: takes what `danelaw sendmail` left there while the relay did not run.
 *
 * A file is removed when the queue has its message on the disk, and the file's absence is on the disk before the message
 * is tried. So a crash neither loses it nor, as the queue knows it by its name, has it delivered twice. What can't be taken
 * as mail is put into the folder `bad`, and the log says so. Nothing is thrown away.
 *
 * The folder is looked at when the relay starts, when something changes in it, and twice a minute in case a change went
 * unnoticed.
 */
import { type FSWatcher, watch } from 'node:fs';
import { lstat, opendir, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { RelayLog } from '../log/relay-log.js';
import { codeOf } from '../queue/embedded/disk.js';
import { isQueueId } from '../queue/queue-id.js';
import { wordsOf } from '../words-of.js';
import { BAD_FOLDER, flush, makeBadFolder, makeFolder, whyNotForRelay } from './folder.js';
import { DRAFT } from './leave-message.js';
import { type ReadFile, readHostileFile } from './read-file.js';
import { MAX_OVERHEAD, readMessage } from './spooled-message.js';
import { type Taken, type TakeOptions, takeMessage } from './take-message.js';

export interface MaildropOptions extends Omit<TakeOptions, 'pause'> {
  readonly folder: string;
  /** The folder was named in the configuration: it is made where it is not there, and missed. */
  readonly named: boolean;
  /** Octets of the largest message that is read. */
  readonly messageOctets: number;
  /** The number of the relay's user, whose the folder must be. */
  readonly user: number;
  readonly log: RelayLog;
}

/** Milliseconds between two looks at the folder without a change in it. */
const LOOK_EVERY = 30_000;
/** Milliseconds for which a message is not tried yet; its file is gone long before. */
const PAUSE = 2000;
/** Files whose messages share a flush of the queue. */
const FILES_AT_ONCE = 32;
/** Octets of those together; a larger one is read alone. */
const OCTETS_AT_ONCE = 8 * 1024 * 1024;
/** Milliseconds: no program takes as long to write its message. */
const DRAFT_IS_OLD = 86_400_000;
/** Files that stay where they are, and have been told of; the log says no more about others. */
const MOST_TOLD = 1000;

export class Maildrop {
  readonly #options: MaildropOptions;
  readonly #folder: string;
  readonly #told = new Set<string>();
  #watcher: FSWatcher | undefined;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #again = false;
  #stopped = false;

  constructor(options: MaildropOptions) {
    this.#options = options;
    this.#folder = options.folder;
  }

  /**
   * Takes what the relay had in its queue already when it ended. Nothing may be tried before this resolves. Never rejects.
   */
  async finishLast(): Promise<void> {
    const { named, folder, user } = this.#options;
    try {
      const why = await whyNotForRelay(folder, user);
      if (named && why === 'absent') await makeFolder(folder);
      // Before anybody else makes something of that name.
      if (why === undefined || (named && why === 'absent')) await makeBadFolder(folder, user);
    } catch (error) {
      this.#tell(ALL, `${folder}: ${wordsOf(error)}`);
    }
    await this.#look(async (name) => (await this.#options.queue.read(name)) !== undefined);
  }

  /** Takes messages from now on. */
  start(): void {
    this.#timer = setInterval(() => this.look(), LOOK_EVERY).unref();
    this.look();
  }

  /** Resolves when nothing is under way. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#timer);
    this.#watcher?.close();
    await this.#running;
  }

  /** Looks at the folder soon; where that is under way, once more behind it. */
  look(): void {
    if (this.#stopped) return;
    this.#again = true;
    this.#running ??= this.#lookWhileAsked().finally(() => {
      this.#running = undefined;
    });
  }

  /** Resolves when what was there is taken. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  async #lookWhileAsked(): Promise<void> {
    while (this.#again && !this.#stopped) {
      this.#again = false;
      this.#watch();
      await this.#look(() => true);
    }
  }

  /** A folder that is made, or made anew, later on is watched from the next look on. */
  #watch(): void {
    if (this.#watcher !== undefined) return;
    const end = (): void => {
      this.#watcher?.close();
      this.#watcher = undefined;
    };
    try {
      this.#watcher = watch(this.#folder, { persistent: false }, (event, name) => {
        if (event === 'rename' && name !== null && isQueueId(name)) this.look();
      }).on('error', end);
    } catch {
      // There is no folder, or the system has no watches left: the looks remain.
    }
  }

  async #look(isWanted: (name: string) => boolean | Promise<boolean>): Promise<void> {
    try {
      const why = await whyNotForRelay(this.#folder, this.#options.user);
      if (why === 'absent') {
        if (this.#options.named) this.#tell(ALL, `there is no folder ${this.#folder}`);
        return;
      }
      if (why !== undefined) {
        this.#tell(ALL, `nothing is taken from ${this.#folder}: ${why}`);
        return;
      }
      this.#told.delete(ALL);
      await this.#takeAll(isWanted);
    } catch (error) {
      // The files are where they were.
      this.#options.log.error('maildrop', { reason: wordsOf(error) });
    }
  }

  async #takeAll(isWanted: (name: string) => boolean | Promise<boolean>): Promise<void> {
    let batch: string[] = [];
    let octets = 0;
    const takeBatch = async (): Promise<boolean> => {
      const results = await Promise.all(batch.map((name) => this.#takeOrNot(name)));
      if (results.includes('removed')) await flush(this.#folder);
      [batch, octets] = [[], 0];
      // One that is not taken does not keep the others.
      return results.some((result) => result !== 'later');
    };
    for await (const { name } of await opendir(this.#folder)) {
      if (this.#stopped) return;
      if (name.startsWith(DRAFT)) await this.#removeOldDraft(name);
      else if (!isQueueId(name)) {
        if (name !== BAD_FOLDER) await this.#setAside(name, { reason: 'it is no message' });
      } else if (await isWanted(name)) {
        const size = await this.#sizeOf(name);
        if (batch.length > 0 && octets + size > OCTETS_AT_ONCE && !(await takeBatch())) return;
        batch.push(name);
        octets += size;
        if (batch.length >= FILES_AT_ONCE && !(await takeBatch())) return;
      }
    }
    if (batch.length > 0) await takeBatch();
  }

  async #sizeOf(name: string): Promise<number> {
    try {
      return (await lstat(join(this.#folder, name))).size;
    } catch {
      return 0;
    }
  }

  /** What goes wrong with one file is not the others' business. */
  async #takeOrNot(name: string): Promise<'removed' | 'kept' | 'later'> {
    try {
      return await this.#take(name);
    } catch (error) {
      this.#options.log.error('maildrop', { file: name, reason: `not taken for now: ${wordsOf(error)}` });
      return 'later';
    }
  }

  async #take(name: string): Promise<'removed' | 'kept' | 'later'> {
    const file = await readHostileFile(join(this.#folder, name), this.#options.messageOctets + MAX_OVERHEAD);
    switch (file.status) {
      case 'ok':
        return await this.#takeFile(name, file);
      case 'gone':
        return 'kept';
      case 'unreadable':
        this.#tell(name, `it can't be read (${file.reason})`);
        return 'kept';
      case 'bad':
        await this.#setAside(name, file);
        return 'kept';
      default: {
        const never: never = file;
        return never;
      }
    }
  }

  async #takeFile(
    name: string,
    { octets, uid }: ReadFile & { readonly status: 'ok' },
  ): Promise<'removed' | 'kept' | 'later'> {
    const { log } = this.#options;
    const read = readMessage(octets);
    if (read.status === 'bad') {
      await this.#setAside(name, { uid, reason: read.reason });
      return 'kept';
    }
    const taken = await takeMessage(read.message, { id: name, uid }, { ...this.#options, pause: PAUSE });
    switch (taken.status) {
      case 'later':
        log.warn('maildrop', { file: name, uid, reason: `not taken for now: ${taken.reason}` });
        return 'later';
      case 'refused':
        await this.#setAside(name, { uid, reason: `refused, and nobody can be told: ${taken.reason}` });
        return 'kept';
      case 'taken':
        await unlink(join(this.#folder, name));
        this.#logTaken(name, uid, read.message.envelope.from, read.message.octets.length, taken);
        return 'removed';
      default: {
        const never: never = taken;
        return never;
      }
    }
  }

  #logTaken(
    id: string,
    uid: number,
    from: string,
    octets: number,
    { recipients, refused }: Taken & { readonly status: 'taken' },
  ): void {
    const { log } = this.#options;
    if (recipients > 0) log.info('received', { id, uid, from, recipients, octets });
    else if (refused.length === 0) {
      log.info('maildrop', { file: id, uid, reason: 'its message was in the queue already' });
    }
    for (const { address, answer } of refused) {
      const reply = `${answer.code} ${answer.enhanced} ${answer.text}`;
      log.warn('refused', { id, uid, from, to: address, reply });
    }
  }

  async #removeOldDraft(name: string): Promise<void> {
    const path = join(this.#folder, name);
    try {
      const { mtimeMs, uid } = await lstat(path);
      if (this.#options.clock() - mtimeMs < DRAFT_IS_OLD) return;
      await this.#setAside(name, { uid, reason: 'the program that wrote it ended before it was whole' });
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error;
    }
  }

  /** Links and pipes keep what they are; nothing is read. */
  async #setAside(
    name: string,
    { reason, uid }: { readonly reason: string; readonly uid?: number | undefined },
  ): Promise<void> {
    if (this.#told.has(name)) return;
    const { log, clock, user } = this.#options;
    try {
      const bad = await makeBadFolder(this.#folder, user);
      const owner = uid ?? (await lstat(join(this.#folder, name))).uid;
      const aside = join(bad, `${clock()}-${owner}-${name.replace(/[^\w.-]/gu, '_').slice(0, MAX_NAME)}`);
      await rename(join(this.#folder, name), aside);
      log.error('maildrop', { file: name, uid: owner, reason: `${reason}; it is now ${aside}` });
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return;
      this.#tell(name, `${reason}; it stays where it is (${wordsOf(error)})`);
    }
  }

  /** Once about each file; and about the folder until it is in order. */
  #tell(name: string, reason: string): void {
    if (this.#told.has(name) || this.#told.size >= MOST_TOLD) return;
    this.#told.add(name);
    const file = name === ALL ? {} : { file: name };
    const more = this.#told.size < MOST_TOLD ? '' : '; of further files that stay there nothing is said';
    this.#options.log.error('maildrop', { ...file, reason: `${reason}${more}` });
  }
}

/** What is told of the folder itself: no file has this name. */
const ALL = '';

/** Characters of a name that is kept; a file's name may have 255 octets. */
const MAX_NAME = 100;
