/**
 * What one try says about its destination as a whole, beside what it says about the message.
 *
 * A server that answered MAIL, RCPT or DATA works, whatever it said of the message. Where no session was opened
 * with any server - look-ups failed, nobody could be connected to, nobody fulfilled the policy - the next
 * message would meet the same. A policy of the message itself (REQUIRETLS, `TLS-Required: No`) says nothing
 * about others, and neither does what went wrong here: an address in the queue that is none, or no connection
 * left for this message while others had them all. A server that refuses a connection for now (421, 4yz to the
 * greeting or EHLO) may only have too many of ours.
 */
import type { Attempt } from '@danelaw/smtp';
import type { Claim } from '../queue/queue.js';
import type { Fate } from './destination-health.js';
import type { JobOutcome } from './job.js';
import { OWN_FAULT } from './settlement.js';

export type DestinationVerdict =
  | { readonly kind: 'works' }
  /**
   * It wants less: 421 or 4yz to something that has nothing to do with a recipient. `fate`: what others would meet if
   * it is not that, but wants nothing at all; undefined where it talked to us.
   */
  | { readonly kind: 'overloaded'; readonly fate: Fate | undefined }
  | { readonly kind: 'down'; readonly fate: Fate }
  | { readonly kind: 'unknown' };

export function verdictOnDestination(claim: Claim, outcome: JobOutcome): DestinationVerdict {
  const completed = outcome.attempts.filter(({ status }) => status === 'completed');
  if (completed.length > 0) {
    // Another message would not have got that far.
    const { tlsRequiredNo } = claim.envelope;
    if (tlsRequiredNo && completed.every(({ overlooked }) => overlooked.length > 0))
      return { kind: 'unknown' };
    const last = completed.at(-1)?.recipients ?? [];
    const busy = last.length > 0 && last.every(({ status, stage, code }) => isBusy(status, stage, code));
    return busy ? { kind: 'overloaded', fate: undefined } : { kind: 'works' };
  }
  const tried = outcome.recipients.filter(({ enhancedStatus }) => enhancedStatus !== OWN_FAULT);
  const [first] = tried;
  const allDeferred = tried.every(({ status }) => status === 'deferred');
  const wasWithheld = outcome.attempts.some(({ connection, enhancedStatus }) => {
    return connection === null && enhancedStatus === WITHHELD;
  });
  if (first === undefined || !isOrdinary(claim) || !allDeferred || wasWithheld) return { kind: 'unknown' };
  const { reason, host, enhancedStatus } = first;
  const fate = { reason, host, enhancedStatus };
  return outcome.attempts.some(refusesConnections) ? { kind: 'overloaded', fate } : { kind: 'down', fate };
}

function refusesConnections({ status, stage, reply }: Attempt): boolean {
  if (status !== 'failed' || reply === null) return false;
  return reply.startsWith('421') || (reply.startsWith('4') && (stage === 'greeting' || stage === 'ehlo'));
}

/** RFC 3463 X.4.5, mail system congestion: @danelaw/smtp says it where it was we who held a message back. */
const WITHHELD = '4.4.5';

/**
 * It asks for no TLS of its own (RFC 8689). What others met, a message that does may not meet: it is tried where they
 * share a fate.
 */
export function isOrdinary({ envelope }: Pick<Claim, 'envelope'>): boolean {
  return !envelope.requireTls && !envelope.tlsRequiredNo;
}

/** 4yz to RCPT is about the recipient: a full mailbox, greylisting. */
function isBusy(status: string, stage: string | null, code: number | null): boolean {
  return status === 'deferred' && code !== null && (stage === 'mail' || code === 421);
}
