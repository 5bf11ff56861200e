import { createHash } from 'node:crypto';
import { formatTlsa, type TlsaParameters } from '@danelaw/dane';
import { type Certificate, issue, makeAuthority, makeCertificateKey, selfSigned } from '@danelaw/lab';
import { describe, expect, it } from 'vitest';
import { adviseOn } from './advice.js';
import { assemble, MaterialError, type NamedItem } from './material.js';
import { genericLine, nsupdateScript, tlsaName, zoneLine } from './record-text.js';
import { planRecords } from './records.js';

const NOW = Date.parse('2026-11-24T12:00:00Z');
const DAY = 86_400_000;
const validFor = (days: number) => ({ notBefore: new Date(NOW - DAY), notAfter: new Date(NOW + days * DAY) });
const HOST = 'mx.example.org';

const root = makeAuthority({ name: 'Root', validity: validFor(3650) });
const issuer = makeAuthority({ name: 'Issuer', parent: root, validity: validFor(1000) });
const leaf = issue(issuer, { names: [HOST], validity: validFor(59) });
const rsa = issue(issuer, { names: [HOST], validity: validFor(364), key: 'rsa2048' });
const alone = selfSigned({ names: [HOST], validity: validFor(9000) });

const from = (...certificates: readonly Pick<Certificate, 'der'>[]): NamedItem[] =>
  certificates.map(({ der }) => ({ item: { kind: 'certificate', der }, from: 'chain.pem' }));
const key = (kind: 'private key' | 'certification request', spki: Uint8Array): NamedItem => ({
  item: { kind, spki },
  from: 'key.pem',
});
const parameters = (text: string): TlsaParameters => {
  const [usage, selector, matchingType] = text.split(' ').map(Number);
  // The rows below have nothing else.
  return { usage, selector, matchingType } as TlsaParameters;
};
const sha256 = (octets: Uint8Array): string => createHash('sha256').update(octets).digest('hex');
const sha512 = (octets: Uint8Array): string => createHash('sha512').update(octets).digest('hex');
const hex = (octets: Uint8Array): string => Buffer.from(octets).toString('hex');
const planned = (items: readonly NamedItem[], text: string, depth?: number): string[] =>
  planRecords(assemble(items), [parameters(text)], depth).map(({ record }) => formatTlsa(record));

describe('the record for a certificate (RFC 6698 section 2.1)', () => {
  const full = from(leaf, issuer, root);
  it.each([
    ['3 1 1', sha256(leaf.key.spki)],
    ['3 1 2', sha512(leaf.key.spki)],
    ['3 1 0', hex(leaf.key.spki)],
    ['3 0 1', sha256(leaf.der)],
    ['3 0 2', sha512(leaf.der)],
    ['3 0 0', hex(leaf.der)],
    ['1 1 1', sha256(leaf.key.spki)],
    ['2 1 1', sha256(issuer.key.spki)],
    ['2 0 1', sha256(issuer.der)],
    ['2 0 0', hex(issuer.der)],
    ['0 1 2', sha512(issuer.key.spki)],
  ])('%s names what it says', (text, data) => {
    expect(planned(full, text)).toEqual([`${text} ${data}`]);
  });

  it('names the certificate above the issuer at depth 2', () => {
    expect(planned(full, '2 1 1', 2)).toEqual([`2 1 1 ${sha256(root.key.spki)}`]);
  });

  it('finds the server in a file that is in the wrong order', () => {
    expect(planned(from(root, issuer, leaf), '3 1 1')).toEqual([`3 1 1 ${sha256(leaf.key.spki)}`]);
    expect(planned(from(root, leaf, issuer), '2 1 1')).toEqual([`2 1 1 ${sha256(issuer.key.spki)}`]);
  });

  it('has one for each certificate of the server, and one for their common issuer (RFC 7671 section 8)', () => {
    const both = from(leaf, rsa, issuer, root);
    expect(planned(both, '3 1 1')).toEqual([leaf, rsa].map((each) => `3 1 1 ${sha256(each.key.spki)}`));
    expect(planned(both, '2 1 1')).toEqual([`2 1 1 ${sha256(issuer.key.spki)}`]);
  });

  it("takes an authority's certificate by itself as the anchor", () => {
    expect(planned(from(root), '2 1 1')).toEqual([`2 1 1 ${sha256(root.key.spki)}`]);
  });

  it('has one for the current key and one for the next, of which there is only a request', () => {
    const next = makeCertificateKey();
    const items = [...from(leaf, issuer), key('certification request', next.spki)];
    expect(planned(items, '3 1 1')).toEqual(
      [leaf.key.spki, next.spki].map((spki) => `3 1 1 ${sha256(spki)}`),
    );
  });

  it('has one where key, request and certificate are of one key', () => {
    const items = [
      ...from(leaf),
      key('private key', leaf.key.spki),
      key('certification request', leaf.key.spki),
    ];
    expect(planned(items, '3 1 1')).toHaveLength(1);
  });
});

