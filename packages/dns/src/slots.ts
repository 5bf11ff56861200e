/** A bound on how many do something at one time; the others wait in line, in the order in which they came. */
import { onAbort } from './abort.js';

export class Slots {
  #free: number;
  readonly #line = new Set<() => void>();

  constructor(count: number) {
    this.#free = count;
  }

  /** Takes a slot if there is one, to be given back by `leave`. */
  enter(): boolean {
    if (this.#free === 0) return false;
    this.#free--;
    return true;
  }

  /** Runs `work` once there is a slot for it. @throws (rejects) with the signal's reason where it aborts before that */
  async use<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted();
    if (!this.enter()) await this.#wait(signal);
    try {
      return await work();
    } finally {
      this.leave();
    }
  }

  #wait(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const enter = () => {
        stop();
        resolve();
      };
      const stop = onAbort(signal, () => {
        this.#line.delete(enter);
        reject(signal?.reason);
      });
      this.#line.add(enter);
    });
  }

  /** The slot goes to the first in line, or back to the free ones. */
  leave(): void {
    const [next] = this.#line;
    if (next === undefined) {
      this.#free++;
      return;
    }
    this.#line.delete(next);
    next();
  }
}
