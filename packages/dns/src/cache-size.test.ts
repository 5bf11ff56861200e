import { describe, expect, it } from 'vitest';
import { inProportion, MAX_CACHE_OCTETS } from './cache-size.js';
import { Delegations } from './delegation.js';
import { Name } from './name.js';

describe('a cache beside that of answers', () => {
  it.each<[what: string, octets: number | undefined, entries: number]>([
    ['is whole where nothing is said', undefined, 20_000],
    ['is a quarter where answers have a quarter', MAX_CACHE_OCTETS / 4, 5_000],
    ['does not grow with them', MAX_CACHE_OCTETS * 16, 20_000],
    ['keeps what a look-up needs, however little that is', 1, 100],
  ])('%s', (_, octets, entries) => {
    expect(inProportion(20_000, octets)).toBe(entries);
  });

  it('forgets zones that are not used, and keeps those that are', () => {
    const delegations = new Delegations(() => 0, 1);
    const zone = (name: string) => ({ zone: Name.parse(name), servers: [], ttl: 3_600 });
    delegations.learn(zone('example'));
    for (let i = 0; i < 1_000; i++) {
      delegations.learn(zone(`z${i}.example`));
      expect(delegations.closest(Name.parse(`other${i}.example`))?.zone.toString()).toBe('example');
    }
    const known = Array.from({ length: 1_000 }, (_, i) => delegations.closest(Name.parse(`z${i}.example`)));
    expect(known.filter((each) => each?.zone.labelCount === 2)).toHaveLength(99);
  });
});