describe('what does not belong together is refused', () => {
  const stranger = makeCertificateKey();
  it.each<[what: string, items: NamedItem[], text: string, depth: number, reason: RegExp]>([
    [
      'a private key of none of the certificates',
      [...from(leaf), key('private key', stranger.spki)],
      '3 1 1',
      1,
      /key in key\.pem belongs to no certificate in chain\.pem/,
    ],
    [
      "usage 2 of the server's certificate alone",
      from(leaf),
      '2 1 1',
      1,
      /there is none in it: give the whole chain/,
    ],
    ['a depth that the chain does not have', from(leaf, issuer), '2 1 1', 2, /are only 1 in it/],
    [
      'usage 2 of a request',
      [key('certification request', stranger.spki)],
      '2 1 1',
      1,
      /says nothing of who issues/,
    ],
    [
      'a whole certificate of a request',
      [key('certification request', stranger.spki)],
      '3 0 1',
      1,
      /use selector 1/,
    ],
    [
      'certificates without relation',
      from(...Array.from({ length: 9 }, () => selfSigned({ names: ['x.example'], validity: validFor(9) }))),
      '3 1 1',
      1,
      /none has issued another/,
    ],
  ])('%s', (_, items, text, depth, reason) => {
    expect(() => planned(items, text, depth)).toThrow(MaterialError);
    expect(() => planned(items, text, depth)).toThrow(reason);
  });
});

describe('advice', () => {
  const codes = (items: readonly NamedItem[], text: string, context = {}): string[] =>
    adviseOn(planRecords(assemble(items), [parameters(text)]), {
      host: HOST,
      port: 25,
      now: NOW,
      live: false,
      ...context,
    }).map(({ severity, code }) => `${severity} ${code}`);
  const full = from(leaf, issuer, root);

  it.each<[text: string, why: string, items: NamedItem[], expected: string[], context?: object]>([
    ['3 1 1', 'is what is to be published (RFC 7672 section 3.1.1)', full, []],
    ['3 0 1', 'of a certificate for two months is fragile', full, ['warning whole-certificate']],
    ['3 0 1', 'of one for years is to be watched', from(alone), ['note whole-certificate']],
    [
      '2 1 1',
      'of an intermediate must be sent (RFC 7672 section 3.1.2)',
      full,
      ['note anchor-must-be-sent', 'note anchor-by-key'],
    ],
    [
      '2 0 1',
      'of an intermediate must not be reissued',
      full,
      ['note anchor-must-be-sent', 'note anchor-by-certificate'],
    ],
    [
      '2 1 1',
      'of a root is left out by many servers',
      from(issue(root, { names: [HOST], validity: validFor(9) }), root),
      ['warning anchor-is-root', 'note anchor-by-key'],
    ],
    [
      '2 1 1',
      "of an authority's file can't be seen to be sent",
      from(root),
      ['warning anchor-not-in-chain', 'note anchor-by-key'],
    ],
    ['2 1 1', 'of what the server sent is sent', full, ['note anchor-by-key'], { live: true }],
    [
      '2 1 1',
      'of a certificate for another name authenticates nobody (RFC 7672 section 3.2.2)',
      full,
      ['note anchor-must-be-sent', 'warning anchor-does-not-hold', 'note anchor-by-key'],
      { host: 'other.example' },
    ],
    [
      '2 1 1',
      'of a certificate that has expired neither',
      full,
      ['note anchor-must-be-sent', 'warning anchor-does-not-hold', 'note anchor-by-key'],
      { now: NOW + 60 * DAY },
    ],
    ['1 1 1', 'has a usage that is not for mail (RFC 7672 section 3.1.3)', full, ['warning pkix-usage']],
    ['0 1 1', 'neither', full, ['warning pkix-usage']],
    ['1 1 1', 'may be used elsewhere', full, ['note pkix-usage'], { port: 443 }],
    ['3 1 2', 'has a digest that is optional (RFC 7671 section 9)', full, ['note optional-digest']],
    ['3 1 0', 'has data in full (RFC 7671 section 10.1.2)', full, ['warning full-data']],
  ])('%s %s', (text, _, items, expected, context) => {
    expect(codes(items, text, context)).toEqual(expected);
  });
});

describe('records as text', () => {
  const record = { usage: 3, selector: 1, matchingType: 1, data: Buffer.alloc(32, 0xab) };
  const name = tlsaName(HOST, 25);
  const data = 'ab'.repeat(32);

  it('as a line of a zone (RFC 6698 section 2.2)', () => {
    expect(zoneLine({ name }, record)).toBe(`_25._tcp.mx.example.org. IN TLSA 3 1 1 ${data}`);
    expect(zoneLine({ name, ttl: 300 }, record)).toBe(`_25._tcp.mx.example.org. 300 IN TLSA 3 1 1 ${data}`);
  });

  it('for software that does not know them (RFC 3597 section 5)', () => {
    expect(genericLine({ name }, record)).toBe(`_25._tcp.mx.example.org. IN TYPE52 \\# 35 030101${data}`);
  });

  it('as a script for nsupdate, which has to say a TTL', () => {
    expect(nsupdateScript({ name }, [record])).toBe(
      `update add _25._tcp.mx.example.org. 3600 IN TLSA 3 1 1 ${data}\nsend\n`,
    );
  });
});
