/**
 * What one connection must achieve. One vocabulary, the same in types, configuration, JSON and on the command
 * line.
 */
import type { Fingerprint, TlsaRecord } from '@danelaw/dane';

/**
 * What the administrator asks for. `dane` is the default: DANE where it is published, else MTA-STS where that
 * is, else opportunistic TLS. `sts` leaves DANE out; `verify` and `fingerprint` leave out what the domain
 * publishes.
 */
export const POLICY_LEVELS = [
  'none',
  'may',
  'encrypt',
  'dane',
  'dane-only',
  'sts',
  'verify',
  'fingerprint',
] as const;

export type PolicyLevel = (typeof POLICY_LEVELS)[number];

/** The least version of TLS that will do. Below 1.2 there is only what opportunistic TLS falls back to. */
export type MinTls = 'TLSv1.2' | 'TLSv1.3';

/**
 * What TLSA records are worth at a host that was found through an insecure MX RRset (RFC 7672 section 2.2.1
 * leaves it to the client): `dane` binds the host to them, `encrypt` asks for TLS without authentication,
 * `may` does not look at them. As Postfix's `smtp_tls_dane_insecure_mx_policy`, with its default `dane`.
 */
export type InsecureMx = 'dane' | 'encrypt' | 'may';

/** RFC 7672 section 9.1, "audit only": verify, report, deliver anyway - for a reason, and until a day. */
export interface Audit {
  readonly reason: string;
  /** Milliseconds since the epoch. */
  readonly expires: number;
}

/** The one TLS policy for one host, made from the level and from what DNS said. */
export type TlsPolicy = ClearPolicy | StartTlsPolicy;

/** Every policy under which STARTTLS is asked for. */
export type StartTlsPolicy =
  | OpportunisticPolicy
  | EncryptPolicy
  | DanePolicy
  | StsPolicy
  | VerifyPolicy
  | FingerprintPolicy;

/** TLS is not used even where it is offered. */
export interface ClearPolicy {
  readonly level: 'none';
  readonly source: string;
}

interface TlsCommon {
  /** Sent as SNI: the TLSA base domain or the host's name; null for an address (RFC 6066 section 3). */
  readonly serverName: string | null;
  /** Where the policy came from, for people. */
  readonly source: string;
  readonly minTls?: MinTls | undefined;
  /** Present: everything is verified and reported, and what fails does not end the session. */
  readonly lenience?: Lenience | undefined;
  /** What the domain's MTA-STS policy asks in addition. */
  readonly sts?: StsRequirement | undefined;
}

/** Why a failure does not stop the delivery. */
export interface Lenience {
  /**
   * `audit`: local policy (RFC 7672 section 9.1); `tls-required-no`: the sender's wish (RFC 8689 section 3).
   */
  readonly kind: 'audit' | 'tls-required-no';
  readonly reason: string;
}

/** What an MTA-STS policy asks of one host (RFC 8461 section 4). */
export interface StsRequirement {
  /** The Policy Domain. */
  readonly domain: string;
  /** `enforce` binds; `testing` is verified and reported, and never stops a delivery (section 5). */
  readonly mode: 'enforce' | 'testing';
  /** The version of the policy, as its TXT record has it. */
  readonly id: string;
  /** The MX host: the certificate must be for it (section 4.2). */
  readonly name: string;
  /** Whether one of the policy's `mx` patterns matches the host (section 4.1). */
  readonly hostMatches: boolean;
}

/** TLS where it is offered and works, else clear text (RFC 7435; RFC 7672 section 2.2, pre-DANE rules). */
export interface OpportunisticPolicy extends TlsCommon {
  readonly level: 'may';
  /** The session goes down to TLS 1.0: the last step before clear text. */
  readonly legacy?: true;
}

/**
 * TLS or no delivery; whose certificate it is does not matter (RFC 7672 section 2.2: only unusable records).
 */
export interface EncryptPolicy extends TlsCommon {
  readonly level: 'encrypt';
}

/** TLS whose certificate chain matches a TLSA record, or no delivery. */
export interface DanePolicy extends TlsCommon {
  readonly level: 'dane' | 'dane-only';
  /** Sent as SNI: the TLSA base domain (RFC 7672 section 8.1). */
  readonly serverName: string;
  readonly baseDomain: string;
  /** Further reference identifiers for DANE-TA (RFC 7672 section 3.2.2). */
  readonly otherNames: readonly string[];
  readonly tlsa: readonly TlsaRecord[];
}

/** What the domain's MTA-STS policy asks, and nothing else does. */
export interface StsPolicy extends TlsCommon {
  readonly level: 'sts';
  readonly sts: StsRequirement;
}

/** TLS whose certificate leads to a trusted root and is for one of these names, or no delivery. */
export interface VerifyPolicy extends TlsCommon {
  readonly level: 'verify';
  readonly names: readonly string[];
}

/** TLS whose certificate or key has one of these digests, or no delivery. */
export interface FingerprintPolicy extends TlsCommon {
  readonly level: 'fingerprint';
  readonly fingerprints: readonly Fingerprint[];
}
