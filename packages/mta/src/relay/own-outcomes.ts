/** Outcomes that no server had a part in: a shared fate, a lost body, a thread that died. */
import type { BodyLostError, Claim } from '../queue/queue.js';
import { wordsOf } from '../words-of.js';
import type { Fate } from './destination-health.js';
import type { JobOutcome } from './job.js';
import { deferredOutcome } from './settlement.js';

export function shared(claim: Claim, { reason, host, enhancedStatus }: Fate): JobOutcome {
  const words = `not tried, as another message to ${claim.destination} has just failed: ${reason}`;
  const recipients = claim.recipients.map(({ address }) =>
    deferredOutcome(address, enhancedStatus ?? '4.4.0', words, host),
  );
  return { recipients, attempts: [], unrouted: [] };
}

/** Nobody can send what is not there any more. Whoever wrote it has to hear that. */
export function lost(claim: Claim, error: BodyLostError): JobOutcome {
  const recipients = claim.recipients.map(({ address }) => ({
    ...deferredOutcome(address, '5.3.0', `the relay has lost the message: ${error.message}`),
    status: 'failed' as const,
  }));
  return { recipients, attempts: [], unrouted: [] };
}

/** The disk or the database could not be read: that says nothing about the message or the destination. */
export function unreadable(claim: Claim, error: unknown): JobOutcome {
  const reason = `the message could not be read from the queue: ${wordsOf(error)}`;
  const recipients = claim.recipients.map(({ address }) => deferredOutcome(address, '4.3.0', reason));
  return { recipients, attempts: [], unrouted: [], ours: true };
}

/** Nobody was there to try it. */
export function unstarted(claim: Claim, words: string): JobOutcome {
  const recipients = claim.recipients.map(({ address }) => deferredOutcome(address, '4.3.0', words));
  return { recipients, attempts: [], unrouted: [], ours: true };
}

/** The thread died. How far it had got, nobody knows. */
export function brokenOff(claim: Claim, error: unknown): JobOutcome {
  const doubt = 'it is not known how far it went, so the message may arrive twice';
  const reason = `the delivery broke off (${wordsOf(error)}); ${doubt}`;
  const recipients = claim.recipients.map(({ address }) => deferredOutcome(address, '4.3.0', reason));
  return { recipients, attempts: [], unrouted: [], ours: true };
}
