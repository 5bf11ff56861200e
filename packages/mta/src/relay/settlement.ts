/**
 * From what became of a try to what is kept of it: which recipients leave the queue, which wait and until when,
 * and of whom the sender has to hear.
 *
 * Pure: the clock and chance are arguments, so each case is a row of a table in the tests.
 */
import type { RecipientOutcome } from '@danelaw/smtp';
import type { Claim, LastTry, QueuedRecipient, RecipientSettlement } from '../queue/queue.js';
import { afterFailure, type RetrySchedule } from './retry-schedule.js';

/** What the sender might have to be told about one recipient; whether he wants to is RFC 3461's to say. */
export interface Report {
  readonly recipient: QueuedRecipient;
  readonly outcome: RecipientOutcome;
  readonly action: 'delivered' | 'failed' | 'delayed';
  /** `failed` because the time was over, and not because anybody refused. */
  readonly expired: boolean;
  /** `delayed`: until when it is tried. */
  readonly willRetryUntil: number | undefined;
}

/** What happened to one recipient, as the log tells it. */
export interface RecipientEvent {
  readonly event: 'delivered' | 'deferred' | 'bounced';
  readonly recipient: QueuedRecipient;
  readonly outcome: RecipientOutcome;
  /** `deferred`: when it is tried next. */
  readonly due: number | undefined;
  readonly expired: boolean;
}

export interface Conclusion {
  readonly recipients: readonly RecipientSettlement[];
  readonly reports: readonly Report[];
  readonly events: readonly RecipientEvent[];
}

/**
 * @param outcomes one for each recipient of the claim, in its order
 * @param random from 0 up to 1, one number for the whole claim: its recipients stay together
 */
export function conclude(
  claim: Claim,
  outcomes: readonly RecipientOutcome[],
  schedule: RetrySchedule,
  now: number,
  random: number,
): Conclusion {
  const recipients: RecipientSettlement[] = [];
  const reports: Report[] = [];
  const events: RecipientEvent[] = [];
  for (const [place, recipient] of claim.recipients.entries()) {
    const outcome = outcomes[place] ?? untold(recipient);
    const { index } = recipient;
    switch (outcome.status) {
      case 'delivered':
        recipients.push({ index, outcome: 'done' });
        reports.push(report(recipient, outcome, 'delivered'));
        events.push({ event: 'delivered', recipient, outcome, due: undefined, expired: false });
        break;
      case 'failed':
        recipients.push({ index, outcome: 'done' });
        reports.push(report(recipient, outcome, 'failed'));
        events.push({ event: 'bounced', recipient, outcome, due: undefined, expired: false });
        break;
      case 'deferred': {
        const { attempts, warned } = recipient.state;
        const state = { arrived: claim.envelope.arrived, tries: attempts + 1, warned };
        const after = afterFailure(state, schedule, now, random);
        if (after.next === 'expire') {
          recipients.push({ index, outcome: 'done' });
          reports.push({ ...report(recipient, outcome, 'failed'), expired: true });
          events.push({ event: 'bounced', recipient, outcome, due: undefined, expired: true });
          break;
        }
        const { due, warn } = after;
        const last = lastTry(outcome, now);
        recipients.push({ index, outcome: 'again', due, warned: warned || warn, last });
        if (warn) {
          const willRetryUntil = claim.envelope.arrived + schedule.expireAfter;
          reports.push({ ...report(recipient, outcome, 'delayed'), willRetryUntil });
        }
        events.push({ event: 'deferred', recipient, outcome, due, expired: false });
        break;
      }
      default: {
        const never: never = outcome.status;
        return never;
      }
    }
  }
  return { recipients, reports, events };
}

/**
 * The settlement where the sender could not be told: who was delivered to is done, everybody else stays, and
 * nobody counts as warned who was not.
 */
export function untoldAgain(
  { recipients, events, reports }: Conclusion,
  { longest: pause }: RetrySchedule,
  now: number,
): RecipientSettlement[] {
  const unwarned = new Set(
    reports.filter(({ action }) => action === 'delayed').map((each) => each.recipient),
  );
  return recipients.map((settled, place) => {
    const told = events[place];
    if (told === undefined || told.event === 'delivered') return settled;
    const { recipient, outcome } = told;
    const { index } = recipient;
    if (settled.outcome === 'again') return unwarned.has(recipient) ? { ...settled, warned: false } : settled;
    const { warned } = recipient.state;
    return { index, outcome: 'again', due: now + pause, warned, last: lastTry(outcome, now) };
  });
}

const report = (recipient: QueuedRecipient, outcome: RecipientOutcome, action: Report['action']): Report => ({
  recipient,
  outcome,
  action,
  expired: false,
  willRetryUntil: undefined,
});

export function lastTry({ enhancedStatus, reply, host, reason }: RecipientOutcome, time: number): LastTry {
  return { time, enhancedStatus, reply, host, reason };
}

/** RFC 3463 X.3.5, system incorrectly configured: a fault of ours, that says nothing about the destination. */
export const OWN_FAULT = '4.3.5';

/** An outcome that nobody told: no reason to lose or to return mail. */
function untold({ address }: QueuedRecipient): RecipientOutcome {
  return deferredOutcome(address, OWN_FAULT, 'the delivery ended without an outcome for this recipient');
}

/** An outcome that no server had a part in. */
export function deferredOutcome(
  recipient: string,
  enhancedStatus: string,
  reason: string,
  host: string | null = null,
): RecipientOutcome {
  const nothing = {
    stage: null,
    reply: null,
    code: null,
    address: null,
    tls: null,
    mx: null,
    exceptions: [],
  };
  return { recipient, status: 'deferred', enhancedStatus, reason, host, ...nothing };
}
