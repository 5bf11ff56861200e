/**
 * What DNS says about one server: where it is, and what its TLSA records ask of whoever connects to it.
 *
 * The four findings are the four actions of RFC 7672 section 2.2. They are kept apart by type, because the field's
 * commonest fault is to treat a failed look-up as if there were no records.
 */
import type { TlsaRecord } from './tlsa.js';

export type TlsaFinding = UsableTlsa | UnusableTlsa | NoTlsa | FailedTlsa;

/** Secure, with at least one usable record: TLS, and the certificate must match (section 2.2, first case). */
export interface UsableTlsa {
  readonly status: 'usable';
  /** The name whose `_port._tcp` has the records; SNI, and the first reference identifier (section 2.2.3). */
  readonly baseDomain: string;
  /** The usable records, after digest agility (RFC 7671 section 9). */
  readonly records: readonly TlsaRecord[];
  /** Every record as published, each unusable or set-aside one with the reason. */
  readonly published: readonly JudgedTlsa[];
}

/** Secure and not empty, but nothing in it can be used: TLS is mandatory, authentication is not. */
export interface UnusableTlsa {
  readonly status: 'unusable';
  readonly baseDomain: string;
  readonly published: readonly JudgedTlsa[];
}

/** Proved absent, or not provable because the zone is insecure: DANE does not apply to this host. */
export interface NoTlsa {
  readonly status: 'none';
  readonly reason: string;
}

/** The look-up failed: this host MUST NOT be used now (section 2.1.2). */
export interface FailedTlsa {
  readonly status: 'failed';
  readonly reason: string;
}

export interface JudgedTlsa {
  readonly record: TlsaRecord;
  /** Absent where the record is in force. */
  readonly setAside?: string;
}

/** One server as DNS shows it. */
export type HostFinding = ReachableHost | UnreachableHost;

export interface ReachableHost {
  readonly status: 'reachable';
  /** The host name as the MX record or the administrator gave it. */
  readonly host: string;
  readonly port: number;
  /** The name at the end of the host's CNAMEs; `host` itself where it is no alias. */
  readonly expandedHost: string;
  /** Addresses to try, in order; never empty. */
  readonly addresses: readonly HostAddress[];
  /** A note for each address family that failed or is empty, for people. */
  readonly addressNotes: readonly string[];
  readonly tlsa: TlsaFinding;
}

export interface HostAddress {
  readonly address: string;
  readonly family: 4 | 6;
  /** How the address was learned. */
  readonly status: 'secure' | 'insecure';
}

/** Nothing to connect to. `failed`: it can't be said (defer). `absent`: there is no address (RFC 7672 section 2.2.2). */
export interface UnreachableHost {
  readonly status: 'failed' | 'absent';
  /** A look-up was answered, and its answer does not validate. */
  readonly bogus?: true;
  readonly host: string;
  readonly port: number;
  readonly reason: string;
}
