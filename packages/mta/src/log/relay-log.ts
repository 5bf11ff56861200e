/**
 * What the relay tells of itself while it runs. The names of events and fields are part of its interface, and
 * stay: operators' searches and alarms hang on them.
 *
 * | event | when |
 * |---|---|
 * | `received` | a client handed a message in, and it is durable |
 * | `queued` | one of our own - a bounce, a report - is in the queue |
 * | `attempt` | a host was skipped, or a session with it came to nothing |
 * | `tls` | a session under TLS carried a message: policy, what authenticated it, matched record |
 * | `delivered`, `deferred`, `bounced` | what became of one recipient |
 * | `destination` | a destination is down, or up again |
 * | `refused` | a client was refused |
 */
import type { Attempt, Unrouted } from '@danelaw/smtp';
import type { Claim } from '../queue/queue.js';
import type { RecipientEvent } from '../relay/settlement.js';
import type { TroubleEvent } from './trouble-events.js';

export interface RelayLog {
  info(event: string, fields: Readonly<Record<string, unknown>>): void;
  warn(event: TroubleEvent, fields: Readonly<Record<string, unknown>>): void;
  error(event: TroubleEvent, fields: Readonly<Record<string, unknown>>): void;
}

export const SILENT: RelayLog = { info: () => {}, warn: () => {}, error: () => {} };

/** One line for each attempt that carried nothing, and one for each TLS session that did. */
export function logAttempts(
  log: RelayLog,
  claim: Claim,
  { attempts, unrouted }: { readonly attempts: readonly Attempt[]; readonly unrouted: readonly Unrouted[] },
): void {
  for (const { domain, failureType, reason } of unrouted) {
    // A bogus MX RRset is what a forgery looks like, and names nobody who could be tried.
    const nobody = { host: null, address: null, port: null, mx: null, policy: null };
    const nothing = { stage: null, reply: null, enhancedStatus: null };
    const skipped = { status: 'skipped', ...nothing, failure: failureType, reason };
    log.warn('attempt', { id: claim.id, domain, ...nobody, ...skipped });
  }
  for (const attempt of attempts) {
    const where = {
      id: claim.id,
      domain: attempt.domain,
      // RFC 7672 section 2.2.1: unexpanded, so that a forged MX record can be seen.
      host: attempt.host,
      address: attempt.address,
      port: attempt.port,
      mx: attempt.mx,
      policy: attempt.policy?.level ?? null,
    };
    for (const { kind, rule, pattern, reason, expires } of attempt.exceptions) {
      log.warn('exception', { ...where, kind, rule, pattern, expires, reason });
    }
    for (const { failureType, reason } of attempt.overlooked) {
      log.warn('overlooked', { ...where, failure: failureType, reason });
    }
    if (attempt.status !== 'completed') {
      const { status, stage, reply, enhancedStatus, failureType, reason } = attempt;
      log.warn('attempt', { ...where, status, stage, reply, enhancedStatus, failure: failureType, reason });
    } else if (attempt.tls !== null) {
      const { protocol, cipher, serverName, authenticated, reason } = attempt.tls;
      const { connection } = attempt;
      log.info('tls', { ...where, connection, protocol, cipher, serverName, authenticated, reason });
    }
  }
}

/** One line for each recipient. */
export function logRecipients(
  log: RelayLog,
  claim: Claim,
  events: readonly RecipientEvent[],
  now: number,
): void {
  for (const { event, recipient, outcome, due, expired } of events) {
    const { host, address, mx, tls, reply, enhancedStatus, reason } = outcome;
    const fields = {
      id: claim.id,
      from: claim.envelope.from,
      to: recipient.address,
      host,
      address,
      mx,
      authenticated: tls?.authenticated?.by ?? null,
      tls: tls?.protocol ?? null,
      reply,
      enhancedStatus,
      /** Seconds since it arrived. */
      delay: Math.max(0, now - claim.envelope.arrived) / 1000,
      tries: recipient.state.attempts + 1,
      reason,
    };
    if (event === 'delivered') log.info(event, fields);
    else if (event === 'deferred') log.warn(event, { ...fields, due: new Date(due ?? now).toISOString() });
    else log.warn(event, { ...fields, expired });
  }
}
