/**
 * The example zones and responses of RFC 4035 (appendices A and B) and RFC 5155 (the same letters), answered
 * by the lab.
 */
import { formatRdata, Name, RCODE, type ResourceRecord, RRTYPE, requireType, typeName } from '@danelaw/dns';
import { describe, expect, it } from 'vitest';
import { answerFromZones, type Reply, type ServedZone } from './authority.js';
import { SignedZone, type Signing } from './sign.js';
import { parseZone } from './zone-text.js';

/** What both zones have in common. */
const LINES = [
  '@ 3600 SOA ns1 bugs.x.w 1 3600 300 3600000 3600',
  '@ NS ns1',
  '@ NS ns2',
  '@ MX 1 xx',
  'a NS ns1.a',
  'a NS ns2.a',
  'a DS 57855 5 1 B6DCD485719ADCA18E5F3D48A2331627FDD3636B',
  'ns1.a A 192.0.2.5',
  'ns2.a A 192.0.2.6',
  'ai A 192.0.2.9',
  'ai HINFO "KLH-10" "ITS"',
  'ai AAAA 2001:db8::f00:baa9',
  'ns1 A 192.0.2.1',
  'ns2 A 192.0.2.2',
  '*.w MX 1 ai',
  'x.w MX 1 xx',
  'x.y.w MX 1 xx',
  'xx A 192.0.2.10',
  'xx HINFO "KLH-10" "TOPS-20"',
  'xx AAAA 2001:db8::f00:baaa',
];

const unsignedDelegation = (name: string) => [
  `${name} NS ns1.${name}`,
  `${name} NS ns2.${name}`,
  `ns1.${name} A 192.0.2.7`,
  `ns2.${name} A 192.0.2.8`,
];

function exampleZone(lines: readonly string[], signing: Signing): ServedZone {
  const zone = parseZone('example', lines);
  return { zone, signed: new SignedZone(zone, signing, () => Date.UTC(2004, 3, 20)) };
}

function ask(served: ServedZone | readonly ServedZone[], name: string, type: string, dnssec = true): Reply {
  const question = { name: Name.parse(name), type: requireType(type), class: 1 };
  return answerFromZones('zone' in served ? [served] : served, question, dnssec);
}

/** `owner TYPE rdata`, signatures as `owner RRSIG TYPE`. */
function show(records: readonly ResourceRecord[]): string[] {
  return records.map(({ name, type, rdata }) =>
    type === RRTYPE.RRSIG
      ? `${name} RRSIG ${typeName(((rdata[0] ?? 0) << 8) | (rdata[1] ?? 0))}`
      : `${name} ${typeName(type)} ${formatRdata(type, rdata)}`,
  );
}

/** First labels of the owners of denial records, each of which must be signed. */
function denials(reply: Reply): string[] {
  const owners = (wanted: number) =>
    reply.authority.filter(({ type }) => type === wanted).map(({ name }) => name.toString());
  const found = [...owners(RRTYPE.NSEC), ...owners(RRTYPE.NSEC3)];
  const signed = show(reply.authority).filter((line) => /^\S+ RRSIG NSEC3?$/.test(line));
  expect(signed.map((line) => line.split(' ')[0]).sort()).toEqual([...found].sort());
  return found.sort();
}

describe('RFC 4035 appendix A: the NSEC chain of the example zone', () => {
  const served = exampleZone([...LINES, ...unsignedDelegation('b')], {});
  it.each([
    ['example', 'a.example. NS SOA MX RRSIG NSEC DNSKEY'],
    ['a.example', 'ai.example. NS DS RRSIG NSEC'],
    ['ai.example', 'b.example. A HINFO AAAA RRSIG NSEC'],
    ['b.example', 'ns1.example. NS RRSIG NSEC'],
    ['ns1.example', 'ns2.example. A RRSIG NSEC'],
    ['ns2.example', '*.w.example. A RRSIG NSEC'],
    ['*.w.example', 'x.w.example. MX RRSIG NSEC'],
    ['x.w.example', 'x.y.w.example. MX RRSIG NSEC'],
    ['x.y.w.example', 'xx.example. MX RRSIG NSEC'],
    ['xx.example', 'example. A HINFO AAAA RRSIG NSEC'],
  ])('%s points to %s', (owner, rdata) => {
    const nsec = served.signed?.set(Name.parse(owner), RRTYPE.NSEC);
    expect(formatRdata(RRTYPE.NSEC, nsec?.rdatas[0] ?? new Uint8Array())).toBe(rdata);
  });
});

