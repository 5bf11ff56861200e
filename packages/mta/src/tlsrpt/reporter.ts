/**
 * Sends yesterday's reports: after the UTC day's end, each at a moment of its own within four hours (RFC 8460
 * section 4.1), again for 24 hours where it fails (section 5.5), and none twice.
 *
 * Everything that it decides is on disk before it acts by it, so it can be stopped at any moment: `step`
 * looks at what there is, does what is due, and says when to look again.
 */
import { randomBytes } from 'node:crypto';
import type { DayCounters } from './counters.js';
import { isOpen, Outbox, type OutboxEntry } from './outbox.js';
import { type Day, dayOf, endOf } from './policy-domain.js';
import { submitterDomain } from './report.js';
import { type Delivering, sendReport } from './send-report.js';
import type { State } from './state.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
/** After the day's end: by then every process has written what it counted. */
export const SETTLE_TIME = 5 * MINUTE;
/** "a random delay of up to four hours" (section 4.1). */
export const MAX_DELAY = 4 * HOUR;
/** "for up to 24 hours after the initial attempt" (section 5.5); also how late a first attempt may be. */
export const RETRY_TIME = 24 * HOUR;
/** The first pause between two tries; it doubles ("exponential backoff"). */
const FIRST_PAUSE = 10 * MINUTE;
const LONGEST_PAUSE = 4 * HOUR;
/** Days for which `danelaw tlsrpt list` still knows what became of reports. */
const KEPT_DAYS = 14;
/** Reports that are sent at the same time. */
const PARALLEL = 4;
/** The longest sleep: the machine's clock may be set meanwhile. */
const LONGEST_SLEEP = 15 * MINUTE;

/** What happened to one report, for the log. */
export interface ReportEvent {
  readonly event: 'sent' | 'no-record' | 'retry' | 'dropped' | 'in-doubt' | 'day-dropped';
  readonly day: Day;
  /** Null where the day itself is meant. */
  readonly domain: string | null;
  readonly reportId: string | null;
  readonly words: string;
}

export interface ReporterOptions extends Delivering {
  readonly state: State;
  /** From 0 up to 1: spreads the reports. */
  readonly random: () => number;
  readonly log: (event: ReportEvent) => void;
  /** The first octets of a report's id; random where it is left out. */
  readonly newId?: () => string;
  /** Sends at once what could wait for its moment; for who runs this once a day from cron. */
  readonly immediately?: boolean;
}

export class Reporter {
  readonly #options: ReporterOptions;
  /** Of days that are over: nobody counts for them any more. */
  readonly #counted = new Map<Day, Promise<DayCounters>>();

  constructor(options: ReporterOptions) {
    this.#options = options;
  }

  /**
   * Does everything that is due. The caller holds the state's lock.
   *
   * @returns milliseconds since the epoch: when there may be something to do again
   * @throws (rejects) when `signal` aborts, and with the system's error where the state can't be written
   */
  async step(signal: AbortSignal): Promise<number> {
    const { state, clock } = this.#options;
    await state.prepare();
    const known = new Set(await state.outboxDays());
    for (const day of await state.days()) {
      if (!known.has(day) && clock() >= endOf(day) + SETTLE_TIME) await this.#begin(day);
    }
    let next = endOf(dayOf(clock() - SETTLE_TIME)) + SETTLE_TIME;
    for (const day of await state.outboxDays()) {
      const outbox = await Outbox.open(state, day);
      await this.#work(outbox, signal);
      const open = outbox.entries.filter(isOpen);
      if (open.length === 0) {
        this.#counted.delete(day);
        await state.removeDay(day);
      }
      for (const { due } of open) next = Math.min(next, due);
      if (open.length === 0 && clock() > endOf(day) + KEPT_DAYS * 24 * HOUR) await state.removeOutbox(day);
    }
    return next;
  }

  /**
   * Sends until `signal` aborts. Waits while another process does; resolves when it aborts.
   *
   * @throws (rejects) with the system's error where the state can't be used
   */
  async run(signal: AbortSignal): Promise<void> {
    const { state, clock } = this.#options;
    while (!signal.aborted) {
      await state.prepare();
      const unlock = await state.lock();
      let next = clock() + LONGEST_SLEEP;
      if (unlock !== undefined) {
        try {
          next = await this.step(signal);
        } catch (error) {
          if (!signal.aborted) throw error;
        } finally {
          await unlock();
        }
      }
      await sleep(Math.min(Math.max(next - clock(), MINUTE), LONGEST_SLEEP), signal);
    }
  }

