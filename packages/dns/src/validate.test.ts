/** What a message may say beside the plain cases: one zone, signed here by the letter of RFC 4034 section 3.1.8.1. */
import { createHash, createPrivateKey, generateKeyPairSync, sign } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { formatBase32hex } from './base32hex.js';
import { nsec3Hash } from './dnssec/denial-nsec3.js';
import { keyTag } from './dnssec/key.js';
import { parseRecords } from './master-file.js';
import { encodeMessage, type Message, parseMessage, type ResourceRecord } from './message.js';
import { Name } from './name.js';
import { createResolver } from './resolver.js';
import { RCODE, RRTYPE, typeName, typeNumber } from './rrtype.js';
import { concatBytes } from './wire.js';

const NOW = Date.parse('2026-01-15T00:00:00Z');
const ZONE = Name.parse('example');
const ED25519 = 15;

const pair = generateKeyPairSync('ed25519');
const privateKey = createPrivateKey(pair.privateKey.export({ format: 'pem', type: 'pkcs8' }));
const publicKey = Buffer.from(pair.publicKey.export({ format: 'jwk' }).x ?? '', 'base64url');
const DNSKEY = `example. 300 IN DNSKEY 257 3 ${ED25519} ${publicKey.toString('base64')}`;
const rdataOf = (text: string) => parseRecords(text)[0]?.rdata ?? new Uint8Array(0);
const tag = keyTag(rdataOf(DNSKEY));

const u16 = (value: number) => Uint8Array.of(value >> 8, value & 0xff);
const u32 = (value: number) => concatBytes([u16(value >>> 16), u16(value & 0xffff)]);

interface Signer {
  readonly algorithm: number;
  readonly tag: number;
  readonly sign: (data: Uint8Array) => Uint8Array;
}

const EDWARDS: Signer = { algorithm: ED25519, tag, sign: (data) => sign(null, data, privateKey) };

interface Signing {
  readonly canonicalRdata?: Uint8Array | undefined;
  readonly signer?: Signer;
  readonly zone?: Name;
  /** Seconds since the epoch. */
  readonly until?: number;
}

/** The records of one RRset, and its signature. `labels`: fewer than the owner has where a wildcard was expanded. */
function signed(
  text: string,
  { canonicalRdata, signer = EDWARDS, zone = ZONE, until = NOW / 1000 + 86_400 }: Signing = {},
): ResourceRecord[] {
  const records = parseRecords(text);
  const [first] = records;
  if (first === undefined) throw new Error('no record');
  const { name, type, ttl } = first;
  const labels = name.isWildcard ? name.labelCount - 1 : name.labelCount;
  const head = concatBytes([
    ...[u16(type), Uint8Array.of(signer.algorithm, labels), u32(ttl)],
    ...[u32(until), u32(NOW / 1000 - 86_400), u16(signer.tag), zone.canonical()],
  ]);
  const sorted = records.map(({ rdata }) => canonicalRdata ?? rdata).sort(Buffer.compare);
  const data = sorted.flatMap((rdata) => {
    return [name.canonical(), u16(type), u16(1), u32(ttl), u16(rdata.length), rdata];
  });
  const signature = signer.sign(concatBytes([head, ...data]));
  return [...records, { ...first, type: RRTYPE.RRSIG, rdata: concatBytes([head, signature]) }];
}

interface Reply {
  readonly rcode?: number;
  readonly answer?: readonly ResourceRecord[];
  readonly authority?: readonly ResourceRecord[];
}

const SOA = signed('example. 300 IN SOA ns.example. root.example. 1 2 3 4 60');
const nsec = (text: string) => signed(text.replace(/ NSEC /, ' 300 IN NSEC '));
const keys: Reply = { answer: signed(DNSKEY) };

