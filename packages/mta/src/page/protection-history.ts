/**
 * What became of mail, by destination and hour: how it was protected where it was delivered, and how many tries came to
 * nothing. A week of it, for so many destinations; those that have had no mail for longest share one line.
 */
import { PROTECTIONS } from './protection.js';

export const COUNTED = [...PROTECTIONS, 'deferred', 'failed'] as const;
export type Counted = (typeof COUNTED)[number];

/** Recipients, or tries for `deferred`. */
export type Tally = Readonly<Record<Counted, number>>;

export const HOUR = 3_600_000;
/** Hours that are kept: a week, so that weekdays can be compared. */
export const KEPT_HOURS = 7 * 24;
/** Destinations with a line of their own: a few megabytes, were each busy in each hour. */
export const MAX_DESTINATIONS = 500;
/** No domain has this name. */
export const OTHERS = '';

export interface DestinationTally {
  readonly destination: string;
  readonly tally: Tally;
}

/** By hours since the epoch; what is 0 is left out. */
type Hours = Map<number, Partial<Record<Counted, number>>>;
const NONE: Hours = new Map();

export class ProtectionHistory {
  /** The one that was used last at the end. */
  readonly #destinations = new Map<string, Hours>();
  readonly #max: number;

  constructor(max = MAX_DESTINATIONS) {
    this.#max = max;
  }

  count(destination: string, what: Counted, now: number, number = 1): void {
    const hours = this.#destinations.get(destination) ?? new Map();
    this.#destinations.delete(destination);
    this.#destinations.set(destination, hours);
    const hour = Math.floor(now / HOUR);
    add(hours, hour, what, number);
    forget(hours, hour);
    if (this.#destinations.size > this.#max) this.#fold(hour);
  }

  /** Since a time, the busiest first; those without mail since then are left out. */
  destinations(since: number, now: number): DestinationTally[] {
    return [...this.#destinations]
      .map(([destination, hours]) => ({ destination, tally: sum(hours, since, now) }))
      .filter(({ tally }) => COUNTED.some((what) => tally[what] > 0))
      .sort(
        (one, other) => total(other.tally) - total(one.tally) || compare(one.destination, other.destination),
      );
  }

  /** One tally for each step of time, the last one ending with the hour that `now` is in. */
  series(destination: string | undefined, step: number, steps: number, now: number): Tally[] {
    const start = (Math.floor(now / HOUR) + 1) * HOUR - steps * step;
    const chosen =
      destination === undefined ? this.#destinations.values() : [this.#destinations.get(destination) ?? NONE];
    const sums = Array.from({ length: steps }, () => ({ ...EMPTY }));
    for (const hours of chosen) {
      for (const [hour, counts] of hours) {
        const tally = sums[Math.floor((hour * HOUR - start) / step)];
        if (tally !== undefined) addAll(tally, counts);
      }
    }
    return sums;
  }

  toJSON(): unknown {
    return [...this.#destinations].map(([destination, hours]) => [destination, [...hours]]);
  }

  /** Takes what `toJSON` gave; what is not of that form is passed over. */
  load(value: unknown, now: number): void {
    const hour = Math.floor(now / HOUR);
    for (const [destination, hours] of pairs(value)) {
      if (typeof destination !== 'string') continue;
      for (const [at, tally] of pairs(hours)) {
        if (typeof at !== 'number' || at > hour || at <= hour - KEPT_HOURS) continue;
        for (const what of COUNTED) {
          const number = fieldOf(tally, what);
          if (number > 0) this.count(destination, what, at * HOUR, number);
        }
      }
    }
  }

  /** What the one that was used longest ago had goes to the others. */
  #fold(hour: number): void {
    const others = this.#destinations.get(OTHERS) ?? new Map();
    for (const [destination, hours] of this.#destinations) {
      if (destination === OTHERS) continue;
      for (const [at, tally] of hours) {
        for (const what of COUNTED) add(others, at, what, tally[what] ?? 0);
      }
      this.#destinations.delete(destination);
      break;
    }
    forget(others, hour);
    this.#destinations.set(OTHERS, others);
    // It took the place that was made.
    if (this.#destinations.size > this.#max) this.#fold(hour);
  }
}

export const EMPTY: Tally = { dane: 0, sts: 0, local: 0, encrypted: 0, clear: 0, deferred: 0, failed: 0 };

/** Recipients that were delivered to. */
export const delivered = (tally: Tally): number => PROTECTIONS.reduce((all, what) => all + tally[what], 0);

export function plus(one: Tally, other: Tally): Tally {
  return {
    dane: one.dane + other.dane,
    sts: one.sts + other.sts,
    local: one.local + other.local,
    encrypted: one.encrypted + other.encrypted,
    clear: one.clear + other.clear,
    deferred: one.deferred + other.deferred,
    failed: one.failed + other.failed,
  };
}

const total = (tally: Tally): number => COUNTED.reduce((all, what) => all + tally[what], 0);

const compare = (one: string, other: string): number => (one < other ? -1 : one > other ? 1 : 0);

/** What is older than a week before this hour. */
function forget(hours: Hours, hour: number): void {
  for (const old of hours.keys()) if (old <= hour - KEPT_HOURS) hours.delete(old);
}

function add(hours: Hours, hour: number, what: Counted, number: number): void {
  if (number === 0) return;
  const tally = hours.get(hour) ?? {};
  tally[what] = (tally[what] ?? 0) + number;
  hours.set(hour, tally);
}

function sum(hours: Hours, from: number, to: number): Tally {
  const tally = { ...EMPTY };
  for (const [hour, counts] of hours) {
    if ((hour + 1) * HOUR > from && hour * HOUR <= to) addAll(tally, counts);
  }
  return tally;
}

function addAll(tally: Record<Counted, number>, counts: Partial<Tally>): void {
  for (const what of COUNTED) tally[what] += counts[what] ?? 0;
}

function pairs(value: unknown): (readonly [unknown, unknown])[] {
  if (!Array.isArray(value)) return [];
  return value.flatMap((each: unknown) => (Array.isArray(each) ? [[each[0], each[1]] as const] : []));
}

function fieldOf(value: unknown, key: Counted): number {
  if (typeof value !== 'object' || value === null) return 0;
  const found: unknown = Object.getOwnPropertyDescriptor(value, key)?.value;
  return typeof found === 'number' && Number.isSafeInteger(found) ? found : 0;
}
