/**
 * Denial by NSEC3: the same chain over hashes of the names (RFC 5155).
 *
 * With opt-out, delegations without DS are left out of the chain; the span they fall into says with a flag
 * that it may hide such ones (section 6). What is proved of them is only that they are not secure.
 */
import { createHash } from 'node:crypto';
import { concatBytes, formatBase32hex, Name, RRTYPE } from '@danelaw/dns';
import { type Denial, distinct, nextCloser } from './denial.js';
import { type Rrset, typeBitmap, wildcardBelow, type Zone } from './zone.js';

export interface Nsec3Options {
  /** RFC 9276 section 3.1 asks for 0, the default. */
  readonly iterations?: number;
  /** Hexadecimal; none by default. */
  readonly salt?: string;
  readonly optOut?: boolean;
}

const SHA1 = 1;
const OPT_OUT = 1;

export class Nsec3Chain implements Denial {
  readonly #zone: Zone;
  readonly #iterations: number;
  readonly #salt: Uint8Array;
  /** In the order of their hashes. */
  readonly #chain: readonly { readonly hash: string; readonly set: Rrset }[];
  readonly #byHash = new Map<string, Rrset>();

  constructor(zone: Zone, options: Nsec3Options, apexTypes: readonly number[], ttl: number) {
    this.#zone = zone;
    this.#iterations = options.iterations ?? 0;
    this.#salt = Buffer.from(options.salt ?? '', 'hex');
    const optOut = options.optOut ?? false;
    const links = namesInChain(zone, optOut)
      .map((name) => ({ name, digest: this.#digest(name) }))
      .sort((a, b) => Buffer.compare(a.digest, b.digest));
    this.#chain = links.map(({ name, digest }, i) => {
      const next = links[(i + 1) % links.length]?.digest ?? digest;
      const rdata = concatBytes([
        this.#parameters(optOut ? OPT_OUT : 0),
        Uint8Array.of(next.length),
        next,
        typeBitmap(typesAt(zone, name, apexTypes)),
      ]);
      const hash = formatBase32hex(digest);
      const owner = Name.fromLabels([new TextEncoder().encode(hash), ...zone.origin.labels()]);
      return { hash, set: { name: owner, type: RRTYPE.NSEC3, ttl, rdatas: [rdata] } };
    });
    for (const { hash, set } of this.#chain) this.#byHash.set(hash, set);
  }

  /** RDATA of the NSEC3PARAM record at the apex (RFC 5155 section 4): its flags are always zero. */
  get nsec3param(): Uint8Array {
    return this.#parameters(0);
  }

  #parameters(flags: number): Uint8Array {
    const iterations = [this.#iterations >> 8, this.#iterations & 0xff] as const;
    return concatBytes([Uint8Array.of(SHA1, flags, ...iterations, this.#salt.length), this.#salt]);
  }

  /** RFC 5155 section 5. */
  #digest(name: Name): Buffer {
    let digest = createHash('sha1').update(name.canonical()).update(this.#salt).digest();
    for (let i = 0; i < this.#iterations; i++) {
      digest = createHash('sha1').update(digest).update(this.#salt).digest();
    }
    return digest;
  }

  #matching(name: Name): Rrset | undefined {
    return this.#byHash.get(formatBase32hex(this.#digest(name)));
  }

  #covering(name: Name): Rrset | undefined {
    const hash = formatBase32hex(this.#digest(name));
    return (this.#chain.findLast((link) => link.hash < hash) ?? this.#chain.at(-1))?.set;
  }

  /** Section 7.2.1: matches the closest encloser that the chain knows, covers the next closer name. */
  #closestProvableEncloser(name: Name): { encloser: Name; proof: (Rrset | undefined)[] } {
    let encloser = name.parent();
    while (this.#matching(encloser) === undefined && encloser.isBelow(this.#zone.origin)) {
      encloser = encloser.parent();
    }
    return { encloser, proof: [this.#matching(encloser), this.#covering(nextCloser(name, encloser))] };
  }

  at(): undefined {
    return undefined;
  }

  /**
   * Sections 7.2.3 and 7.2.4; a name that opt-out left out of the chain is proved by its closest provable
   * encloser.
   */
  noData(name: Name): Rrset[] {
    const matching = this.#matching(name);
    return distinct(matching === undefined ? this.#closestProvableEncloser(name).proof : [matching]);
  }

  /** Section 7.2.2. */
  nameError(name: Name): Rrset[] {
    const { encloser, proof } = this.#closestProvableEncloser(name);
    return distinct([...proof, this.#covering(wildcardBelow(encloser))]);
  }

  /** Section 7.2.6. */
  wildcardAnswer(name: Name, closestEncloser: Name): Rrset[] {
    return distinct([this.#covering(nextCloser(name, closestEncloser))]);
  }

  /** Section 7.2.5. */
  wildcardNoData(name: Name, closestEncloser: Name): Rrset[] {
    const { proof } = this.#closestProvableEncloser(name);
    return distinct([...proof, this.#matching(wildcardBelow(closestEncloser))]);
  }

  /** Section 7.2.7. */
  unsignedReferral(cut: Name): Rrset[] {
    return this.noData(cut);
  }
}

/** Section 7.1: owner names and the empty non-terminals above them. */
function namesInChain(zone: Zone, optOut: boolean): Name[] {
  const names = new Map<string, Name>();
  for (const name of zone.authoritativeNames()) {
    if (optOut && zone.isCut(name) && zone.set(name, RRTYPE.DS) === undefined) continue;
    for (let at = name; ; at = at.parent()) {
      names.set(at.key, at);
      if (at.equals(zone.origin)) break;
    }
  }
  return [...names.values()];
}

/**
 * An RRSIG is there where something is signed: not at a delegation without DS, nor at an empty non-terminal.
 */
function typesAt(zone: Zone, name: Name, apexTypes: readonly number[]): number[] {
  const types = zone.authoritativeTypes(name);
  if (name.equals(zone.origin)) return [...types, ...apexTypes, RRTYPE.RRSIG];
  const signed = zone.isCut(name) ? types.includes(RRTYPE.DS) : types.length > 0;
  return signed ? [...types, RRTYPE.RRSIG] : types;
}
