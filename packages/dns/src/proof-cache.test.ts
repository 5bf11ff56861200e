import { describe, expect, it } from 'vitest';
import type { VerifiedNsec } from './dnssec/denial-nsec.js';
import { Name } from './name.js';
import { ProofCache } from './proof-cache.js';
import { requireType } from './record.js';

const name = Name.parse;
const ROOT = Name.root;
const ZONE = name('example');

function nsec(owner: string, next: string, types: string): VerifiedNsec {
  return { owner: name(owner), next: name(next), types: new Set(types.split(' ').map(requireType)) };
}

/** `b.example` to `d.example`, `sub.example` delegated, an empty non-terminal `ent.example`, no wildcard at the apex. */
const CHAIN = [
  nsec('example', 'b.example', 'SOA NS'),
  nsec('b.example', 'd.example', 'A'),
  nsec('d.example', 'x.ent.example', 'A'),
  nsec('x.ent.example', 'sub.example', 'TXT'),
  nsec('sub.example', 'example', 'NS'),
];

function cacheOf(records: readonly VerifiedNsec[], ttl = 60) {
  let now = 0;
  const proofs = new ProofCache(() => now);
  proofs.learn(ZONE, [], records, ttl);
  const wait = (milliseconds: number) => {
    now += milliseconds;
  };
  const deny = (owner: string, type = 'A', anchor: Name | null = ROOT) =>
    proofs.deny(name(owner), requireType(type), anchor ?? undefined);
  return { proofs, deny, wait };
}

describe('a kept NSEC record denies other names too (RFC 8198)', () => {
  const { deny } = cacheOf(CHAIN);

  it.each(['c.example', 'c.c.example', 'a.example', 'zz.example'])('%s: there is no such name', (owner) => {
    expect(deny(owner)).toMatchObject({ status: 'secure', rcode: 'NXDOMAIN', records: [], name: owner });
  });

  it('everything below a name that does not exist does not exist (RFC 8020)', () => {
    expect(deny('_25._tcp.c.example', 'TLSA')).toMatchObject({ rcode: 'NXDOMAIN' });
  });

  it('a type that the name does not have', () => {
    expect(deny('b.example', 'TLSA')).toMatchObject({ status: 'secure', rcode: 'NOERROR', records: [] });
    expect(deny('ent.example')).toMatchObject({ rcode: 'NOERROR', records: [] });
  });

  it.each([
    ['a type that is there', 'b.example', 'A'],
    ['a name below a delegation', 'x.sub.example', 'A'],
    ['data at a delegation', 'sub.example', 'MX'],
    ['DS', 'sub.example', 'DS'],
    ['ANY', 'c.example', 'ANY'],
    ['a name of another zone', 'c.other', 'A'],
  ])('%s has to be asked for', (_what, owner, type) => {
    expect(deny(owner, type)).toBeUndefined();
  });

  it('without the proof about the wildcard nothing is denied', () => {
    expect(cacheOf(CHAIN.slice(1)).deny('c.example')).toBeUndefined();
  });

  it('nothing is denied from above the trust anchor of a name', () => {
    expect(deny('c.example', 'A', name('c.example'))).toBeUndefined();
    expect(deny('c.example', 'A', null)).toBeUndefined();
  });
});

it('a proof holds for as long as its TTL, which is what the answer says', () => {
  const { deny, wait } = cacheOf(CHAIN);
  wait(20_000);
  expect(deny('c.example')?.ttl).toBe(40);
  wait(40_000);
  expect(deny('c.example')).toBeUndefined();
});

it('a newer record takes the place of the older', () => {
  const { proofs, deny } = cacheOf(CHAIN);
  proofs.learn(ZONE, [], [nsec('b.example', 'c.example', 'A TLSA')], 60);
  expect(proofs.size).toBe(CHAIN.length);
  expect(deny('c.example')).toBeUndefined();
  expect(deny('b.example', 'TLSA')).toBeUndefined();
});

it('memory is bounded: zones that were not used for long go first', () => {
  const proofs = new ProofCache(() => 0);
  for (let i = 0; i < 25_000; i++) {
    const zone = `z${i}.example`;
    proofs.learn(name(zone), [], [nsec(zone, zone, 'SOA NS')], 60);
  }
  expect(proofs.size).toBeLessThanOrEqual(20_000);
  expect(proofs.deny(name('x.z24999.example'), 1, ROOT)).toMatchObject({ rcode: 'NXDOMAIN' });
  expect(proofs.deny(name('x.z0.example'), 1, ROOT)).toBeUndefined();
});
