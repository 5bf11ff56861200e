/**
 * What the page tells of the past: the story of each message, and how mail to each destination was protected. Both are
 * bounded, are fed where the log is written, and outlive a restart in one file.
 */
import { randomUUID } from 'node:crypto';
import { readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import type { RelayLog } from '../log/relay-log.js';
import type { Claim } from '../queue/queue.js';
import type { JobOutcome } from '../relay/job.js';
import { wordsOf } from '../words-of.js';
import { protectionOf } from './protection.js';
import { ProtectionHistory } from './protection-history.js';
import { StoryBook, type StoryEvent, storyFields } from './story-book.js';

/** Changes when older programs could no longer read what is written. */
const FORMAT = 'danelaw-history-1';
/** Milliseconds between writes of the file: what a crash takes away. */
const SAVE_EVERY = 5 * 60_000;
/** Octets of a file that is read; what is longer is not ours. */
const MAX_FILE = 64 * 1024 * 1024;

export class RelayHistory {
  readonly protection = new ProtectionHistory();
  readonly stories = new StoryBook();
  readonly #clock: () => number;
  /** Something has been heard since this was last asked. */
  #isNew = false;

  constructor(clock: () => number) {
    this.#clock = clock;
  }

  /** The log, with all that it is told of messages kept. */
  hearing(log: RelayLog): RelayLog {
    return {
      info: (event, fields) => {
        this.#hear('info', event, fields);
        log.info(event, fields);
      },
      warn: (event, fields) => {
        this.#hear('warn', event, fields);
        log.warn(event, fields);
      },
      error: (event, fields) => {
        this.#hear('error', event, fields);
        log.error(event, fields);
      },
    };
  }

  count({ destination }: Pick<Claim, 'destination'>, { recipients, attempts }: JobOutcome): void {
    const now = this.#clock();
    this.#isNew = true;
    for (const outcome of recipients) {
      const what = outcome.status === 'delivered' ? protectionOf(outcome, attempts) : outcome.status;
      this.protection.count(destination, what, now);
    }
  }

  takeNews(): boolean {
    const isNew = this.#isNew;
    this.#isNew = false;
    return isNew;
  }

  toJSON(): unknown {
    return { format: FORMAT, protection: this.protection, stories: this.stories };
  }

  /** @throws SyntaxError where it is not what `toJSON` made */
  load(text: string): void {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null) throw new SyntaxError('it is no history');
    if (!('format' in value) || value.format !== FORMAT)
      throw new SyntaxError(`it is not in the format ${FORMAT}`);
    if ('protection' in value) this.protection.load(value.protection, this.#clock());
    if ('stories' in value) this.stories.load(value.stories);
  }

  #hear(level: StoryEvent['level'], event: string, fields: Readonly<Record<string, unknown>>): void {
    const { id, about, to, expired } = fields;
    if (typeof id !== 'string') return;
    this.#isNew = true;
    // Its last try was one that was deferred: only here is it known that it was the last.
    if (event === 'bounced' && expired === true && typeof to === 'string') {
      this.protection.count(to.slice(to.lastIndexOf('@') + 1).toLowerCase(), 'failed', this.#clock());
    }
    const heard = { time: this.#clock(), level, event, fields: storyFields(fields) };
    this.stories.add(id, heard);
    // A bounce belongs to the story of the message that it is about, too.
    if (typeof about === 'string') {
      this.stories.add(about, { ...heard, event: 'reported', fields: { ...heard.fields, report: id } });
    }
  }
}

export interface OpenHistory {
  readonly history: RelayHistory;
  /** Writes it a last time. */
  close(): Promise<void>;
}

/** A history that can't be read, or written, is told and gone without: mail does not wait for it. */
export async function openHistory(
  file: string,
  clock: () => number,
  say: (reason: string) => void,
): Promise<OpenHistory> {
  const history = new RelayHistory(clock);
  try {
    if ((await stat(file)).size > MAX_FILE) throw new RangeError('it is too large');
    history.load(await readFile(file, 'utf8'));
  } catch (error) {
    const isNone = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    if (!isNone) say(`the history of the page begins anew, as ${file} can't be read: ${wordsOf(error)}`);
  }
  const save = async (): Promise<void> => {
    if (!history.takeNews()) return;
    const unfinished = `${file}.${randomUUID()}`;
    try {
      await writeFile(unfinished, JSON.stringify(history), { mode: 0o600 });
      await rename(unfinished, file);
    } catch (error) {
      say(`the history of the page could not be written: ${wordsOf(error)}`);
      await rm(unfinished, { force: true }).catch(() => {});
    }
  };
  let saving = Promise.resolve();
  const saveInTurn = (): Promise<void> => {
    saving = saving.then(save);
    return saving;
  };
  const timer = setInterval(() => void saveInTurn(), SAVE_EVERY).unref();
  return {
    history,
    async close() {
      clearInterval(timer);
      await saveInTurn();
    },
  };
}
