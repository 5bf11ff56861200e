/**
 * One step towards a destination, as a fact: from a host that was skipped or a session that was or was not
 * opened, to the `Attempt` that the caller sees.
 */
import type { HostFinding } from '@danelaw/dane';
import type { SkipDecision } from './decision.js';
import { exceptionUses } from './exception-use.js';
import type { SmtpFault } from './fault.js';
import type { Authenticated, JudgedFailure } from './judge.js';
import { type Attempt, type AttemptRecipient, summarizeTlsa } from './outcome.js';
import type { TlsPolicy } from './policy.js';
import type { ResolvedPolicy } from './policy-table.js';
import { formatReply, type Reply } from './reply.js';
import { completedFacts, failedFacts, skippedFacts } from './report-facts.js';
import type { HostsRoute, RouteHost } from './route.js';
import type { ConnectionOrigin, FailedSession, Session } from './session.js';
import type { StsFinding } from './sts-finding.js';
import type { Stage } from './timeouts.js';
import type { RecipientVerdict, Verdict } from './verdict.js';

/** Where the attempt stands: what all attempts on one host have in common. */
export interface HostContext {
  readonly route: HostsRoute;
  readonly host: RouteHost;
  readonly finding: HostFinding;
  /** What MTA-STS says of the destination; undefined where nobody asked. */
  readonly sts: StsFinding | undefined;
  /** What the policy table says of the host. */
  readonly local: ResolvedPolicy;
}

type Common = Pick<Attempt, 'domain' | 'host' | 'port' | 'preference' | 'mx' | 'tlsa' | 'exceptions'>;

function common({ route, host, finding, local }: HostContext): Common {
  return {
    domain: route.domain,
    // RFC 7672 section 2.2.1: unexpanded, so that a forged MX record can be seen in the log.
    host: host.host,
    port: host.port,
    preference: host.preference ?? null,
    mx: route.mx,
    tlsa: summarizeTlsa(finding),
    exceptions: exceptionUses(local),
  };
}

export function skippedAttempt(context: HostContext, decision: SkipDecision): Attempt {
  return {
    status: 'skipped',
    ...common(context),
    address: null,
    policy: null,
    connection: null,
    tls: null,
    handshake: null,
    stage: null,
    reply: null,
    enhancedStatus: skipStatus(decision.cause),
    reason: decision.reason,
    failureType: decision.failureType ?? null,
    sts: null,
    overlooked: [],
    report: skippedFacts(context.sts, decision),
    recipients: [],
  };
}

/** RFC 3463: X.4.4 unable to route, X.4.3 directory server failure, X.7.5 cryptographic failure. */
function skipStatus(cause: SkipDecision['cause']): string {
  switch (cause) {
    case 'absent':
      return '5.4.4';
    case 'look-up':
      return '4.4.3';
    case 'policy':
      return '4.7.5';
    default: {
      const never: never = cause;
      return never;
    }
  }
}

/** Where a connection was made to, and under which policy. */
export interface ConnectionContext extends HostContext {
  readonly address: string;
  readonly policy: TlsPolicy;
  /** What was overlooked before the connection was made. */
  readonly overlooked: readonly JudgedFailure[];
}

export function failedAttempt(context: ConnectionContext, opened: FailedSession): Attempt {
  const { fault } = opened;
  return {
    status: 'failed',
    ...common(context),
    address: context.address,
    policy: policyFacts(context.policy),
    connection: opened.origin,
    tls: opened.tls,
    handshake: opened.handshake,
    stage: fault.stage,
    reply: fault.reply === undefined ? null : formatReply(fault.reply),
    enhancedStatus: faultStatus(fault),
    reason: `${where(context)}: ${fault.message}`,
    failureType: fault.failureType ?? null,
    sts: stsFacts(context.policy),
    overlooked: overlookedFacts(context.overlooked),
    report: failedFacts(context, opened),
    recipients: [],
  };
}

export function completedAttempt(
  context: ConnectionContext,
  session: Session,
  verdicts: readonly RecipientVerdict[],
): Attempt {
  const recipients = verdicts.map(({ recipient, verdict }) => ({
    ...attemptRecipient(context, recipient.address, verdict),
    ...(verdict.status === 'accepted' && session.capabilities.dsn ? { dsn: true as const } : {}),
  }));
  return {
    status: 'completed',
    ...common(context),
    address: context.address,
    policy: policyFacts(context.policy),
    connection: session.origin,
    tls: session.tls,
    handshake: session.handshake,
    stage: null,
    reply: null,
    enhancedStatus: null,
    reason: [
      `${where(context)}: ${sessionWords(session, context)}`,
      ...originWords(session.origin),
      ...session.notes,
    ].join('; '),
    failureType: null,
    sts: stsFacts(context.policy),
    overlooked: overlookedFacts([...context.overlooked, ...session.overlooked]),
    report: completedFacts(context, session),
    recipients,
  };
}

