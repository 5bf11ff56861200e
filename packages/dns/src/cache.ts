/** What was answered, for as long as its TTL allows; the least recently used answers go first. */
import { type Answered, isAnswered, type Lookup } from './lookup.js';

/** Octets of memory that answers may take, by estimate. */
export const MAX_CACHE_OCTETS = 64 * 1024 * 1024;
/** Seconds for which an answer is kept at most, whatever its TTL says. */
const MAX_TTL = 86_400;
/** Estimate of one entry's fixed cost: map entry, look-up object, strings. */
const ENTRY_OCTETS = 700;
/** Estimate of one record's cost beside its RDATA. */
const RECORD_OCTETS = 300;

interface Entry {
  readonly lookup: Answered;
  /** Milliseconds since the epoch. */
  readonly stored: number;
  readonly expires: number;
  readonly octets: number;
  /** The answer with its TTLs counted down, made once a second at most. */
  aged: { readonly seconds: number; readonly lookup: Answered };
}

export class AnswerCache {
  readonly #entries = new Map<string, Entry>();
  readonly #clock: () => number;
  readonly #maxOctets: number;
  #octets = 0;

  constructor(options: { clock: () => number; maxOctets?: number }) {
    this.#clock = options.clock;
    this.#maxOctets = options.maxOctets ?? MAX_CACHE_OCTETS;
  }

  get(key: string): Answered | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    const now = this.#clock();
    // A clock that was set back makes ages negative: such entries are not to be trusted for longer.
    if (now >= entry.expires || now < entry.stored) {
      this.#drop(key, entry);
      return undefined;
    }
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    const seconds = Math.floor((now - entry.stored) / 1000);
    if (entry.aged.seconds !== seconds) entry.aged = { seconds, lookup: age(entry.lookup, seconds) };
    return entry.aged.lookup;
  }

  /** Keeps an answer; failures are not kept. */
  set(key: string, lookup: Lookup): void {
    if (!isAnswered(lookup)) return;
    const ttl = Math.min(lookup.ttl, MAX_TTL);
    if (ttl <= 0) return;
    const octets = estimate(key, lookup);
    if (octets > this.#maxOctets) return;
    const old = this.#entries.get(key);
    if (old !== undefined) this.#drop(key, old);
    const stored = this.#clock();
    const entry = { lookup, stored, expires: stored + ttl * 1000, octets, aged: { seconds: 0, lookup } };
    this.#entries.set(key, entry);
    this.#octets += octets;
    for (const [oldest, candidate] of this.#entries) {
      if (this.#octets <= this.#maxOctets) break;
      this.#drop(oldest, candidate);
    }
  }

  clear(): void {
    this.#entries.clear();
    this.#octets = 0;
  }

  get size(): number {
    return this.#entries.size;
  }

  #drop(key: string, entry: Entry): void {
    this.#entries.delete(key);
    this.#octets -= entry.octets;
  }
}

function age(lookup: Answered, seconds: number): Answered {
  const records = lookup.records.map((record) => ({ ...record, ttl: Math.max(0, record.ttl - seconds) }));
  return { ...lookup, records, ttl: Math.max(0, lookup.ttl - seconds) };
}

function estimate(key: string, lookup: Answered): number {
  let octets = ENTRY_OCTETS + key.length + lookup.aliases.length * RECORD_OCTETS;
  for (const record of lookup.records) octets += RECORD_OCTETS + 2 * record.rdata.length;
  return octets;
}
