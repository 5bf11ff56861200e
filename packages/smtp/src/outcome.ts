/**
 * What `deliver` tells: for each recipient how it ended and what was proved on the way, and every attempt in
 * order. All of it is plain data that JSON can carry; `null` stands where there was nothing.
 */
import type { HostFinding, TlsaFinding } from '@danelaw/dane';
import { formatTlsa } from '@danelaw/dane';
import type { ExceptionUse } from './exception-use.js';
import type { FailureType } from './fault.js';
import type { TlsPolicy } from './policy.js';
import type { ReportFacts } from './report-facts.js';
import type { ConnectionOrigin } from './session.js';
import type { Stage } from './timeouts.js';
import type { TlsFacts } from './tls-facts.js';

/**
 * `delivered`: the server took responsibility. `deferred`: try again later. `failed`: for good; tell the
 * sender.
 */
export type OutcomeStatus = 'delivered' | 'deferred' | 'failed';

export interface Delivery {
  /** One for each recipient, in the order of the envelope. */
  readonly recipients: readonly RecipientOutcome[];
  /** Every host and address that was considered, in order, grouped by destination. */
  readonly attempts: readonly Attempt[];
  /** Destinations whose MX look-up failed in a way that is to be reported: there is no attempt to tell it. */
  readonly unrouted: readonly Unrouted[];
}

/** A destination with a bogus MX RRset. */
export interface Unrouted {
  readonly domain: string;
  readonly failureType: FailureType;
  readonly reason: string;
}

/** The same with the attempt that decided it. */
export interface RecipientOutcome extends AttemptRecipient {
  /**
   * The attempt that decided it: the MX host as its record names it, never expanded (RFC 7672 section 2.2.1).
   */
  readonly host: string | null;
  readonly address: string | null;
  /** The TLS session of that attempt; null in clear text, or where there was no connection. */
  readonly tls: TlsFacts | null;
  /**
   * How the host was found. With `insecure`, `tls.authenticated` is about the host and not about the domain.
   */
  readonly mx: 'secure' | 'insecure' | null;
  /** Rules of local policy for a time that were applied in that attempt; each use is to be logged and counted. */
  readonly exceptions: readonly ExceptionUse[];
}

/** One step towards a destination: a host that was skipped, or one connection to one address. */
export interface Attempt {
  /**
   * `completed`: the server was given the message, or refused it, recipient by recipient. `failed`: there was
   * no session that could carry mail. `skipped`: nobody was connected to, by the rule that `reason` names.
   */
  readonly status: 'completed' | 'failed' | 'skipped';
  /** The next-hop domain. */
  readonly domain: string;
  readonly host: string;
  readonly port: number;
  readonly preference: number | null;
  readonly mx: 'secure' | 'insecure';
  readonly address: string | null;
  /** What the host's TLSA records said; null where its addresses could not be found. */
  readonly tlsa: TlsaSummary | null;
  /** What the connection had to achieve; null where there was none to be made. */
  readonly policy: { readonly level: TlsPolicy['level']; readonly source: string } | null;
  /** Null where nobody was connected to. */
  readonly connection: ConnectionOrigin | null;
  /** What *this* destination's policy says of the TLS session, on a shared connection too. */
  readonly tls: TlsFacts | null;
  /**
   * Milliseconds that its TLS handshake took, full or resumed as `connection` says; null where there was none: in
   * clear text, on a shared connection, or because it failed.
   */
  readonly handshake: number | null;
  /** The step that failed; null where the attempt was skipped or completed. */
  readonly stage: Stage | null;
  readonly reply: string | null;
  readonly enhancedStatus: string | null;
  readonly reason: string;
  readonly failureType: FailureType | null;
  /** The MTA-STS policy that was applied to the host; null where there was none, or none was needed. */
  readonly sts: { readonly domain: string; readonly mode: 'enforce' | 'testing'; readonly id: string } | null;
  /** What failed and did not stop the delivery: audits, MTA-STS in testing mode, `TLS-Required: No`. */
  readonly overlooked: readonly { readonly failureType: FailureType; readonly reason: string }[];
  /** What a TLS report (RFC 8460) tells of it beside all that. */
  readonly report: ReportFacts;
  /** Exceptions and audits of local policy that were applied to the host (RFC 7672 section 9.1). */
  readonly exceptions: readonly ExceptionUse[];
  /** What became of each recipient; empty where the attempt is not `completed`. */
  readonly recipients: readonly AttemptRecipient[];
}

/** What became of one recipient. */
export interface AttemptRecipient {
  readonly recipient: string;
  readonly status: OutcomeStatus;
  /** The step that decided it; null where no server was asked. */
  readonly stage: Stage | null;
  /** The server's reply that decided it, on one line: `250 2.0.0 queued`. */
  readonly reply: string | null;
  /** The code of that reply. */
  readonly code: number | null;
  /** RFC 3463: the server's, or ours where no server was asked or it gave none. */
  readonly enhancedStatus: string | null;
  /** What happened, by which rule, in a sentence. */
  readonly reason: string;
  /**
   * `delivered`, to a server that offers DSN: it reports to the sender what comes of the message. Where this is
   * missing, a sender who asked for NOTIFY=SUCCESS is to hear that it was relayed (RFC 3461 section 5.2.2 (b)).
   */
  readonly dsn?: true;
}

/** A `TlsaFinding` for JSON. */
export interface TlsaSummary {
  readonly status: TlsaFinding['status'];
  readonly baseDomain: string | null;
  /** Each record in presentation form, with the reason where it was set aside. */
  readonly records: readonly { readonly record: string; readonly setAside: string | null }[];
  readonly reason: string | null;
}

export function summarizeTlsa(finding: HostFinding): TlsaSummary | null {
  if (finding.status !== 'reachable') return null;
  const { tlsa } = finding;
  switch (tlsa.status) {
    case 'usable':
    case 'unusable': {
      const records = tlsa.published.map(({ record, setAside }) => ({
        record: formatTlsa(record),
        setAside: setAside ?? null,
      }));
      return { status: tlsa.status, baseDomain: tlsa.baseDomain, records, reason: null };
    }
    case 'none':
    case 'failed':
      return { status: tlsa.status, baseDomain: null, records: [], reason: tlsa.reason };
    default: {
      const never: never = tlsa;
      return never;
    }
  }
}
