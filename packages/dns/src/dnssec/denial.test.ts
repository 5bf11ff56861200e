import { describe, expect, it } from 'vitest';
import { formatBase32hex } from '../base32hex.js';
import { Name } from '../name.js';
import { requireType } from '../record.js';
import { BoundError, Budget } from './bounds.js';
import type { Denier } from './denial.js';
import { nsecDenier, type VerifiedNsec } from './denial-nsec.js';
import { nsec3Denier, nsec3Hash, type VerifiedNsec3 } from './denial-nsec3.js';

const name = Name.parse;
const ZONE = name('example');

/**
 * One zone, in canonical order. `ent.example` is an empty non-terminal; `sub.example` is an unsigned delegation with names
 * below it that another zone holds; `alias.example` is a CNAME, `tree.example` a DNAME, `*.wild.example` a wildcard.
 */
const OWNERS: readonly (readonly [string, string])[] = [
  ['example', 'SOA NS DNSKEY MX'],
  ['alias.example', 'CNAME'],
  ['deep.ent.example', 'TXT'],
  ['signed.example', 'NS DS'],
  ['sub.example', 'NS'],
  ['tree.example', 'DNAME'],
  ['wild.example', 'TXT'],
  ['*.wild.example', 'TXT'],
  ['zz.example', 'A'],
];

const types = (text: string) => new Set(text.split(' ').map(requireType));

const NSEC: VerifiedNsec[] = OWNERS.map(([owner, present], i) => ({
  owner: name(owner),
  next: name(OWNERS[(i + 1) % OWNERS.length]?.[0] ?? ''),
  types: types(present),
}));

const PARAMETERS = { hashAlgorithm: 1, iterations: 2, salt: Uint8Array.of(0xab, 0xcd) };
const hash = (owner: string) => formatBase32hex(nsec3Hash(name(owner), PARAMETERS));

/** The same zone with NSEC3, where empty non-terminals have records too (RFC 5155 section 7.1). */
function nsec3Chain(flags: number, leftOut: readonly string[] = []): VerifiedNsec3[] {
  const hashed = [...OWNERS, ['ent.example', ''] as const]
    .filter(([owner]) => !leftOut.includes(owner))
    .map(([owner, present]) => ({
      ownerHash: hash(owner),
      types: present === '' ? new Set<number>() : types(present),
    }))
    .sort((a, b) => (a.ownerHash < b.ownerHash ? -1 : 1));
  return hashed.map((record, i) => ({
    ...PARAMETERS,
    ...record,
    flags,
    nextHash: hashed[(i + 1) % hashed.length]?.ownerHash ?? '',
  }));
}

const whole = {
  NSEC: () => nsecDenier(ZONE, NSEC),
  NSEC3: () => nsec3Denier(ZONE, nsec3Chain(0), new Budget('test')),
};

describe.each(Object.entries(whole))('%s: with the whole zone at hand', (_kind, make) => {
  const cases: [sentence: string, ask: (denier: Denier) => { kind: string }, expected: string][] = [
    ['a type that the name lacks', (d) => d.noData(name('zz.example'), requireType('AAAA')), 'proved'],
    ['a type that the name has', (d) => d.noData(name('zz.example'), requireType('A')), 'unproved'],
    ['any type at an alias (RFC 6840 section 4.3)', (d) => d.noData(name('alias.example'), 1), 'unproved'],
    [
      'an empty non-terminal has no types (RFC 4592 section 2.2.2)',
      (d) => d.noData(name('ent.example'), 1),
      'proved',
    ],
    ['an empty non-terminal exists', (d) => d.noName(name('ent.example')), 'unproved'],
    ['a name that does not exist', (d) => d.noName(name('nothing.example')), 'proved'],
    ['a name that exists', (d) => d.noName(name('zz.example')), 'unproved'],
    ['a name that a wildcard serves', (d) => d.noName(name('x.wild.example')), 'unproved'],
    ['a type that the wildcard lacks', (d) => d.noData(name('x.wild.example'), requireType('MX')), 'proved'],
    ['a type that the wildcard has', (d) => d.noData(name('x.wild.example'), requireType('TXT')), 'unproved'],
    [
      'nothing is closer than the wildcard',
      (d) => d.noCloserMatch(name('x.wild.example'), name('*.wild.example')),
      'proved',
    ],
    [
      'something is closer than a higher wildcard',
      (d) => d.noCloserMatch(name('x.wild.example'), name('*.example')),
      'unproved',
    ],
    [
      "a name below a delegation is not the parent's to deny (RFC 6840 section 4.1)",
      (d) => d.noName(name('x.sub.example')),
      'unproved',
    ],
    ['nor is its data', (d) => d.noData(name('x.sub.example'), 1), 'unproved'],
    ['nor is data at the cut itself, but for DS', (d) => d.noData(name('sub.example'), 1), 'unproved'],
    ['DS at the cut is', (d) => d.noData(name('sub.example'), requireType('DS')), 'proved'],
    [
      "DS at the apex is not the child's to deny (RFC 4035 section 5.4)",
      (d) => d.noData(ZONE, requireType('DS')),
      'unproved',
    ],
    ["a name below a DNAME can't be denied", (d) => d.noName(name('x.tree.example')), 'unproved'],
    ["a name in another zone can't be denied", (d) => d.noName(name('x.other')), 'unproved'],
    ['a delegation without DS', (d) => d.noDelegationSigner(name('sub.example')), 'insecure-delegation'],
    ['a delegation that has DS', (d) => d.noDelegationSigner(name('signed.example')), 'unproved'],
    ['a name that is no delegation', (d) => d.noDelegationSigner(name('zz.example')), 'no-cut'],
    ['an alias is no delegation', (d) => d.noDelegationSigner(name('alias.example')), 'no-cut'],
    ['an empty non-terminal is no delegation', (d) => d.noDelegationSigner(name('ent.example')), 'no-cut'],
    [
      'a name that does not exist is no delegation',
      (d) => d.noDelegationSigner(name('nothing.example')),
      'no-name',
    ],
    ["the child's side says nothing of its own DS", (d) => d.noDelegationSigner(ZONE), 'unproved'],
  ];
  it.each(cases)('%s', (_sentence, ask, expected) => {
    expect(ask(make()).kind).toBe(expected);
  });
});

