/**
 * What was answered, for as long as its TTL allows; where memory is short, what is not used goes first.
 *
 * Answers are kept packed (`packed-answer.ts`); those in use are there in the form that callers get as well.
 *
 * Failures are not kept: they may be over at the next look-up. Insecure answers stay a while after their time, for the case
 * that their servers can't be reached (RFC 8767); whether they may be used then, the resolver decides.
 */
import { MAX_CACHE_OCTETS } from './cache-size.js';
import { type Answered, isAnswered, type Lookup } from './lookup.js';
import { type PackedAnswer, pack, unpack, weigh } from './packed-answer.js';
import { SieveMap } from './sieve-map.js';

/** Seconds for which an answer is kept at most, whatever its TTL says. */
const MAX_TTL = 86_400;
/** Seconds after its time for which an insecure answer may still be of use (RFC 8767 section 5: one to three days). */
const MAX_STALE = 86_400;
/** Answers that were used at least this often are asked for anew shortly before their time is over ... */
const HOT_HITS = 3;
/** ... in the last tenth of it, unless that is shorter than this, in milliseconds. */
const MIN_REFRESH_MS = 2_000;
/** Answers in use that are there unpacked: what one busy process asks for again and again within minutes. */
const MAX_UNPACKED = 4_000;

/** An answer with the times that it holds for, in milliseconds since the epoch. */
export interface Kept {
  readonly lookup: Answered;
  readonly stored: number;
  readonly expires: number;
}

interface Entry {
  readonly answer: PackedAnswer;
  readonly stored: number;
  readonly expires: number;
  hits: number;
  isRefreshing: boolean;
}

/** An answer with its TTLs counted down by its age in seconds; made once a second at most. */
interface Unpacked {
  readonly entry: Entry;
  readonly age: number;
  readonly lookup: Answered;
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
  /** Called for an answer that is in use and about to end; without its records. */
  readonly refresh?: (lookup: Answered) => void;
}

export class AnswerCache {
  readonly #entries: SieveMap<Entry>;
  readonly #unpacked = new SieveMap<Unpacked>(MAX_UNPACKED);
  readonly #clock: () => number;
  readonly #refresh: ((lookup: Answered) => void) | undefined;
  #hits = 0;
  #misses = 0;
  #refreshed = 0;

  constructor(options: CacheOptions) {
    this.#clock = options.clock;
    this.#entries = new SieveMap(options.maxOctets ?? MAX_CACHE_OCTETS);
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
    if (!entry.isRefreshing && entry.hits >= HOT_HITS && isEnding(entry, now)) this.#refreshEarly(entry);
    const age = Math.floor((now - entry.stored) / 1000);
    const known = this.#unpacked.get(key);
    if (known?.entry === entry && known.age === age) return known.lookup;
    const lookup = unpack(entry.answer, age);
    this.#unpacked.set(key, { entry, age, lookup });
    return lookup;
  }

  /** An insecure answer whose time is over, but not by long. */
  stale(key: string): Answered | undefined {
    const entry = this.#entries.get(key);
    const now = this.#clock();
    if (entry === undefined || entry.answer.rest.status !== 'insecure') return undefined;
    const isStale = now >= entry.expires && now < entry.expires + MAX_STALE * 1000;
    return isStale ? unpack(entry.answer, 0) : undefined;
  }

  /** Keeps an answer. What replaces it later may be anything but a failure. */
  set(key: string, lookup: Lookup): void {
    if (!isAnswered(lookup)) return;
    const ttl = Math.min(lookup.ttl, MAX_TTL);
    const stored = this.#clock();
    this.keep(key, { lookup, stored, expires: stored + ttl * 1000 });
  }

  keep(key: string, { lookup, stored, expires }: Kept): void {
    this.#unpacked.delete(key);
    if (expires <= stored) {
      this.#entries.delete(key);
      return;
    }
    const answer = pack(lookup);
    this.#entries.set(key, { answer, stored, expires, hits: 0, isRefreshing: false }, weigh(key, answer));
  }

  /** Everything that still holds, the oldest first. */
  *kept(): Generator<readonly [key: string, kept: Kept]> {
    const now = this.#clock();
    for (const [key, { answer, stored, expires }] of this.#entries)
      if (now < expires && now >= stored) yield [key, { lookup: unpack(answer, 0), stored, expires }];
  }

  clear(): void {
    this.#entries.clear();
    this.#unpacked.clear();
  }

  get counters(): CacheCounters {
    return {
      hits: this.#hits,
      misses: this.#misses,
      evicted: this.#entries.evicted,
      refreshed: this.#refreshed,
      entries: this.#entries.size,
      octets: this.#entries.weight,
    };
  }

  #refreshEarly(entry: Entry): void {
    if (this.#refresh === undefined) return;
    entry.isRefreshing = true;
    this.#refreshed++;
    this.#refresh(entry.answer.rest);
  }
}

function isEnding(entry: Entry, now: number): boolean {
  const lastTenth = (entry.expires - entry.stored) / 10;
  return lastTenth >= MIN_REFRESH_MS && entry.expires - now <= lastTenth;
}