/** Looks up in a world that answers what `replies` says, by `name type`, and SERVFAIL to everything else. */
async function lookUp(name: string, type: string, replies: Readonly<Record<string, Reply>>) {
  const world: Readonly<Record<string, Reply>> = { 'example DNSKEY': keys, ...replies };
  const transport = {
    exchange: async (query: Uint8Array) => {
      const asked = parseMessage(query);
      const [question] = asked.questions;
      const reply = world[`${question?.name} ${typeName(question?.type ?? 0)}`];
      const { answer = [], authority = [], rcode = RCODE.NOERROR } = reply ?? { rcode: RCODE.SERVFAIL };
      const flags = { ...asked.flags, qr: true, ra: true };
      const message: Message = { ...asked, flags, rcode, answer, authority, additional: [] };
      return encodeMessage(message);
    },
  };
  const options = { upstream: '127.0.0.1', trustAnchors: [DNSKEY], clock: () => NOW, transport };
  const resolver = createResolver(options);
  try {
    return await resolver.resolve(name, type);
  } finally {
    await resolver.close();
  }
}

describe('one zone', () => {
  const address = signed('www.example. 300 IN A 192.0.2.1');

  it('a record twice is one record (RFC 2181 section 5)', async () => {
    const [record] = address;
    if (record === undefined) throw new Error('no record');
    const found = await lookUp('www.example', 'A', { 'www.example A': { answer: [record, ...address] } });
    expect(found).toMatchObject({ status: 'secure', records: [{ data: { address: '192.0.2.1' } }] });
  });

  it('signatures asked for as such are insecure: nothing signs them (RFC 4035 section 2.2)', async () => {
    const answer = address.filter(({ type }) => type === RRTYPE.RRSIG);
    const found = await lookUp('www.example', 'RRSIG', { 'www.example RRSIG': { answer } });
    expect(found).toMatchObject({ status: 'insecure', rcode: 'NOERROR', records: [{ type: 'RRSIG' }] });
  });

  it('ANY under a DNAME is the alias that the DNAME makes (RFC 6672 section 3.1)', async () => {
    const answer = [
      ...signed('old.example. 300 IN DNAME new.example.'),
      ...parseRecords('www.old.example. 300 IN CNAME www.new.example.'),
    ];
    const found = await lookUp('www.old.example', 'ANY', { 'www.old.example ANY': { answer } });
    expect(found).toMatchObject({ status: 'secure', records: [{ type: 'CNAME' }] });
  });

  it('what fails in a message about an alias target is asked for by its own name', async () => {
    const alias = signed('alias.example. 300 IN CNAME www.example.');
    const found = await lookUp('alias.example', 'A', {
      'alias.example A': { answer: [...alias, ...parseRecords('www.example. 300 IN A 192.0.2.66')] },
      'www.example A': { answer: address },
    });
    expect(found).toMatchObject({ status: 'secure', canonicalName: 'www.example' });
    expect(found).toMatchObject({ records: [{ type: 'CNAME' }, { data: { address: '192.0.2.1' } }] });
  });
});

