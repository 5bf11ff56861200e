import { setImmediate as turn } from 'node:timers/promises';
import type { Permit } from '@danelaw/smtp';
import { beforeEach, describe, expect, it } from 'vitest';
import { LeaveToConnect } from './leave-to-connect.js';
import type { FromThread } from './thread-messages.js';

const HERE = { host: 'mx.here.example', address: '192.0.2.1', port: 25 };
const THERE = { host: 'mx.there.example', address: '192.0.2.2', port: 25 };

let said: FromThread[];
let leave: LeaveToConnect;

beforeEach(() => {
  said = [];
  leave = new LeaveToConnect((message) => said.push(message));
});

interface Waiting {
  permit: Permit | undefined;
  readonly leaves: () => void;
}

function job(target = HERE): Waiting {
  const stop = new AbortController();
  const waiting: Waiting = { permit: undefined, leaves: () => stop.abort() };
  leave.admit(target, stop.signal).then(
    (permit) => {
      waiting.permit = permit;
    },
    () => {},
  );
  return waiting;
}

const jobs = (count: number): Waiting[] => Array.from({ length: count }, () => job());
const asked = () => said.flatMap((each) => (each.kind === 'admit' ? [each.request] : []));
const withdrawn = () => said.flatMap((each) => (each.kind === 'withdraw' ? each.requests : []));
const released = () => said.flatMap((each) => (each.kind === 'release' ? each.permits : []));

describe('leave to connect', () => {
  it('is asked for with the place, and goes to whoever waits there', async () => {
    const [here, there] = [job(HERE), job(THERE)];
    expect(said).toEqual([
      { kind: 'admit', request: 1, address: '192.0.2.1', port: 25 },
      { kind: 'admit', request: 2, address: '192.0.2.2', port: 25 },
    ]);
    leave.permitted([2]);
    await turn();
    expect([here.permit, there.permit]).toEqual([undefined, expect.anything()]);
  });

  it('is asked for a few times at once for one place, and again with each answer; the oldest has it first', async () => {
    const waiting = jobs(6);
    job(THERE);
    expect(asked()).toEqual([1, 2, 3, 4, 5]);
    leave.permitted([2, 1]);
    await turn();
    expect(asked()).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(waiting.map(({ permit }) => permit !== undefined)).toEqual([
      true,
      true,
      false,
      false,
      false,
      false,
    ]);
    leave.permitted([3, 4, 6, 7]);
    await turn();
    expect(waiting.every(({ permit }) => permit !== undefined)).toBe(true);
    expect(asked()).toHaveLength(7);
  });

  it("that a job needs no more is the next one's, who waits already", async () => {
    const waiting = jobs(5);
    waiting[0]?.leaves();
    await turn();
    expect(withdrawn()).toEqual([]);
    leave.permitted([1]);
    await turn();
    expect(waiting.map(({ permit }) => permit !== undefined)).toEqual([false, true, false, false, false]);
    expect(asked()).toHaveLength(4);
  });

  it('or who comes in the same turn of the event loop', async () => {
    job().leaves();
    const next = job();
    await turn();
    expect([asked(), withdrawn()]).toEqual([[1], []]);
    leave.permitted([1]);
    await turn();
    expect(next.permit).toBeDefined();
  });

  it('that nobody needs any more is withdrawn, all of one turn together, the youngest of a place first', async () => {
    const [first, second] = [...jobs(3), job(THERE)];
    first?.leaves();
    second?.leaves();
    await turn();
    expect(withdrawn()).toEqual([2, 3]);
    const there = job(THERE);
    expect(asked()).toEqual([1, 2, 3, 4, 5]);
    leave.permitted([4, 5]);
    await turn();
    expect(there.permit).toBeDefined();
  });

  it('that comes when nobody waits, or after it was withdrawn, is given back', async () => {
    const [early, late] = [job(HERE), job(THERE)];
    early.leaves();
    leave.permitted([1]);
    late.leaves();
    await turn();
    expect(withdrawn()).toEqual([2]);
    leave.permitted([2]);
    await turn();
    expect(released()).toEqual([
      { request: 1, ending: 'ok' },
      { request: 2, ending: 'ok' },
    ]);
    // Nothing is left of either place.
    job(HERE);
    expect(asked()).toEqual([1, 2, 3]);
  });

  it('is given back with how the connection ended, all that end in one turn together', async () => {
    const waiting = jobs(2);
    leave.permitted([1, 2]);
    await turn();
    waiting[1]?.permit?.release('busy');
    waiting[0]?.permit?.release('failed');
    await turn();
    expect(said.at(-1)).toEqual({
      kind: 'release',
      permits: [
        { request: 2, ending: 'busy' },
        { request: 1, ending: 'failed' },
      ],
    });
  });

  it('is not asked for by a job that has been stopped', () => {
    const reason = new Error('stopped');
    expect(() => leave.admit(HERE, AbortSignal.abort(reason))).toThrow(reason);
    expect(said).toEqual([]);
  });
});
