import { expect, it } from 'vitest';
import { type Kept, MAX_TTL, MIN_TTL, PolicyCache, PREFETCH_BEFORE } from './policy-cache.js';

const none = (ttl: number): Kept => ({ status: 'none', ttl, reason: 'a test says so' });

function cacheAt(start: number): { cache: PolicyCache; pass: (seconds: number) => void } {
  let now = start;
  const pass = (seconds: number): void => {
    now += seconds * 1000;
  };
  return { cache: new PolicyCache(() => now), pass };
}

it('keeps an answer for as long as DNS lets it', () => {
  const { cache, pass } = cacheAt(0);
  cache.keep('a', none(300), true);
  pass(299);
  expect(cache.use('a')).toEqual(none(300));
  pass(1);
  expect(cache.use('a')).toBeUndefined();
});

it('keeps none for less than a minute or more than a day', () => {
  const { cache, pass } = cacheAt(0);
  cache.keep('short', none(1), true);
  cache.keep('long', none(10 * MAX_TTL), true);
  pass(MIN_TTL - 1);
  expect(cache.use('short')).toBeDefined();
  pass(MAX_TTL - MIN_TTL + 1);
  expect(cache.use('long')).toBeUndefined();
});

it('keeps nothing that is not to be kept, and loses nothing by it', () => {
  const { cache } = cacheAt(0);
  cache.keep('a', none(300), true);
  cache.keep('a', { status: 'temporary', reason: 'a look-up failed' }, true);
  cache.keep('a', none(0), true);
  expect(cache.use('a')).toEqual(none(300));
  cache.keep('b', none(0), true);
  expect(cache.use('b')).toBeUndefined();
});

it('names what runs out soon and is in use', () => {
  const { cache, pass } = cacheAt(0);
  cache.keep('used', none(300), true);
  cache.keep('unused', none(300), true);
  cache.use('used');
  expect(cache.due()).toEqual([]);
  pass(300 - PREFETCH_BEFORE / 1000);
  expect(cache.due()).toEqual(['used']);
  cache.keep('used', none(300), false); // looked up ahead of time: not due again until somebody uses it
  pass(200);
  expect(cache.due()).toEqual([]);
  expect(cache.size).toBe(1);
});

it('lists the most used first', () => {
  const { cache } = cacheAt(0);
  for (const key of ['a', 'b', 'c']) cache.keep(key, none(300), true);
  cache.use('b');
  expect(cache.entries().map(({ key, uses }) => `${key} ${uses}`)).toEqual(['b 2', 'a 1', 'c 1']);
  cache.clear();
  expect(cache.entries()).toEqual([]);
});

it('drops what was not used for the longest time when there is too much', () => {
  const { cache } = cacheAt(0);
  cache.keep('first', none(300), true);
  cache.keep('second', none(300), true);
  for (let count = 0; count < 49_999; count += 1) {
    cache.use('first');
    cache.keep(`other ${count}`, none(300), true);
  }
  expect(cache.size).toBe(50_000);
  expect(cache.use('first')).toBeDefined();
  expect(cache.use('second')).toBeUndefined();
});
