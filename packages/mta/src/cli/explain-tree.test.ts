import type { Lookup, TrustLink } from '@danelaw/dns';
import { describe, expect, it } from 'vitest';
import { explainTree } from './explain-tree.js';
import { paletteFor } from './terminal.js';

const plain = paletteFor({ isTTY: false, write: () => true }, {});
const until = Date.parse('2026-12-08T00:00:00Z');

function zone(name: string, tag: number, from: 'trust anchor' | 'DS' = 'DS'): TrustLink {
  const keys = [
    { tag, algorithm: 'ECDSAP256SHA256', flags: 257 },
    { tag: tag + 1, algorithm: 'ECDSAP256SHA256', flags: 256 },
  ];
  const ds = [{ tag, algorithm: 'ECDSAP256SHA256', digestType: 2 }];
  return { zone: name, status: 'secure', from, ds, keys, signedBy: tag, until };
}

const ROOT = zone('.', 1, 'trust anchor');
const question = { name: 'a.example', type: 'A' };

describe('the chain of trust as a tree', () => {
  it('an alias into another zone: each step stands in the zone that signed it', () => {
    const lookup: Lookup = {
      ...question,
      status: 'secure',
      rcode: 'NOERROR',
      records: [],
      aliases: [],
      canonicalName: 'b.test',
      ttl: 60,
      chain: [ROOT, zone('example', 10), zone('test', 20)],
      proof: [
        {
          kind: 'signed',
          name: 'a.example',
          type: 'CNAME',
          zone: 'example',
          signedBy: 11,
          until,
          wildcard: '*.example',
        },
        { kind: 'denied', name: 'b.test', type: 'A', zone: 'test', by: 'NSEC3' },
      ],
    };
    expect(explainTree(lookup, plain)).toEqual([
      '.  trust anchor 1 (ECDSAP256SHA256, SHA-256)',
      '│  keys 1 (KSK), 2 (ZSK); signed by 1 until 2026-12-08',
      '├─ example  DS 10 (ECDSAP256SHA256, SHA-256)',
      '│  │  keys 10 (KSK), 11 (ZSK); signed by 10 until 2026-12-08',
      '│  └─ CNAME of a.example: signed by 11 until 2026-12-08, from the wildcard *.example',
      '└─ test  DS 20 (ECDSAP256SHA256, SHA-256)',
      '   │  keys 20 (KSK), 21 (ZSK); signed by 20 until 2026-12-08',
      '   └─ A of b.test: denied by signed NSEC3 records',
    ]);
  });

  it('trust that ends says where and why, once', () => {
    const reason = '. proves that its delegation of example is unsigned';
    const lookup: Lookup = {
      ...question,
      status: 'insecure',
      reason,
      rcode: 'NOERROR',
      records: [],
      aliases: [],
      canonicalName: 'a.example',
      ttl: 60,
      chain: [ROOT, { zone: 'example', status: 'insecure', reason }],
      proof: [{ kind: 'unproved', name: 'a.example', type: 'A', reason }],
    };
    expect(explainTree(lookup, plain).slice(2)).toEqual([
      `└─ example  insecure: ${reason}`,
      '   └─ A of a.example: insecure',
    ]);
  });

  it('a failure hangs where it happened, and control characters do not reach the terminal', () => {
    const reason = 'forged \u001b[31m';
    const lookup: Lookup = { ...question, status: 'bogus', reason, chain: [ROOT], proof: [] };
    const last = explainTree(lookup, plain).at(-1);
    expect(last).toMatch(/^└─ bogus: forged/);
    expect(last).not.toContain('\u001b');
  });
});
