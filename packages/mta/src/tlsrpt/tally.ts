/**
 * From attempts to what a TLS report counts (RFC 8460 sections 4.2 to 4.4): for each policy that applied to a
 * session, whether the session complied with it, and if not, why.
 *
 * Decisions, where the RFC leaves them to the sender:
 *
 * - **Sessions under two policies.** Where DANE and MTA-STS both bind, each gets an object of its own
 *   (section 4.4: "may report multiple applied policies"), and the session is counted once under each.
 * - **A session that fails anything is a failed one**, even where the mail went through: MTA-STS in testing
 *   mode, an audit, a policy that could not be fetched. So failed sessions and details never contradict.
 * - **Shared connections** are not counted: section 4.4 counts "successfully negotiated TLS-enabled
 *   connections", and a message that goes over a connection which is open already negotiates nothing. A
 *   resumed TLS session is a connection of its own, and counts.
 * - **Transient errors** are not counted (section 4.3.4): no TCP connection, a greeting with 4yz, a time-out
 *   before STARTTLS. Neither is the second try in clear text after a handshake that failed.
 * - **DANE-specific failures** (section 4.3.2.1) belong to a policy of the type `tlsa`, with the records that
 *   were found; without any, the policy string is empty. Its policy domain is the TLSA base domain (section
 *   1.1), or the MX host where none could be had.
 * - **MTA-STS-specific failures** (section 4.3.2.2) belong to one of the type `sts`. Where no policy is known
 *   either, the session itself counts under `no-policy-found` beside it.
 * - **What our own administrator or the message demands** (`verify`, `fingerprint`, `none`, REQUIRETLS) is no
 *   policy of the domain, and what fails by it is not reported. Under `may` and `encrypt` nobody asks for
 *   policies: such sessions count as `no-policy-found`, as those of senders without DANE and MTA-STS do.
 *
 * A tally is for one report domain: whose `_smtp._tls` record is asked. That is the next-hop domain; and for
 * a `tlsa` policy its base domain as well, which section 1.1 calls the Policy Domain. Domain owners hear of
 * their hosts, and hosting companies of theirs - without which domains used them.
 */
import type { Attempt, FailureType, ReportFailure, Unrouted } from '@danelaw/smtp';
import { isPolicyDomain } from './policy-domain.js';

export type PolicyType = 'tlsa' | 'sts' | 'no-policy-found';

/** A policy as a report shows it (section 4.5). */
export interface ReportedPolicy {
  readonly type: PolicyType;
  readonly strings: readonly string[];
  readonly domain: string;
  /** The MX host of a TLSA policy, the patterns of an MTA-STS policy. */
  readonly mxHosts: readonly string[];
}

export interface FailureDetail {
  readonly resultType: FailureType;
  readonly sendingMtaIp: string | null;
  readonly receivingMxHostname: string | null;
  readonly receivingMxHelo: string | null;
  readonly receivingIp: string | null;
  readonly reason: string;
}

/** One session under one policy. */
export interface Tally {
  readonly reportDomain: string;
  readonly policy: ReportedPolicy;
  /** Empty: the session complied. */
  readonly failures: readonly FailureDetail[];
}

/** Characters of a reason ("intended to be a short text field", section 4.3.3). */
const MAX_REASON = 200;
/** Lines of a policy that are kept. The largest in use have some ten; a hostile one could have a thousand. */
const MAX_POLICY_STRINGS = 100;
/** Characters of all of them together: TLSA records with whole certificates fit. */
const MAX_POLICY_CHARACTERS = 32_768;

/** What one attempt counts for; nothing where it says nothing about the domain's TLS. */
export function tallyAttempt(attempt: Attempt): Tally[] {
  if (attempt.connection === 'shared' || attempt.policy?.level === 'none') return [];
  const { failures, stsPolicy } = attempt.report;
  const ofTls = failures.filter(({ demand }) => demand === 'any');
  const ofTlsa = failures.filter(({ demand }) => demand === 'tlsa');
  const ofSts = failures.filter(({ demand }) => demand === 'sts');
  const stands = isNegotiated(attempt);
  const skipped = attempt.status === 'skipped';
  if (!stands && ofTls.length === 0 && ofTlsa.length === 0 && !skipped) return [];
  const tallies: Tally[] = [];
  const count = (policy: ReportedPolicy, failed: readonly ReportFailure[]): void => {
    if (failed.length === 0 && !stands) return;
    const details = failed.map((failure) => detailOf(attempt, failure));
    const domains = policy.type === 'tlsa' ? [attempt.domain, policy.domain] : [attempt.domain];
    for (const reportDomain of new Set(domains)) {
      if (isPolicyDomain(reportDomain)) tallies.push({ reportDomain, policy, failures: details });
    }
  };
  const tlsa = tlsaPolicy(attempt, ofTlsa.length > 0);
  if (tlsa !== undefined) count(tlsa, [...unusable(attempt, ofTlsa, stands), ...ofTls]);
  if (stsPolicy !== null) {
    count(bounded('sts', stsPolicy.lines, stsPolicy.domain, stsPolicy.mx), [...ofSts, ...ofTls]);
  } else if (ofSts.length > 0) {
    count(bounded('sts', [], attempt.domain, []), ofSts);
  }
  if (tlsa === undefined && stsPolicy === null && !isOurs(attempt)) {
    count(bounded('no-policy-found', [], attempt.domain, []), ofTls);
  }
  return tallies;
}