describe('RFC 4035 appendix B: responses with NSEC', () => {
  const served = exampleZone([...LINES, ...unsignedDelegation('b')], {});

  it('B.1: an answer and its signature', () => {
    const reply = ask(served, 'x.w.example', 'MX');
    expect(reply).toMatchObject({ rcode: RCODE.NOERROR, aa: true, authority: [] });
    expect(show(reply.answer)).toEqual(['x.w.example MX 1 xx.example.', 'x.w.example RRSIG MX']);
  });

  it.each([
    ['B.2: name error', 'ml.example', 'A', RCODE.NXDOMAIN, ['b.example', 'example']],
    ['B.3: no data', 'ns1.example', 'MX', RCODE.NOERROR, ['ns1.example']],
    ['B.7: wildcard no data', 'a.z.w.example', 'AAAA', RCODE.NOERROR, ['*.w.example', 'x.y.w.example']],
    ['B.8: DS at the apex of the child', 'example', 'DS', RCODE.NOERROR, ['example']],
    ['no data at an empty non-terminal', 'y.w.example', 'A', RCODE.NOERROR, ['x.w.example']],
    ['no data: DS at an unsigned delegation', 'b.example', 'DS', RCODE.NOERROR, ['b.example']],
  ])('%s', (_case, name, type, rcode, owners) => {
    const reply = ask(served, name, type);
    expect(reply).toMatchObject({ rcode, aa: true, answer: [] });
    expect(denials(reply)).toEqual(owners);
    expect(show(reply.authority).slice(0, 2)).toEqual([
      'example SOA ns1.example. bugs.x.w.example. 1 3600 300 3600000 3600',
      'example RRSIG SOA',
    ]);
  });

  it('B.4: referral to a signed zone, with DS and glue, NS unsigned', () => {
    const reply = ask(served, 'mc.a.example', 'MX');
    expect(reply).toMatchObject({ rcode: RCODE.NOERROR, aa: false, answer: [] });
    expect(show(reply.authority)).toEqual([
      'a.example NS ns1.a.example.',
      'a.example NS ns2.a.example.',
      'a.example DS 57855 5 1 b6dcd485719adca18e5f3d48a2331627fdd3636b',
      'a.example RRSIG DS',
    ]);
    expect(show(reply.additional)).toEqual(['ns1.a.example A 192.0.2.5', 'ns2.a.example A 192.0.2.6']);
  });

  it('B.5: referral to an unsigned zone, with the proof that there is no DS', () => {
    const reply = ask(served, 'mc.b.example', 'MX');
    expect(reply).toMatchObject({ rcode: RCODE.NOERROR, aa: false, answer: [] });
    expect(denials(reply)).toEqual(['b.example']);
  });

  it('B.6: wildcard expansion, with the proof that nothing is closer', () => {
    const reply = ask(served, 'a.z.w.example', 'MX');
    expect(show(reply.answer)).toEqual(['a.z.w.example MX 1 ai.example.', 'a.z.w.example RRSIG MX']);
    expect(reply.answer[1]?.rdata[3]).toBe(2);
    expect(denials(reply)).toEqual(['x.y.w.example']);
  });

  it('without DO there is neither signature nor proof, but a DS, NSEC or RRSIG that is asked for', () => {
    expect(show(ask(served, 'ml.example', 'A', false).authority)).toHaveLength(1);
    expect(show(ask(served, 'mc.a.example', 'MX', false).authority)).toHaveLength(2);
    expect(show(ask(served, 'a.example', 'DS', false).answer)).toHaveLength(1);
    expect(show(ask(served, 'ai.example', 'NSEC', false).answer)).toHaveLength(1);
    expect(show(ask(served, 'x.w.example', 'RRSIG', false).answer)).toEqual(['x.w.example RRSIG MX']);
  });
});

/** RFC 5155 appendix A; hashes of names in its comments. */
const HASHED = exampleZone(
  [...LINES, ...unsignedDelegation('c'), '2t7b4g4vsa5smi47k61mv5bv1a22bojr A 192.0.2.127'],
  { denial: { salt: 'aabbccdd', iterations: 12, optOut: true }, algorithm: 'RSASHA1-NSEC3-SHA1' },
);
const APEX = '0p9mhaveqvm6t7vbl5lop2u3t2rp3tom';

