/**
 * A zone signed, and - where a scenario asks for it - signed wrongly.
 *
 * Nothing is signed before it is asked for: a private Internet of many zones starts at once, and pays for the
 * answers that it gives. Signatures made once are kept.
 */
import { type Name, parseName, parseRdata, RRTYPE, requireType } from '@danelaw/dns';
import type { Denial } from './denial.js';
import { NsecChain } from './nsec-chain.js';
import { Nsec3Chain, type Nsec3Options } from './nsec3-chain.js';
import { labelsField, type SignatureFields, signRrset } from './signature.js';
import type { Rrset, Zone } from './zone.js';
import { ALGORITHM, DIGEST, KSK_FLAGS, ZoneKey, ZSK_FLAGS } from './zone-key.js';

export interface Signing {
  /** A mnemonic, or any number: validators take a zone with unknown algorithms only for insecure. */
  readonly algorithm?: keyof typeof ALGORITHM | number;
  /** Key signing key and zone signing key, or one key for both. */
  readonly keys?: 'ksk+zsk' | 'csk';
  readonly denial?: 'nsec' | Nsec3Options;
  /** Digest types of the DS records in the parent; by default SHA-256. */
  readonly digests?: readonly number[];
  /** From when to when signatures are valid, in seconds relative to the lab's clock. */
  readonly validity?: SignatureValidity;
  readonly faults?: readonly Fault[];
}

export interface SignatureValidity {
  readonly from: number;
  readonly until: number;
}

/** How the zone is broken. */
export type Fault = SignatureFault | ZoneFault;

/** Signatures of one name, of one type, of one set, or (with neither given) of the whole zone. */
export interface SignatureFault {
  readonly fault:
    | 'damaged'
    | 'expired'
    | 'not-yet-valid'
    /** No RRSIG at all. */
    | 'missing'
    /** Made by another key that has the key's tag and algorithm written on it. */
    | 'wrong-key'
    /** The signer's name is the parent of the zone. */
    | 'wrong-signer'
    /** The labels field is one too large, which no wildcard explains. */
    | 'wrong-labels';
  /** As in the zone's lines: relative, `@`, or absolute. */
  readonly name?: string;
  readonly type?: string;
}

export interface ZoneFault {
  readonly fault: /** The parent's DS records belong to a key that the zone does not have. */
    | 'ds-mismatch'
    /** The apex has no DNSKEY records. */
    | 'no-dnskey'
    /** Neither NSEC nor NSEC3 is sent with denials. */
    | 'no-denial'
    /** Denials carry the zone's first NSEC(3) record, properly signed, whatever was asked for. */
    | 'wrong-denial'
    /** Served without any signature, though the parent has its DS. */
    | 'unsigned';
}

/** An hour back for clocks that are slow, two weeks ahead. */
const VALIDITY: SignatureValidity = { from: -3_600, until: 14 * 86_400 };
/** Unbound forgives up to a day of skew (val-sig-skew-max): these are beyond that. */
const LONG_PAST: SignatureValidity = { from: -30 * 86_400, until: -3 * 86_400 };
const FAR_FUTURE: SignatureValidity = { from: 3 * 86_400, until: 30 * 86_400 };

export class SignedZone {
  readonly zone: Zone;
  readonly #signing: Signing;
  readonly #clock: () => number;
  readonly #algorithm: number;
  #keys: { readonly ksk: ZoneKey; readonly zsk: ZoneKey } | undefined;
  #stranger: ZoneKey | undefined;
  #denial: Denial | undefined;
  readonly #signatures = new Map<string, readonly Uint8Array[]>();

  /** @param clock milliseconds since the epoch */
  constructor(zone: Zone, signing: Signing, clock: () => number) {
    this.zone = zone;
    this.#signing = signing;
    this.#clock = clock;
    const { algorithm = 'ECDSAP256SHA256' } = signing;
    this.#algorithm = typeof algorithm === 'number' ? algorithm : ALGORITHM[algorithm];
  }

  /** Made when first needed: RSA keys take a tenth of a second each. */
  get keys(): { readonly ksk: ZoneKey; readonly zsk: ZoneKey } {
    if (this.#keys === undefined) {
      const ksk = ZoneKey.generate(this.#algorithm, KSK_FLAGS);
      const single = this.#signing.keys === 'csk';
      this.#keys = { ksk, zsk: single ? ksk : ZoneKey.generate(this.#algorithm, ZSK_FLAGS) };
    }
    return this.#keys;
  }

  /** A key that the zone does not publish. */
  get #strangerKey(): ZoneKey {
    this.#stranger ??= ZoneKey.generate(this.#algorithm, KSK_FLAGS);
    return this.#stranger;
  }