/** A destination whose MX records are bogus: no host was asked. */
export function tallyUnrouted({ domain, failureType, reason }: Unrouted): Tally[] {
  if (!isPolicyDomain(domain)) return [];
  const nobody = { sendingMtaIp: null, receivingMxHostname: null, receivingMxHelo: null, receivingIp: null };
  const failures = [{ resultType: failureType, ...nobody, reason: short(reason) }];
  return [{ reportDomain: domain, policy: bounded('tlsa', [], domain, []), failures }];
}

/**
 * A TLS session stands, whatever was thought of its certificate. Under TLS 1.3 a server may refuse it after
 * our side of the handshake, which shows as a connection that ends at EHLO: that says nothing either way.
 */
function isNegotiated({ tls, status, failureType, stage, reply }: Attempt): boolean {
  if (tls === null) return false;
  return status === 'completed' || failureType !== null || stage !== 'ehlo' || reply !== null;
}

/** The TLSA records that bound the session, or should have; undefined where DANE had no part. */
function tlsaPolicy({ tlsa, policy, host }: Attempt, failed: boolean): ReportedPolicy | undefined {
  const level = policy?.level;
  const applies = failed || level === 'dane' || level === 'dane-only' || tlsa?.status === 'unusable';
  if (!applies) return undefined;
  const records = (tlsa?.records ?? []).map(({ record }) => record);
  return bounded('tlsa', records, tlsa?.baseDomain ?? host.toLowerCase(), [host.toLowerCase()]);
}

/** "None of the records in the RRset were found to be valid" (section 4.3.2.1): unauthenticated TLS. */
function unusable(
  { tlsa }: Attempt,
  failures: readonly ReportFailure[],
  stands: boolean,
): readonly ReportFailure[] {
  if (tlsa?.status !== 'unusable' || failures.length > 0 || !stands) return failures;
  const setAside = tlsa.records.flatMap((each) => each.setAside ?? []);
  return [{ demand: 'tlsa', failureType: 'tlsa-invalid', reason: [...new Set(setAside)].join('; ') }];
}

/** The session was held to what our side demands, and not to what the domain publishes. */
function isOurs({ policy, status, report, tlsa }: Attempt): boolean {
  const level = policy?.level;
  if (level === 'verify' || level === 'fingerprint') return true;
  // TLSA records that local policy takes for less than they are ("insecure_mx") were found, and not applied.
  if (tlsa?.status === 'usable') return true;
  return status === 'skipped' && report.failures.every(({ demand }) => demand === 'local');
}

function detailOf(attempt: Attempt, { failureType, reason }: ReportFailure): FailureDetail {
  const { sourceAddress, ehloName } = attempt.report;
  return {
    resultType: failureType,
    sendingMtaIp: sourceAddress,
    receivingMxHostname: attempt.host.toLowerCase(),
    receivingMxHelo: ehloName,
    receivingIp: attempt.address,
    reason: short(reason),
  };
}

function bounded(
  type: PolicyType,
  strings: readonly string[],
  domain: string,
  mxHosts: readonly string[],
): ReportedPolicy {
  return {
    type,
    strings: firstOf(strings),
    domain,
    mxHosts: firstOf(mxHosts),
  };
}

/** As many, whole ones, as are kept. */
function firstOf(texts: readonly string[]): readonly string[] {
  let characters = 0;
  return texts.slice(0, MAX_POLICY_STRINGS).filter((text) => {
    characters += text.length;
    return characters <= MAX_POLICY_CHARACTERS;
  });
}

/** I-JSON is UTF-8, but a reason is read by many programs: printable ASCII alone. */
function short(reason: string): string {
  const line = reason.replace(/\s+/gu, ' ').replace(/[^\x20-\x7e]/gu, '?');
  return line.length > MAX_REASON ? `${line.slice(0, MAX_REASON - 3)}...` : line;
}
