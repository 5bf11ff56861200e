import type { RecipientOutcome } from '@danelaw/smtp';
import { describe, expect, it } from 'vitest';
import type { Claim, QueuedRecipient } from '../queue/queue.js';
import { DEFAULT_SCHEDULE } from './retry-schedule.js';
import { conclude, deferredOutcome } from './settlement.js';

const HOUR = 3_600_000;
const ARRIVED = 1_700_000_000_000;

function claimOf(...addresses: string[]): Claim {
  const recipients = addresses.map((address, index): QueuedRecipient => {
    const state = { held: false, due: ARRIVED, attempts: 0, warned: false, last: undefined };
    return { index, address, destination: 'there.example', state };
  });
  return {
    id: '01kbq3w8nd7k2m9xq4',
    destination: 'there.example',
    envelope: {
      from: 'me@here.example',
      requireTls: false,
      smtpUtf8: false,
      eightBit: false,
      utf8Header: false,
      tlsRequiredNo: false,
      arrived: ARRIVED,
      origin: { kind: 'smtp' },
    },
    size: 100,
    recipients,
    fence: 1,
    leaseUntil: undefined,
  };
}

const deferred = (address: string): RecipientOutcome => deferredOutcome(address, '4.4.1', 'no connection');

const ended = (address: string, status: 'delivered' | 'failed'): RecipientOutcome => ({
  ...deferredOutcome(address, status === 'delivered' ? '2.0.0' : '5.1.1', 'the server said so'),
  status,
});

describe('what is kept of a try', () => {
  it('tells each recipient by itself', () => {
    const claim = claimOf('a@there.example', 'b@there.example', 'c@there.example');
    const outcomes = [
      ended('a@there.example', 'delivered'),
      deferred('b@there.example'),
      ended('c@there.example', 'failed'),
    ];
    const { recipients, reports, events } = conclude(claim, outcomes, DEFAULT_SCHEDULE, ARRIVED, 0.5);
    expect(recipients).toEqual([
      { index: 0, outcome: 'done' },
      {
        index: 1,
        outcome: 'again',
        due: ARRIVED + 300_000,
        warned: false,
        last: { time: ARRIVED, enhancedStatus: '4.4.1', reply: null, host: null, reason: 'no connection' },
      },
      { index: 2, outcome: 'done' },
    ]);
    expect(reports.map(({ action, recipient }) => [action, recipient.index])).toEqual([
      ['delivered', 0],
      ['failed', 2],
    ]);
    expect(events.map(({ event }) => event)).toEqual(['delivered', 'deferred', 'bounced']);
  });

  it('has the sender told of a delay after four hours, and of the end of the tries with it', () => {
    const claim = claimOf('a@there.example');
    const { recipients, reports } = conclude(
      claim,
      [deferred('a@there.example')],
      DEFAULT_SCHEDULE,
      ARRIVED + 5 * HOUR,
      0.5,
    );
    expect(recipients[0]).toMatchObject({ outcome: 'again', warned: true });
    expect(reports).toMatchObject([{ action: 'delayed', willRetryUntil: ARRIVED + 120 * HOUR }]);
  });

  it('returns a message whose time is over, and says that this is why', () => {
    const claim = claimOf('a@there.example');
    const { recipients, reports, events } = conclude(
      claim,
      [deferred('a@there.example')],
      DEFAULT_SCHEDULE,
      ARRIVED + 120 * HOUR,
      0.5,
    );
    expect(recipients).toEqual([{ index: 0, outcome: 'done' }]);
    expect(reports).toMatchObject([{ action: 'failed', expired: true }]);
    expect(events).toMatchObject([{ event: 'bounced', expired: true }]);
  });

  it('keeps a recipient of whom nothing was told', () => {
    const { recipients } = conclude(claimOf('a@there.example'), [], DEFAULT_SCHEDULE, ARRIVED, 0.5);
    expect(recipients).toMatchObject([{ outcome: 'again', last: { enhancedStatus: '4.3.5' } }]);
  });
});