  /** RDATA of the DS records for the parent. */
  dsRecords(): Uint8Array[] {
    const key = this.#has('ds-mismatch') ? this.#strangerKey : this.keys.ksk;
    return (this.#signing.digests ?? [DIGEST.SHA256]).map((digest) => key.ds(this.zone.origin, digest));
  }

  #has(fault: ZoneFault['fault']): boolean {
    return this.#signing.faults?.some((declared) => declared.fault === fault) ?? false;
  }

  /** A set of the zone's own, or one that signing added. */
  set(name: Name, type: number): Rrset | undefined {
    if (type === RRTYPE.NSEC) return this.#chain.at(name);
    if (!name.equals(this.zone.origin)) return this.zone.set(name, type);
    if (type === RRTYPE.DNSKEY && !this.#has('no-dnskey')) return this.#dnskeySet();
    if (type === RRTYPE.NSEC3PARAM && this.#chain instanceof Nsec3Chain) {
      return { name, type, ttl: 0, rdatas: [this.#chain.nsec3param] };
    }
    return this.zone.set(name, type);
  }

  #dnskeySet(): Rrset {
    const { ksk, zsk } = this.keys;
    const rdatas = ksk === zsk ? [ksk.dnskey] : [ksk.dnskey, zsk.dnskey];
    return { name: this.zone.origin, type: RRTYPE.DNSKEY, ttl: this.zone.soa.ttl, rdatas };
  }

  /** What goes into the authority section of a denial. */
  denial(choose: (chain: Denial) => Rrset[]): Rrset[] {
    if (this.#has('no-denial')) return [];
    if (this.#has('wrong-denial')) return this.#chain.noData(this.zone.origin);
    return choose(this.#chain);
  }

  get #chain(): Denial {
    if (this.#denial === undefined) {
      const { denial = 'nsec' } = this.#signing;
      const dnskey = this.#has('no-dnskey') ? [] : [RRTYPE.DNSKEY];
      const ttl = negativeTtl(this.zone);
      this.#denial =
        denial === 'nsec'
          ? new NsecChain(this.zone, dnskey, ttl)
          : new Nsec3Chain(this.zone, denial, [...dnskey, RRTYPE.NSEC3PARAM], ttl);
    }
    return this.#denial;
  }

  /** RDATA of the RRSIG records of a set; a wildcard's set is signed under the wildcard's own name. */
  signatures(set: Rrset): readonly Uint8Array[] {
    const key = `${set.type} ${set.name.key}`;
    const known = this.#signatures.get(key);
    if (known !== undefined) return known;
    const made = this.#sign(set);
    this.#signatures.set(key, made);
    return made;
  }

  #sign(set: Rrset): Uint8Array[] {
    const keys = this.keys;
    const key = set.type === RRTYPE.DNSKEY ? keys.ksk : keys.zsk;
    const faults = new Set(this.#signatureFaults(set));
    if (faults.has('missing')) return [];
    const { from, until } = faults.has('expired')
      ? LONG_PAST
      : faults.has('not-yet-valid')
        ? FAR_FUTURE
        : (this.#signing.validity ?? VALIDITY);
    const now = Math.floor(this.#clock() / 1000);
    const fields: SignatureFields = {
      signer: faults.has('wrong-signer') ? this.zone.origin.parent() : this.zone.origin,
      labels: labelsField(set.name) + (faults.has('wrong-labels') ? 1 : 0),
      inception: now + from,
      expiration: now + until,
    };
    const signer = faults.has('wrong-key') ? this.#strangerKey.disguisedAs(key) : key;
    const rdata = signRrset(set, signer, fields);
    if (faults.has('damaged')) rdata[rdata.length - 1] = (rdata.at(-1) ?? 0) ^ 0x01;
    return [rdata];
  }

  #signatureFaults(set: Rrset): Fault['fault'][] {
    const declared = this.#signing.faults ?? [];
    return declared.filter((fault) => coversSet(this.zone.origin, fault, set)).map(({ fault }) => fault);
  }
}

function coversSet(origin: Name, fault: Fault, set: Rrset): boolean {
  if ('name' in fault && fault.name !== undefined && !parseName(fault.name, origin).equals(set.name))
    return false;
  if ('type' in fault && fault.type !== undefined && requireType(fault.type) !== set.type) return false;
  return true;
}

/** RFC 2308 section 5, RFC 9077: the lower one of the SOA's TTL and its MINIMUM. */
export function negativeTtl(zone: Zone): number {
  const { soa } = zone;
  const rdata = soa.rdatas[0];
  const minimum = rdata === undefined ? undefined : parseRdata(RRTYPE.SOA, rdata);
  return minimum?.type === 'SOA' ? Math.min(soa.ttl, minimum.minimum) : soa.ttl;
}
