import type { Lookup, ProofStep, TrustLink } from '@danelaw/dns';
import { describe, expect, it } from 'vitest';
import type { TreeNode } from './tree-picture.js';
import { trustTree } from './trust-picture.js';

const UNTIL = Date.UTC(2026, 11, 9);

const secure = (zone: string): TrustLink => ({
  zone,
  status: 'secure',
  from: zone === '.' ? 'trust anchor' : 'DS',
  ds: [{ tag: 1, algorithm: 'ECDSAP256SHA256', digestType: 2 }],
  until: UNTIL,
  signedBy: 1,
  keys: [{ tag: 1, algorithm: 'ECDSAP256SHA256', flags: 257 }],
});
const insecure = (zone: string): TrustLink => ({ zone, status: 'insecure', reason: 'there is no DS record' });

const signed = (name: string, type: string, zone: string): ProofStep => ({
  kind: 'signed',
  name,
  type,
  zone,
  signedBy: 1,
  until: UNTIL,
});

function lookup(
  name: string,
  type: string,
  chain: readonly TrustLink[],
  proof: readonly ProofStep[],
): Lookup {
  const nothing = { records: [], aliases: [], canonicalName: name, ttl: 1, rcode: 'NOERROR' } as const;
  return { name, type, status: 'secure', chain, proof, ...nothing };
}

const outline = (nodes: readonly TreeNode[]): unknown[] =>
  nodes.map(({ title, tone, children }) => [`${tone}: ${title}`, ...outline(children)]);

const ABOVE = [secure('.'), secure('example')];

describe('the chain of trust as a tree', () => {
  it('puts the zones of several look-ups together, each answer under the zone that proved it', () => {
    const mx = lookup(
      'a.example',
      'MX',
      [...ABOVE, secure('a.example')],
      [signed('a.example', 'MX', 'a.example')],
    );
    const host = [...ABOVE, secure('host.example')];
    const tlsa = lookup('_25._tcp.mx.host.example', 'TLSA', host, [
      signed('_25._tcp.mx.host.example', 'TLSA', 'host.example'),
    ]);
    expect(outline(trustTree([mx, tlsa, tlsa]))).toEqual([
      [
        'good: . (the root)',
        [
          'good: example',
          ['good: a.example', ['good: MX of a.example: signed']],
          ['good: host.example', ['good: TLSA of _25._tcp.mx.host.example: signed']],
        ],
      ],
    ]);
  });

  it('shows where trust ends, and what is proved not to be there', () => {
    const unproved: ProofStep = {
      kind: 'unproved',
      name: 'b.example',
      type: 'MX',
      reason: 'there is no DS record',
    };
    const denied: ProofStep = {
      kind: 'denied',
      name: 'mx.example',
      type: 'TLSA',
      zone: 'example',
      by: 'NSEC3',
    };
    const found = trustTree([
      lookup('b.example', 'MX', [...ABOVE, insecure('b.example')], [unproved]),
      lookup('mx.example', 'TLSA', ABOVE, [denied]),
    ]);
    expect(outline(found)).toEqual([
      [
        'good: . (the root)',
        [
          'good: example',
          ['good: TLSA of mx.example: there is none'],
          ['warn: b.example', ['warn: MX of b.example: insecure']],
        ],
      ],
    ]);
  });

  it('shows a failure at the last zone that could be proved', () => {
    const bogus: Lookup = {
      name: 'mx.c.example',
      type: 'A',
      status: 'bogus',
      reason: 'a signature does not hold',
      chain: ABOVE,
    };
    expect(outline(trustTree([bogus]))).toEqual([
      ['good: . (the root)', ['good: example', ['bad: A of mx.c.example: bogus']]],
    ]);
  });

  it('is empty where a resolver is believed', () => {
    expect(trustTree([lookup('a.example', 'MX', [], [])])).toEqual([]);
  });
});
