import { describe, expect, it } from 'vitest';
import { CommandError, EXIT } from './exit.js';
import { readAnchors, readRootHints } from './zone-lines.js';

function configError(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof CommandError && error.exitCode === EXIT.CONFIG) return error.message;
    throw error;
  }
  throw new Error('it was accepted');
}

describe('readAnchors', () => {
  it('reads the file of dns-root-data', () => {
    const text =
      '.\t172800\tIN\tDNSKEY\t257 3 8 AwEAAaz/tAm8 ;{id = 20326 (ksk), size = 2048b}\n' +
      '.\t172800\tIN\tDNSKEY\t257 3 8 AwEAAa96jeuk ;{id = 38696 (ksk), size = 2048b}\n';
    expect(readAnchors(text, 'root.key')).toEqual([
      '. 172800 IN DNSKEY 257 3 8 AwEAAaz/tAm8',
      '. 172800 IN DNSKEY 257 3 8 AwEAAa96jeuk',
    ]);
  });

  it('reads records in parentheses, and leaves out what is no anchor', () => {
    const text =
      '; our root\n$TTL 3600\n. IN NS a.root.\n. IN DS ( 1 13 2 ; the digest:\n  AABB\n  CCDD )\r\n';
    expect(readAnchors(text, 'root.ds')).toEqual(['. IN DS 1 13 2 AABB CCDD']);
  });

  const wrong: [what: string, text: string, message: RegExp][] = [
    ['an empty file', '', /no DS or DNSKEY record/],
    ['another file', 'From: ann@example.org\n\nhello\n', /no DS or DNSKEY record/],
    ['an open parenthesis', '. DS ( 1 13 2 AA', /parenthesis is not closed/],
    ['a huge file', ';'.repeat(1_000_001), /too long/],
  ];
  it.each(wrong)('refuses %s', (_, text, message) => {
    expect(configError(() => readAnchors(text, 'x'))).toMatch(message);
  });
});

describe('readRootHints', () => {
  it("reads IANA's named.root", () => {
    const text = `;       This file holds the information on root name servers
.                        3600000      NS    A.ROOT-SERVERS.NET.
A.ROOT-SERVERS.NET.      3600000      A     198.41.0.4
A.ROOT-SERVERS.NET.      3600000      AAAA  2001:503:ba3e::2:30
`;
    expect(readRootHints(text, 'named.root')).toEqual([
      { name: 'A.ROOT-SERVERS.NET.', address: '198.41.0.4' },
      { name: 'A.ROOT-SERVERS.NET.', address: '2001:503:ba3e::2:30' },
    ]);
  });

  it('refuses a file without addresses, and an address that is none', () => {
    expect(configError(() => readRootHints('. NS a.\n', 'x'))).toContain('no A or AAAA');
    expect(configError(() => readRootHints('a. IN A 1.2.3\n', 'x'))).toContain(
      '"1.2.3" is not an IP address',
    );
  });
});