it('NSEC: a wildcard can be an empty non-terminal, and then has no types (RFC 4592 section 2.2.2)', () => {
  const records = [
    { owner: ZONE, next: name('x.*.star.example'), types: types('SOA NS') },
    { owner: name('x.*.star.example'), next: ZONE, types: types('A') },
  ];
  expect(nsecDenier(ZONE, records).noData(name('y.star.example'), 1).kind).toBe('proved');
  expect(nsecDenier(ZONE, records.slice(1)).noData(name('y.star.example'), 1).kind).toBe('unproved');
});

describe('each part of a proof is needed', () => {
  it("NSEC: without the wildcard's record there is no NXDOMAIN (RFC 4035 section 5.4)", () => {
    const over = NSEC.filter((record) => record.owner.equals(name('deep.ent.example')));
    expect(nsecDenier(ZONE, over).noName(name('nothing.example')).kind).toBe('unproved');
  });

  it('NSEC3: without any one of its three records there is no NXDOMAIN (RFC 5155 section 8.4)', () => {
    const chain = nsec3Chain(0);
    const absent = name('nothing.example');
    const results = chain.map((left) => {
      const records = chain.filter((record) => record !== left);
      return nsec3Denier(ZONE, records, new Budget('test')).noName(absent).kind;
    });
    expect(nsec3Denier(ZONE, chain, new Budget('test')).noName(absent).kind).toBe('proved');
    expect(results.filter((kind) => kind === 'unproved').length).toBeGreaterThanOrEqual(2);
  });

  it('no records prove nothing', () => {
    for (const denier of [nsecDenier(ZONE, []), nsec3Denier(ZONE, [], new Budget('test'))]) {
      expect(denier.noName(name('x.example')).kind).toBe('unproved');
      expect(denier.noData(name('zz.example'), 1).kind).toBe('unproved');
      expect(denier.noDelegationSigner(name('zz.example')).kind).toBe('unproved');
    }
  });
});

describe('opt-out (RFC 5155 sections 6, 8.6, 9.2)', () => {
  const chain = nsec3Chain(1, ['sub.example']);
  const denier = nsec3Denier(ZONE, chain, new Budget('test'));

  it('a delegation that was left out is insecure', () => {
    expect(denier.noDelegationSigner(name('sub.example')).kind).toBe('insecure-delegation');
  });
  it('absence in such a span is never secure', () => {
    expect(denier.noName(name('nothing.example')).kind).toBe('opted-out');
    expect(denier.noData(name('nothing.example'), 1).kind).toBe('opted-out');
    expect(denier.noCloserMatch(name('x.wild.example'), name('*.wild.example')).kind).toBe('opted-out');
    expect(denier.noData(name('x.wild.example'), requireType('MX')).kind).toBe('opted-out');
    expect(denier.noData(name('x.wild.example'), requireType('TXT')).kind).toBe('unproved');
  });
  it('a signed delegation is not in it', () => {
    expect(denier.noDelegationSigner(name('signed.example')).kind).toBe('unproved');
  });
});

describe('NSEC3 hashes', () => {
  it.each([
    ['example', '0p9mhaveqvm6t7vbl5lop2u3t2rp3tom'],
    ['a.example', '35mthgpgcu1qg68fab165klnsnk3dpvl'],
    ['ai.example', 'gjeqe526plbf1g8mklp59enfd789njgi'],
    ['*.w.example', 'r53bq7cc2uvmubfu5ocmm6pers9tk9en'],
    ['xx.example', 't644ebqk9bibcna874givr6joj62mlhv'],
  ])('%s is that of RFC 5155 appendix A', (owner, expected) => {
    const parameters = { iterations: 12, salt: Uint8Array.of(0xaa, 0xbb, 0xcc, 0xdd) };
    expect(formatBase32hex(nsec3Hash(name(owner), parameters))).toBe(expected);
  });

  it('are bounded for one look-up (CVE-2023-50868)', () => {
    const costly = nsec3Chain(0).map((record) => ({ ...record, iterations: 150 }));
    const labels = Array.from({ length: 60 }, (_, i) => `l${i}`).join('.');
    const denier = nsec3Denier(ZONE, costly, new Budget('test'));
    expect(() => denier.noName(name(`${labels}.example`))).toThrow(BoundError);
  });
});