function originWords(origin: ConnectionOrigin): readonly string[] {
  switch (origin) {
    case 'new':
      return [];
    case 'resumed':
      return ['with the TLS session of an earlier connection'];
    case 'shared':
      return ['over a connection that had carried earlier mail'];
    default: {
      const never: never = origin;
      return never;
    }
  }
}

function policyFacts({ level, source }: TlsPolicy): Attempt['policy'] {
  return { level, source };
}

export function overlookedFacts(failures: readonly JudgedFailure[]): Attempt['overlooked'] {
  return failures.map(({ failureType, reason }) => ({ failureType, reason }));
}

function stsFacts(policy: TlsPolicy): Attempt['sts'] {
  if (policy.level === 'none' || policy.sts === undefined) return null;
  const { domain, mode, id } = policy.sts;
  return { domain, mode, id };
}

function where({ host, address }: ConnectionContext): string {
  return host.kind === 'address' ? address : `${host.host} [${address}]`;
}

/**
 * How the session was protected. Never more than was proved: RFC 7672 section 2.2.1, last paragraph but one.
 */
export function sessionWords(
  { tls }: Session,
  { route, host, policy }: Pick<ConnectionContext, 'route' | 'host' | 'policy'>,
): string {
  if (tls === null) return 'in clear text';
  if (tls.authenticated === null) return `${tls.protocol}, ${tls.reason}`;
  const by = `${tls.protocol}, authenticated by ${authorityWords(tls.authenticated)}`;
  if (route.mx === 'secure') return by;
  const sts = policy.level === 'none' ? undefined : policy.sts;
  if (sts?.mode === 'enforce' && policy.level !== 'none' && policy.lenience === undefined) {
    return `${by}, as the MTA-STS policy of ${sts.domain} asks`;
  }
  const doubt = `the MX records of ${route.domain} are not signed, so anybody may have named it`;
  return `${by}, as ${host.host} only: ${doubt}`;
}

function authorityWords(authenticated: Authenticated): string {
  switch (authenticated.by) {
    case 'dane':
      return `${authenticated.record} of ${authenticated.baseDomain}`;
    case 'pkix':
      return `the root ${authenticated.root} for the name ${authenticated.name}`;
    case 'fingerprint':
      return `the fingerprint ${authenticated.fingerprint}`;
    default: {
      const never: never = authenticated;
      return never;
    }
  }
}

function attemptRecipient(context: ConnectionContext, recipient: string, verdict: Verdict): AttemptRecipient {
  const facts = (
    status: AttemptRecipient['status'],
    stage: Stage | undefined,
    reply: Reply | undefined,
    fallback: string | null,
    words: string,
  ) => ({
    recipient,
    status,
    stage: stage ?? null,
    reply: reply === undefined ? null : formatReply(reply),
    code: reply?.code ?? null,
    enhancedStatus: reply?.enhanced ?? fallback,
    reason: `${where(context)}: ${words}`,
  });
  switch (verdict.status) {
    case 'accepted':
      return facts(
        'delivered',
        'data-end',
        verdict.reply,
        null,
        `the server took the message: ${formatReply(verdict.reply)}`,
      );
    case 'refused':
      return facts('failed', verdict.stage, verdict.reply, verdict.enhanced ?? '5.0.0', verdict.reason);
    case 'later':
      return {
        ...facts('deferred', verdict.stage, verdict.reply, '4.0.0', verdict.reason),
        enhancedStatus: temporary(verdict.reply),
      };
    case 'lost':
      return facts('deferred', verdict.fault.stage, undefined, faultStatus(verdict.fault), verdict.reason);
    default: {
      const never: never = verdict;
      return never;
    }
  }
}

/** The enhanced status of a reply that we take for a temporary one, whatever its own class is. */
function temporary(reply: Reply): string {
  return reply.enhanced === undefined ? '4.0.0' : reply.enhanced.replace(/^./u, '4');
}

/**
 * RFC 3463 sections 3.5, 3.6 and 3.8. All temporary: none of these is the server's last word on the message.
 */
export function faultStatus(fault: SmtpFault): string {
  switch (fault.kind) {
    case 'connect':
      return '4.4.1';
    case 'timeout':
      return fault.stage === 'connect' ? '4.4.1' : '4.4.2';
    case 'closed':
      return '4.4.2';
    case 'protocol':
      return '4.5.0';
    case 'refused':
      return fault.failureType === undefined && fault.reply !== undefined ? temporary(fault.reply) : '4.7.4';
    case 'starttls-not-offered':
      return '4.7.4';
    case 'handshake':
    case 'unauthenticated':
      return '4.7.5';
    case 'login':
      return '4.7.8'; // RFC 4954 section 6; whoever repairs the login gets the mail delivered
    case 'requiretls-not-offered':
      return '4.7.30';
    case 'deadline':
      return '4.4.7';
    case 'withheld':
      return fault.stage === 'connect' ? '4.4.5' : '4.3.0'; // section 3.5: system congestion
    default: {
      const never: never = fault.kind;
      return never;
    }
  }
}
