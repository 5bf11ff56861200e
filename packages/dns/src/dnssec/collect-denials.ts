/** The NSEC and NSEC3 records of a message whose signatures hold, as a proof to be asked (RFC 4035 section 5.4). */

import { formatBase32hex } from '../base32hex.js';
import type { ZoneFault } from '../lookup.js';
import type { Message } from '../message.js';
import { parseRdata } from '../record.js';
import { RRTYPE } from '../rrtype.js';
import { WireError } from '../wire.js';
import { BoundError, type Budget, MAX_DENIALS, MAX_NSEC3_ITERATIONS } from './bounds.js';
import type { Denier } from './denial.js';
import { nsecDenier, type VerifiedNsec } from './denial-nsec.js';
import { isUsableNsec3, nsec3Denier, type VerifiedNsec3 } from './denial-nsec3.js';
import { type RRset, RRsets } from './rrset.js';
import { type SigningZone, verifyRRset } from './signature.js';

export type Denials =
  | {
      readonly kind: 'records';
      readonly denier: Denier;
      /** The NSEC records by themselves: they may deny other names too (RFC 8198). */
      readonly nsec: readonly VerifiedNsec[];
      /** Seconds for which what they prove may be believed; 0 where there are none. */
      readonly ttl: number;
      readonly flaw?: Flaw;
    }
  /** RFC 9276 section 3.2: signed, but with more hash iterations than we are ready to do; insecure, not bogus. */
  | { readonly kind: 'too-many-iterations'; readonly reason: string; readonly ttl: number };

/** Why a record that came was left out. */
export interface Flaw {
  /** For people. */
  readonly reason: string;
  readonly fault?: ZoneFault;
}

export async function collectDenials(
  message: Message,
  zone: SigningZone,
  now: number,
  budget: Budget,
): Promise<Denials> {
  const sets = new RRsets(message.authority);
  const nsec = sets.ofType(RRTYPE.NSEC);
  const nsec3 = sets.ofType(RRTYPE.NSEC3);
  if (nsec.length + nsec3.length > MAX_DENIALS)
    throw new BoundError(`${nsec.length + nsec3.length} NSEC and NSEC3 records`);
  const collected = new Collector(zone, now, budget);
  const verifiedNsec: VerifiedNsec[] = [];
  for (const set of nsec) verifiedNsec.push(...(await collected.nsec(set)));
  const verifiedNsec3: VerifiedNsec3[] = [];
  for (const set of nsec3) verifiedNsec3.push(...(await collected.nsec3(set)));
  const costly = verifiedNsec3.find((record) => record.iterations > MAX_NSEC3_ITERATIONS);
  if (costly !== undefined) {
    const reason = `${zone.name} uses NSEC3 with ${costly.iterations} iterations (${MAX_NSEC3_ITERATIONS} at most are computed)`;
    if (budget.isStrict) throw new BoundError(reason);
    return { kind: 'too-many-iterations', reason, ttl: collected.ttl };
  }
  const denier =
    verifiedNsec.length > 0
      ? nsecDenier(zone.name, verifiedNsec)
      : nsec3Denier(zone.name, verifiedNsec3, budget);
  const { ttl, flaw } = collected;
  return { kind: 'records', denier, nsec: verifiedNsec, ttl, ...(flaw === undefined ? {} : { flaw }) };
}

class Collector {
  readonly #zone: SigningZone;
  readonly #now: number;
  readonly #budget: Budget;
  #ttl = Number.POSITIVE_INFINITY;
  flaw: Flaw | undefined;

  constructor(zone: SigningZone, now: number, budget: Budget) {
    this.#zone = zone;
    this.#now = now;
    this.#budget = budget;
  }

  get ttl(): number {
    return Number.isFinite(this.#ttl) ? this.#ttl : 0;
  }

  async nsec(set: RRset): Promise<VerifiedNsec[]> {
    const data = await this.#verified(set);
    if (data?.type !== 'NSEC') return [];
    return [{ owner: set.name, next: data.next, types: data.types }];
  }

  async nsec3(set: RRset): Promise<VerifiedNsec3[]> {
    // RFC 5155 section 3: the owner is one label, the hash, in front of the zone's name.
    const label = set.name.labels()[0];
    if (label === undefined || !set.name.parent().equals(this.#zone.name)) return [];
    const data = await this.#verified(set);
    if (data?.type !== 'NSEC3' || !isUsableNsec3(data)) return [];
    const ownerHash = Buffer.from(label).toString('latin1').toLowerCase();
    return [{ ...data, ownerHash, nextHash: formatBase32hex(data.nextHashed) }];
  }

  async #verified(set: RRset): Promise<ReturnType<typeof parseRdata> | undefined> {
    const verdict = await verifyRRset(set, this.#zone, this.#now, this.#budget);
    if (!verdict.valid) {
      this.flaw ??= verdict;
      return undefined;
    }
    // One that a wildcard was expanded to says nothing about the name it is shown at (RFC 4035 section 5.4).
    const rdata = set.rdatas[0];
    if (verdict.wildcard !== undefined || rdata === undefined || set.rdatas.length > 1) {
      this.flaw ??= { reason: `the denial at ${set.name} is expanded from a wildcard or doubled` };
      return undefined;
    }
    this.#ttl = Math.min(this.#ttl, verdict.ttl);
    try {
      return parseRdata(set.type, rdata);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      this.flaw ??= { reason: `the denial at ${set.name} is malformed: ${error.message}` };
      return undefined;
    }
  }
}
