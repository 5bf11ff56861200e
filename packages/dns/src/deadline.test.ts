import { expect, test } from 'vitest';
import type { Timer } from './abort.js';
import { Deadline, type DeadlineWatcher } from './deadline.js';

/** Time that passes when the test says so. */
function handTimer(): { timer: Timer; pass: () => void; taken: string[] } {
  let pass = (): void => {};
  const taken: string[] = [];
  const timer: Timer = (milliseconds, done) => {
    taken.push(`${milliseconds} ms`);
    pass = done;
    return () => void taken.push('taken back');
  };
  return { timer, pass: () => pass(), taken };
}

function watcher(log: string[], name: string): DeadlineWatcher {
  return { timeIsOver: () => void log.push(name) };
}

test('tells those who watch, once, when its time has passed', () => {
  const { timer, pass } = handTimer();
  const deadline = Deadline.after(50, timer);
  const log: string[] = [];
  const gone = watcher(log, 'gone');
  deadline.watch(watcher(log, 'first'));
  deadline.watch(gone);
  deadline.watch(watcher(log, 'second'));
  deadline.unwatch(gone);
  expect(deadline.isOver).toBe(false);
  pass();
  deadline.end();
  expect(deadline.isOver).toBe(true);
  expect(log).toEqual(['first', 'second']);
});

test('who is alone and no longer watches is not told', () => {
  const deadline = Deadline.after(50, handTimer().timer);
  const log: string[] = [];
  const alone = watcher(log, 'alone');
  deadline.watch(alone);
  deadline.unwatch(alone);
  deadline.end();
  expect(log).toEqual([]);
});

test("comes with its caller's signal as well, at once where that has aborted before", () => {
  const abort = new AbortController();
  const log: string[] = [];
  const deadline = Deadline.after(50, handTimer().timer, abort.signal);
  deadline.watch(watcher(log, 'told'));
  abort.abort();
  expect(log).toEqual(['told']);
  expect(Deadline.after(50, handTimer().timer, abort.signal).isOver).toBe(true);
});

test('once released, neither its timer nor the signal ends it', () => {
  const abort = new AbortController();
  const { timer, taken } = handTimer();
  const deadline = Deadline.after(50, timer, abort.signal);
  deadline.release();
  abort.abort();
  expect(deadline.isOver).toBe(false);
  expect(taken).toEqual(['50 ms', 'taken back']);
});

test.each([
  ['made before it is over', false],
  ['made after it was over', true],
])('has a signal that aborts with it, %s', (_when, isLate) => {
  const deadline = Deadline.after(50, handTimer().timer);
  const early = isLate ? undefined : deadline.signal;
  expect(early?.aborted ?? false).toBe(false);
  deadline.end();
  expect((early ?? deadline.signal).aborted).toBe(true);
});
