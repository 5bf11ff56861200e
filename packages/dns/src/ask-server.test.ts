import { describe, expect, it } from 'vitest';
import type { Timer } from './abort.js';
import { askServer } from './ask-server.js';
import { Name } from './name.js';
import { RRTYPE } from './rrtype.js';
import type { Transport } from './transport.js';

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
      turn: () => new Promise((resolve) => (go = () => resolve(() => said.push('turn ended')))),
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
    const asked = askServer(parts, SERVER, QUESTION, FLAGS, 400, new AbortController().signal);
    await settled();
    expect(said).toEqual([]);
    go();
    expect((await asked).kind).toBe('reply');
    expect(said).toEqual(['waited', '400 ms from now', 'asked', 'in time', 'turn ended']);
  });

  it('is unanswered where the deadline comes first', async () => {
    const deadline = new AbortController();
    const turn = (_: unknown, signal: AbortSignal): Promise<() => void> =>
      new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    const transport: Transport = { turn, exchange: () => new Promise(() => {}) };
    const timer: Timer = () => () => {};
    const asked = askServer({ transport, timer }, SERVER, QUESTION, FLAGS, 400, deadline.signal);
    deadline.abort();
    expect(await asked).toEqual({ kind: 'silent' });
  });
});
