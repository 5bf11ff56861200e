import { formatRdata, Name, parseRdata, RRTYPE } from '@danelaw/dns';
import { describe, expect, it } from 'vitest';
import { typeBitmap, wildcardBelow } from './zone.js';
import { parseZone } from './zone-text.js';

const name = (text: string) => Name.parse(text);

describe('a zone from lines', () => {
  const zone = parseZone('zone.example', [
    '@ 60 IN MX 10 mx',
    '@ MX 20 mx.elsewhere.test.',
    'mx A 192.0.2.1',
    '_25._tcp.mx TLSA 3 1 1 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff',
    'sub NS ns.sub',
    'ns.sub A 192.0.2.2',
    'deep.sub NS ns.sub',
    'old DNAME new',
  ]);

  it("joins records of one name and type, with the first one's TTL", () => {
    const mx = zone.set(name('zone.example'), RRTYPE.MX);
    expect(mx?.ttl).toBe(60);
    expect(mx?.rdatas.map((rdata) => formatRdata(RRTYPE.MX, rdata))).toEqual([
      '10 mx.zone.example.',
      '20 mx.elsewhere.test.',
    ]);
  });

  it('gets a SOA where it has none, and keeps its own', () => {
    expect(parseRdata(RRTYPE.SOA, zone.soa.rdatas[0] ?? new Uint8Array())).toMatchObject({ minimum: 300 });
    const own = parseZone('x.example', ['@ SOA a b 7 1 2 3 4']);
    expect(own.soa.rdatas).toHaveLength(1);
    expect(parseRdata(RRTYPE.SOA, own.soa.rdatas[0] ?? new Uint8Array())).toMatchObject({ serial: 7 });
  });

  it.each([
    ['a type that does not exist', '@ MXX 10 mx'],
    ['a field missing', '@ MX 10'],
    ['an address that is none', 'a A 192.0.2.256'],
  ])('refuses %s', (_fault, line) => {
    expect(() => parseZone('zone.example', [line])).toThrow();
  });

  it('refuses what lies outside of it', () => {
    expect(() => parseZone('zone.example', ['a.other.test. A 192.0.2.1'])).toThrow(
      'does not lie in the zone',
    );
  });

  it('knows empty non-terminals from names that do not exist (RFC 4592 section 2.2.2)', () => {
    expect(zone.sets(name('_tcp.mx.zone.example'))?.size).toBe(0);
    expect(zone.sets(name('_udp.mx.zone.example'))).toBeUndefined();
  });

  it.each([
    ['zone.example', undefined],
    ['mx.zone.example', undefined],
    ['sub.zone.example', 'sub.zone.example'],
    ['ns.sub.zone.example', 'sub.zone.example'],
    ['x.deep.sub.zone.example', 'sub.zone.example'],
  ])('%s has the topmost cut %s', (below, cut) => {
    expect(zone.cutAtOrAbove(name(below))?.toString()).toBe(cut);
  });

  it('redirects names below a DNAME, not its owner (RFC 6672 section 2.3)', () => {
    expect(zone.dnameAbove(name('a.b.old.zone.example'))?.name.toString()).toBe('old.zone.example');
    expect(zone.dnameAbove(name('old.zone.example'))).toBeUndefined();
  });

  it('finds the closest encloser, empty non-terminals included', () => {
    expect(zone.closestEncloser(name('x.y._tcp.mx.zone.example')).toString()).toBe('_tcp.mx.zone.example');
    expect(zone.closestEncloser(name('x.zone.example')).toString()).toBe('zone.example');
    expect(wildcardBelow(name('zone.example')).toString()).toBe('*.zone.example');
  });

  it('speaks for its own names and for delegation points, not for what is below them', () => {
    const names = zone.authoritativeNames().map(String).sort();
    expect(names).toEqual([
      '_25._tcp.mx.zone.example',
      'mx.zone.example',
      'old.zone.example',
      'sub.zone.example',
      'zone.example',
    ]);
    expect(zone.authoritativeTypes(name('sub.zone.example'))).toEqual([RRTYPE.NS]);
  });
});

describe('the type bitmap', () => {
  it('is the one of the example in RFC 4034 section 4.3', () => {
    const bitmap = typeBitmap([RRTYPE.A, RRTYPE.MX, RRTYPE.RRSIG, RRTYPE.NSEC, 1234]);
    expect(Buffer.from(bitmap).toString('hex')).toBe(`0006400100000003041b${'00'.repeat(26)}20`);
  });

  it('of no types is empty (RFC 5155 section 7.1: empty non-terminals)', () => {
    expect(typeBitmap([])).toHaveLength(0);
  });
});
