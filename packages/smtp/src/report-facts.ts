/**
 * What a TLS report (RFC 8460) tells of an attempt, and the rest of the `Attempt` does not: each failure with
 * the demand it failed, the MTA-STS policy in its own words, and who was at the two ends.
 *
 * A session may stand under two policies at once - TLSA records and MTA-STS at a host of an insecure MX RRset
 * - and a report has one object for each (section 4.4). Which of them failed is known only where it is
 * judged, so it is kept from there.
 */
import type { SkipDecision } from './decision.js';
import type { Demand, FailureType, SmtpFault } from './fault.js';
import type { JudgedFailure } from './judge.js';
import type { Unrouted } from './outcome.js';
import type { TlsPolicy } from './policy.js';
import type { FailedRoute } from './route.js';
import type { Ends, OpenedSession, Session } from './session.js';
import type { StsFinding } from './sts-finding.js';

export interface ReportFacts extends Ends {
  /** The MTA-STS policy that was found; null where there is none, or nobody asked. */
  readonly stsPolicy: {
    readonly domain: string;
    readonly lines: readonly string[];
    readonly mx: readonly string[];
  } | null;
  readonly failures: readonly ReportFailure[];
}

export interface ReportFailure {
  /** Whose demand was not met. */
  readonly demand: Demand;
  readonly failureType: FailureType;
  /** What happened, without the address. */
  readonly reason: string;
}

const NO_ENDS: Ends = { sourceAddress: null, ehloName: null };

export function skippedFacts(sts: StsFinding | undefined, decision: SkipDecision): ReportFacts {
  const { demand, failureType, reason } = decision;
  const failures = failureType === undefined ? [] : [{ demand, failureType, reason }];
  return { ...stsFacts(sts, failures), ...NO_ENDS };
}

/** Where a session was tried. */
interface Tried {
  readonly policy: TlsPolicy;
  readonly overlooked: readonly JudgedFailure[];
  readonly sts: StsFinding | undefined;
}

export function failedFacts(
  { overlooked, sts }: Tried,
  { fault, failures, ends }: Extract<OpenedSession, { status: 'failed' }>,
): ReportFacts {
  const judged = [...overlooked, ...failures].map(reportFailure);
  const ownFault = fault.kind === 'unauthenticated' ? [] : faultFailures(fault);
  return { ...stsFacts(sts, [...judged, ...ownFault]), ...ends };
}

/**
 * RFC 8460 section 4.3.3. A connection that can't be made, or times out, "is not required to be reported"
 * (4.3.4); one that breaks between STARTTLS and the end of the handshake is what an attack looks like.
 */
function faultFailures({ failureType, kind, stage, message }: SmtpFault): ReportFailure[] {
  const broken = stage === 'handshake' || (stage === 'starttls' && kind === 'closed');
  const type = failureType ?? (broken ? 'validation-failure' : undefined);
  return type === undefined ? [] : [{ demand: 'any', failureType: type, reason: message }];
}

export function completedFacts(
  { policy, overlooked, sts }: Tried,
  session: Pick<Session, 'tls' | 'overlooked' | 'notes' | 'ends'>,
): ReportFacts {
  const failures = [...overlooked, ...session.overlooked].map(reportFailure);
  const isClear = session.tls === null && policy.level !== 'none';
  if (isClear && !failures.some(({ failureType }) => failureType === 'starttls-not-supported')) {
    const reason = session.notes.join('; ');
    failures.push({ demand: 'any', failureType: 'starttls-not-supported', reason });
  }
  return { ...stsFacts(sts, failures), ...session.ends };
}

/** A bogus MX RRset is what a forgery looks like (RFC 8460 section 4.3.2.1). */
export function unroutedOf({ domain, cause, reason }: FailedRoute): Unrouted | undefined {
  return cause === 'bogus' ? { domain, failureType: 'dnssec-invalid', reason } : undefined;
}

const reportFailure = ({ demand, failureType, reason }: JudgedFailure): ReportFailure => ({
  demand,
  failureType,
  reason,
});

function stsFacts(
  sts: StsFinding | undefined,
  failures: readonly ReportFailure[],
): Pick<ReportFacts, 'stsPolicy' | 'failures'> {
  if (sts === undefined) return { stsPolicy: null, failures };
  const problems = sts.problems.map((problem): ReportFailure => ({ demand: 'sts', ...problem }));
  const all = [...failures, ...problems];
  if (sts.status === 'none') return { stsPolicy: null, failures: all };
  const { mode, mx, maxAge } = sts.policy;
  // RFC 8460 section 4.5: one string a line, each `mx` on its own.
  const lines = ['version: STSv1', `mode: ${mode}`, ...mx.map((each) => `mx: ${each}`), `max_age: ${maxAge}`];
  return { stsPolicy: { domain: sts.domain, lines, mx }, failures: all };
}
