/**
 * One RRset, its signatures and the keys of a zone: does any signature hold? (RFC 4035 section 5.3)
 */

import type { ExtendedError, ZoneFault } from '../lookup.js';
import { namesInRdata } from '../message.js';
import { Name } from '../name.js';
import type { RrsigData } from '../record.js';
import { CLASS_IN, RRTYPE, typeName } from '../rrtype.js';
import { Cursor, compareBytes, concatBytes } from '../wire.js';
import { algorithmName, isSupportedAlgorithm, verifySignature } from './algorithm.js';
import { BoundError, type Budget, MAX_CHECKS_PER_RRSET, MAX_SIGNATURES_PER_RRSET } from './bounds.js';
import { EDE, ede } from './extended-error.js';
import type { ZoneKey } from './key.js';
import type { RRset } from './rrset.js';

export interface ValidVerdict {
  readonly valid: true;
  /** The signature that held. */
  readonly signature: RrsigData;
  /** Seconds for which the RRset may be kept (RFC 4035 section 5.3.3). */
  readonly ttl: number;
  /** The wildcard that the RRset was expanded from; undefined where it was not (RFC 4035 section 5.3.4). */
  readonly wildcard?: Name;
}

export interface InvalidVerdict {
  readonly valid: false;
  readonly reason: string;
  readonly ede: ExtendedError;
  /** Where the zone's owner can put it right, and it is known how. */
  readonly fault?: ZoneFault;
}

export type Verdict = ValidVerdict | InvalidVerdict;

export interface SigningZone {
  readonly name: Name;
  readonly keys: readonly ZoneKey[];
}

/**
 * Looks for one signature of the zone that holds over the RRset at this time.
 * @param now milliseconds since the epoch
 * @throws (rejects) BoundError where that would take too much work
 */
export async function verifyRRset(
  rrset: RRset,
  zone: SigningZone,
  now: number,
  budget: Budget,
): Promise<Verdict> {
  const what = `${typeName(rrset.type)} of ${rrset.name}`;
  if (rrset.signatures.length === 0) return invalid(EDE.RRSIGS_MISSING, `no signature came with ${what}`);
  if (rrset.signatures.length > MAX_SIGNATURES_PER_RRSET) {
    throw new BoundError(`${rrset.signatures.length} signatures on ${what}`);
  }
  let failure: Verdict | undefined;
  let checks = 0;
  for (const signature of rrset.signatures) {
    const unfit = unfitness(signature, rrset, zone, now);
    if (unfit !== undefined) {
      failure ??= unfit;
      continue;
    }
    const keys = zone.keys.filter(
      (key) => key.tag === signature.keyTag && key.data.algorithm === signature.algorithm,
    );
    if (keys.length === 0) {
      failure ??= invalid(
        EDE.DNSKEY_MISSING,
        `${what} is signed by key ${signature.keyTag} (${algorithmName(signature.algorithm)}), which ${zone.name} does not have`,
      );
    }
    const data = keys.length === 0 ? undefined : signedData(rrset, signature);
    for (const key of keys) {
      const publicKey = key.publicKey();
      if (publicKey === undefined || data === undefined) continue;
      if (++checks > MAX_CHECKS_PER_RRSET)
        throw new BoundError(`too many keys and signatures to try for ${what}`);
      budget.spendSignatureCheck();
      if (await verifySignature(signature.algorithm, publicKey, data, signature.signature)) {
        return valid(rrset, signature, now);
      }
    }
    if (keys.length > 0)
      failure = invalid(EDE.BOGUS, `the signature of ${what} by key ${signature.keyTag} does not hold`);
  }
  return failure ?? invalid(EDE.BOGUS, `no signature of ${what} holds`);
}

function invalid(code: number, reason: string): InvalidVerdict {
  return { valid: false, reason, ede: ede(code, reason) };
}

function valid(rrset: RRset, signature: RrsigData, now: number): Verdict {
  const secondsLeft = serialDifference(signature.expiration, Math.floor(now / 1000));
  const ttl = Math.max(0, Math.min(rrset.ttl, signature.originalTtl, secondsLeft));
  const expanded = signature.labels < ownerLabels(rrset.name);
  return expanded
    ? { valid: true, signature, ttl, wildcard: rrset.name.suffix(signature.labels).wildcard() }
    : { valid: true, signature, ttl };
}

