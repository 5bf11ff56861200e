/**
 * How much work one look-up may cause, whatever the zones it meets contain (KeyTrap, CVE-2023-50387; NSEC3 hashing,
 * CVE-2023-50868). Crossing a bound ends the look-up as `indeterminate`; it never makes an answer `insecure`.
 */

/** Public-key operations for the answer of one look-up. An honest one needs about one an RRset, two during a roll-over. */
export const MAX_SIGNATURE_CHECKS = 64;
/** Public-key operations for the DS and DNSKEY RRsets of one zone. */
export const MAX_SIGNATURE_CHECKS_PER_ZONE = 32;
/** Public-key operations for one RRset: pairs of a signature and a key of the same tag and algorithm. Unbound tries 8. */
export const MAX_CHECKS_PER_RRSET = 8;
/** RRSIGs looked at for one RRset; a zone with two algorithms in the midst of a roll-over has four. */
export const MAX_SIGNATURES_PER_RRSET = 16;
/** DNSKEYs of one zone; the largest seen in the field hold about a dozen. */
export const MAX_KEYS = 48;
/** DS records of one delegation that are compared with keys. */
export const MAX_DS = 16;
/** NSEC or NSEC3 RRsets of one message; the longest honest proof has three, and a chain of aliases one or two a step. */
export const MAX_DENIALS = 16;
/** SHA-1 rounds for NSEC3 of one look-up: some fifty names at the iteration limit. */
export const MAX_NSEC3_ROUNDS = 8_000;
/** RFC 9276 section 3.2 lets validators choose; this is what Unbound, Knot and BIND chose in 2021. */
export const MAX_NSEC3_ITERATIONS = 150;
/** Alias steps of one look-up, as in Unbound. */
export const MAX_ALIASES = 11;
/** Labels whose DS records one look-up may ask for anew; names in ip6.arpa have 34. */
export const MAX_ZONE_STEPS = 80;
/** RSA moduli, in bits; below it, a key proves nothing, above it, it only costs time (RFC 3110 section 2, RFC 5702 section 2). */
export const MIN_RSA_BITS = 512;
export const MAX_RSA_BITS = 4096;
/** Octets of an RSA public exponent. Everybody uses 65537 or 3. */
export const MAX_RSA_EXPONENT_OCTETS = 8;

/** A bound was crossed. Ends the look-up as `indeterminate`. */
export class BoundError extends Error {
  override readonly name = 'BoundError';
}

/** What a look-up is to be strict about. */
export interface Strictness {
  /** RFC 9276 section 3.2: NSEC3 with too many iterations is a failure, where it otherwise makes an answer insecure. */
  readonly strict?: boolean | undefined;
}

/** What is left of one look-up's allowance. */
export class Budget {
  #signatureChecks: number;
  #zoneSteps = MAX_ZONE_STEPS;
  #nsec3Rounds = MAX_NSEC3_ROUNDS;
  readonly #what: string;
  readonly isStrict: boolean;

  constructor(what: string, signatureChecks = MAX_SIGNATURE_CHECKS, { strict = false }: Strictness = {}) {
    this.#what = what;
    this.#signatureChecks = signatureChecks;
    this.isStrict = strict;
  }

  spendSignatureCheck(): void {
    if (--this.#signatureChecks < 0) throw new BoundError(`${this.#what} needs too many signature checks`);
  }

  spendZoneStep(): void {
    if (--this.#zoneSteps < 0) throw new BoundError(`${this.#what} leads through too many names`);
  }

  spendNsec3Rounds(count: number): void {
    this.#nsec3Rounds -= count;
    if (this.#nsec3Rounds < 0) throw new BoundError(`${this.#what} needs too many NSEC3 hash rounds`);
  }
}
