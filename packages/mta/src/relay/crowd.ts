/**
 * What happens when all places for messages under way are taken, or all the memory for their bodies.
 *
 * A message that waits for leave to connect has a place and gets nothing for it: its server has all the
 * connections that it may have. Thousands for one server that hangs would have all the places, and keep
 * everybody's mail waiting. So some of those that have waited for a while give up their places, as if they had not
 * been tried, and for a moment nothing of their destinations is claimed: what is due elsewhere comes first.
 */

export interface CrowdOptions {
  /** So many that wait are to leave, at most. */
  readonly giveWay: (most: number) => void;
  /** Somebody may come in again. */
  readonly wake: () => void;
  /** Milliseconds. */
  readonly beat?: number;
}

/** Messages that leave in a second: enough for others, and not so many that all of it begins anew each second. */
const MOST = 200;
const BEAT = 1000;
/** Beats in which a destination stays out. */
const OUT = 5;

export class Crowd {
  readonly #options: CrowdOptions;
  /** Destinations that are out, and the beat at which they come back; in that order. */
  readonly #out = new Map<string, number>();
  #beats = 0;
  #isFull = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: CrowdOptions) {
    this.#options = options;
  }

  /** All places are taken. To be said again and again while that is so. */
  full(): void {
    if (this.#isFull) return;
    this.#isFull = true;
    this.#options.giveWay(MOST);
    this.#run();
  }

  /** A message of this destination has given up its place. */
  left(destination: string): void {
    this.#out.delete(destination);
    this.#out.set(destination, this.#beats + OUT);
    this.#run();
  }

  /** A message got through there. */
  works(destination: string): void {
    this.#out.delete(destination);
  }

  isOut(destination: string): boolean {
    return this.#out.has(destination);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #run(): void {
    this.#timer ??= setTimeout(() => this.#beat(), this.#options.beat ?? BEAT).unref();
  }

  #beat(): void {
    this.#timer = undefined;
    this.#isFull = false;
    this.#beats += 1;
    for (const [destination, end] of this.#out) {
      if (end > this.#beats) break;
      this.#out.delete(destination);
    }
    if (this.#out.size > 0) this.#run();
    this.#options.wake();
  }
}
