/**
 * How look-ups in DNS came out, counted where they are made - in each thread that delivers - and handed over now
 * and then. What is handed over is what came since the last time, so that a sum of it stays right when a thread
 * ends and another one begins at nothing.
 */
import type { LookupTold } from '@danelaw/dns';

export interface LookupCount extends LookupTold {
  readonly count: number;
}

export class LookupTally {
  /** By status: those that the cache had, and those that were asked for. Four of each at most. */
  readonly #cached = new Map<LookupTold['status'], number>();
  readonly #asked = new Map<LookupTold['status'], number>();

  get isEmpty(): boolean {
    return this.#cached.size === 0 && this.#asked.size === 0;
  }

  add({ status, cached }: LookupTold): void {
    const counts = cached ? this.#cached : this.#asked;
    counts.set(status, (counts.get(status) ?? 0) + 1);
  }

  /** What was added since this was called last. */
  take(): readonly LookupCount[] {
    const taken: LookupCount[] = [];
    for (const [status, count] of this.#asked) taken.push({ status, cached: false, count });
    for (const [status, count] of this.#cached) taken.push({ status, cached: true, count });
    this.#cached.clear();
    this.#asked.clear();
    return taken;
  }
}
