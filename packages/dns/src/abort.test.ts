import { getEventListeners } from 'node:events';
import { describe, expect, test } from 'vitest';
import { onAbort, type Timer, untilAbort, wait } from './abort.js';

describe('onAbort', () => {
  test('calls everybody who waits, once, and at once where the signal has aborted', () => {
    const abort = new AbortController();
    const called: string[] = [];
    onAbort(abort.signal, () => called.push('first'));
    onAbort(abort.signal, () => called.push('second'));
    const stop = onAbort(abort.signal, () => called.push('taken back'));
    stop();
    abort.abort();
    onAbort(abort.signal, () => called.push('late'));
    expect(called).toEqual(['first', 'second', 'late']);
    onAbort(undefined, () => called.push('never'))();
    expect(called).toHaveLength(3);
  });

  test('puts one listener on a signal, however many wait: Node warns at eleven', () => {
    const { signal } = new AbortController();
    const stops = Array.from({ length: 100 }, () => onAbort(signal, () => {}));
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    for (const stop of stops) stop();
    onAbort(signal, () => {});
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
  });
});

describe('untilAbort', () => {
  test('gives what the promise gives', async () => {
    const { signal } = new AbortController();
    await expect(untilAbort(Promise.resolve(7), signal)).resolves.toBe(7);
    await expect(untilAbort(Promise.reject(new Error('no')), signal)).rejects.toThrow('no');
  });

  test('gives up on a promise that never settles, and does not mind what it does later', async () => {
    const abort = new AbortController();
    let fail = (_error: Error) => {};
    const deaf = new Promise<never>((_resolve, reject) => {
      fail = reject;
    });
    const waiting = untilAbort(deaf, abort.signal);
    abort.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
    // Were it not handled, this rejection would end the test run.
    fail(new Error('too late'));
    await new Promise((resolve) => setImmediate(resolve));
  });
});

describe('wait', () => {
  test('ends with its timer, or with the signal, which takes the timer back', async () => {
    const timers: { done: () => void; cancelled: boolean }[] = [];
    const timer: Timer = (_milliseconds, done) => {
      const entry = { done, cancelled: false };
      timers.push(entry);
      return () => {
        entry.cancelled = true;
      };
    };
    const abort = new AbortController();
    const first = wait(10, timer, abort.signal);
    timers[0]?.done();
    await first;
    const second = wait(10, timer, abort.signal);
    abort.abort(new Error('enough'));
    await expect(second).rejects.toThrow('enough');
    expect(timers[1]?.cancelled).toBe(true);
  });
});