describe('a zone with keys of two algorithms (RFC 6840 section 5.11: any path will do)', () => {
  const second = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const { x = '', y = '' } = second.publicKey.export({ format: 'jwk' });
  const octets = Buffer.concat([Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')]);
  const other = `example. 300 IN DNSKEY 256 3 13 ${octets.toString('base64')}`;
  const ecdsa: Signer = {
    algorithm: 13,
    tag: keyTag(rdataOf(other)),
    sign: (data) => sign('sha256', data, { key: second.privateKey, dsaEncoding: 'ieee-p1363' }),
  };
  const unknown: Signer = { algorithm: 250, tag: 1, sign: () => new Uint8Array(64) };
  const broken = (signer: Signer): Signer => ({ ...signer, sign: () => new Uint8Array(64) });
  const text = 'www.example. 300 IN A 192.0.2.1';
  const rows: [by: string, signers: Signer[], status: string][] = [
    ['the first alone', [EDWARDS], 'secure'],
    ['the second alone', [ecdsa], 'secure'],
    ['both', [EDWARDS, ecdsa], 'secure'],
    ['a broken one and a good one', [broken(EDWARDS), ecdsa], 'secure'],
    ['an algorithm that nobody knows, and a good one', [unknown, ecdsa], 'secure'],
    ['an algorithm that nobody knows, and a broken one', [unknown, broken(ecdsa)], 'bogus'],
    ['an algorithm that nobody knows, alone: the DS promised another', [unknown], 'bogus'],
    ['two broken ones', [broken(EDWARDS), broken(ecdsa)], 'bogus'],
  ];
  it.each(rows)('signed by %s', async (_by, signers, status) => {
    const signatures = signers.flatMap((signer) => signed(text, { signer }).slice(1));
    const found = await lookUp('www.example', 'A', {
      'example DNSKEY': { answer: signed(`${DNSKEY}\n${other}`) },
      'www.example A': { answer: [...parseRecords(text), ...signatures] },
    });
    expect(found.status).toBe(status);
  });
});

describe('DS records', () => {
  const answer = parseRecords('www.sub.example. 300 IN A 192.0.2.1');
  const delegated = (ds: ResourceRecord[]) =>
    lookUp('www.sub.example', 'A', { 'sub.example DS': { answer: ds }, 'www.sub.example A': { answer } });

  it('of unknown algorithms make the zone insecure (RFC 4035 section 5.2)', async () => {
    const ds = signed(`sub.example. 300 IN DS 1 250 2 ${'00'.repeat(32)}`);
    expect(await delegated(ds)).toMatchObject({ status: 'insecure', ede: { code: 1 } });
  });

  it('that can not be read do not', async () => {
    const short = Uint8Array.of(0, 1);
    const ds = signed(`sub.example. 300 IN DS 1 250 2 ${'00'.repeat(32)}`, { canonicalRdata: short });
    const malformed = ds.map((record) => (record.type === RRTYPE.DS ? { ...record, rdata: short } : record));
    expect(await delegated(malformed)).toMatchObject({
      status: 'bogus',
      reason: expect.stringContaining('malformed'),
    });
  });
});

describe('DS records and keys that do not belong together (RFC 4035 section 5.2)', () => {
  const child = Name.parse('sub.example');
  const own = DNSKEY.replace('example.', 'sub.example.');
  const other = own.replace('257', '256');
  const digest = createHash('sha256')
    .update(concatBytes([child.canonical(), rdataOf(own)]))
    .digest('hex');
  const good = `sub.example. 300 IN DS ${tag} ${ED25519} 2 ${digest}`;
  const wrong = good.replace(digest, '00'.repeat(32));
  const stranger = `sub.example. 300 IN DS 1 13 2 ${'00'.repeat(32)}`;
  const unsupported = `sub.example. 300 IN DS 2 250 2 ${'00'.repeat(32)}`;
  const named = { tag, algorithm: 'ED25519', digestType: 2 };
  const strange = { tag: 1, algorithm: 'ECDSAP256SHA256', digestType: 2 };
  const key = { tag, algorithm: 'ED25519', flags: 257 };
  const revoked = own.replace('257', '385');
  const byOther: Signer = { ...EDWARDS, tag: keyTag(rdataOf(other)) };
  const answer = parseRecords('www.sub.example. 300 IN A 192.0.2.1');
  const ask = (ds: string, dnskey: ResourceRecord[]) =>
    lookUp('www.sub.example', 'A', {
      'sub.example DS': { answer: signed(ds) },
      'sub.example DNSKEY': { answer: dnskey },
      'www.sub.example A': { answer },
    });

  it.each<[what: string, ds: string, dnskey: ResourceRecord[], fault: object]>([
    [
      'a DS of another key',
      stranger,
      signed(own, { zone: child }),
      { how: 'no-match', ds: [strange], keys: [key] },
    ],
    [
      'a digest of another key with the same tag',
      wrong,
      signed(own, { zone: child }),
      { how: 'no-match', ds: [named], keys: [key] },
    ],
    [
      'all of several DS records, those that are not used included',
      `${stranger}\n${unsupported}`,
      signed(own, { zone: child }),
      { how: 'no-match', ds: [strange, { tag: 2, algorithm: 'algorithm 250', digestType: 2 }], keys: [key] },
    ],
    [
      'a key that was revoked (RFC 5011 section 2.1)',
      good,
      signed(revoked, { zone: child }),
      { how: 'no-match', ds: [named], keys: [{ ...key, tag: keyTag(rdataOf(revoked)), flags: 385 }] },
    ],
    [
      'the right key, which did not sign the keys',
      good,
      signed(`${own}\n${other}`, { signer: byOther, zone: child }),
      { how: 'not-signing', ds: [named], keys: [key, { ...key, tag: byOther.tag, flags: 256 }] },
    ],
    ['no keys at all', good, [], { how: 'no-keys', ds: [named], keys: [] }],
  ])('%s: the zone and both sets are named', async (_what, ds, dnskey, fault) => {
    expect(await ask(ds, dnskey)).toMatchObject({
      status: 'bogus',
      ede: { code: 9 },
      fault: { kind: 'ds-mismatch', zone: 'sub.example', ttl: 300, ...fault },
    });
  });

  it.each<[what: string, dnskey: ResourceRecord[]]>([
    ['keys without a signature', parseRecords(own)],
    [
      'a signature of the right key that does not hold',
      signed(own, { signer: { ...EDWARDS, sign: () => new Uint8Array(64) }, zone: child }),
    ],
  ])('%s are another fault', async (_what, dnskey) => {
    const found = await ask(good, dnskey);
    expect(found.status).toBe('bogus');
    expect(found).not.toHaveProperty('fault');
  });

  it('are bogus without a fault of the zone where a trust anchor matches no key: that is ours', async () => {
    const found = await lookUp('www.example', 'A', {
      'example DNSKEY': { answer: signed(DNSKEY.replace('257', '0')) },
      'www.example A': { answer: signed('www.example. 300 IN A 192.0.2.1') },
    });
    expect(found.status).toBe('bogus');
    expect(found).not.toHaveProperty('fault');
  });
});

describe('a signature that has ended (RFC 4035 section 5.3.1)', () => {
  const until = NOW / 1000 - 60;
  const good = signed('www.example. 300 IN A 192.0.2.1');
  const nsecText = 'www.example. 300 IN NSEC zz.example. A RRSIG NSEC';

  it.each<[over: string, type: string, replies: Record<string, Reply>, fault: object]>([
    [
      'the records',
      'A',
      { 'www.example A': { answer: signed('www.example. 300 IN A 192.0.2.1', { until }) } },
      { name: 'www.example', type: 'A' },
    ],
    [
      'the keys',
      'A',
      { 'www.example A': { answer: good }, 'example DNSKEY': { answer: signed(DNSKEY, { until }) } },
      { name: 'example', type: 'DNSKEY' },
    ],
    [
      'the proof of an absence',
      'AAAA',
      { 'www.example AAAA': { authority: [...signed(nsecText, { until }), ...SOA] } },
      { name: 'www.example', type: 'NSEC' },
    ],
  ])('over %s is told with the zone', async (_over, type, replies, fault) => {
    expect(await lookUp('www.example', type, replies)).toMatchObject({
      status: 'bogus',
      fault: { kind: 'signature-expired', zone: 'example', signedBy: tag, ended: until * 1000, ...fault },
    });
  });

  it('beside one that does not hold is no explanation', async () => {
    const [record, old] = signed('www.example. 300 IN A 192.0.2.1', { until });
    const [, broken] = signed('www.example. 300 IN A 192.0.2.1', {
      signer: { ...EDWARDS, sign: () => new Uint8Array(64) },
    });
    const answer = [record, old, broken].flatMap((each) => each ?? []);
    const found = await lookUp('www.example', 'A', { 'www.example A': { answer } });
    expect(found.status).toBe('bogus');
    expect(found).not.toHaveProperty('fault');
  });
});

describe('an absence', () => {
  const proof = nsec('example. NSEC zz.example. NS SOA RRSIG NSEC DNSKEY');

  it('is secure with its SOA record and without', async () => {
    for (const authority of [proof, [...proof, ...SOA]]) {
      const replies = { 'nothing.example A': { rcode: RCODE.NXDOMAIN, authority } };
      expect(await lookUp('nothing.example', 'A', replies)).toMatchObject({
        status: 'secure',
        rcode: 'NXDOMAIN',
      });
    }
  });

  it.each([
    [
      'whose signature fails',
      SOA.map((r) => (r.type === RRTYPE.SOA ? { ...r, rdata: changed(r.rdata) } : r)),
    ],
    ['that is not signed', SOA.filter(({ type }) => type === RRTYPE.SOA)],
    ['of another zone', parseRecords('other. 300 IN SOA ns.other. root.other. 1 2 3 4 60')],
  ])('is bogus with an SOA record %s (RFC 4035 section 3.2.3)', async (_what, soa) => {
    const replies = { 'nothing.example A': { rcode: RCODE.NXDOMAIN, authority: [...proof, ...soa] } };
    expect(await lookUp('nothing.example', 'A', replies)).toMatchObject({ status: 'bogus' });
  });

  it('by NXDOMAIN is no missing type, where a span with opt-out is all there is (RFC 5155 section 9.2)', async () => {
    // The apex, and a span over the name; nothing is said of the wildcard.
    const apex = nsec3Hash(ZONE, PLAIN_NSEC3);
    const absent = nsec3Hash(Name.parse('nothing.example'), PLAIN_NSEC3);
    const authority = [
      ...nsec3(apex, next(apex, 1), 'NS SOA RRSIG DNSKEY NSEC3PARAM'),
      ...nsec3(next(absent, -1), next(absent, 1), 'NS'),
    ];
    const replies = { 'nothing.example A': { rcode: RCODE.NXDOMAIN, authority } };
    expect(await lookUp('nothing.example', 'A', replies)).toMatchObject({ status: 'bogus' });
    const asNoData = { 'nothing.example A': { authority } };
    expect(await lookUp('nothing.example', 'A', asNoData)).toMatchObject({ status: 'insecure' });
  });
});

const PLAIN_NSEC3 = { iterations: 0, salt: new Uint8Array(0) };

/** With the opt-out flag. */
function nsec3(owner: Uint8Array, nextOwner: Uint8Array, types: string): ResourceRecord[] {
  const text = `${formatBase32hex(owner)}.example. 300 IN NSEC3 1 1 0 - ${formatBase32hex(nextOwner)} ${types}`;
  return signed(text);
}

/** A hash a little before or behind. */
function next(hash: Uint8Array, step: number): Uint8Array {
  return Uint8Array.from(hash, (octet, i) => (i === hash.length - 1 ? octet + step : octet));
}

describe('names in RDATA are signed in lower case (RFC 4034 section 6.2)', () => {
  it.each([
    ['MINFO', 'Foo.Example. Bar.Example.'],
    ['RP', 'Foo.Example. Bar.Example.'],
    ['AFSDB', '1 Foo.Example.'],
    ['RT', '1 Foo.Example.'],
    ['KX', '1 Foo.Example.'],
    ['PX', '1 Foo.Example. Bar.Example.'],
    ['NAPTR', '1 1 "U" "E2U" "!X!Y!" Foo.Example.'],
    ['SRV', '1 1 1 Foo.Example.'],
  ])('of %s', async (type, data) => {
    const [record] = parseRecords(opaque(type, data));
    const [lower] = parseRecords(
      opaque(
        type,
        data.replace(/Foo|Bar|Example/g, (word) => word.toLowerCase()),
      ),
    );
    if (record === undefined || lower === undefined) throw new Error('no record');
    const answer = signed(opaque(type, data), { canonicalRdata: lower.rdata });
    const found = await lookUp('odd.example', type, { [`odd.example ${type}`]: { answer } });
    expect(found).toMatchObject({ status: 'secure', records: [{ rdata: record.rdata }] });
  });
});

/** The record in RFC 3597's form: not all of these types can be read in their own. */
function opaque(type: string, data: string): string {
  const parts = data.split(' ').map((field) => {
    if (field.startsWith('"')) {
      const text = Buffer.from(field.slice(1, -1));
      return Buffer.concat([Uint8Array.of(text.length), text]);
    }
    return /^[0-9]+$/.test(field) ? u16(Number(field)) : Name.parse(field).wire;
  });
  const octets = Buffer.concat(parts);
  return `odd.example. 300 IN TYPE${typeNumber(type)} \\# ${octets.length} ${octets.toString('hex')}`;
}

function changed(octets: Uint8Array): Uint8Array {
  return Uint8Array.from(octets, (octet, i) => (i === octets.length - 1 ? octet ^ 1 : octet));
}