describe('RFC 5155 appendix A: the NSEC3 chain of the example zone', () => {
  const chain = new Map(
    // The apex denies whatever is asked there; every other link is reached from a name that it matches.
    [
      ['example', 'TYPE65000'],
      ['ns1.example', 'MX'],
      ['x.y.w.example', 'A'],
      ['a.example', 'TYPE65000'],
      ['x.w.example', 'A'],
      ['ai.example', 'MX'],
      ['y.w.example', 'A'],
      ['w.example', 'A'],
      ['2t7b4g4vsa5smi47k61mv5bv1a22bojr.example', 'MX'],
      ['ns2.example', 'MX'],
      ['a.w.example', 'A'],
      ['xx.example', 'MX'],
    ].flatMap(([name = '', type = '']) =>
      ask(HASHED, name, name === 'a.example' ? 'CNAME' : type)
        .authority.filter((record) => record.type === RRTYPE.NSEC3)
        .map(
          (record) =>
            [record.name.toString().split('.')[0], formatRdata(RRTYPE.NSEC3, record.rdata)] as const,
        ),
    ),
  );
  it.each([
    [APEX, '2t7b4g4vsa5smi47k61mv5bv1a22bojr', 'MX DNSKEY NS SOA NSEC3PARAM RRSIG'],
    ['2t7b4g4vsa5smi47k61mv5bv1a22bojr', '2vptu5timamqttgl4luu9kg21e0aor3s', 'A RRSIG'],
    ['2vptu5timamqttgl4luu9kg21e0aor3s', '35mthgpgcu1qg68fab165klnsnk3dpvl', 'MX RRSIG'],
    ['b4um86eghhds6nea196smvmlo4ors995', 'gjeqe526plbf1g8mklp59enfd789njgi', 'MX RRSIG'],
    ['gjeqe526plbf1g8mklp59enfd789njgi', 'ji6neoaepv8b5o6k4ev33abha8ht9fgc', 'HINFO A AAAA RRSIG'],
    ['ji6neoaepv8b5o6k4ev33abha8ht9fgc', 'k8udemvp1j2f7eg6jebps17vp3n8i58h', ''],
    ['k8udemvp1j2f7eg6jebps17vp3n8i58h', 'kohar7mbb8dc2ce8a9qvl8hon4k53uhi', ''],
    ['kohar7mbb8dc2ce8a9qvl8hon4k53uhi', 'q04jkcevqvmu85r014c7dkba38o0ji5r', 'A RRSIG'],
    ['q04jkcevqvmu85r014c7dkba38o0ji5r', 'r53bq7cc2uvmubfu5ocmm6pers9tk9en', 'A RRSIG'],
    ['r53bq7cc2uvmubfu5ocmm6pers9tk9en', 't644ebqk9bibcna874givr6joj62mlhv', 'MX RRSIG'],
    ['t644ebqk9bibcna874givr6joj62mlhv', APEX, 'HINFO A AAAA RRSIG'],
  ])('%s', (owner, next, types) => {
    const [algorithm, flags, iterations, salt, nextHashed, ...bits] = (chain.get(owner) ?? '').split(' ');
    expect([algorithm, flags, iterations, salt]).toEqual(['1', '1', '12', 'aabbccdd']);
    expect(nextHashed?.toLowerCase()).toBe(next);
    expect(bits.filter((bit) => bit !== '').sort()).toEqual(types.split(' ').filter(Boolean).sort());
  });
});

describe('RFC 5155 appendix B: responses with NSEC3', () => {
  it.each([
    [
      'B.1: name error',
      'a.c.x.w.example',
      'A',
      RCODE.NXDOMAIN,
      [APEX, '35mthgpgcu1qg68fab165klnsnk3dpvl', 'b4um86eghhds6nea196smvmlo4ors995'],
    ],
    ['B.2: no data', 'ns1.example', 'MX', RCODE.NOERROR, ['2t7b4g4vsa5smi47k61mv5bv1a22bojr']],
    ['B.2.1: empty non-terminal', 'y.w.example', 'A', RCODE.NOERROR, ['ji6neoaepv8b5o6k4ev33abha8ht9fgc']],
    [
      'B.3: referral to an unsigned zone under opt-out',
      'mc.c.example',
      'MX',
      RCODE.NOERROR,
      [APEX, '35mthgpgcu1qg68fab165klnsnk3dpvl'],
    ],
    ['B.4: wildcard expansion', 'a.z.w.example', 'MX', RCODE.NOERROR, ['q04jkcevqvmu85r014c7dkba38o0ji5r']],
    [
      'B.5: wildcard no data',
      'a.z.w.example',
      'AAAA',
      RCODE.NOERROR,
      [
        'k8udemvp1j2f7eg6jebps17vp3n8i58h',
        'q04jkcevqvmu85r014c7dkba38o0ji5r',
        'r53bq7cc2uvmubfu5ocmm6pers9tk9en',
      ],
    ],
    ['B.6: DS at the apex of the child', 'example', 'DS', RCODE.NOERROR, [APEX]],
    [
      'section 7.2.4: DS at a delegation that opt-out leaves out',
      'c.example',
      'DS',
      RCODE.NOERROR,
      [APEX, '35mthgpgcu1qg68fab165klnsnk3dpvl'],
    ],
  ])('%s', (_case, name, type, rcode, owners) => {
    const reply = ask(HASHED, name, type);
    expect(reply.rcode).toBe(rcode);
    expect(denials(reply)).toEqual(owners.map((hash) => `${hash}.example`).sort());
  });

  it('NSEC3PARAM lies at the apex with its flags zero (section 4.1.2)', () => {
    expect(show(ask(HASHED, 'example', 'NSEC3PARAM').answer)).toEqual([
      'example NSEC3PARAM 1 0 12 aabbccdd',
      'example RRSIG NSEC3PARAM',
    ]);
  });

  it('the owner of an NSEC3 record is no name of the zone (section 7.2.8)', () => {
    expect(ask(HASHED, `${APEX}.example`, 'NSEC3').rcode).toBe(RCODE.NXDOMAIN);
  });
});

