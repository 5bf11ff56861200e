/** DNSKEY records as keys: tags, flags, and their match with DS records (RFC 4034 sections 2, 5 and appendix B). */
import { createHash, type KeyObject } from 'node:crypto';
import type { Name } from '../name.js';
import { type DnskeyData, type DsData, parseDnskey } from '../record.js';
import { concatBytes, sameBytes, WireError } from '../wire.js';
import { importDnskey } from './algorithm.js';

/** RFC 4034 section 2.1.1: bit 7. */
const FLAG_ZONE = 0x0100;
/** RFC 5011 section 7. */
const FLAG_REVOKE = 0x0080;
const FLAG_SEP = 0x0001;
const PROTOCOL_DNSSEC = 3;

export interface ZoneKey {
  readonly data: DnskeyData;
  readonly rdata: Uint8Array;
  readonly tag: number;
  /**
   * Undefined where it is no usable key. Made on first use, as importing costs as much as verifying a signature, and let go of when
   * memory is collected: OpenSSL has it in 3 to 5 KiB, and most zones are asked a few questions at one time and then no more.
   */
  readonly publicKey: () => KeyObject | undefined;
}

/**
 * A DNSKEY RDATA as a key that may sign a zone.
 * @returns undefined where it may not: malformed, not a zone key, another protocol, or revoked (RFC 5011 section 2.1)
 */
export function readZoneKey(rdata: Uint8Array): ZoneKey | undefined {
  const key = readAnyZoneKey(rdata);
  return key === undefined || isRevoked(key) ? undefined : key;
}

/** The same for keys that say they are revoked: they still sign that. */
export function readAnyZoneKey(rdata: Uint8Array): ZoneKey | undefined {
  let data: DnskeyData;
  try {
    data = parseDnskey(rdata);
  } catch (error) {
    if (error instanceof WireError) return undefined;
    throw error;
  }
  if ((data.flags & FLAG_ZONE) === 0 || data.protocol !== PROTOCOL_DNSSEC) return undefined;
  let imported: WeakRef<KeyObject> | 'unusable' | undefined;
  const publicKey = () => {
    if (imported === 'unusable') return undefined;
    const known = imported?.deref();
    if (known !== undefined) return known;
    const key = importDnskey(data);
    imported = key === undefined ? 'unusable' : new WeakRef(key);
    return key;
  };
  return { data, rdata, tag: keyTag(rdata), publicKey };
}

export function isRevoked(key: ZoneKey): boolean {
  return (key.data.flags & FLAG_REVOKE) !== 0;
}

/** Secure entry point: the zone's owner means the key to be a trust anchor (RFC 4034 section 2.1.1). */
export function isEntryPoint(key: ZoneKey): boolean {
  return (key.data.flags & FLAG_SEP) !== 0;
}

/** RFC 4034 appendix B. (Algorithm 1, which counts otherwise, is not implemented.) */
export function keyTag(rdata: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < rdata.length; i++) sum += i & 1 ? (rdata[i] ?? 0) : (rdata[i] ?? 0) << 8;
  return (sum + (sum >>> 16)) & 0xffff;
}

/** RFC 4034 section 5.1.4; digest types of RFC 8624 section 3.3 (GOST left out). */
const DS_DIGESTS: ReadonlyMap<number, string> = new Map([
  [1, 'sha1'],
  [2, 'sha256'],
  [4, 'sha384'],
]);

export function isSupportedDigest(digestType: number): boolean {
  return DS_DIGESTS.has(digestType);
}

/** True where the DS record is the digest of this key at this owner name. */
export function dsMatchesKey(ds: DsData, owner: Name, key: ZoneKey): boolean {
  const digest = DS_DIGESTS.get(ds.digestType);
  if (digest === undefined || ds.keyTag !== key.tag || ds.algorithm !== key.data.algorithm) return false;
  const computed = createHash(digest)
    .update(concatBytes([owner.canonical(), key.rdata]))
    .digest();
  return sameBytes(computed, ds.digest);
}
