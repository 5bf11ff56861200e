import { describe, expect, test } from 'vitest';
import { parseRecords } from '../master-file.js';
import type { ResourceRecord } from '../message.js';
import { Name } from '../name.js';
import { RRTYPE } from '../rrtype.js';
import { RRsets } from './rrset.js';

const SIGNATURE = 'A 13 3 300 20300101000000 20200101000000 1 example. AAAA';

/** For each host two addresses, one of them twice and with a lower TTL, and a signature over them. */
function hosts(count: number): ResourceRecord[] {
  const lines = Array.from({ length: count }, (_, i) => [
    `h${i}.example. 300 IN RRSIG ${SIGNATURE}`,
    `h${i}.example. 300 IN A 192.0.2.1`,
    `H${i}.example. 200 IN A 192.0.2.1`,
    `h${i}.example. 300 IN A 192.0.2.2`,
    `h${i}.example. 300 IN AAAA 2001:db8::${i + 1}`,
  ]);
  return parseRecords(lines.flat().join('\n'));
}

describe.each([
  ['few', 1],
  ['just few enough to be looked through', 4],
  ['one more', 5],
  ['many', 50],
])('of %s hosts', (_, count) => {
  const sets = new RRsets(hosts(count));
  const last = Name.parse(`h${count - 1}.EXAMPLE`);

  test('an RRset is found by name and type, each record once, with the lowest TTL and the signatures over it', () => {
    const set = sets.get(last, RRTYPE.A);
    expect(set?.ttl).toBe(200);
    expect(set?.rdatas).toEqual([Uint8Array.of(192, 0, 2, 1), Uint8Array.of(192, 0, 2, 2)]);
    expect(set?.signatures.map(({ typeCovered }) => typeCovered)).toEqual([RRTYPE.A]);
    expect(sets.get(last, RRTYPE.AAAA)?.signatures).toEqual([]);
    expect(sets.get(last, RRTYPE.MX)).toBeUndefined();
    expect(sets.get(Name.parse('example'), RRTYPE.A)).toBeUndefined();
  });

  test('all of a name and all of a type are found', () => {
    expect(sets.at(last).map(({ type }) => type)).toEqual([RRTYPE.A, RRTYPE.AAAA]);
    expect(sets.ofType(RRTYPE.AAAA)).toHaveLength(count);
  });
});

test('the first of a type above a name is found, and none at it', () => {
  const sets = new RRsets(
    parseRecords('b.example. 300 IN DNAME c.example.\nexample. 300 IN DNAME example.net.'),
  );
  expect(String(sets.firstAbove(Name.parse('a.b.example'), RRTYPE.DNAME)?.name)).toBe('b.example');
  expect(String(sets.firstAbove(Name.parse('b.example'), RRTYPE.DNAME)?.name)).toBe('example');
  expect(sets.firstAbove(Name.parse('example'), RRTYPE.DNAME)).toBeUndefined();
  expect(sets.firstAbove(Name.parse('a.b.example'), RRTYPE.CNAME)).toBeUndefined();
});
