/**
 * Denial of existence by NSEC (RFC 4034 section 4, RFC 4035 section 5.4, RFC 6840 section 4).
 *
 * An NSEC record says two things: which types its owner has, and that no name lies between its owner and the next one in
 * canonical order. Not every NSEC may be believed about every name: one from the parent side of a zone cut, or one that
 * has a DNAME, says nothing of what is below its owner (RFC 6840 section 4.1).
 */
import type { Name } from '../name.js';
import { RRTYPE } from '../rrtype.js';
import { type CutDenial, type Denial, type Denier, PROVED, unproved } from './denial.js';

/** An NSEC RRset whose signature holds and which was not expanded from a wildcard. */
export interface VerifiedNsec {
  readonly owner: Name;
  readonly next: Name;
  readonly types: ReadonlySet<number>;
}

export function nsecDenier(zone: Name, records: readonly VerifiedNsec[]): Denier {
  return new NsecDenier(zone, records);
}

class NsecDenier implements Denier {
  readonly #zone: Name;
  readonly #records: readonly VerifiedNsec[];

  constructor(zone: Name, records: readonly VerifiedNsec[]) {
    this.#zone = zone;
    this.#records = records;
  }

  noData(name: Name, type: number): Denial {
    const at = this.#matching(name);
    if (at !== undefined) return typeAbsent(at, name, type);
    const over = this.#covering(name);
    if (over === undefined) return unproved(`no NSEC record says anything about ${name}`);
    // An empty non-terminal: names below it exist, so it does (RFC 4592 section 2.2.2), and it has no types at all.
    if (over.next.isBelow(name)) return PROVED;
    const wildcard = closestEncloser(name, over).wildcard();
    const atWildcard = this.#matching(wildcard);
    if (atWildcard === undefined) {
      // A wildcard can be an empty non-terminal as well (RFC 4592 section 2.2.2).
      if (this.#covering(wildcard)?.next.isBelow(wildcard) === true) return PROVED;
      return unproved(`no NSEC record says which types ${wildcard} has`);
    }
    return typeAbsent(atWildcard, wildcard, type);
  }

  noName(name: Name): Denial {
    const over = this.#covering(name);
    if (over === undefined) return unproved(`no NSEC record covers ${name}`);
    if (over.next.isBelow(name)) return unproved(`${name} exists, for there are names below it`);
    const wildcard = closestEncloser(name, over).wildcard();
    const overWildcard = this.#covering(wildcard);
    if (overWildcard === undefined) return unproved(`no NSEC record covers the wildcard ${wildcard}`);
    if (overWildcard.next.isBelow(wildcard)) return unproved(`the wildcard ${wildcard} exists`);
    return PROVED;
  }

  noCloserMatch(name: Name, wildcard: Name): Denial {
    const nextCloser = name.suffix(wildcard.labelCount);
    const over = this.#covering(nextCloser);
    if (over === undefined || over.next.isAtOrBelow(nextCloser)) {
      return unproved(`no NSEC record shows that nothing closer to ${name} than ${wildcard} exists`);
    }
    return PROVED;
  }

  noDelegationSigner(child: Name): CutDenial {
    const at = this.#matching(child);
    if (at !== undefined) {
      return cutWithoutDs(at.types, this.#zone, child);
    }
    const over = this.#covering(child);
    if (over === undefined) return unproved(`no NSEC record says anything about ${child}`);
    return over.next.isBelow(child) ? { kind: 'no-cut' } : { kind: 'no-name' };
  }

  #matching(name: Name): VerifiedNsec | undefined {
    return this.#records.find((record) => record.owner.equals(name));
  }

  #covering(name: Name): VerifiedNsec | undefined {
    return this.#records.find((record) => covers(record, name, this.#zone) && speaksForBelow(record, name));
  }
}

/** `name` lies strictly between owner and next; the last NSEC of a zone points back to the apex. */
function covers(record: VerifiedNsec, name: Name, zone: Name): boolean {
  if (!name.isAtOrBelow(zone) || record.owner.compare(name) >= 0) return false;
  return record.next.equals(zone) || name.compare(record.next) < 0;
}

/** RFC 6840 section 4.1: not from the parent side of a cut above the name, nor from a DNAME's owner above it. */
function speaksForBelow(record: VerifiedNsec, name: Name): boolean {
  if (!name.isBelow(record.owner)) return true;
  const delegation = record.types.has(RRTYPE.NS) && !record.types.has(RRTYPE.SOA);
  return !delegation && !record.types.has(RRTYPE.DNAME);
}

/** RFC 4035 section 5.4, first half: what the types of a name's own record, NSEC or NSEC3, say of one type. */
export function typeAbsent(
  { types }: { readonly types: ReadonlySet<number> },
  name: Name,
  type: number,
): Denial {
  const wrongSide = wrongSideOfCut(types, name, type);
  if (wrongSide !== undefined) return unproved(wrongSide);
  if (types.has(type)) return unproved(`the denial of ${name} says itself that the type exists`);
  // RFC 6840 section 4.3.
  if (types.has(RRTYPE.CNAME)) return unproved(`the denial of ${name} says that it is an alias`);
  return PROVED;
}

/** DS is the parent's to deny, everything else the child's (RFC 4035 section 5.4, RFC 6840 sections 4.1 and 4.4). */
function wrongSideOfCut(types: ReadonlySet<number>, name: Name, type: number): string | undefined {
  const apex = types.has(RRTYPE.SOA);
  if (type === RRTYPE.DS) {
    return apex && !name.isRoot
      ? `the denial of DS at ${name} is from the child's side of the zone cut`
      : undefined;
  }
  return types.has(RRTYPE.NS) && !apex
    ? `the denial at ${name} is from the parent's side of the zone cut`
    : undefined;
}

/** What the types of a name that may be a delegation say of it, when DS was asked for and is not there. */
export function cutWithoutDs(types: ReadonlySet<number>, zone: Name, child: Name): CutDenial {
  const wrongSide = wrongSideOfCut(types, child, RRTYPE.DS);
  if (wrongSide !== undefined) return unproved(wrongSide);
  if (types.has(RRTYPE.DS))
    return unproved(`${zone} says that ${child} has DS records, but did not send them`);
  if (!types.has(RRTYPE.NS)) return { kind: 'no-cut' };
  return {
    kind: 'insecure-delegation',
    reason: `${zone} proves that its delegation of ${child} is unsigned`,
  };
}

/** The longest name that exists above `name`, as the covering NSEC shows it: what it shares with owner or next. */
function closestEncloser(name: Name, over: VerifiedNsec): Name {
  return name.suffix(Math.max(name.commonLabels(over.owner), name.commonLabels(over.next)));
}
