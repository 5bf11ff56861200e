/**
 * What one connection must achieve. One vocabulary, the same in types, configuration, JSON and on the command
 * line.
 */
import type { TlsaRecord } from '@danelaw/dane';

/**
 * What the administrator asks for. `dane` is the default: DANE where it is published, opportunistic TLS
 * elsewhere.
 */
export type PolicyLevel = 'none' | 'may' | 'encrypt' | 'dane' | 'dane-only';

/** The one TLS policy for one host, made from the level and from what DNS said. */
export type TlsPolicy = ClearPolicy | OpportunisticPolicy | EncryptPolicy | DanePolicy;

/** TLS is not used even where it is offered. */
export interface ClearPolicy {
  readonly level: 'none';
  readonly source: string;
}

/** TLS where it is offered and works, else clear text (RFC 7435; RFC 7672 section 2.2, pre-DANE rules). */
export interface OpportunisticPolicy {
  readonly level: 'may';
  /** Sent as SNI: the host's name; null for an address (RFC 6066 section 3). */
  readonly serverName: string | null;
  readonly source: string;
}

/**
 * TLS or no delivery; whose certificate it is does not matter (RFC 7672 section 2.2: only unusable records).
 */
export interface EncryptPolicy {
  readonly level: 'encrypt';
  /** Sent as SNI: the TLSA base domain or the host's name; null for an address. */
  readonly serverName: string | null;
  readonly source: string;
}

/** TLS whose certificate chain matches a TLSA record, or no delivery. */
export interface DanePolicy {
  readonly level: 'dane' | 'dane-only';
  /** Sent as SNI: the TLSA base domain (RFC 7672 section 8.1). */
  readonly serverName: string;
  readonly baseDomain: string;
  /** Further reference identifiers for DANE-TA (RFC 7672 section 3.2.2). */
  readonly otherNames: readonly string[];
  readonly tlsa: readonly TlsaRecord[];
  readonly source: string;
}
