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
  /** By status, and whether the cache had it: eight at most. */
  readonly #counts = new Map<string, LookupCount>();

  get isEmpty(): boolean {
    return this.#counts.size === 0;
  }

  add({ status, cached }: LookupTold): void {
    const key = `${status} ${cached}`;
    const count = (this.#counts.get(key)?.count ?? 0) + 1;
    this.#counts.set(key, { status, cached, count });
  }

  /** What was added since this was called last. */
  take(): readonly LookupCount[] {
    const taken = [...this.#counts.values()];
    this.#counts.clear();
    return taken;
  }
}
