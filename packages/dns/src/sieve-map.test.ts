import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SieveMap } from './sieve-map.js';

function keys(map: SieveMap<unknown>): string[] {
  return [...map].map(([key]) => key);
}

describe('a full map', () => {
  it('loses what was not used, the oldest first', () => {
    const map = new SieveMap<number>(4);
    for (let i = 0; i < 4; i++) map.set(`k${i}`, i);
    map.get('k0');
    map.get('k2');
    map.set('k4', 4);
    map.set('k5', 5);
    expect(keys(map)).toEqual(['k0', 'k2', 'k4', 'k5']);
    expect(map.evicted).toBe(2);
  });

  it('loses what was used when it is not used any more', () => {
    const map = new SieveMap<number>(2);
    map.set('old', 0);
    map.get('old');
    for (let i = 0; i < 5; i++) map.set(`k${i}`, i);
    expect(map.get('old')).toBeUndefined();
  });

  it('keeps what is in use while others pass by', () => {
    const map = new SieveMap<number>(100);
    map.set('in use', 0);
    for (let i = 0; i < 10_000; i++) {
      map.set(`k${i}`, i);
      expect(map.get('in use')).toBe(0);
    }
  });

  it('keeps newcomers for longer than what nobody has used for long', () => {
    const map = new SieveMap<number>(100);
    for (let i = 0; i < 100; i++) map.set(`before ${i}`, i);
    for (let i = 0; i < 100; i++) map.get(`before ${i}`);
    // Each is used again when twenty others have come, and then no more: look-ups that go on at the same time.
    let missed = 0;
    for (let i = 0; i < 10_000; i++) {
      map.set(`k${i}`, i);
      if (i >= 20 && map.get(`k${i - 20}`) === undefined) missed++;
    }
    expect(missed).toBeLessThan(100);
    expect(keys(map).filter((key) => key.startsWith('before'))).toEqual([]);
  });

  it('counts weights, and takes nothing that weighs more than all', () => {
    const map = new SieveMap<string>(10);
    map.set('a', 'a', 6);
    map.set('b', 'b', 4);
    map.set('c', 'c', 5);
    expect(keys(map)).toEqual(['b', 'c']);
    map.set('b', 'too much', 11);
    expect(keys(map)).toEqual(['c']);
  });
});

it('whatever is done to it, stays within its bound and forgets nothing else', () => {
  const operation = fc.tuple(
    fc.constantFrom('get', 'set', 'delete', 'clear'),
    fc.nat(30),
    fc.integer({ min: 1, max: 5 }),
  );
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 300 }), (operations) => {
      const map = new SieveMap<number>(20);
      const written = new Map<string, { value: number; weight: number }>();
      for (const [at, [what, number, weight]] of operations.entries()) {
        const key = String(number);
        const before = map.evicted;
        if (what === 'set') {
          map.set(key, at, weight);
          written.set(key, { value: at, weight });
          expect(map.get(key)).toBe(at);
        } else if (what === 'get') {
          const got = map.get(key);
          if (got !== undefined) expect(got).toBe(written.get(key)?.value);
        } else if (what === 'delete') {
          map.delete(key);
          expect(map.get(key)).toBeUndefined();
        } else {
          map.clear();
          expect(map.size).toBe(0);
        }
        if (what !== 'set') expect(map.evicted).toBe(before);
        const weights = keys(map).map((each) => written.get(each)?.weight ?? 0);
        expect(map.weight).toBe(weights.reduce((sum, each) => sum + each, 0));
        expect(map.weight).toBeLessThanOrEqual(20);
      }
    }),
  );
});
