import type { DsMismatch } from '@danelaw/dns';
import { describe, expect, it } from 'vitest';
import { DOMAIN } from './finding.js';
import { faultOf, zoneFaultFinding } from './zone-fault-findings.js';

const FAULT: DsMismatch = {
  kind: 'ds-mismatch',
  zone: 'example.org',
  how: 'no-match',
  ds: [{ tag: 370, algorithm: 'ECDSAP256SHA256', digestType: 2 }],
  keys: [
    { tag: 11, algorithm: 'ECDSAP256SHA256', flags: 257 },
    { tag: 12, algorithm: 'ECDSAP256SHA256', flags: 256 },
    { tag: 498, algorithm: 'RSASHA256', flags: 385 },
  ],
  ttl: 86_400,
};
const told = (fault: Partial<DsMismatch>) => zoneFaultFinding({ ...FAULT, ...fault }, DOMAIN, 'mail waits');

describe('a DS that does not lead to the keys of its zone (RFC 4035 section 5.2)', () => {
  const ds = 'the parent has DS 370 (ECDSAP256SHA256, SHA-256)';
  const keys =
    'the zone has keys 11 (ECDSAP256SHA256, KSK), 12 (ECDSAP256SHA256, ZSK), 498 (RSASHA256, KSK, revoked)';

  it.each<[fault: Partial<DsMismatch>, text: string, remedy: string]>([
    [
      {},
      `none of the keys of example.org matches a DS record of its parent: ${ds}, ${keys}; mail waits`,
      'Have the registrar publish the DS of the key that the zone has now.',
    ],
    [
      { how: 'not-signing' },
      `the keys of example.org are not signed by the one that its DS names: ${ds}, ${keys}; mail waits`,
      'Sign the DNSKEY records with the key that the DS names, too',
    ],
    [
      { how: 'no-keys', keys: [] },
      `example.org has DS records at its parent and sends no DNSKEY records: ${ds}; mail waits`,
      'Sign the zone again with the key that the DS names',
    ],
  ])('%j is told with both sides, and with the time that resolvers keep the DS', (fault, text, remedy) => {
    const found = told(fault);
    expect(found).toMatchObject({
      severity: 'error',
      code: 'ds-mismatch',
      host: null,
      zone: 'example.org',
      text,
    });
    expect(found.remedy.startsWith(remedy)).toBe(true);
    expect(found.remedy).toContain('for its TTL (86400 s)');
    expect(found.remedy).toContain('helps at once');
  });

  it('lists so many records of a side and counts the others', () => {
    const [key] = FAULT.keys;
    if (key === undefined) throw new Error('no key');
    const { text } = told({ keys: Array.from({ length: 20 }, () => key) });
    expect(text.match(/11 \(ECDSAP256SHA256, KSK\)/gu)).toHaveLength(8);
    expect(text).toContain(' and 12 more; mail waits');
  });

  it('is told apart from a signature that has ended (section 5.3.1)', () => {
    const ended = Date.parse('2026-01-15T00:00:00Z');
    const fault = { name: 'mx.example.org', type: 'A', signedBy: 12, ended } as const;
    const at = { host: 'mx.example.org', address: null };
    const found = zoneFaultFinding(
      { kind: 'signature-expired', zone: 'example.org', ...fault },
      at,
      'mail waits',
    );
    expect(found).toMatchObject({
      code: 'signature-expired',
      ...at,
      zone: 'example.org',
      rule: 'RFC 4035 section 5.3.1',
      text: 'the signature of example.org over A of mx.example.org, by its key 12, ended at 2026-01-15T00:00:00.000Z; mail waits',
    });
  });

  it('is a fault of bogus look-ups alone', () => {
    const asked = { name: 'example.org', type: 'MX', reason: 'x', chain: [] };
    expect(faultOf({ ...asked, status: 'bogus', fault: FAULT })).toBe(FAULT);
    expect(faultOf({ ...asked, status: 'bogus' })).toBeUndefined();
    expect(faultOf({ ...asked, status: 'indeterminate' })).toBeUndefined();
  });
});
