import { describe, expect, it } from 'vitest';
import { delivered, EMPTY, HOUR, KEPT_HOURS, OTHERS, ProtectionHistory } from './protection-history.js';

const NOW = 1_700_000_000_000;

describe('the history of protection', () => {
  it('counts by destination and hour', () => {
    const history = new ProtectionHistory();
    history.count('a.example', 'dane', NOW - HOUR);
    history.count('a.example', 'dane', NOW);
    history.count('a.example', 'deferred', NOW);
    history.count('b.example', 'clear', NOW);
    expect(history.series('a.example', HOUR, 3, NOW)).toEqual([
      EMPTY,
      { ...EMPTY, dane: 1 },
      { ...EMPTY, dane: 1, deferred: 1 },
    ]);
    expect(history.series(undefined, 2 * HOUR, 1, NOW)).toEqual([
      { ...EMPTY, dane: 2, deferred: 1, clear: 1 },
    ]);
    expect(history.series('c.example', HOUR, 1, NOW)).toEqual([EMPTY]);
  });

  it('names the busiest first, and none that had nothing since then', () => {
    const history = new ProtectionHistory();
    history.count('old.example', 'dane', NOW - 30 * HOUR);
    history.count('one.example', 'dane', NOW);
    history.count('two.example', 'sts', NOW, 2);
    const named = history.destinations(NOW - 24 * HOUR, NOW).map(({ destination }) => destination);
    expect(named).toEqual(['two.example', 'one.example']);
  });

  it('forgets what is older than a week', () => {
    const history = new ProtectionHistory();
    history.count('a.example', 'dane', NOW - KEPT_HOURS * HOUR);
    history.count('a.example', 'sts', NOW);
    expect(JSON.stringify(history)).not.toContain('dane');
  });

  it('puts those that were without mail for longest together where there are too many, and loses no number', () => {
    const history = new ProtectionHistory(3);
    for (let i = 0; i < 10; i++) {
      history.count('busy.example', 'dane', NOW);
      history.count(`once-${i}.example`, 'clear', NOW);
    }
    const found = history.destinations(NOW - HOUR, NOW);
    expect(found.map(({ destination }) => destination)).toEqual(['busy.example', OTHERS, 'once-9.example']);
    expect(found.reduce((all, { tally }) => all + delivered(tally), 0)).toBe(20);
  });

  it('forgets what is older than a week of what it put together, too', () => {
    const history = new ProtectionHistory(2);
    for (let i = 0; i < 5; i++) history.count(`then-${i}.example`, 'clear', NOW - KEPT_HOURS * HOUR);
    for (let i = 0; i < 5; i++) history.count(`now-${i}.example`, 'dane', NOW);
    expect(JSON.stringify(history)).not.toContain('clear');
  });

  it('outlives a restart', () => {
    const before = new ProtectionHistory();
    before.count('a.example', 'dane', NOW - 3 * HOUR, 7);
    before.count('a.example', 'failed', NOW);
    const after = new ProtectionHistory();
    after.load(JSON.parse(JSON.stringify(before)), NOW);
    expect(JSON.stringify(after)).toBe(JSON.stringify(before));
  });

  it.each([
    ['nothing', null],
    ['a word', 'x'],
    ['pairs of nothing', [[], [null, null], ['a.example', 7]]],
    ['an hour to come', [['a.example', [[9_999_999, { dane: 1 }]]]]],
    [
      'numbers that are none',
      [['a.example', [[Math.floor(NOW / HOUR), { dane: -1, sts: 'x', clear: 1.5 }]]]],
    ],
  ])('passes over what it did not write: %s', (_, value) => {
    const history = new ProtectionHistory();
    history.load(value, NOW);
    expect(history.destinations(0, NOW)).toEqual([]);
  });
});