/** The checks of RFC 4035 section 5.3.1 that need no key. */
function unfitness(
  signature: RrsigData,
  rrset: RRset,
  zone: SigningZone,
  now: number,
): InvalidVerdict | undefined {
  const what = `${typeName(rrset.type)} of ${rrset.name}`;
  if (!signature.signer.equals(zone.name)) {
    return invalid(EDE.BOGUS, `${what} is signed by ${signature.signer}, but lies in the zone ${zone.name}`);
  }
  if (signature.labels > ownerLabels(rrset.name)) {
    return invalid(EDE.BOGUS, `the signature of ${what} counts more labels than the name has`);
  }
  if (signature.labels < zone.name.labelCount) {
    return invalid(EDE.BOGUS, `the signature of ${what} counts fewer labels than the zone ${zone.name} has`);
  }
  if (!isSupportedAlgorithm(signature.algorithm)) {
    return invalid(
      EDE.UNSUPPORTED_DNSKEY_ALGORITHM,
      `${what} is signed with unsupported ${algorithmName(signature.algorithm)}`,
    );
  }
  const seconds = Math.floor(now / 1000);
  if (serialDifference(signature.expiration, signature.inception) < 0) {
    return invalid(EDE.SIGNATURE_EXPIRED_BEFORE_VALID, `the signature of ${what} ends before it begins`);
  }
  if (serialDifference(signature.expiration, seconds) < 0) {
    const reason = `the signature of ${what} expired on ${isoTime(signature.expiration, seconds)}`;
    return { ...invalid(EDE.SIGNATURE_EXPIRED, reason), fault: expired(signature, rrset, zone, now) };
  }
  if (serialDifference(seconds, signature.inception) < 0) {
    return invalid(
      EDE.SIGNATURE_NOT_YET_VALID,
      `the signature of ${what} is valid only from ${isoTime(signature.inception, seconds)}`,
    );
  }
  return undefined;
}

function expired(signature: RrsigData, rrset: RRset, zone: SigningZone, now: number): ZoneFault {
  return {
    kind: 'signature-expired',
    zone: zone.name.toString(),
    name: rrset.name.toString(),
    type: typeName(rrset.type),
    signedBy: signature.keyTag,
    ended: expirationTime(signature, now),
  };
}

/** Labels that RRSIG counts: neither the root's nor a leading `*` (RFC 4034 section 3.1.3). */
function ownerLabels(name: Name): number {
  return name.isWildcard ? name.labelCount - 1 : name.labelCount;
}

/** a - b in the serial arithmetic of RFC 4034 section 3.1.5: right as long as they are less than 68 years apart. */
function serialDifference(a: number, b: number): number {
  return (a - b) | 0;
}

/** When a signature ends, in milliseconds since the epoch: of the possible times the one next to `now`. */
export function expirationTime(signature: RrsigData, now: number): number {
  const seconds = Math.floor(now / 1000);
  return (seconds + serialDifference(signature.expiration, seconds)) * 1000;
}

function isoTime(serial: number, now: number): string {
  return new Date((now + serialDifference(serial, now)) * 1000).toISOString().replace('.000Z', 'Z');
}

/** RFC 4034 section 3.1.8.1: what was signed. */
function signedData(rrset: RRset, signature: RrsigData): Uint8Array {
  const owner = (
    signature.labels < ownerLabels(rrset.name) ? rrset.name.suffix(signature.labels).wildcard() : rrset.name
  ).canonical();
  const head = new Uint8Array(owner.length + 8);
  head.set(owner);
  const fixed = new DataView(head.buffer, owner.length);
  fixed.setUint16(0, rrset.type);
  fixed.setUint16(2, CLASS_IN);
  fixed.setUint32(4, signature.originalTtl);
  const parts: Uint8Array[] = [signatureHead(signature)];
  for (const rdata of canonicalOrder(rrset)) {
    parts.push(head, Uint8Array.of(rdata.length >> 8, rdata.length & 0xff), rdata);
  }
  return concatBytes(parts);
}

/** The RRSIG's own RDATA without the signature, the signer's name in canonical form. */
function signatureHead(signature: RrsigData): Uint8Array {
  const signer = signature.signer.canonical();
  const head = new Uint8Array(18 + signer.length);
  const view = new DataView(head.buffer);
  view.setUint16(0, signature.typeCovered);
  view.setUint8(2, signature.algorithm);
  view.setUint8(3, signature.labels);
  view.setUint32(4, signature.originalTtl);
  view.setUint32(8, signature.expiration);
  view.setUint32(12, signature.inception);
  view.setUint16(16, signature.keyTag);
  head.set(signer, 18);
  return head;
}

/** RFC 4034 section 6.3: sorted, each RDATA once. */
function canonicalOrder(rrset: RRset): Uint8Array[] {
  if (rrset.rdatas.length === 1) return rrset.rdatas.map((rdata) => canonicalRdata(rrset.type, rdata));
  const sorted = rrset.rdatas.map((rdata) => canonicalRdata(rrset.type, rdata)).sort(compareBytes);
  return sorted.filter((rdata, i) => {
    const previous = sorted[i - 1];
    return previous === undefined || compareBytes(previous, rdata) !== 0;
  });
}

/** RFC 4034 section 6.2: names in RDATA in lower case; not in NSEC (RFC 6840 section 5.1). */
function canonicalRdata(type: number, rdata: Uint8Array): Uint8Array {
  const layout = type === RRTYPE.NSEC ? undefined : namesInRdata(type, rdata);
  if (layout === undefined) return rdata;
  const cursor = new Cursor(rdata);
  const parts: Uint8Array[] = [cursor.take(layout.before)];
  for (let i = 0; i < layout.names; i++) parts.push(Name.read(cursor).canonical());
  parts.push(cursor.rest());
  return concatBytes(parts);
}
