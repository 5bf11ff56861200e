/**
 * TLS reports (RFC 8460) for who sends mail:
 *
 *     const reports = new TlsReports({
 *       state: '/var/lib/danelaw/tlsrpt',
 *       sending: { organization, contact, resolver, dkim, submit },   // left out: counted, not sent
 *     });
 *     reports.count(delivery.attempts, { unrouted: delivery.unrouted, message });   // after every delivery
 *     await reports.run(signal);                                                    // beside everything else
 *
 * - `count` adds to counters in memory: no waiting, no file. It throws nothing.
 * - `run` writes what was counted every few seconds, and - with `sending` - sends the reports of days that
 *   are over. It ends when `signal` aborts, with everything written. Failures of the disk are told to `warn`;
 *   counts stay in memory meanwhile.
 * - `submit` takes a report as a mail, signed: `submitNow` delivers it at once, a relay puts it in its queue
 *   and says `accepted`. Such mail must go out without TLS too, and its sessions are not counted (`message`).
 * - `close` writes what is left, for who never calls `run` (`danelaw send`).
 *
 * A crash loses the sessions of the last seconds, which RFC 8460 can live with, and nothing else.
 */
import type { Attempt, Unrouted } from '@danelaw/smtp';
import { wordsOf } from '../words-of.js';
import { DayCounters } from './counters.js';
import { type Day, dayOf } from './policy-domain.js';
import { isTlsReport } from './report-mail.js';
import { type ReportEvent, Reporter, type ReporterOptions, sleep } from './reporter.js';
import { CountWriter, State, type Warn } from './state.js';
import { tallyAttempt, tallyUnrouted } from './tally.js';

/** Milliseconds between two writes: what a crash may lose. */
const WRITE_INTERVAL = 5_000;
/** Days whose counts are in memory, where they can't be written: reports of older ones would not be sent any more. */
const MOST_DAYS = 3;
/** After a disk that failed. */
const RETRY_INTERVAL = 60_000;

export interface TlsReportsOptions {
  /** The folder for counts and reports; made where it is missing. */
  readonly state: string;
  /** Milliseconds since the epoch. */
  readonly clock?: () => number;
  readonly random?: () => number;
  /** How reports are sent; without it they are only counted, and `danelaw tlsrpt send` sends them. */
  readonly sending?: Omit<ReporterOptions, 'state' | 'clock' | 'random' | 'log'>;
  readonly log?: (event: ReportEvent) => void;
  /** What the operator should know. */
  readonly warn?: Warn;
  /** The process ends after a few deliveries. */
  readonly shortLived?: boolean;
}

export interface CountOptions {
  readonly unrouted?: readonly Unrouted[];
  /** The message that was delivered: one that carries a TLS report is not counted (section 3). */
  readonly message?: Uint8Array;
}

export class TlsReports {
  readonly #options: TlsReportsOptions;
  readonly #clock: () => number;
  readonly #warn: Warn;
  readonly #state: State;
  readonly #writer: CountWriter;
  /** Today's; and yesterday's until they are written. */
  readonly #days = new Map<Day, DayCounters>();
  #writing: Promise<void> = Promise.resolve();
  #full: Day | undefined;

  constructor(options: TlsReportsOptions) {
    this.#options = options;
    this.#clock = options.clock ?? Date.now;
    this.#warn = options.warn ?? (() => {});
    this.#state = new State(options.state, this.#warn);
    this.#writer = new CountWriter(this.#state, options.shortLived ?? false);
  }

  /** Counts the attempts of a delivery for the day that it is now. */
  count(attempts: readonly Attempt[], { unrouted = [], message }: CountOptions = {}): void {
    if (message !== undefined && isTlsReport(message)) return;
    const tallies = [...attempts.flatMap(tallyAttempt), ...unrouted.flatMap(tallyUnrouted)];
    if (tallies.length === 0) return;
    const day = dayOf(this.#clock());
    const counters = this.#days.get(day) ?? this.#begin(day);
    for (const tally of tallies) {
      if (counters.add(tally) || this.#full === day) continue;
      this.#full = day;
      this.#warn('TLS reports: more domains today than can be counted; further ones get no report');
    }
  }

  #begin(day: Day): DayCounters {
    const counters = new DayCounters();
    this.#days.set(day, counters);
    const [oldest = day] = this.#days.keys();
    if (this.#days.size > MOST_DAYS) {
      this.#days.delete(oldest);
      this.#warn(`TLS reports: the counts of ${oldest} could not be written, and are given up`);
    }
    return counters;
  }

  /** Writes and sends until `signal` aborts. @throws (rejects) StateError where the folder can't be used */
  async run(signal: AbortSignal): Promise<void> {
    await this.#state.prepare();
    const { sending, random = Math.random, log = () => {} } = this.#options;
    const reporter =
      sending === undefined
        ? Promise.resolve()
        : this.#report(
            new Reporter({ ...sending, state: this.#state, clock: this.#clock, random, log }),
            signal,
          );
    while (!signal.aborted) {
      await sleep(WRITE_INTERVAL, signal);
      if (!(await this.#tryToWrite())) await sleep(RETRY_INTERVAL, signal);
    }
    await reporter;
    await this.#tryToWrite();
  }

  /** Writes what was counted. @throws (rejects) StateError, or the system's error */
  async close(): Promise<void> {
    await this.#write();
  }

  /** A disk that fails must not end the relay. */
  async #report(reporter: Reporter, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await reporter.run(signal);
      } catch (error) {
        if (signal.aborted) return;
        this.#warn(`TLS reports can't be sent now: ${wordsOf(error)}`);
        await sleep(RETRY_INTERVAL, signal);
      }
    }
  }

  async #tryToWrite(): Promise<boolean> {
    try {
      await this.#write();
      return true;
    } catch (error) {
      this.#warn(`TLS reports: counts can't be written now: ${wordsOf(error)}`);
      return false;
    }
  }

  /** One at a time. */
  #write(): Promise<void> {
    const next = this.#writing.catch(() => {}).then(() => this.#writeChanged());
    this.#writing = next;
    return next;
  }

  async #writeChanged(): Promise<void> {
    const today = dayOf(this.#clock());
    for (const [day, counters] of this.#days) {
      const changed = counters.takeChanged();
      try {
        await this.#writer.write(day, changed, counters);
      } catch (error) {
        counters.markChanged(changed);
        throw error;
      }
      // Nothing was added meanwhile, and never will be.
      if (day < today) this.#days.delete(day);
    }
  }
}
