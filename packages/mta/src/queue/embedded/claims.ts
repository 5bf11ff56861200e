/**
 * Who has what in hand: claims live in memory, and end with the process.
 *
 * The index holds destinations in the order in which they become due. `#scanned` says how far in that order this
 * process has looked; every destination before it that may have something to give is in `#ready`, and stands
 * there in turn. One that has nothing to give is dropped, and comes back when something changes about it: work
 * is added, settled, given back, or (`#later`) becomes due behind work that is in hand. So a claim looks at
 * destinations that have something to give, at those that are at their limit, and at each of the others once.
 */
import type { Claim, ClaimBatch, ClaimRequest } from '../queue.js';
import { AFTER_ALL, keysUnder, SEPARATOR, type Table, type TableReader } from './draft.js';
import {
  decodeDestination,
  decodeMessageEntry,
  decodeWork,
  parseDueKey,
  parseHeadKey,
  timeKey,
  workKey,
} from './entries.js';
import { TimeHeap } from './time-heap.js';

/** Destinations that take turns, at least, where so many are due: more than one, or there would be no turns. */
const TURNS = 64;
/** Destinations whose limit is zero that are asked about again in one call. */
const DENIED_PER_CALL = 64;

export class Claims {
  readonly #table: (table: Table) => TableReader;
  /** By work. */
  readonly #live = new Map<string, Claim>();
  readonly #liveOf = new Map<string, number>();
  readonly #ready = new Set<string>();
  /** Those that have as many claims as they may. There are no more of them than there are claims. */
  readonly #atLimit = new Set<string>();
  /** Those of which nothing may be claimed at all. */
  readonly #denied = new Set<string>();
  readonly #later = new TimeHeap();
  #scanned = '';
  #lastNow = Number.NEGATIVE_INFINITY;
  #fence: number;

  /** @param firstFence higher than any of the process before */
  constructor(table: (table: Table) => TableReader, firstFence: number) {
    this.#table = table;
    this.#fence = firstFence;
  }

  isLive(claim: Claim): boolean {
    return this.#live.get(workKey(claim.id, claim.destination))?.fence === claim.fence;
  }

  /** Ends a claim. False where it had ended before. */
  end(claim: Claim): boolean {
    if (!this.isLive(claim)) return false;
    this.#live.delete(workKey(claim.id, claim.destination));
    const live = (this.#liveOf.get(claim.destination) ?? 1) - 1;
    if (live === 0) this.#liveOf.delete(claim.destination);
    else this.#liveOf.set(claim.destination, live);
    this.changed(claim.destination);
    return true;
  }

  /** Something about that destination has changed. */
  changed(destination: string): void {
    this.#later.forget(destination);
    this.#atLimit.delete(destination);
    this.#ready.add(destination);
  }

  /** Anything may have changed. */
  forget(): void {
    this.#scanned = '';
    this.#later.clear();
  }

  claim(request: ClaimRequest): ClaimBatch {
    const { now, max } = request;
    // The clock was set back: what was looked at as due is not.
    if (now < this.#lastNow) this.forget();
    this.#lastNow = now;
    for (const destination of this.#later.takeUntil(now)) this.#ready.add(destination);
    this.#askAgain(request);
    const claims: Claim[] = [];
    while (claims.length < max) {
      this.#lookFurther(now, Math.max(max, TURNS));
      const [destination] = this.#ready;
      if (destination === undefined) break;
      this.#ready.delete(destination);
      const claim = this.#claimOf(destination, request);
      if (claim === undefined) continue;
      claims.push(claim);
      this.#ready.add(destination);
    }
    return { claims, nextDue: this.#nextDue(now) };
  }

  /** Limits may have grown. */
  #askAgain({ limitOf }: ClaimRequest): void {
    for (const destination of this.#atLimit) {
      if ((this.#liveOf.get(destination) ?? 0) >= limitOf(destination)) continue;
      this.#atLimit.delete(destination);
      this.#ready.add(destination);
    }
    let asked = 0;
    for (const destination of this.#denied) {
      if (asked++ === DENIED_PER_CALL) break;
      this.#denied.delete(destination);
      this.#ready.add(destination);
    }
  }

  /** Looks further in the order of due destinations until so many are ready. */
  #lookFurther(now: number, enough: number): void {
    if (this.#ready.size >= enough) return;
    for (const key of this.#table('heads').keys(this.#scanned, timeKey(Math.floor(now) + 1))) {
      this.#scanned = key + SEPARATOR;
      this.#ready.add(parseHeadKey(key).destination);
      if (this.#ready.size >= enough) break;
    }
  }

  /** The next claim of a destination; undefined where there is none now. */
  #claimOf(destination: string, request: ClaimRequest): Claim | undefined {
    const { now, limitOf } = request;
    const live = this.#liveOf.get(destination) ?? 0;
    if (live >= limitOf(destination)) {
      (live === 0 ? this.#denied : this.#atLimit).add(destination);
      return undefined;
    }
    const known = this.#table('destinations').get(destination);
    const state = known === undefined ? undefined : decodeDestination(known, destination).state;
    if (state !== undefined && state.notBefore > now) return this.#notBefore(destination, state.notBefore);
    for (const key of keysUnder(this.#table('due'), destination)) {
      const { due, id } = parseDueKey(key);
      if (this.#live.has(workKey(id, destination))) continue;
      if (due > now) return this.#notBefore(destination, due);
      const claim = this.#make(id, destination, now);
      if (claim !== undefined) return claim;
    }
    return undefined;
  }

  #notBefore(destination: string, time: number): undefined {
    this.#later.add(time, destination);
    return undefined;
  }

  #make(id: string, destination: string, now: number): Claim | undefined {
    const entry = this.#table('messages').get(id);
    const work = this.#table('works').get(workKey(id, destination));
    if (entry === undefined || work === undefined) return undefined;
    const { envelope, place } = decodeMessageEntry(entry);
    const recipients = decodeWork(work, envelope.arrived, destination).filter(
      ({ state }) => !state.held && state.due <= now,
    );
    if (recipients.length === 0) return undefined;
    const fence = this.#fence++;
    const claim = { id, destination, envelope, size: place.size, recipients, fence, leaseUntil: undefined };
    this.#live.set(workKey(id, destination), claim);
    this.#liveOf.set(destination, (this.#liveOf.get(destination) ?? 0) + 1);
    return claim;
  }

  #nextDue(now: number): number | undefined {
    const [head] = firstOf(this.#table('heads').keys(timeKey(Math.floor(now) + 1), AFTER_ALL));
    const due = head === undefined ? undefined : parseHeadKey(head).time;
    const later = this.#later.earliest();
    if (due === undefined || later === undefined) return due ?? later;
    return Math.min(due, later);
  }
}

function firstOf<T>(items: Iterable<T>): readonly T[] {
  for (const item of items) return [item];
  return [];
}
