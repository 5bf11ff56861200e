/**
 * Proofs of non-existence, used for more names than the one that was asked for (RFC 8198, for NSEC; RFC 8020).
 *
 * A verified NSEC record says that nothing lies between two names. As long as its TTL lasts, every name between them can be
 * denied with it, without a question; and so can a type that a name's own NSEC record does not list. Wildcard answers
 * are not made from it, and NSEC3 spans are not kept: their hashes would have to be computed for every name that is asked.
 */
import { AnswerBuilder } from './answer-builder.js';
import { inProportion } from './cache-size.js';
import { nsecDenier, type VerifiedNsec } from './dnssec/denial-nsec.js';
import type { Answered, TrustLink } from './lookup.js';
import type { Name } from './name.js';
import { RRTYPE } from './rrtype.js';

/** NSEC records kept, over all zones; at about 300 octets each. Whole zones go when it is full, the least used first. */
const MAX_RECORDS = 20_000;
/** Seconds for which one is believed at most (RFC 8198 section 5.4 lets the SOA's minimum bound it too; see `learn`). */
const MAX_TTL = 10_800;

interface Span extends VerifiedNsec {
  /** Milliseconds since the epoch. */
  readonly expires: number;
}

interface ZoneSpans {
  readonly zone: Name;
  readonly links: readonly TrustLink[];
  /** In canonical order of their owners. */
  readonly spans: Span[];
}

export class ProofCache {
  readonly #clock: () => number;
  readonly #maxRecords: number;
  readonly #zones = new Map<string, ZoneSpans>();
  #count = 0;

  /** @param maxCacheOctets of the answers beside it */
  constructor(clock: () => number, maxCacheOctets?: number) {
    this.#clock = clock;
    this.#maxRecords = inProportion(MAX_RECORDS, maxCacheOctets);
  }

  /** @param ttl seconds: the lowest of the records' own and the SOA's, so that no proof outlives a negative answer */
  learn(zone: Name, links: readonly TrustLink[], records: readonly VerifiedNsec[], ttl: number): void {
    if (records.length === 0 || ttl <= 0) return;
    const expires = this.#clock() + Math.min(ttl, MAX_TTL) * 1000;
    const known = this.#zones.get(zone.key);
    const spans = known?.spans ?? [];
    this.#zones.delete(zone.key);
    this.#zones.set(zone.key, { zone, links, spans });
    for (const record of records) {
      const at = lastNotAfter(spans, record.owner);
      const isSame = spans[at]?.owner.equals(record.owner) ?? false;
      spans.splice(isSame ? at : at + 1, isSame ? 1 : 0, { ...record, expires });
      if (!isSame) this.#count++;
    }
    this.#makeRoom();
  }

  /**
   * A secure absence, where kept proofs suffice for it; undefined where the question has to be asked.
   * @param anchor the closest trust anchor above the name: what a zone above it says does not count
   */
  deny(name: Name, type: number, anchor: Name | undefined): Answered | undefined {
    // What is at a zone cut, two zones have to say; ANY and signatures are nobody's to deny.
    if (type === RRTYPE.DS || type === RRTYPE.ANY || type === RRTYPE.RRSIG) return undefined;
    const within = this.#zoneAbove(name);
    if (within === undefined || anchor === undefined || !within.zone.isAtOrBelow(anchor)) return undefined;
    const over = this.#spanAt(within, name);
    if (over === undefined) return undefined;
    const encloser = name.suffix(Math.max(name.commonLabels(over.owner), name.commonLabels(over.next)));
    const atWildcard = over.owner.equals(name) ? undefined : this.#spanAt(within, encloser.wildcard());
    const spans = atWildcard === undefined ? [over] : [over, atWildcard];
    const denier = nsecDenier(within.zone, spans);
    const expires = Math.min(...spans.map((span) => span.expires));
    const ttl = Math.floor((expires - this.#clock()) / 1000);
    if (ttl <= 0) return undefined;
    const answer = new AnswerBuilder(name, type);
    answer.reached(within.links);
    if (denier.noName(name).kind === 'proved') return answer.absent('NXDOMAIN', ttl, { status: 'secure' });
    const isPlain = over.owner.equals(name) || over.next.isBelow(name);
    if (isPlain && denier.noData(name, type).kind === 'proved') {
      return answer.absent('NOERROR', ttl, { status: 'secure' });
    }
    return undefined;
  }

  clear(): void {
    this.#zones.clear();
    this.#count = 0;
  }

  get size(): number {
    return this.#count;
  }

  #zoneAbove(name: Name): ZoneSpans | undefined {
    for (let labels = name.labelCount; labels >= 0; labels--) {
      const zone = this.#zones.get(name.suffix(labels).key);
      if (zone !== undefined) return zone;
    }
    return undefined;
  }

  /** The span that begins at the name or covers it, if it still holds. */
  #spanAt({ spans, zone }: ZoneSpans, name: Name): Span | undefined {
    const span = spans[lastNotAfter(spans, name)];
    if (span === undefined || span.expires <= this.#clock()) return undefined;
    const reaches = span.owner.equals(name) || span.next.equals(zone) || name.compare(span.next) < 0;
    return reaches ? span : undefined;
  }

  #makeRoom(): void {
    for (const [key, { spans }] of this.#zones) {
      if (this.#count <= this.#maxRecords) return;
      this.#zones.delete(key);
      this.#count -= spans.length;
    }
  }
}

/** Index of the last span whose owner is not after the name; -1 where there is none. */
function lastNotAfter(spans: readonly Span[], name: Name): number {
  let low = 0;
  let high = spans.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const span = spans[middle];
    if (span !== undefined && span.owner.compare(name) <= 0) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
