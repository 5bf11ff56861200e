/**
 * Memory for the messages of all connections together: who takes some gives it back. Where there is none
 * left, a connection may wait for a while, its client's octets staying in the network meanwhile; those who
 * wait are served in the order in which they came, so that small wishes don't starve large ones.
 */

interface Waiting {
  readonly octets: number;
  readonly answer: (granted: boolean) => void;
}

export class OctetBudget {
  /** May shrink below what is taken; then nothing is granted until enough came back. */
  limit: number;
  #taken = 0;
  readonly #waiting = new Set<Waiting>();

  constructor(limit: number) {
    this.limit = limit;
  }

  get taken(): number {
    return this.#taken;
  }

  /** True where nobody waits and this much is free. */
  hasRoom(octets: number): boolean {
    return this.#waiting.size === 0 && this.#taken + octets <= this.limit;
  }

  take(octets: number): boolean {
    if (!this.hasRoom(octets)) return false;
    this.#taken += octets;
    return true;
  }

  give(octets: number): void {
    this.#taken -= octets;
    for (const waiting of this.#waiting) {
      if (this.#taken + waiting.octets > this.limit) return;
      this.#taken += waiting.octets;
      waiting.answer(true);
    }
  }

  /**
   * Takes them as soon as they are free. Resolves to false where that has not come about before the abort.
   */
  wait(octets: number, signal: AbortSignal): Promise<boolean> {
    if (signal.aborted) return Promise.resolve(false);
    return new Promise((resolve) => {
      const stop = () => waiting.answer(false);
      const waiting: Waiting = {
        octets,
        answer: (granted) => {
          this.#waiting.delete(waiting);
          signal.removeEventListener('abort', stop);
          resolve(granted);
        },
      };
      this.#waiting.add(waiting);
      signal.addEventListener('abort', stop, { once: true });
    });
  }
}
