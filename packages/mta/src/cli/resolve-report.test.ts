import type { AnswerRecord, InsecureLookup, Lookup, SecureLookup } from '@danelaw/dns';
import { describe, expect, it } from 'vitest';
import { describeLookup, lookupJson } from './resolve-report.js';

const plain = {
  good: (text: string) => text,
  bad: (text: string) => text,
  warn: (text: string) => text,
  strong: (text: string) => text,
  faint: (text: string) => text,
};

const tlsa: AnswerRecord = {
  name: '_25._tcp.mx.example',
  type: 'TLSA',
  ttl: 3600,
  data: { type: 'TLSA', usage: 3, selector: 1, matchingType: 1, data: Uint8Array.of(0xab, 0xcd) },
  rdata: Uint8Array.of(3, 1, 1, 0xab, 0xcd),
};
const answer = {
  rcode: 'NOERROR',
  records: [tlsa],
  aliases: [],
  canonicalName: tlsa.name,
  ttl: 3600,
  chain: [],
} as const;
const secure: SecureLookup = { status: 'secure', name: tlsa.name, type: 'TLSA', ...answer };
const insecure: InsecureLookup = { ...secure, status: 'insecure', reason: 'example has no DS record' };
const missing: Lookup = { ...secure, records: [], rcode: 'NXDOMAIN' };
const empty: Lookup = { ...insecure, records: [] };
const aliased: SecureLookup = {
  ...secure,
  aliases: [{ from: 'a.example', to: 'b.example', status: 'insecure' }],
};
const bogus: Lookup = {
  status: 'bogus',
  name: 'a.example',
  type: 'A',
  chain: [],
  reason: 'expired \u001b[2J',
  ede: { code: 7, text: 'Signature Expired' },
};
const silent: Lookup = {
  status: 'indeterminate',
  name: 'a.example',
  type: 'A',
  rcode: 'SERVFAIL',
  chain: [],
  reason: 'no answer',
};

describe('describeLookup', () => {
  const rows: [what: string, lookup: Lookup, lines: string[]][] = [
    [
      'records that are proved',
      secure,
      ['_25._tcp.mx.example TLSA is secure.', '', '  _25._tcp.mx.example    3600  TLSA  3 1 1 ABCD'],
    ],
    [
      'records that nobody can prove',
      insecure,
      [
        '_25._tcp.mx.example TLSA is insecure:',
        '  example has no DS record',
        '',
        '  _25._tcp.mx.example    3600  TLSA  3 1 1 ABCD',
      ],
    ],
    [
      'a proved denial of the name',
      missing,
      ['_25._tcp.mx.example TLSA is secure: there is no name _25._tcp.mx.example, and that is proved.'],
    ],
    [
      'an insecure denial of the type',
      empty,
      [
        '_25._tcp.mx.example TLSA is insecure: _25._tcp.mx.example has no TLSA record, as far as anyone can tell.',
        '  example has no DS record',
      ],
    ],
    [
      'how far each alias can be trusted',
      aliased,
      [
        '_25._tcp.mx.example TLSA is secure.',
        '',
        '  _25._tcp.mx.example    3600  TLSA  3 1 1 ABCD',
        '',
        'Aliases:',
        '  a.example is an alias of b.example: insecure',
      ],
    ],
    [
      'a failure, harmlessly',
      bogus,
      ['a.example A is bogus:', '  expired \\x1b[2J', '  RFC 8914 code 7, Signature Expired'],
    ],
    ['no answer, with its code', silent, ['a.example A is indeterminate (SERVFAIL):', '  no answer']],
  ];
  it.each(rows)('shows %s', (_, lookup, lines) => {
    expect(describeLookup(lookup, plain, 100).map((line) => line.replace('abcd', 'ABCD'))).toEqual(lines);
  });
});

describe('lookupJson', () => {
  it('has the records in both forms', () => {
    expect(lookupJson(insecure)).toEqual({
      name: '_25._tcp.mx.example',
      type: 'TLSA',
      status: 'insecure',
      rcode: 'NOERROR',
      records: [
        {
          name: '_25._tcp.mx.example',
          type: 'TLSA',
          ttl: 3600,
          data: expect.stringMatching(/^3 1 1 abcd$/i),
          rdata: '030101abcd',
        },
      ],
      aliases: [],
      canonicalName: '_25._tcp.mx.example',
      ttl: 3600,
      reason: 'example has no DS record',
      ede: null,
      chain: [],
      via: null,
    });
  });

  it('says which way the question went', () => {
    const via = 'forwarding to 192.0.2.1#53';
    expect(lookupJson({ ...insecure, via })).toMatchObject({ via });
    expect(describeLookup({ ...insecure, via }, plain, 100).at(-1)).toBe(`Asked by ${via}.`);
  });

  it('has no records for a failure, not even an empty list', () => {
    expect(lookupJson(bogus)).toEqual({
      name: 'a.example',
      type: 'A',
      status: 'bogus',
      rcode: null,
      reason: 'expired \u001b[2J',
      ede: { code: 7, text: 'Signature Expired' },
      chain: [],
      via: null,
    });
  });
});
