import { describe, expect, test } from 'vitest';
import { parseRecords, parseRecordText } from './master-file.js';
import { Name } from './name.js';
import { formatRecord } from './presentation.js';
import { parseRootHints, ROOT_HINTS } from './root-hints.js';
import { WireError } from './wire.js';

const read = (text: string, options = {}) => parseRecords(text, options).map(formatRecord);

describe('a master file (RFC 1035 section 5.1)', () => {
  test('has owners, TTLs, classes, comments, parentheses and directives', () => {
    const text = `
$ORIGIN example.com.   ; where we are
$TTL 1h
@       IN SOA ns hostmaster ( 2026010100 ; serial
                1h    ; refresh
                15m 1w
                300 )
        IN NS  ns
           NS  ns.other.test.
ns      60 IN A 192.0.2.53
        IN 120 AAAA 2001:db8::53

$ORIGIN sub
www     TXT "a;b" "(" c\\;d
@       MX 10 mail.example.com.
\\@      A 192.0.2.9
`;
    expect(read(text)).toEqual([
      'example.com. 3600 IN SOA ns.example.com. hostmaster.example.com. 2026010100 3600 900 604800 300',
      'example.com. 3600 IN NS ns.example.com.',
      'example.com. 3600 IN NS ns.other.test.',
      'ns.example.com. 60 IN A 192.0.2.53',
      'ns.example.com. 120 IN AAAA 2001:db8::53',
      'www.sub.example.com. 3600 IN TXT "a;b" "(" "c;d"',
      'sub.example.com. 3600 IN MX 10 mail.example.com.',
      '\\@.sub.example.com. 3600 IN A 192.0.2.9',
    ]);
  });

  test('without $TTL takes the TTL that was stated last, with defaults from its reader', () => {
    const origin = Name.parse('test');
    expect(read('a A 192.0.2.1\na 5 A 192.0.2.2\na A 192.0.2.3', { origin, defaultTtl: 7 })).toEqual([
      'a.test. 7 IN A 192.0.2.1',
      'a.test. 5 IN A 192.0.2.2',
      'a.test. 5 IN A 192.0.2.3',
    ]);
    expect(read('a A 192.0.2.1')).toEqual(['a. 0 IN A 192.0.2.1']);
  });

  test('may have the line ends of other systems, and no end of its last line', () => {
    expect(read('a. 1 A 192.0.2.1\r\n\r\n  1 A 192.0.2.2\r\nb. 1 TXT x')).toEqual([
      'a. 1 IN A 192.0.2.1',
      'a. 1 IN A 192.0.2.2',
      'b. 1 IN TXT "x"',
    ]);
  });

  test('may name hosts like types, classes and numbers', () => {
    expect(read('mx 1 IN A 192.0.2.1\nin IN 1 A 192.0.2.2\n300 1 A 192.0.2.3')).toEqual([
      'mx. 1 IN A 192.0.2.1',
      'in. 1 IN A 192.0.2.2',
      '300. 1 IN A 192.0.2.3',
    ]);
  });

  test('a name that ends in an escaped dot is relative, one that ends in an escaped backslash and a dot is not', () => {
    const origin = Name.parse('test');
    expect(read('a\\. 1 A 192.0.2.1\nb\\\\. 1 A 192.0.2.2', { origin })).toEqual([
      'a\\..test. 1 IN A 192.0.2.1',
      'b\\\\. 1 IN A 192.0.2.2',
    ]);
  });

  test.each([
    ['a record without owner', '  IN A 192.0.2.1', /line 1: .*no owner/],
    ['a record without type', 'a 60 IN', /no type/],
    ['an unknown type', '\n\na 60 IN NOSUCH x', /line 3: .*"NOSUCH" is not a record type/],
    ['$INCLUDE', '$INCLUDE /etc/passwd', /"\$INCLUDE" is not understood/],
    ['$GENERATE', '$GENERATE 1-1000000000 a A 192.0.2.1', /not understood/],
    ['$TTL without a value', '$TTL', /takes one value/],
    ['a TTL of 32 bits (RFC 2181 section 8)', 'a 2147483648 A 192.0.2.1', /not a TTL/],
    ['a TTL that is no number', 'a 1x A 192.0.2.1', /not a TTL/],
    [
      'a name that the origin makes too long',
      `$ORIGIN ${'a.'.repeat(120)}\n${'b.'.repeat(10)}c A 192.0.2.1`,
      /255 at most/,
    ],
    ['parentheses that stay open', 'a A ( 192.0.2.1\nb A 192.0.2.2', /never closed/],
    ['a quote that stays open', 'a TXT "x\nb TXT "y"', /line 1 is not closed/],
  ])('with %s is refused', (_what, text, reason) => {
    expect(() => parseRecords(text)).toThrow(WireError);
    expect(() => parseRecords(text)).toThrow(reason);
  });

  test('that is larger than such files are is not read', () => {
    expect(() => parseRecords(' '.repeat(16 * 1024 * 1024 + 1))).toThrow(/characters/);
  });

  test('one record is one record', () => {
    expect(() => parseRecordText('; nothing')).toThrow(/no resource record/);
    expect(() => parseRecordText('a. A 192.0.2.1\na. A 192.0.2.2')).toThrow(/2 resource records/);
  });
});

describe('root hints', () => {
  test('hold all thirteen servers, by IPv4 and IPv6', () => {
    expect(ROOT_HINTS).toHaveLength(26);
    expect(new Set(ROOT_HINTS.map(({ name }) => name)).size).toBe(13);
    expect(ROOT_HINTS[0]).toEqual({ name: 'a.root-servers.net', address: '198.41.0.4' });
  });

  test('are read from a file in the form of named.root', () => {
    const text = `;  last update: April 18, 2024
.                        3600000      NS    A.ROOT-SERVERS.NET.
A.ROOT-SERVERS.NET.      3600000      A     198.41.0.4
A.ROOT-SERVERS.NET.      3600000      AAAA  2001:503:ba3e::2:30
OTHER.EXAMPLE.           3600000      A     192.0.2.66
`;
    expect(parseRootHints(text)).toEqual([
      { name: 'A.ROOT-SERVERS.NET', address: '198.41.0.4' },
      { name: 'A.ROOT-SERVERS.NET', address: '2001:503:ba3e::2:30' },
    ]);
  });

  test('without an address are refused', () => {
    expect(() => parseRootHints('. NS a.root-servers.net.')).toThrow(/hold no address/);
    expect(() => parseRootHints('a.root-servers.net. A 198.41.0.4')).toThrow(/hold no address/);
  });
});
