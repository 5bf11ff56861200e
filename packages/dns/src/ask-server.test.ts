import { describe, expect, it } from 'vitest';
import type { Timer } from './abort.js';
import { askServer } from './ask-server.js';
import { Deadline } from './deadline.js';
import { Name } from './name.js';
import { RRTYPE } from './rrtype.js';
import type { Transport, TurnEnd } from './transport.js';
import { TransportError } from './transport-error.js';

const QUESTION = { name: Name.parse('example.org'), type: RRTYPE.MX };
const FLAGS = { rd: false, cd: true, do: true };
const SERVER = { address: '192.0.2.1', port: 53 };

/** The query, as a reply without records. */
const exchange = async (query: Uint8Array): Promise<Uint8Array> => {
  const reply = Uint8Array.from(query);
  reply[2] = (reply[2] ?? 0) | 0x80;
  return reply;
};
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('a question that has to wait for its turn', () => {
  it('leaves the server all of its time, and ends the turn afterwards', async () => {
    const said: string[] = [];
    let go = (): void => {};
    const transport: Transport = {
      turn: () => new Promise((resolve) => (go = () => resolve((end) => said.push(`turn ended: ${end}`)))),
      exchange: (query) => {
        said.push('asked');
        return exchange(query);
      },
    };
    const timer: Timer = (milliseconds) => {
      said.push(`${milliseconds} ms from now`);
      return () => said.push('in time');
    };
    const onWaited = (): void => void said.push('waited');
    const parts = { transport, timer, onWaited };
    const asked = askServer(parts, SERVER, QUESTION, FLAGS, () => 400, new Deadline());
    await settled();
    expect(said).toEqual([]);
    go();
    expect((await asked).kind).toBe('reply');
    expect(said).toEqual(['waited', '400 ms from now', 'asked', 'in time', 'turn ended: answered']);
  });

  it('is unanswered where the deadline comes first', async () => {
    const deadline = new Deadline();
    const turn = (_: unknown, signal: AbortSignal): Promise<() => void> =>
      new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    const transport: Transport = { turn, exchange: () => new Promise(() => {}) };
    const timer: Timer = () => () => {};
    const asked = askServer({ transport, timer }, SERVER, QUESTION, FLAGS, () => 400, deadline);
    deadline.end();
    expect(await asked).toEqual({ kind: 'silent' });
  });

  it('is unanswered where the server is not to be asked now, and asks nothing', async () => {
    const transport: Transport = {
      turn: () => Promise.reject(new TransportError('silent', 'it was silent just now')),
      exchange: () => Promise.reject(new Error('it was asked')),
    };
    const timer: Timer = () => () => {};
    expect(await askServer({ transport, timer }, SERVER, QUESTION, FLAGS, () => 400, new Deadline())).toEqual(
      {
        kind: 'silent',
      },
    );
  });

  it.each<[what: string, end: TurnEnd, exchange: Transport['exchange']]>([
    ['octets that are no reply are an answer', 'answered', async () => new Uint8Array(3)],
    ['all of its time without an answer is a silence', 'silent', () => new Promise(() => {})],
    [
      'no way to the server tells nothing of it',
      'undecided',
      () => Promise.reject(new TransportError('unreachable', 'no route')),
    ],
  ])('says what came of it: %s', async (_, expected, exchange) => {
    const ends: TurnEnd[] = [];
    const transport: Transport = { turn: async () => (end) => void ends.push(end), exchange };
    const timer: Timer = (_milliseconds, done) => {
      const soon = setImmediate(done);
      return () => clearImmediate(soon);
    };
    const overTcp = { ...SERVER, tcpOnly: true as const };
    await askServer({ transport, timer }, overTcp, QUESTION, FLAGS, () => 400, new Deadline());
    expect(ends).toEqual([expected]);
  });

  it('has the patience that is right when its turn comes', async () => {
    let patience = 400;
    const given: number[] = [];
    const transport: Transport = {
      turn: async () => {
        patience = 3_200;
        return () => {};
      },
      exchange,
    };
    const timer: Timer = (milliseconds) => {
      given.push(milliseconds);
      return () => {};
    };
    await askServer({ transport, timer }, SERVER, QUESTION, FLAGS, () => patience, new Deadline());
    expect(given).toEqual([3_200]);
  });
});