  /** Decides, for each domain that was counted on a day that is over, when its report goes. */
  async #begin(day: Day): Promise<void> {
    const { state, clock, random, log, immediately = false } = this.#options;
    const end = endOf(day);
    if (isTooLate(day, clock())) {
      await state.removeDay(day);
      log({ event: 'day-dropped', day, domain: null, reportId: null, words: TOO_LATE });
      return;
    }
    const counters = await this.#read(day);
    const entries = counters.domains.map((domain): OutboxEntry => {
      const due = immediately
        ? clock()
        : end + SETTLE_TIME + Math.floor(random() * (MAX_DELAY - SETTLE_TIME));
      const reportId = `${this.#newId()}@${submitterDomain(this.#options)}`;
      return { domain, reportId, status: 'waiting', due, firstTried: null, tries: 0, words: '' };
    });
    await Outbox.create(state, day, entries);
  }

  #read(day: Day): Promise<DayCounters> {
    const known = this.#counted.get(day);
    if (known !== undefined) return known;
    const counters = this.#options.state.read(day);
    this.#counted.set(day, counters);
    counters.catch(() => this.#counted.delete(day)); // told by whoever waits for it; read again the next time
    return counters;
  }

  #newId(): string {
    return this.#options.newId?.() ?? randomBytes(12).toString('hex');
  }

  async #work(outbox: Outbox, signal: AbortSignal): Promise<void> {
    const { clock, immediately = false } = this.#options;
    for (const entry of outbox.entries) {
      if (entry.status === 'sending') await this.#doubt(outbox, entry);
    }
    const isDue = ({ due, tries }: OutboxEntry) => due <= clock() || (immediately && tries === 0);
    const due = outbox.entries.filter((entry) => entry.status === 'waiting' && isDue(entry));
    if (due.length === 0) return;
    const counters = await this.#read(outbox.day);
    const queue = due.values();
    const worker = async (): Promise<void> => {
      for (const entry of queue) {
        signal.throwIfAborted();
        await this.#send(outbox, entry, counters.cells(entry.domain), signal);
      }
    };
    // All of them end before the first failure is told: nobody may work on after the lock is given back.
    const ended = await Promise.allSettled(Array.from({ length: PARALLEL }, worker));
    for (const each of ended) if (each.status === 'rejected') throw each.reason;
  }

  async #doubt(outbox: Outbox, entry: OutboxEntry): Promise<void> {
    const words = 'danelaw ended while the report was being sent; it may have arrived, and is not sent again';
    await this.#settle(outbox, { ...entry, status: 'in-doubt', words }, 'in-doubt');
  }

  async #send(
    outbox: Outbox,
    entry: OutboxEntry,
    cells: Parameters<typeof sendReport>[0]['cells'],
    signal: AbortSignal,
  ): Promise<void> {
    const { clock } = this.#options;
    const { day } = outbox;
    const { domain, reportId } = entry;
    const now = clock();
    if (entry.firstTried === null && isTooLate(day, now)) {
      return await this.#settle(outbox, { ...entry, status: 'dropped', words: TOO_LATE }, 'dropped');
    }
    const tried: OutboxEntry = { ...entry, firstTried: entry.firstTried ?? now, tries: entry.tries + 1 };
    const before = () => outbox.update({ ...tried, status: 'sending' });
    const outcome = await sendReport({ domain, day, reportId, cells }, this.#options, before, signal);
    const { words } = outcome;
    switch (outcome.status) {
      case 'accepted':
        return await this.#settle(outbox, { ...tried, status: 'sent', words }, 'sent');
      case 'no-record':
        return await this.#settle(outbox, { ...tried, status: 'no-record', words }, 'no-record');
      case 'failed': {
        const pause = Math.min(FIRST_PAUSE * 2 ** entry.tries, LONGEST_PAUSE);
        const due = clock() + pause;
        if (outcome.permanent || due > (tried.firstTried ?? now) + RETRY_TIME) {
          return await this.#settle(outbox, { ...tried, status: 'dropped', words }, 'dropped');
        }
        return await this.#settle(outbox, { ...tried, status: 'waiting', due, words }, 'retry');
      }
      default: {
        const never: never = outcome;
        return never;
      }
    }
  }

  async #settle(outbox: Outbox, entry: OutboxEntry, event: ReportEvent['event']): Promise<void> {
    await outbox.update(entry);
    const { domain, reportId, words } = entry;
    this.#options.log({ event, day: outbox.day, domain, reportId, words });
  }
}

const TOO_LATE = 'nobody sent it while it was due';

/** A first attempt is no later than a last one would be that had begun in time. */
function isTooLate(day: Day, now: number): boolean {
  return now > endOf(day) + MAX_DELAY + RETRY_TIME;
}

/** Resolves at its end, or when `signal` aborts. */
export function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
      return;
    }
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    signal.addEventListener('abort', end, { once: true });
  });
}
