import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AnswerCache, type Kept } from './cache.js';
import { readDump, writeDump } from './cache-dump.js';
import type { Answered, Lookup } from './lookup.js';

function answer(ttl: number, octets = 4, status: 'secure' | 'insecure' = 'secure'): Answered {
  const rdata = new Uint8Array(octets);
  const record = { name: 'x', type: 'TYPE65280', ttl, data: { type: 'OPAQUE', rdata }, rdata } as const;
  const aliases: Answered['aliases'] = [];
  const base = { name: 'x', type: 'TYPE65280', canonicalName: 'x', chain: [], aliases };
  const answered = { ...base, rcode: 'NOERROR', records: [record], ttl } as const;
  return status === 'secure' ? { status, ...answered } : { status, reason: 'unsigned', ...answered };
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
  it('the answers that are not used go first', () => {
    const cache = new AnswerCache({ clock: () => 0, maxOctets: 7_000 });
    for (let i = 0; i < 5; i++) cache.set(`k${i}`, answer(60, 500));
    expect(cache.get('k0')).toBeDefined();
    for (let i = 5; i < 8; i++) cache.set(`k${i}`, answer(60, 500));
    expect(cache.get('k0')).toBeDefined();
    expect(cache.get('k1')).toBeUndefined();
    expect(cache.counters.entries).toBe(6);
  });

  it('and all that fits can be had, used often or once', () => {
    const cache = new AnswerCache({ clock: () => 0 });
    const names = Array.from({ length: 5_000 }, (_, i) => `k${i}`);
    for (const name of names) cache.set(name, answer(60, 200));
    // Only some of those in use are there in two forms.
    for (const name of [...names, ...names]) expect(cache.get(name)?.records[0]?.rdata.length).toBe(200);
  });

  it('an answer larger than all of it is not kept', () => {
    const cache = new AnswerCache({ clock: () => 0, maxOctets: 1_000 });
    cache.set('x', answer(60, 10_000));
    expect(cache.counters.entries).toBe(0);
  });

  it('replacing an answer does not count it twice', () => {
    const cache = new AnswerCache({ clock: () => 0, maxOctets: 3_000 });
    for (let i = 0; i < 100; i++) cache.set('x', answer(60, 100));
    cache.set('y', answer(60, 100));
    expect(cache.counters.entries).toBe(2);
  });
});

describe('an insecure answer may be of use past its time (RFC 8767)', () => {
  it('for a day, where it is asked for as such', () => {
    let now = 0;
    const cache = new AnswerCache({ clock: () => now });
    cache.set('x', answer(60, 4, 'insecure'));
    expect(cache.stale('x')).toBeUndefined();
    now = 60_000;
    expect(cache.get('x')).toBeUndefined();
    expect(cache.stale('x')).toMatchObject({ status: 'insecure' });
    now = 60_000 + 86_400_000;
    expect(cache.stale('x')).toBeUndefined();
  });

  it('a secure one never', () => {
    let now = 0;
    const cache = new AnswerCache({ clock: () => now });
    cache.set('x', answer(60));
    now = 60_000;
    expect(cache.stale('x')).toBeUndefined();
  });
});

describe('an answer in use is asked for anew before its time is over', () => {
  function hot(hits: number, at: number): string[] {
    let now = 0;
    const refreshed: string[] = [];
    const cache = new AnswerCache({ clock: () => now, refresh: ({ name }) => refreshed.push(name) });
    cache.set('x', answer(100));
    for (let i = 1; i < hits; i++) cache.get('x');
    now = at;
    cache.get('x');
    cache.get('x');
    return refreshed;
  }
  it('once, in the last tenth of its time', () => {
    expect(hot(3, 95_000)).toEqual(['x']);
  });
  it('not before', () => {
    expect(hot(3, 85_000)).toEqual([]);
  });
  it('not where nobody asked for it', () => {
    expect(hot(1, 95_000)).toEqual([]);
  });
});

it('counts', () => {
  const cache = new AnswerCache({ clock: () => 0 });
  cache.get('x');
  cache.set('x', answer(60));
  cache.get('x');
  cache.get('x');
  expect(cache.counters).toMatchObject({ hits: 2, misses: 1, evicted: 0, entries: 1 });
  expect(cache.counters.octets).toBeGreaterThan(500);
});

describe('a dump', () => {
  const kept: Kept = { lookup: answer(60), stored: 1_000, expires: 61_000 };

  it('brings back what it was made of', () => {
    const unsigned: Kept = { lookup: answer(60, 9, 'insecure'), stored: 1_000, expires: 61_000 };
    const dump = writeDump('anchors', [
      ['x/A', kept],
      ['y/A', unsigned],
    ]);
    expect(readDump('anchors', dump)).toEqual([
      ['x/A', kept],
      ['y/A', unsigned],
    ]);
  });

  it('counts for nothing under other trust anchors', () => {
    expect(readDump('others', writeDump('anchors', [['x/A', kept]]))).toEqual([]);
  });

  it('is read as far as it is whole', () => {
    const dump = writeDump('anchors', [
      ['x/A', kept],
      ['y/A', kept],
    ]);
    expect(readDump('anchors', dump.slice(0, -20))).toEqual([['x/A', kept]]);
  });

  it('of any shape does no harm', () => {
    const lines = writeDump('anchors', [['x/A', kept]]).split('\n');
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.string(), fc.json(), fc.constantFrom(...lines))), (parts) => {
        for (const [, { lookup }] of readDump('anchors', [lines[0], ...parts].join('\n'))) {
          expect(['secure', 'insecure']).toContain(lookup.status);
        }
      }),
    );
  });
});
