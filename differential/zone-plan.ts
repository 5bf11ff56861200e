/** What a generated zone is to be: its content, who signs it and how, who serves it, what is wrong with it. */

/** Debian's authoritative servers. PowerDNS signs by itself what it serves; the others serve what was signed before. */
export type Server = 'nsd' | 'bind' | 'knot' | 'powerdns';

export type Signer = 'ldns' | 'bind' | 'knot' | 'powerdns';

export type Algorithm =
  | 'RSASHA1'
  | 'NSEC3RSASHA1'
  | 'RSASHA256'
  | 'RSASHA512'
  | 'ECDSAP256SHA256'
  | 'ECDSAP384SHA384'
  | 'ED25519'
  | 'ED448';

export type DenialPlan =
  | { readonly kind: 'nsec' }
  | {
      readonly kind: 'nsec3';
      readonly optOut: boolean;
      /** Octets. */
      readonly salt: number;
      readonly iterations: number;
      /** Made up for each question, by a server that has the keys (RFC 7129 appendix B). */
      readonly narrow?: boolean;
    };

export interface SigningPlan {
  readonly signer: Signer;
  readonly algorithm: Algorithm;
  readonly denial: DenialPlan;
  /** One key for everything, or a key-signing key and a zone-signing key. */
  readonly keys: 'one' | 'two';
  readonly validity: Validity;
}

/** When the signatures hold. `just-expired`: within the clock skew that Unbound forgives. */
export type Validity = 'now' | 'past' | 'future' | 'just-expired';

export interface Question {
  readonly name: string;
  readonly type: string;
  /** What is special about it, for people. */
  readonly about: string;
}

export interface ZonePlan {
  /** Without trailing dot; `.` is the root. */
  readonly origin: string;
  /** In presentation format, relative to the origin. SOA, NS and delegations are added. */
  readonly records: string;
  readonly signing: SigningPlan | 'unsigned';
  readonly server: Server;
  /** Its name server is called by a name in another zone, so that no glue comes with the referral. */
  readonly glueless: boolean;
  /** What is done to the signed zone, or to the DS records that its parent has. */
  readonly breakage?: Breakage;
  readonly questions: readonly Question[];
}

/** What was done to a zone after it was signed. All but `ds-*` are edits of the zone's file. */
export type Breakage = (typeof BREAKAGES)[number];

export const BREAKAGES = [
  'ds-missing',
  'ds-of-another-key',
  'ds-damaged',
  'ds-sha1-only',
  'ds-sha384-only',
  'ds-sha256-damaged-sha1-good',
  'ds-sha384-damaged-sha256-good',
  'ds-another-and-good',
  'ds-unknown-digest',
  'ds-unknown-digest-and-good',
  'ds-unknown-algorithm',
  'ds-unknown-algorithm-and-good',
  'ds-unknown-algorithm-and-damaged',
  'keys-missing',
  'keys-revoked',
  'keys-of-another-protocol',
  'keys-no-zone-key',
  'zsk-missing',
  'signatures-missing',
  'signatures-of-addresses-missing',
  'signatures-of-keys-missing',
  'signatures-of-denials-missing',
  'signatures-of-soa-damaged',
  'signatures-of-addresses-damaged',
  'signatures-of-keys-damaged',
  'signatures-of-denials-damaged',
  'signatures-by-another-signer',
  'signatures-with-more-labels',
  'signatures-with-fewer-labels',
  'signatures-with-another-tag',
  'signatures-with-another-algorithm',
  'signatures-with-lower-original-ttl',
  'signatures-doubled-one-damaged',
  'denials-missing',
  'addresses-changed',
] as const;

export function parentLabels(origin: string): number {
  return origin === '.' ? 0 : origin.split('.').length;
}
