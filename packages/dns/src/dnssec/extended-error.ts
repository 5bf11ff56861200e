/** The INFO-CODEs of RFC 8914 section 4 that say why a look-up failed, or why its answer is insecure. */
import type { ExtendedError } from '../lookup.js';

export const EDE = {
  OTHER: 0,
  UNSUPPORTED_DNSKEY_ALGORITHM: 1,
  UNSUPPORTED_DS_DIGEST: 2,
  STALE_ANSWER: 3,
  DNSSEC_INDETERMINATE: 5,
  BOGUS: 6,
  SIGNATURE_EXPIRED: 7,
  SIGNATURE_NOT_YET_VALID: 8,
  DNSKEY_MISSING: 9,
  RRSIGS_MISSING: 10,
  NO_ZONE_KEY_BIT: 11,
  NSEC_MISSING: 12,
  NO_REACHABLE_AUTHORITY: 22,
  NETWORK_ERROR: 23,
  INVALID_DATA: 24,
  SIGNATURE_EXPIRED_BEFORE_VALID: 25,
  /** Registered by RFC 9276 section 3.2. */
  UNSUPPORTED_NSEC3_ITERATIONS: 27,
} as const;

/** Codes with which a validating resolver says that it refused the answer: the answer is bogus, not merely missing. */
const BOGUS_CODES: ReadonlySet<number> = new Set([
  EDE.BOGUS,
  EDE.SIGNATURE_EXPIRED,
  EDE.SIGNATURE_NOT_YET_VALID,
  EDE.DNSKEY_MISSING,
  EDE.RRSIGS_MISSING,
  EDE.NO_ZONE_KEY_BIT,
  EDE.NSEC_MISSING,
  EDE.SIGNATURE_EXPIRED_BEFORE_VALID,
]);

export function ede(code: number, text: string): ExtendedError {
  return { code, text };
}

export function saysBogus(error: ExtendedError | undefined): boolean {
  return error !== undefined && BOGUS_CODES.has(error.code);
}
