/**
 * What was answered, for as long as its TTL allows; the least recently used answers go first.
 *
 * Failures are not kept: they may be over at the next look-up. Insecure answers stay a while after their time, for the case
 * that their servers can't be reached (RFC 8767); whether they may be used then, the resolver decides.
 */
import { type Answered, isAnswered, type Lookup } from './lookup.js';

/** Octets of memory that answers may take, by estimate. */
export const MAX_CACHE_OCTETS = 64 * 1024 * 1024;
/** Seconds for which an answer is kept at most, whatever its TTL says. */
const MAX_TTL = 86_400;
/** Seconds after its time for which an insecure answer may still be of use (RFC 8767 section 5: one to three days). */
const MAX_STALE = 86_400;
/** Answers that were used at least this often are asked for anew shortly before their time is over ... */
const HOT_HITS = 3;
/** ... in the last tenth of it, unless that is shorter than this, in milliseconds. */
const MIN_REFRESH_MS = 2_000;
/** Estimate of one entry's fixed cost: map entry, look-up object, strings. */
const ENTRY_OCTETS = 500;
/** Estimate of one record's cost beside its RDATA, which is there twice: as sent and as parsed. */
const RECORD_OCTETS = 350;

/** An answer with the times that it holds for, in milliseconds since the epoch. */
export interface Kept {
  readonly lookup: Answered;
  readonly stored: number;
  readonly expires: number;
}

interface Entry extends Kept {
  readonly octets: number;
  hits: number;
  isRefreshing: boolean;
  /** The answer with its TTLs counted down, made once a second at most. */
  aged: { readonly seconds: number; readonly lookup: Answered };
}

export interface CacheCounters {
  readonly hits: number;
  readonly misses: number;
  /** Answers that had to make room for others before their time. */
  readonly evicted: number;
  /** Answers asked for anew before their time, because they are in use. */
  readonly refreshed: number;
  readonly entries: number;
  /** Octets, by estimate. */
  readonly octets: number;
}

export interface CacheOptions {
  readonly clock: () => number;
  readonly maxOctets?: number;
  /** Called for an answer that is in use and about to end. */
  readonly refresh?: (lookup: Answered) => void;
}

export class AnswerCache {
  readonly #entries = new Map<string, Entry>();
  readonly #clock: () => number;
  readonly #maxOctets: number;
  readonly #refresh: ((lookup: Answered) => void) | undefined;
  #octets = 0;
  #hits = 0;
  #misses = 0;
  #evicted = 0;
  #refreshed = 0;

  constructor(options: CacheOptions) {
    this.#clock = options.clock;
    this.#maxOctets = options.maxOctets ?? MAX_CACHE_OCTETS;
    this.#refresh = options.refresh;
  }

  get(key: string): Answered | undefined {
    const entry = this.#entries.get(key);
    const now = this.#clock();
    // A clock that was set back makes ages negative: such entries are not to be trusted for longer.
    if (entry === undefined || now >= entry.expires || now < entry.stored) {
      this.#misses++;
      return undefined;
    }
    this.#hits++;
    entry.hits++;
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    if (!entry.isRefreshing && entry.hits >= HOT_HITS && isEnding(entry, now)) this.#refreshEarly(entry);
    const seconds = Math.floor((now - entry.stored) / 1000);
    if (entry.aged.seconds !== seconds) entry.aged = { seconds, lookup: age(entry.lookup, seconds) };
    return entry.aged.lookup;
  }

  /** An insecure answer whose time is over, but not by long. */
  stale(key: string): Answered | undefined {
    const entry = this.#entries.get(key);
    const now = this.#clock();
    if (entry === undefined || entry.lookup.status !== 'insecure') return undefined;
    const isStale = now >= entry.expires && now < entry.expires + MAX_STALE * 1000;
    return isStale ? entry.lookup : undefined;
  }

  /** Keeps an answer. What replaces it later may be anything but a failure. */
  set(key: string, lookup: Lookup): void {
    if (!isAnswered(lookup)) return;
    const ttl = Math.min(lookup.ttl, MAX_TTL);
    const stored = this.#clock();
    this.keep(key, { lookup, stored, expires: stored + ttl * 1000 });
  }

  keep(key: string, kept: Kept): void {
    const old = this.#entries.get(key);
    if (old !== undefined) this.#drop(key, old);
    const octets = estimate(key, kept.lookup);
    if (kept.expires <= kept.stored || octets > this.#maxOctets) return;
    this.#entries.set(key, {
      ...kept,
      octets,
      hits: 0,
      isRefreshing: false,
      aged: { seconds: 0, lookup: kept.lookup },
    });
    this.#octets += octets;
    for (const [oldest, candidate] of this.#entries) {
      if (this.#octets <= this.#maxOctets) break;
      this.#drop(oldest, candidate);
      this.#evicted++;
    }
  }

  /** Everything that still holds, the least recently used first. */
  *kept(): Generator<readonly [key: string, kept: Kept]> {
    const now = this.#clock();
    for (const [key, entry] of this.#entries)
      if (now < entry.expires && now >= entry.stored) yield [key, entry];
  }

  clear(): void {
    this.#entries.clear();
    this.#octets = 0;
  }

  get counters(): CacheCounters {
    return {
      hits: this.#hits,
      misses: this.#misses,
      evicted: this.#evicted,
      refreshed: this.#refreshed,
      entries: this.#entries.size,
      octets: this.#octets,
    };
  }

  #refreshEarly(entry: Entry): void {
    if (this.#refresh === undefined) return;
    entry.isRefreshing = true;
    this.#refreshed++;
    this.#refresh(entry.lookup);
  }

  #drop(key: string, entry: Entry): void {
    this.#entries.delete(key);
    this.#octets -= entry.octets;
  }
}

function isEnding(entry: Kept, now: number): boolean {
  const lastTenth = (entry.expires - entry.stored) / 10;
  return lastTenth >= MIN_REFRESH_MS && entry.expires - now <= lastTenth;
}

function age(lookup: Answered, seconds: number): Answered {
  const records = lookup.records.map((record) => ({ ...record, ttl: Math.max(0, record.ttl - seconds) }));
  return { ...lookup, records, ttl: Math.max(0, lookup.ttl - seconds) };
}

function estimate(key: string, lookup: Answered): number {
  let octets = ENTRY_OCTETS + 2 * key.length + lookup.aliases.length * RECORD_OCTETS;
  for (const record of lookup.records) octets += RECORD_OCTETS + 2 * record.rdata.length;
  return octets;
}
