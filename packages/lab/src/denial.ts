/**
 * How a signed zone proves that something is not there: the sets that go into the authority section.
 *
 * One method for each case of RFC 4035 section 3.1.3 (NSEC) and RFC 5155 section 7.2 (NSEC3); `nsec-chain.ts`
 * and `nsec3-chain.ts` are the two ways.
 */
import type { Name } from '@danelaw/dns';
import type { Rrset } from './zone.js';

export interface Denial {
  /** The name exists (perhaps as an empty non-terminal) and has not this type. */
  noData(name: Name): Rrset[];
  /** The name does not exist, nor does a wildcard at its closest encloser. */
  nameError(name: Name, closestEncloser: Name): Rrset[];
  /** The answer was made from a wildcard: nothing closer to the name exists. */
  wildcardAnswer(name: Name, closestEncloser: Name): Rrset[];
  /** A wildcard matches the name and has not this type. */
  wildcardNoData(name: Name, closestEncloser: Name): Rrset[];
  /** There is no DS at this delegation point. */
  unsignedReferral(cut: Name): Rrset[];
  /**
   * The set that may be asked for by name: NSEC lies at names of the zone, NSEC3 does not (RFC 5155 section
   * 7.2.8).
   */
  at(name: Name): Rrset | undefined;
}

/** Each set once, in the order of first use. */
export function distinct(sets: readonly (Rrset | undefined)[]): Rrset[] {
  const seen = new Set<string>();
  return sets.filter((set): set is Rrset => {
    if (set === undefined || seen.has(set.name.key)) return false;
    seen.add(set.name.key);
    return true;
  });
}

/** The ancestor of `name` that is one label longer than the closest encloser (RFC 5155 section 1.3). */
export function nextCloser(name: Name, closestEncloser: Name): Name {
  return name.suffix(closestEncloser.labelCount + 1);
}
