/**
 * What one machine does for a survey that several share: it claims domains, asks about them, writes results down as they
 * come, and keeps its leases alive - until every domain has a result, whoever found it.
 *
 * What was unclear is given back, for a second round that begins when nothing of the first is left to claim, and in which
 * fewer are asked about at a time. Who has nothing to claim waits: a machine that is still at work may die.
 */
import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { printableLine } from '../../cli/printable.js';
import { askAll } from '../ask-all.js';
import { calmer } from '../run-survey.js';
import type { SurveyResult } from '../survey-result.js';
import type { LeasedDomain, Round, SharedProgress, SharedWork } from './shared-survey.js';

/** Milliseconds. Renewed this often, a lease survives two failures. */
export const LEASE = 60_000;
const RENEW_EVERY = LEASE / 3;
/** Milliseconds that a result waits to be written at most, and between two looks at how far all are. */
const BEAT = 1_000;
/** Results that are written together; more are waited for. */
const MAX_GATHERED = 500;

export interface SharedRunOptions {
  readonly work: SharedWork;
  readonly atOnce: number;
  readonly survey: (domain: string, signal: AbortSignal) => Promise<SurveyResult>;
  readonly onProgress: (progress: SharedProgress) => void;
  readonly signal: AbortSignal;
  /** Milliseconds that only grow. */
  readonly monotonic?: () => number;
  readonly beat?: number;
}

/**
 * Resolves when all domains have a result, or `signal` has aborted: what this machine has found is written then, and what it
 * holds is given back. @throws (rejects) what `survey` or the database reject with
 */
export async function runShared(options: SharedRunOptions): Promise<void> {
  const run = new SharedRun(options);
  try {
    await run.toTheEnd();
  } finally {
    await run.close();
  }
}

class SharedRun {
  readonly #options: SharedRunOptions;
  readonly #monotonic: () => number;
  /** Ends all work: the person at the keyboard, or a failure of the background. */
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  readonly #held = new Map<number, LeasedDomain>();
  readonly #waiting: Record<Round, LeasedDomain[]> = { 0: [], 1: [] };
  readonly #background: Promise<void>;
  #gathered: { readonly leased: LeasedDomain; readonly result: string }[] = [];
  #writing: Promise<void> = Promise.resolve();
  #claiming: Promise<number> | undefined;
  #renewed: number;

  constructor(options: SharedRunOptions) {
    this.#options = options;
    this.#monotonic = options.monotonic ?? (() => performance.now());
    this.#signal = AbortSignal.any([options.signal, this.#stop.signal]);
    setMaxListeners(0, this.#signal); // each domain that is under way listens to it
    this.#renewed = this.#monotonic();
    this.#background = this.#beats();
    // Heard of at the end.
    this.#background.catch((error: unknown) => this.#stop.abort(error));
  }

  async toTheEnd(): Promise<void> {
    const { atOnce } = this.#options;
    while (!this.#signal.aborted) {
      await this.#askAll(0, atOnce);
      await this.#askAll(1, calmer(atOnce));
      if (this.#signal.aborted || (await this.#look())) return;
      await this.#pause();
    }
  }

  /** What is known is kept, and what is not is free for others. */
  async close(): Promise<void> {
    this.#stop.abort();
    try {
      await this.#background;
    } finally {
      await this.#write();
      const held = [...this.#held.values()];
      for (const round of [0, 1] as const) {
        const back = held.filter((leased) => leased.round === round);
        if (back.length > 0) await this.#options.work.giveBack(back, round);
      }
    }
  }

  async #askAll(round: Round, atOnce: number): Promise<void> {
    await askAll<LeasedDomain, SurveyResult>({
      next: () => this.#next(round, atOnce),
      atOnce,
      ask: ({ domain }) => this.#options.survey(domain, this.#signal),
      onResult: (result, leased) => this.#found(result, leased),
      signal: this.#signal,
    });
  }

  /** As many are claimed as are asked about at a time: what a machine holds when it dies is waited for by the others. */
  async #next(round: Round, atOnce: number): Promise<LeasedDomain | undefined> {
    for (;;) {
      const next = this.#waiting[round].shift();
      if (next !== undefined) return next;
      this.#claiming ??= this.#claim(round, atOnce).finally(() => (this.#claiming = undefined));
      if ((await this.#claiming) === 0) return undefined;
    }
  }

  async #claim(round: Round, most: number): Promise<number> {
    const claimed = await this.#options.work.claim(round, most);
    for (const leased of claimed) this.#held.set(leased.place, leased);
    this.#waiting[round].push(...claimed);
    return claimed.length;
  }

  async #found(result: SurveyResult, leased: LeasedDomain): Promise<void> {
    if (result.status === 'unclear' && leased.round === 0) {
      await this.#options.work.giveBack([leased], 1);
      this.#held.delete(leased.place);
      return;
    }
    this.#gathered.push({ leased, result: printableLine(result) });
    if (this.#gathered.length >= MAX_GATHERED) await this.#write();
  }

  #write(): Promise<void> {
    this.#writing = this.#writing.then(async () => {
      const gathered = this.#gathered;
      this.#gathered = [];
      if (gathered.length === 0) return;
      await this.#options.work.write(gathered);
      for (const { leased } of gathered) this.#held.delete(leased.place);
    });
    return this.#writing;
  }

  async #beats(): Promise<void> {
    for (;;) {
      await this.#pause();
      if (this.#signal.aborted) return;
      if (this.#monotonic() - this.#renewed >= RENEW_EVERY && this.#held.size > 0) {
        this.#renewed = this.#monotonic();
        await this.#options.work.renew([...this.#held.values()]);
      }
      await this.#look();
    }
  }

  /** What was found is written, and what all have found is told. Resolves to whether that is all. */
  async #look(): Promise<boolean> {
    await this.#write();
    const progress = await this.#options.work.progress();
    this.#options.onProgress(progress);
    return progress.finished;
  }

  async #pause(): Promise<void> {
    await sleep(this.#options.beat ?? BEAT, undefined, { signal: this.#signal }).catch(() => {});
  }
}
