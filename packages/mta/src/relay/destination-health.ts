/**
 * How many messages for one destination may be under way, and what a destination that is down means for all
 * its mail.
 *
 * - *Slow start.* Nobody is met with all we have: a destination begins with a few messages at a time and gets
 *   more as they succeed (Postfix: `initial_destination_concurrency`).
 * - *Back-off.* A server that says "not now" (421, 4yz) halves that number. One that has refused more connections in
 *   a row than there could have been at a time refuses them all, and is down.
 * - *One destination, tried as one.* Where no server of a destination can be reached or may be used, the next
 *   message would fail the same way. What is due shares the fate without being tried; after a pause one
 *   message is tried, and only if it gets through do the others follow.
 */
import type { DestinationState } from '../queue/queue.js';
import { MAX_JITTER, pauseAfter, type RetrySchedule } from './retry-schedule.js';

export interface DestinationLimits {
  /** Messages under way at first. */
  readonly initial: number;
  /** And at most. */
  readonly most: number;
}

/** The pauses between tries of a destination that is down end here: whoever is up again is noticed. */
export const LONGEST_PAUSE = 60 * 60_000;

/** Claims of a destination that share the fate of the one that failed, at a time. */
const DRAIN = 500;

/** Destinations that are remembered; those that are fine and as they were at first are forgotten first. */
const MAX_DESTINATIONS = 50_000;

/** Destinations that are looked at to find one to forget. */
const MOST_SEEN = 100;

interface Health {
  limit: number;
  /** Successes since the limit was last raised. */
  successes: number;
  /** Connections refused since the last success, and how many messages were under way at most when that began. */
  refused: number;
  underWay: number;
  /** Failures of the destination in a row. */
  failures: number;
  /** It is down, and what is due shares its fate. */
  fate: Fate | undefined;
  /** A pause has begun since it worked: that is written down, and told. */
  isTold: boolean;
  /** Milliseconds since the epoch: nothing is tried before. */
  pausedUntil: number;
}

export interface Fate {
  readonly reason: string;
  readonly host: string | null;
  readonly enhancedStatus: string | null;
}

export class DestinationHealth {
  #limits: DestinationLimits;
  readonly #health = new Map<string, Health>();
  /** Those with a fate, and since when; apart, as they are asked for with every claim. */
  readonly #down = new Map<string, number>();

  readonly #remembered: number;

  /** @param remembered destinations that are remembered */
  constructor(limits: DestinationLimits, remembered = MAX_DESTINATIONS) {
    this.#limits = limits;
    this.#remembered = remembered;
  }

  /** From now on. */
  configure(limits: DestinationLimits): void {
    this.#limits = limits;
    for (const health of this.#health.values()) health.limit = Math.min(health.limit, limits.most);
  }

  /** What was known before a restart. */
  restore({ destination, failures }: DestinationState): void {
    const health = this.#of(destination);
    health.failures = failures;
    health.isTold = true;
  }

  /** Messages that may be under way now. */
  limitOf(destination: string): number {
    const health = this.#health.get(destination);
    if (health === undefined) return this.#limits.initial;
    if (health.fate !== undefined) return DRAIN;
    return health.failures > 0 ? 1 : health.limit;
  }

  /** What a claim of this destination shares without being tried; undefined where it is to be tried. */
  fateOf(destination: string): Fate | undefined {
    return this.#health.get(destination)?.fate;
  }

  /**
   * A message got through, or was refused for what it is: the destination works. True where it was told that it does
   * not: what failed and worked again before a pause began was never down for anybody.
   */
  succeeded(destination: string): boolean {
    const health = this.#of(destination);
    const wasDown = health.isTold;
    health.isTold = false;
    health.failures = 0;
    health.refused = 0;
    health.fate = undefined;
    this.#down.delete(destination);
    health.pausedUntil = 0;
    if (health.limit < this.#limits.most && ++health.successes >= health.limit) {
      health.successes = 0;
      health.limit += Math.max(1, Math.floor(health.limit / 2));
      health.limit = Math.min(health.limit, this.#limits.most);
    }
    return wasDown;
  }

  /**
   * A server wants less.
   * @param fate where it refused the connection itself: what others meet if it refuses all of them
   */
  overloaded(destination: string, fate: Fate | undefined, now: number): void {
    const health = this.#of(destination);
    if (health.refused === 0) health.underWay = health.limit;
    health.refused = fate === undefined ? 0 : health.refused + 1;
    if (fate !== undefined && (health.failures > 0 || health.refused > health.underWay)) {
      this.failed(destination, fate, now);
      return;
    }
    health.successes = 0;
    health.limit = Math.max(1, Math.floor(health.limit / 2));
  }

  /** No server could be used: from now on what is due shares this fate, until `drained`. */
  failed(destination: string, fate: Fate, now: number): void {
    const health = this.#of(destination);
    // Messages that were under way together fail together: that is one failure of the destination. A pause that is
    // longer than any was begun by a clock that was ahead.
    const left = health.pausedUntil - now;
    if (left > 0 && left <= LONGEST_PAUSE * MAX_JITTER) return;
    if (health.fate === undefined) health.failures += 1;
    health.limit = this.#limits.initial;
    health.successes = 0;
    health.refused = 0;
    health.fate = fate;
    if (!this.#down.has(destination)) this.#down.set(destination, now);
  }

  get isAnyDown(): boolean {
    return this.#down.size > 0;
  }

  /** Destinations whose due messages share a fate, and since when. */
  down(): Iterable<readonly [destination: string, since: number]> {
    return this.#down;
  }

  /** Nothing is due there any more. The pause begins. */
  drained(
    destination: string,
    schedule: RetrySchedule,
    now: number,
    random: number,
  ): DestinationState | undefined {
    const health = this.#health.get(destination);
    if (health?.fate === undefined) return undefined;
    const { fate, failures } = health;
    const longest = Math.min(LONGEST_PAUSE, schedule.longest);
    const notBefore = now + pauseAfter(failures, { ...schedule, longest }, random);
    health.fate = undefined;
    this.#down.delete(destination);
    health.pausedUntil = notBefore;
    health.isTold = true;
    return { destination, notBefore, failures, reason: fate.reason };
  }

  #of(destination: string): Health {
    const known = this.#health.get(destination);
    if (known !== undefined) return known;
    if (this.#health.size >= this.#remembered) this.#forget();
    const { initial: limit } = this.#limits;
    const none = { successes: 0, refused: 0, underWay: limit, failures: 0 };
    const made: Health = { limit, ...none, fate: undefined, isTold: false, pausedUntil: 0 };
    this.#health.set(destination, made);
    return made;
  }

  /** The oldest that is fine, of those that were there first; where none of them is, the oldest. */
  #forget(): void {
    let oldest: string | undefined;
    let seen = 0;
    for (const [destination, { failures }] of this.#health) {
      oldest ??= destination;
      if (failures === 0) oldest = destination;
      if (failures === 0 || ++seen >= MOST_SEEN) break;
    }
    if (oldest === undefined) return;
    this.#health.delete(oldest);
    this.#down.delete(oldest);
  }
}
