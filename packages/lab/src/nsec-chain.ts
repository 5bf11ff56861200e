/**
 * Denial by NSEC: each name points to the next one in canonical order, and says its types (RFC 4034 section
 * 4).
 */
import { concatBytes, type Name, RRTYPE } from '@danelaw/dns';
import { type Denial, distinct } from './denial.js';
import { type Rrset, typeBitmap, wildcardBelow, type Zone } from './zone.js';

export class NsecChain implements Denial {
  /** In canonical order of their owners. */
  readonly #chain: readonly Rrset[];
  readonly #byOwner = new Map<string, Rrset>();

  /** @param apexTypes types at the apex that signing adds to the zone's own */
  constructor(zone: Zone, apexTypes: readonly number[], ttl: number) {
    const names = zone.authoritativeNames().sort((a, b) => a.compare(b));
    this.#chain = names.map((name, i) => {
      const added = name.equals(zone.origin) ? apexTypes : [];
      const types = [...zone.authoritativeTypes(name), ...added, RRTYPE.RRSIG, RRTYPE.NSEC];
      const next = names[i + 1] ?? zone.origin;
      // RFC 6840 section 5.1: the next name is not put into lower case.
      return { name, type: RRTYPE.NSEC, ttl, rdatas: [concatBytes([next.wire, typeBitmap(types)])] };
    });
    for (const set of this.#chain) this.#byOwner.set(set.name.key, set);
  }

  at(name: Name): Rrset | undefined {
    return this.#byOwner.get(name.key);
  }

  /** The set at the name or, where there is none, the one whose span holds it. */
  #covering(name: Name): Rrset | undefined {
    return this.#chain.findLast((set) => set.name.compare(name) <= 0);
  }

  /** RFC 4035 section 3.1.3.1; an empty non-terminal has no NSEC, the span over it ends below it. */
  noData(name: Name): Rrset[] {
    return distinct([this.#covering(name)]);
  }

  /** Section 3.1.3.2. */
  nameError(name: Name, closestEncloser: Name): Rrset[] {
    return distinct([this.#covering(name), this.#covering(wildcardBelow(closestEncloser))]);
  }

  /** Section 3.1.3.3. */
  wildcardAnswer(name: Name): Rrset[] {
    return distinct([this.#covering(name)]);
  }

  /** Section 3.1.3.4. */
  wildcardNoData(name: Name, closestEncloser: Name): Rrset[] {
    return distinct([this.#covering(wildcardBelow(closestEncloser)), this.#covering(name)]);
  }

  /** Section 3.1.4. */
  unsignedReferral(cut: Name): Rrset[] {
    return distinct([this.at(cut)]);
  }
}
