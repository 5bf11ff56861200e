/**
 * Denial of existence by NSEC3 (RFC 5155 section 8): the same as NSEC, over hashes of names.
 *
 * As hashes don't show which names enclose which, the proofs go through the closest encloser: the longest existing
 * ancestor (its hash matches) and the next closer name, one label longer (its hash is covered).
 */
import { createHash } from 'node:crypto';
import { formatBase32hex } from '../base32hex.js';
import type { Name } from '../name.js';
import type { Nsec3Parameters } from '../record.js';
import { RRTYPE } from '../rrtype.js';
import type { Budget } from './bounds.js';
import { type CutDenial, type Denial, type Denier, PROVED, unproved } from './denial.js';
import { cutWithoutDs, typeAbsent } from './denial-nsec.js';

const HASH_SHA1 = 1;
const SHA1_OCTETS = 20;
const FLAG_OPT_OUT = 1;

/** An NSEC3 RRset whose signature holds. */
export interface VerifiedNsec3 extends Nsec3Parameters {
  /** The hash in the owner name, in base32hex, lower case. */
  readonly ownerHash: string;
  readonly nextHash: string;
  readonly types: ReadonlySet<number>;
}

/** RFC 5155 sections 8.1 and 8.2: unknown hash algorithms and flags make a record unusable. */
export function isUsableNsec3(record: Nsec3Parameters & { readonly nextHashed: Uint8Array }): boolean {
  return (
    record.hashAlgorithm === HASH_SHA1 &&
    (record.flags & ~FLAG_OPT_OUT) === 0 &&
    record.nextHashed.length === SHA1_OCTETS
  );
}

export function nsec3Denier(zone: Name, records: readonly VerifiedNsec3[], budget: Budget): Denier {
  return new Nsec3Denier(zone, records, budget);
}

interface ClosestEncloser {
  readonly name: Name;
  readonly nextCloser: Name;
}

class Nsec3Denier implements Denier {
  readonly #zone: Name;
  readonly #records: readonly VerifiedNsec3[];
  readonly #budget: Budget;
  readonly #hashes = new Map<string, string>();

  /** The records of one chain: RFC 5155 section 8.2 takes those that share the first one's parameters. */
  constructor(zone: Name, records: readonly VerifiedNsec3[], budget: Budget) {
    const first = records[0];
    this.#zone = zone;
    this.#records = records.filter((record) => first !== undefined && sameParameters(record, first));
    this.#budget = budget;
  }

  noData(name: Name, type: number): Denial {
    const at = this.#matching(name);
    if (at !== undefined) return typeAbsent(at, name, type);
    const encloser = this.#closestEncloser(name);
    if (encloser === undefined) return unproved(`no NSEC3 record shows a closest encloser of ${name}`);
    const over = this.#covering(encloser.nextCloser);
    if (over === undefined) return unproved(`no NSEC3 record covers ${encloser.nextCloser}`);
    const atWildcard = this.#matching(encloser.name.wildcard());
    if (atWildcard !== undefined) {
      const absent = typeAbsent(atWildcard, encloser.name.wildcard(), type);
      // RFC 5155 section 9.2: no closest encloser proof with an opt-out span makes an answer secure.
      return absent.kind === 'proved' && isOptOut(over) ? optedOut(encloser.nextCloser) : absent;
    }
    // RFC 5155 section 8.6 for DS; an empty non-terminal that only unsigned delegations make has no NSEC3 either.
    if (isOptOut(over)) return optedOut(encloser.nextCloser);
    return unproved(`no NSEC3 record says which types ${name} has`);
  }

  noName(name: Name): Denial {
    const encloser = this.#closestEncloser(name);
    if (encloser === undefined) return unproved(`no NSEC3 record shows a closest encloser of ${name}`);
    const over = this.#covering(encloser.nextCloser);
    if (over === undefined) return unproved(`no NSEC3 record covers ${encloser.nextCloser}`);
    if (this.#covering(encloser.name.wildcard()) === undefined) {
      return unproved(`no NSEC3 record covers the wildcard ${encloser.name.wildcard()}`);
    }
    return isOptOut(over) ? optedOut(encloser.nextCloser) : PROVED;
  }

