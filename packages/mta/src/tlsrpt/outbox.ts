/**
 * What becomes of one day's reports, kept over restarts. One entry for each report domain:
 *
 *     waiting -> sending -> sent
 *        ^          |-----> dropped     nobody takes it, or it is too late
 *        +----------+-----> no-record   the domain wants no reports
 *
 * `sending` is on disk before the first octet leaves, and what came of it after. An entry that is found in
 * that state after a crash may have been sent or not; it is dropped as `in-doubt`, since a report twice is
 * worse than none ("the reports are optional", RFC 8460 section 5.5).
 */
import { isObject } from './cell-record.js';
import { appendLines, writeLines } from './journal.js';
import { type Day, isPolicyDomain } from './policy-domain.js';
import type { State } from './state.js';

const STATUSES = ['waiting', 'sending', 'sent', 'no-record', 'dropped', 'in-doubt'] as const;

export type EntryStatus = (typeof STATUSES)[number];

export interface OutboxEntry {
  readonly domain: string;
  readonly reportId: string;
  readonly status: EntryStatus;
  /** Milliseconds since the epoch: not to be tried before. */
  readonly due: number;
  /** Milliseconds since the epoch of the first try; null before it. */
  readonly firstTried: number | null;
  readonly tries: number;
  /** What happened last, for people. */
  readonly words: string;
}

export function isOpen({ status }: OutboxEntry): boolean {
  return status === 'waiting' || status === 'sending';
}

/** The reports of one day. */
export class Outbox {
  readonly day: Day;
  readonly #file: string;
  readonly #entries = new Map<string, OutboxEntry>();

  private constructor(day: Day, file: string, entries: Iterable<OutboxEntry>) {
    this.day = day;
    this.#file = file;
    for (const entry of entries) this.#entries.set(entry.domain, entry);
  }

  /** Begins a day's outbox: all of its entries are on disk, or there is none. */
  static async create(state: State, day: Day, entries: readonly OutboxEntry[]): Promise<Outbox> {
    const file = state.outboxFile(day);
    await writeLines(file, entries);
    return new Outbox(day, file, entries);
  }

  static async open(state: State, day: Day): Promise<Outbox> {
    const file = state.outboxFile(day);
    const entries = (await state.readJournal(file)).flatMap((line) => readEntry(line) ?? []);
    return new Outbox(day, file, entries);
  }

  get entries(): readonly OutboxEntry[] {
    return [...this.#entries.values()];
  }

  /** On disk when it resolves. */
  async update(entry: OutboxEntry): Promise<void> {
    await appendLines(this.#file, [entry]);
    this.#entries.set(entry.domain, entry);
  }
}

function readEntry(line: unknown): OutboxEntry | undefined {
  if (!isObject(line)) return undefined;
  const { domain, reportId, status: text, due, firstTried, tries, words } = line;
  const status = STATUSES.find((each) => each === text);
  if (typeof domain !== 'string' || !isPolicyDomain(domain) || status === undefined) return undefined;
  if (typeof reportId !== 'string' || typeof due !== 'number' || typeof tries !== 'number') return undefined;
  if ((firstTried !== null && typeof firstTried !== 'number') || typeof words !== 'string') return undefined;
  return { domain, reportId, status, due, firstTried, tries, words };
}