describe('aliases', () => {
  const signed = (origin: string, lines: readonly string[]): ServedZone => {
    const zone = parseZone(origin, ['@ NS ns', 'ns A 192.0.2.1', ...lines]);
    return { zone, signed: new SignedZone(zone, {}, () => 0) };
  };
  const zone = signed('z.example', [
    'a CNAME b',
    'b CNAME c',
    'c A 192.0.2.3',
    'out CNAME elsewhere.test.',
    'loop CNAME pool',
    'pool CNAME loop',
    'old DNAME new',
    'x.new A 192.0.2.4',
    '*.wild CNAME c',
    `long DNAME ${'l'.repeat(60)}.${'m'.repeat(60)}.${'n'.repeat(60)}`,
  ]);

  it('are followed within the zone, each step signed', () => {
    expect(show(ask(zone, 'a.z.example', 'A').answer)).toEqual([
      'a.z.example CNAME b.z.example.',
      'a.z.example RRSIG CNAME',
      'b.z.example CNAME c.z.example.',
      'b.z.example RRSIG CNAME',
      'c.z.example A 192.0.2.3',
      'c.z.example RRSIG A',
    ]);
  });

  it('end in a denial where their target has not the type', () => {
    const reply = ask(zone, 'a.z.example', 'TLSA');
    expect(show(reply.answer)).toHaveLength(4);
    expect(denials(reply)).toEqual(['c.z.example']);
  });

  it('leave the zone to the client, and end when they go round', () => {
    expect(show(ask(zone, 'out.z.example', 'A').answer)).toHaveLength(2);
    const loop = ask(zone, 'loop.z.example', 'A');
    expect(loop.rcode).toBe(RCODE.NOERROR);
    expect(new Set(show(loop.answer)).size).toBe(4);
  });

  it('are not followed for a question about themselves', () => {
    expect(show(ask(zone, 'a.z.example', 'CNAME').answer)).toHaveLength(2);
  });

  it('go on in another zone of the same server', () => {
    const other = signed('test', ['elsewhere A 192.0.2.9']);
    expect(show(ask([zone, other], 'out.z.example', 'A').answer)).toContain('elsewhere.test A 192.0.2.9');
  });

  it('are made from a DNAME, which is signed while they are not (RFC 6672 section 3.1)', () => {
    expect(show(ask(zone, 'x.old.z.example', 'A').answer)).toEqual([
      'old.z.example DNAME new.z.example.',
      'old.z.example RRSIG DNAME',
      'x.old.z.example CNAME x.new.z.example.',
      'x.new.z.example A 192.0.2.4',
      'x.new.z.example RRSIG A',
    ]);
  });

  it('which would become too long are YXDOMAIN (RFC 6672 section 2.2)', () => {
    const name = `${'a'.repeat(60)}.${'b'.repeat(40)}.long.z.example`;
    expect(ask(zone, name, 'A').rcode).toBe(RCODE.YXDOMAIN);
  });

  it('may come from a wildcard, with the proof that nothing is closer', () => {
    const reply = ask(zone, 'q.wild.z.example', 'A');
    expect(show(reply.answer)[0]).toBe('q.wild.z.example CNAME c.z.example.');
    expect(denials(reply)).toEqual(['*.wild.z.example']);
  });

  it('a DS is answered from the parent where the server has both (RFC 4035 section 3.1.4.1)', () => {
    const parent = signed('example', ['z NS ns.z', 'ns.z A 192.0.2.1']);
    expect(denials(ask([zone, parent], 'z.example', 'DS'))).toEqual(['z.example']);
    expect(show(ask([zone, parent], 'z.example', 'DS').authority)[0]).toMatch(/^example SOA/);
    expect(show(ask([zone], 'z.example', 'DS').authority)[0]).toMatch(/^z\.example SOA/);
  });

  it('names of no zone are refused, transfers are not implemented', () => {
    expect(ask(zone, 'other.test', 'A')).toMatchObject({ rcode: RCODE.REFUSED, aa: false });
    expect(ask(zone, 'z.example', 'TYPE252')).toMatchObject({ rcode: RCODE.NOTIMP, aa: false });
  });
});