  noCloserMatch(name: Name, wildcard: Name): Denial {
    const nextCloser = name.suffix(wildcard.labelCount);
    const over = this.#covering(nextCloser);
    if (over === undefined)
      return unproved(`no NSEC3 record shows that nothing closer to ${name} than ${wildcard} exists`);
    return isOptOut(over) ? optedOut(nextCloser) : PROVED;
  }

  noDelegationSigner(child: Name): CutDenial {
    const at = this.#matching(child);
    if (at !== undefined) return cutWithoutDs(at.types, this.#zone, child);
    const encloser = this.#closestEncloser(child);
    if (encloser === undefined) return unproved(`no NSEC3 record shows a closest encloser of ${child}`);
    const over = this.#covering(encloser.nextCloser);
    if (over === undefined) return unproved(`no NSEC3 record covers ${encloser.nextCloser}`);
    if (!isOptOut(over)) return { kind: 'no-name' };
    return {
      kind: 'insecure-delegation',
      reason: `${this.#zone} opts unsigned delegations out of its proofs, and ${encloser.nextCloser} lies in such a span`,
    };
  }

  /** RFC 5155 section 8.3. Undefined, too, where the encloser is a delegation or a DNAME: it says nothing of names below. */
  #closestEncloser(name: Name): ClosestEncloser | undefined {
    for (let labels = name.labelCount - 1; labels >= this.#zone.labelCount; labels--) {
      const candidate = name.suffix(labels);
      const at = this.#matching(candidate);
      if (at === undefined) continue;
      const delegation = at.types.has(RRTYPE.NS) && !at.types.has(RRTYPE.SOA);
      if (delegation || at.types.has(RRTYPE.DNAME)) return undefined;
      return { name: candidate, nextCloser: name.suffix(labels + 1) };
    }
    return undefined;
  }

  #matching(name: Name): VerifiedNsec3 | undefined {
    if (this.#records.length === 0) return undefined;
    const hash = this.#hash(name);
    return this.#records.find((record) => record.ownerHash === hash);
  }

  #covering(name: Name): VerifiedNsec3 | undefined {
    if (this.#records.length === 0) return undefined;
    const hash = this.#hash(name);
    return this.#records.find(({ ownerHash, nextHash }) =>
      // The last of the chain points back to the first; the only one of a zone points to itself.
      ownerHash < nextHash ? ownerHash < hash && hash < nextHash : ownerHash < hash || hash < nextHash,
    );
  }

  #hash(name: Name): string {
    const known = this.#hashes.get(name.key);
    if (known !== undefined) return known;
    const parameters = this.#records[0];
    if (parameters === undefined) return '';
    this.#budget.spendNsec3Rounds(parameters.iterations + 1);
    const hash = formatBase32hex(nsec3Hash(name, parameters));
    this.#hashes.set(name.key, hash);
    return hash;
  }
}

/** RFC 5155 section 5. */
export function nsec3Hash(name: Name, parameters: Pick<Nsec3Parameters, 'iterations' | 'salt'>): Uint8Array {
  let hash: Uint8Array = name.canonical();
  for (let round = 0; round <= parameters.iterations; round++) {
    hash = createHash('sha1').update(hash).update(parameters.salt).digest();
  }
  return hash;
}

function isOptOut(record: VerifiedNsec3): boolean {
  return (record.flags & FLAG_OPT_OUT) !== 0;
}

function optedOut(name: Name): Denial {
  return {
    kind: 'opted-out',
    reason: `${name} lies in a span of NSEC3 that leaves unsigned delegations out (opt-out)`,
  };
}

function sameParameters(a: Nsec3Parameters, b: Nsec3Parameters): boolean {
  return (
    a.iterations === b.iterations &&
    a.salt.length === b.salt.length &&
    a.salt.every((octet, i) => octet === b.salt[i])
  );
}
