/**
 * A delegation that leads to no key: the DS records at the parent and the DNSKEY records of the zone do not belong together
 * (RFC 4035 section 5.2). It is what a key that was changed at one of the two places alone looks like, and a zone that is no
 * longer signed while its DS is still there. Said with both sets, so that somebody can see which of them is the old one.
 */
import type { DsMismatch, DsSummary, KeySummary } from '../lookup.js';
import type { Name } from '../name.js';
import type { DsData } from '../record.js';
import { algorithmName } from './algorithm.js';
import { readAnyZoneKey, type ZoneKey } from './key.js';
import type { RRset } from './rrset.js';

/** The whole DS RRset of a delegation, proved. */
export interface PublishedDs {
  readonly records: readonly DsData[];
  /** Seconds, as the parent's servers give it: how long a resolver that has it keeps it. */
  readonly ttl: number;
}

/** @param dnskey the zone's DNSKEY RRset; undefined where it sends none */
export function dsMismatch(
  zone: Name,
  how: DsMismatch['how'],
  { records, ttl }: PublishedDs,
  dnskey: RRset | undefined,
): DsMismatch {
  // Revoked keys too: a DS record that still names one is a way to get here (RFC 5011 section 2.1).
  const keys = (dnskey?.rdatas ?? []).flatMap((rdata) => readAnyZoneKey(rdata) ?? []);
  return {
    kind: 'ds-mismatch',
    zone: zone.toString(),
    how,
    ds: records.map(dsSummary),
    keys: keys.map(keySummary),
    ttl,
  };
}

/**
 * True where the DNSKEY RRset is signed, and by none of these keys (RFC 4035 section 5.2: the key that the DS record names
 * must have signed it).
 */
export function isSignedByOthers({ signatures }: RRset, keys: readonly ZoneKey[]): boolean {
  const isByOneOf = ({ keyTag, algorithm }: RRset['signatures'][number]) =>
    keys.some((key) => key.tag === keyTag && key.data.algorithm === algorithm);
  return signatures.length > 0 && !signatures.some(isByOneOf);
}

export function dsSummary({ keyTag, algorithm, digestType }: DsData): DsSummary {
  return { tag: keyTag, algorithm: algorithmName(algorithm), digestType };
}

export function keySummary({ tag, data }: ZoneKey): KeySummary {
  return { tag, algorithm: algorithmName(data.algorithm), flags: data.flags };
}
