/**
 * Who has what in hand: claims live in memory, and end with the process.
 *
 * The index holds destinations in the order in which they become due. `#scanned` says how far in that order this
 * process has looked; every destination before it that may have something to give is in `#ready`, and stands
 * there in turn. One that has nothing to give is dropped, and comes back when something changes about it: work
 * is added, settled, given back, or (`#later`) becomes due behind work that is in hand. So a claim looks at
 * destinations that have something to give, at those that are at their limit, and at each of the others once.
 *
 * Within a destination `#from` says where the work begins that is not in hand. What came lately is claimed as it is
 * remembered (`recent.ts`).
 */
import type { Claim, ClaimBatch, ClaimRequest, QueuedRecipient } from '../queue.js';
import { AFTER_ALL, keysUnder, SEPARATOR, type Table, type TableReader } from './draft.js';
import {
  type DestinationEntry,
  decodeDestination,
  decodeMessageEntry,
  decodeWork,
  NO_DESTINATION,
  parseDueKey,
  parseHeadKey,
  timeKey,
  workKey,
} from './entries.js';
import { NOTHING_RECENT, type RecentMessage, type RecentReader } from './recent.js';
import { TimeHeap } from './time-heap.js';

/** Destinations that take turns, at least, where so many are due: more than one, or there would be no turns. */
const TURNS = 64;
/** Destinations whose limit is zero that are asked about again in one call. */
const DENIED_PER_CALL = 64;

export class Claims {
  readonly #table: (table: Table) => TableReader;
  /** Works in hand; and by the fence of their claim. */
  readonly #live = new Set<string>();
  readonly #workOf = new Map<number, string>();
  readonly #liveOf = new Map<string, number>();
  /** Of destinations with work in hand: all before that key of `due` is in hand. */
  readonly #from = new Map<string, string>();
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
    return this.#workOf.has(claim.fence);
  }

  /**
   * Ends a claim.
   * @param isDone nothing is left of its work in the index
   */
  end({ fence, destination }: Claim, isDone = false): void {
    const work = this.#workOf.get(fence);
    if (work === undefined) return;
    this.#workOf.delete(fence);
    this.#live.delete(work);
    const live = (this.#liveOf.get(destination) ?? 1) - 1;
    if (live === 0) this.#liveOf.delete(destination);
    else this.#liveOf.set(destination, live);
    if (live === 0 || !isDone) this.#from.delete(destination);
    this.changed(destination);
  }

  /**
   * Something about that destination has changed.
   * @param key the first of `due` that came to it, if any did
   */
  changed(destination: string, key?: string): void {
    const from = this.#from.get(destination);
    if (from !== undefined && key !== undefined && key < from) this.#from.set(destination, key);
    this.#later.forget(destination);
    this.#atLimit.delete(destination);
    this.#ready.add(destination);
  }

  /** Anything may have changed. */
  forget(): void {
    this.#scanned = '';
    this.#from.clear();
    this.#later.clear();
  }

  /** @param recent what is remembered of the index as it is read now */
  claim(request: ClaimRequest, recent: RecentReader = NOTHING_RECENT): ClaimBatch {
    const { now, max } = request;
    // The clock was set back: what was looked at as due is not.
    if (now < this.#lastNow) this.forget();
    this.#lastNow = now;
    for (const destination of this.#later.takeUntil(now)) this.#ready.add(destination);
    this.#askAgain(request);
    const claims: Claim[] = [];
    let isAllSeen = false;
    while (claims.length < max) {
      if (!isAllSeen) isAllSeen = this.#lookFurther(now, Math.max(max, TURNS));
      const destination = firstOf(this.#ready);
      if (destination === undefined) break;
      this.#ready.delete(destination);
      const claim = this.#claimOf(destination, request, recent);
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

  /** Looks further in the order of due destinations until so many are ready. True where there are no more. */
  #lookFurther(now: number, enough: number): boolean {
    if (this.#ready.size >= enough) return false;
    for (const key of this.#table('heads').keys(this.#scanned, timeKey(Math.floor(now) + 1))) {
      this.#scanned = key + SEPARATOR;
      this.#ready.add(parseHeadKey(key).destination);
      if (this.#ready.size >= enough) return false;
    }
    return true;
  }

  /** The next claim of a destination; undefined where there is none now. */
  #claimOf(destination: string, request: ClaimRequest, recent: RecentReader): Claim | undefined {
    const { now, limitOf } = request;
    const live = this.#liveOf.get(destination) ?? 0;
    if (live >= limitOf(destination)) {
      (live === 0 ? this.#denied : this.#atLimit).add(destination);
      return undefined;
    }
    const { state } = recent.destination(destination) ?? this.#destination(destination);
    if (state !== undefined && state.notBefore > now) return this.#notBefore(destination, state.notBefore);
    for (const key of keysUnder(this.#table('due'), destination, this.#from.get(destination))) {
      const { due, id } = parseDueKey(key);
      if (this.#live.has(workKey(id, destination))) continue;
      if (due > now) return this.#notBefore(destination, due);
      const claim = this.#make(id, destination, now, recent);
      if (claim === undefined) continue;
      this.#from.set(destination, key + SEPARATOR);
      return claim;
    }
    return undefined;
  }

  #destination(destination: string): DestinationEntry {
    const text = this.#table('destinations').get(destination);
    return text === undefined ? NO_DESTINATION : decodeDestination(text, destination);
  }

  #notBefore(destination: string, time: number): undefined {
    this.#later.add(time, destination);
    return undefined;
  }

  #make(id: string, destination: string, now: number, recent: RecentReader): Claim | undefined {
    const work = workKey(id, destination);
    const message = recent.message(id) ?? this.#message(id, destination, work);
    if (message === undefined) return undefined;
    const { envelope, place, works } = message;
    const isDue = ({ state }: QueuedRecipient): boolean => !state.held && state.due <= now;
    const recipients = works.get(destination)?.filter(isDue) ?? [];
    if (recipients.length === 0) return undefined;
    const fence = this.#fence++;
    this.#live.add(work);
    this.#workOf.set(fence, work);
    this.#liveOf.set(destination, (this.#liveOf.get(destination) ?? 0) + 1);
    return { id, destination, envelope, size: place.size, recipients, fence, leaseUntil: undefined };
  }

  /** A message with that work, as it stands in the index. */
  #message(id: string, destination: string, work: string): RecentMessage | undefined {
    const entry = this.#table('messages').get(id);
    const recipients = this.#table('works').get(work);
    if (entry === undefined || recipients === undefined) return undefined;
    const message = decodeMessageEntry(entry);
    const decoded = decodeWork(recipients, message.envelope.arrived, destination);
    return { ...message, works: new Map([[destination, decoded]]) };
  }

  #nextDue(now: number): number | undefined {
    const head = firstOf(this.#table('heads').keys(timeKey(Math.floor(now) + 1), AFTER_ALL));
    const due = head === undefined ? undefined : parseHeadKey(head).time;
    const later = this.#later.earliest();
    if (due === undefined || later === undefined) return due ?? later;
    return Math.min(due, later);
  }
}

function firstOf<T>(items: Iterable<T>): T | undefined {
  for (const item of items) return item;
  return undefined;
}
