import { describe, expect, it } from 'vitest';
import type { DestinationState, QueueEntry, RecipientState } from '../queue/queue.js';
import { describeEntry, describeLine, pausesAt, withPauses } from './queue-report.js';

const same = (text: string) => text;
const plain = { good: same, bad: same, warn: same, strong: same, faint: same };
const NOW = Date.parse('2026-03-01T12:00:00Z');
const MINUTE = 60_000;
const WIDTH = 100;
const ID = '01kbq3w8nd7k2m9xq4';

const down: DestinationState = {
  destination: 'down.example',
  notBefore: NOW + 20 * MINUTE,
  failures: 3,
  reason: 'no server could be reached',
};
const tried = {
  time: NOW - MINUTE,
  enhancedStatus: '4.7.5',
  reply: null,
  host: 'mx.down.example',
  reason: 'the certificate does not match',
};
const entry = (state: Partial<RecipientState>, destination = 'down.example'): QueueEntry => ({
  id: ID,
  envelope: {
    from: 'a@here.example',
    requireTls: false,
    smtpUtf8: false,
    eightBit: false,
    utf8Header: false,
    tlsRequiredNo: false,
    arrived: NOW - 5 * MINUTE,
    origin: { kind: 'smtp' },
  },
  size: 100,
  recipients: [
    {
      index: 0,
      address: `you@${destination}`,
      destination,
      state: { held: false, due: NOW, attempts: 0, warned: false, last: undefined, ...state },
    },
  ],
});

async function* states(...all: DestinationState[]): AsyncGenerator<DestinationState> {
  yield* all;
}

const START = `${ID}    5m  a@here.example  ->  you@`;

describe('a line of the list', () => {
  const lines: [what: string, state: Partial<RecipientState>, destination: string, line: string][] = [
    ['is due now where its destination is fine', {}, 'fine.example', 'due now'],
    [
      'waits for its destination where that is down, though it is due, and says why',
      {},
      'down.example',
      'waits for down.example, which is down, for 20m more\n    no server could be reached',
    ],
    [
      "tells the destination's reason, and not its own, where it is due before the destination is",
      { due: NOW + MINUTE, attempts: 1, last: tried },
      'down.example',
      'waits for down.example, which is down, for 20m more\n    no server could be reached',
    ],
    [
      'tells its own time and reason where it is due after the destination',
      { due: NOW + 40 * MINUTE, attempts: 1, last: tried },
      'down.example',
      'due in 40m\n    the certificate does not match',
    ],
    ['is held, whatever the destination is', { held: true }, 'down.example', 'held'],
  ];
  it.each(lines)('%s', async (_, state, destination, line) => {
    const pauses = await pausesAt(NOW, states(down));
    expect(describeLine(entry(state, destination), pauses, plain, NOW)).toEqual([
      `${START}${destination}  ${line}`,
    ]);
  });

  it('is due now where the pause of its destination is over', async () => {
    const pauses = await pausesAt(NOW, states({ ...down, notBefore: NOW }));
    expect(describeLine(entry({}), pauses, plain, NOW)).toEqual([`${START}down.example  due now`]);
  });

  it('does not let a reason drive the terminal', async () => {
    const pauses = await pausesAt(NOW, states({ ...down, reason: '\u001b[31m' }));
    expect(describeLine(entry({}), pauses, plain, NOW).join('')).not.toContain('\u001b');
  });
});

describe('all that is known of a message', () => {
  it('says until when its destination is left alone, and why, beside its own last try', async () => {
    const pauses = await pausesAt(NOW, states(down));
    const lines = describeEntry(entry({ attempts: 1, last: tried }), pauses, plain, WIDTH, NOW);
    expect(lines.slice(-5)).toEqual([
      '  you@down.example  waits for down.example, which is down, for 20m more',
      '    down.example failed 3 times in a row; nothing is tried there before 2026-03-01T12:20:00.000Z',
      '    no server could be reached',
      '    tried once, last 2026-03-01T11:59:00.000Z',
      '    the certificate does not match',
    ]);
  });

  it('says a reason once where the message and its destination share it', async () => {
    const pauses = await pausesAt(NOW, states({ ...down, reason: tried.reason }));
    const lines = describeEntry(entry({ attempts: 2, last: tried }), pauses, plain, WIDTH, NOW);
    expect(lines.filter((line) => line.includes(tried.reason))).toHaveLength(1);
  });
});

describe('for machines', () => {
  it('each recipient has the pause that keeps it waiting, or null', async () => {
    const pauses = await pausesAt(NOW, states(down));
    expect(withPauses(entry({}), pauses)).toMatchObject({ id: ID, recipients: [{ pause: down }] });
    expect(withPauses(entry({}, 'fine.example'), pauses)).toMatchObject({ recipients: [{ pause: null }] });
  });
});
