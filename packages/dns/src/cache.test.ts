import { describe, expect, it } from 'vitest';
import { AnswerCache } from './cache.js';
import type { Answered, Lookup } from './lookup.js';

function answer(ttl: number, octets = 4): Answered {
  const rdata = new Uint8Array(octets);
  const record = { name: 'x', type: 'TYPE65280', ttl, data: { type: 'OPAQUE', rdata }, rdata } as const;
  const aliases: Answered['aliases'] = [];
  const base = { name: 'x', type: 'TYPE65280', canonicalName: 'x', chain: [], aliases };
  return { ...base, status: 'secure', rcode: 'NOERROR', records: [record], ttl };
}

describe('an answer is kept for as long as its TTL says', () => {
  it('and counts down meanwhile', () => {
    let now = 1_000_000;
    const cache = new AnswerCache({ clock: () => now });
    cache.set('x', answer(60));
    now += 20_500;
    expect(cache.get('x')).toMatchObject({ ttl: 40, records: [{ ttl: 40 }] });
    now += 39_499;
    expect(cache.get('x')?.ttl).toBe(1);
    now += 1;
    expect(cache.get('x')).toBeUndefined();
  });

  it('not at all with a TTL of zero (RFC 1035 section 3.2.1)', () => {
    const cache = new AnswerCache({ clock: () => 0 });
    cache.set('x', answer(0));
    expect(cache.get('x')).toBeUndefined();
  });

  it('no longer than a day', () => {
    let now = 0;
    const cache = new AnswerCache({ clock: () => now });
    cache.set('x', answer(10_000_000));
    now = 86_400_000;
    expect(cache.get('x')).toBeUndefined();
  });

  it('not where the clock was set back', () => {
    let now = 86_400_000;
    const cache = new AnswerCache({ clock: () => now });
    cache.set('x', answer(60));
    now -= 3_600_000;
    expect(cache.get('x')).toBeUndefined();
  });
});

it('failures are not kept', () => {
  const cache = new AnswerCache({ clock: () => 0 });
  const failed: Lookup = { status: 'bogus', name: 'x', type: 'A', reason: 'forged', chain: [] };
  cache.set('x', failed);
  expect(cache.get('x')).toBeUndefined();
});

describe('memory is bounded', () => {
  it('the least recently used answers go first', () => {
    const cache = new AnswerCache({ clock: () => 0, maxOctets: 12_000 });
    for (let i = 0; i < 5; i++) cache.set(`k${i}`, answer(60, 500));
    expect(cache.get('k0')).toBeDefined();
    for (let i = 5; i < 8; i++) cache.set(`k${i}`, answer(60, 500));
    expect(cache.get('k0')).toBeDefined();
    expect(cache.get('k1')).toBeUndefined();
    expect(cache.size).toBe(5);
  });

  it('an answer larger than all of it is not kept', () => {
    const cache = new AnswerCache({ clock: () => 0, maxOctets: 1_000 });
    cache.set('x', answer(60, 10_000));
    expect(cache.size).toBe(0);
  });

  it('replacing an answer does not count it twice', () => {
    const cache = new AnswerCache({ clock: () => 0, maxOctets: 3_000 });
    for (let i = 0; i < 100; i++) cache.set('x', answer(60, 100));
    cache.set('y', answer(60, 100));
    expect(cache.size).toBe(2);
  });
});
