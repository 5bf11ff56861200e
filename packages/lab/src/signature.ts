/** One RRSIG: what is put under the signature, and how (RFC 4034 sections 3.1.8.1 and 6). */
import { CLASS_IN, compareBytes, concatBytes, type Name, RRTYPE } from '@danelaw/dns';
import type { Rrset } from './zone.js';
import type { ZoneKey } from './zone-key.js';

export interface SignatureFields {
  readonly signer: Name;
  readonly labels: number;
  /** Seconds since the epoch. */
  readonly inception: number;
  readonly expiration: number;
}

/** RDATA of the RRSIG record. */
export function signRrset(set: Rrset, key: ZoneKey, fields: SignatureFields): Uint8Array {
  const head = concatBytes([
    u16(set.type),
    Uint8Array.of(key.algorithm, fields.labels),
    u32(set.ttl),
    u32(fields.expiration),
    u32(fields.inception),
    u16(key.tag),
    fields.signer.canonical(),
  ]);
  return concatBytes([head, key.sign(concatBytes([head, canonicalRrset(set)]))]);
}

/** RFC 4034 section 3.1.3: without the root's label and the asterisk of a wildcard. */
export function labelsField(owner: Name): number {
  return owner.isWildcard ? owner.labelCount - 1 : owner.labelCount;
}

/** RFC 4034 section 6: owner and names in lower case, records in the order of their RDATA, each once. */
function canonicalRrset(set: Rrset): Uint8Array {
  const owner = concatBytes([set.name.canonical(), u16(set.type), u16(CLASS_IN), u32(set.ttl)]);
  const rdatas = set.rdatas.map((rdata) => canonicalRdata(set.type, rdata)).sort(compareBytes);
  const distinct = rdatas.filter((rdata, i) => i === 0 || compareBytes(rdata, rdatas[i - 1] ?? rdata) !== 0);
  return concatBytes(distinct.flatMap((rdata) => [owner, u16(rdata.length), rdata]));
}

/**
 * Where the names begin in the types of RFC 4034 section 6.2 that this lab has; to the end of the names all
 * is letters.
 */
const LETTERS: ReadonlyMap<number, { readonly from: number; readonly names: number }> = new Map([
  [RRTYPE.NS, { from: 0, names: 1 }],
  [RRTYPE.CNAME, { from: 0, names: 1 }],
  [RRTYPE.DNAME, { from: 0, names: 1 }],
  [RRTYPE.PTR, { from: 0, names: 1 }],
  [RRTYPE.SOA, { from: 0, names: 2 }],
  [RRTYPE.MX, { from: 2, names: 1 }],
  [RRTYPE.SRV, { from: 6, names: 1 }],
]);

function canonicalRdata(type: number, rdata: Uint8Array): Uint8Array {
  const letters = LETTERS.get(type);
  if (letters === undefined) return rdata;
  const canonical = rdata.slice();
  let at = letters.from;
  for (let names = letters.names; names > 0; ) {
    const length = canonical[at] ?? 0;
    // A length octet is at most 63 and so never a letter.
    for (let i = at + 1; i <= at + length; i++) {
      const octet = canonical[i] ?? 0;
      if (octet >= 0x41 && octet <= 0x5a) canonical[i] = octet + 0x20;
    }
    at += length + 1;
    if (length === 0) names--;
  }
  return canonical;
}

function u16(value: number): Uint8Array {
  return Uint8Array.of((value >> 8) & 0xff, value & 0xff);
}

function u32(value: number): Uint8Array {
  return Uint8Array.of((value >>> 24) & 0xff, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff);
}
