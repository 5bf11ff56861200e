import { getEventListeners } from 'node:events';
import { Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { DEFAULT_TIMEOUTS, type Timeouts } from './timeouts.js';
import { Waits } from './waits.js';

const timeouts: Timeouts = { ...DEFAULT_TIMEOUTS, greeting: 1000, ehlo: 5000, 'data-end': 9000 };
const never = (): void => {};

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** Fails with what a promise rejects with, and tells whether it has. */
function watch(promise: Promise<unknown>): { error: unknown; settled: boolean } {
  const seen = { error: undefined as unknown, settled: false };
  promise.then(
    () => {
      seen.settled = true;
    },
    (error: unknown) => {
      seen.error = error;
      seen.settled = true;
    },
  );
  return seen;
}

describe('the waits of a connection', () => {
  it('have a timer for all of them, and each its own time', async () => {
    const waits = new Waits({ timeouts });
    const socket = new Socket();
    let answer = (_: string): void => {};
    const first = waits.until<string>('ehlo', socket, (resolve) => {
      answer = resolve;
    });
    await vi.advanceTimersByTimeAsync(4000);
    answer('yes');
    expect(await first).toBe('yes');
    expect(vi.getTimerCount()).toBe(1);
    const second = watch(waits.until('ehlo', socket, never));
    await vi.advanceTimersByTimeAsync(4999);
    expect(second.settled).toBe(false);
    expect(vi.getTimerCount()).toBe(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(second.error).toMatchObject({ kind: 'timeout', stage: 'ehlo' });
    expect(socket.destroyed).toBe(true);
  });

  it('end in time where a short one follows a long one', async () => {
    const waits = new Waits({ timeouts });
    await waits.until<void>('data-end', new Socket(), (resolve) => resolve());
    const short = watch(waits.until('greeting', new Socket(), never));
    await vi.advanceTimersByTimeAsync(1000);
    expect(short.error).toMatchObject({ kind: 'timeout', stage: 'greeting' });
  });

  it('leave nothing behind once the connection rests', async () => {
    const signal = new AbortController().signal;
    const deadline = new AbortController().signal;
    const waits = new Waits({ timeouts, signal, deadline });
    for (let i = 0; i < 3; i++) await waits.until<void>('ehlo', new Socket(), (resolve) => resolve());
    expect([signal, deadline].map((each) => getEventListeners(each, 'abort').length)).toEqual([1, 1]);
    waits.rest();
    expect([signal, deadline].map((each) => getEventListeners(each, 'abort').length)).toEqual([0, 0]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('let the last one end by itself where the connection rests meanwhile', async () => {
    const signal = new AbortController().signal;
    const waits = new Waits({ timeouts, signal });
    const last = watch(waits.until('greeting', new Socket(), never));
    waits.rest();
    await vi.advanceTimersByTimeAsync(1000);
    expect(last.error).toMatchObject({ kind: 'timeout' });
    expect(getEventListeners(signal, 'abort')).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('hear an abort that came between two of them, with its reason, and destroy the socket', async () => {
    const caller = new AbortController();
    const waits = new Waits({ timeouts, signal: caller.signal });
    await waits.until<void>('ehlo', new Socket(), (resolve) => resolve());
    const reason = new Error('enough');
    caller.abort(reason);
    const socket = new Socket();
    const start = vi.fn();
    await expect(waits.until('ehlo', socket, start)).rejects.toBe(reason);
    expect(start).not.toHaveBeenCalled();
    expect(socket.destroyed).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('end with the deadline, but for the end of a message (RFC 5321 section 4.5.3.2.6)', async () => {
    const deadline = new AbortController();
    const waits = new Waits({ timeouts, deadline: deadline.signal });
    let taken = (): void => {};
    const end = waits.until<void>('data-end', new Socket(), (resolve) => {
      taken = resolve;
    });
    deadline.abort();
    taken();
    await end;
    const next = waits.until('ehlo', new Socket(), never);
    await expect(next).rejects.toMatchObject({ kind: 'deadline', stage: 'ehlo' });
  });

  it('keep the deadline of the message that they are for, after another one', async () => {
    const [before, now] = [new AbortController(), new AbortController()];
    const waits = new Waits({ timeouts, deadline: before.signal });
    await waits.until<void>('ehlo', new Socket(), (resolve) => resolve());
    waits.bind({ timeouts, deadline: now.signal });
    before.abort();
    const next = watch(waits.until('ehlo', new Socket(), never));
    await vi.advanceTimersByTimeAsync(1);
    expect(next.settled).toBe(false);
    now.abort();
    await vi.advanceTimersByTimeAsync(1);
    expect(next.error).toMatchObject({ kind: 'deadline' });
  });

  it('are told what ended the connection, and nobody is told twice', async () => {
    const waits = new Waits({ timeouts });
    const failed = waits.until('ehlo', new Socket(), never);
    waits.fail(new Error('gone'));
    await expect(failed).rejects.toThrow('gone');
    let late = (): void => {};
    const first = waits.until<void>('ehlo', new Socket(), (resolve) => {
      late = resolve;
    });
    waits.fail(new Error('gone again'));
    await expect(first).rejects.toThrow('gone again');
    const second = watch(waits.until('greeting', new Socket(), never));
    late(); // of the wait before: it ends nobody else's
    await vi.advanceTimersByTimeAsync(999);
    expect(second.settled).toBe(false);
  });
});
