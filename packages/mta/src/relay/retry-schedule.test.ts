import { describe, expect, it } from 'vitest';
import { afterFailure, DEFAULT_SCHEDULE, pauseAfter } from './retry-schedule.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

describe('the pause', () => {
  it.each([
    ['after the first try', 1, 5 * MINUTE],
    ['after the second', 2, 10 * MINUTE],
    ['after the fifth', 5, 80 * MINUTE],
    ['after the seventh: the longest', 7, 4 * HOUR],
    ['after thousands', 5000, 4 * HOUR],
  ])('%s', (_, tries, expected) => {
    expect(pauseAfter(tries, DEFAULT_SCHEDULE, 0.5)).toBe(expected);
  });

  it('is spread by chance, by no more than 15 percent', () => {
    expect(pauseAfter(1, DEFAULT_SCHEDULE, 0)).toBe(0.85 * 5 * MINUTE);
    expect(pauseAfter(1, DEFAULT_SCHEDULE, 0.999_999)).toBeLessThanOrEqual(1.15 * 5 * MINUTE);
  });
});

describe('after a failure (RFC 5321 section 4.5.4.1)', () => {
  const message = { arrived: 1_000_000, tries: 1, warned: false };

  it.each([
    ['at once: again, without a word', 0, message, { next: 'again', warn: false }],
    ['just before four hours: without a word', 4 * HOUR - 1, message, { next: 'again', warn: false }],
    ['after four hours: with a warning', 4 * HOUR, message, { next: 'again', warn: true }],
    ['later: no second warning', 9 * HOUR, { ...message, warned: true }, { next: 'again', warn: false }],
    ['after five days: the end', 120 * HOUR, message, { next: 'expire' }],
    ['where the clock went back: again', -HOUR, message, { next: 'again', warn: false }],
  ])('%s', (_, age, state, expected) => {
    expect(afterFailure(state, DEFAULT_SCHEDULE, state.arrived + age, 0.5)).toMatchObject(expected);
  });

  it('puts the last try at the end of the time', () => {
    const state = { ...message, tries: 40, warned: true };
    const after = afterFailure(state, DEFAULT_SCHEDULE, state.arrived + 119 * HOUR, 0.5);
    expect(after).toEqual({ next: 'again', due: state.arrived + 120 * HOUR, warn: false });
  });
});
