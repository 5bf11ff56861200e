import type { HostFinding, ReachableHost, TlsaFinding } from '@danelaw/dane';
import { describe, expect, it } from 'vitest';
import type { PolicyLevel } from './policy.js';
import type { HostsRoute } from './route.js';
import { leaf, tlsaFor } from './testing/certificates.js';
import { decide } from './tls-policy.js';

const host = { kind: 'name', host: 'mx.example.org', port: 25, preference: 10 } as const;
const route = { domain: 'example.org', expandedDomain: 'example.org', via: 'mx', mx: 'secure' } as const;

const record = tlsaFor(leaf, 2);
const TLSA: Readonly<Record<TlsaFinding['status'], TlsaFinding>> = {
  usable: { status: 'usable', baseDomain: 'mx.example.org', records: [record], published: [{ record }] },
  unusable: { status: 'unusable', baseDomain: 'mx.example.org', published: [{ record, setAside: 'test' }] },
  none: { status: 'none', reason: 'securely denied' },
  failed: { status: 'failed', reason: 'SERVFAIL' },
};

function reachable(tlsa: TlsaFinding): ReachableHost {
  const addresses = [{ address: '192.0.2.1', family: 4, status: 'secure' }] as const;
  const { host: name, port } = host;
  return { status: 'reachable', host: name, port, expandedHost: name, addresses, addressNotes: [], tlsa };
}

/** `skip (cause)`, or the level that the connection has to achieve. */
function decided(level: PolicyLevel, finding: HostFinding, mx: 'secure' | 'insecure' = 'secure'): string {
  const decision = decide({ level, route: { ...route, mx }, host, finding });
  return decision.action === 'skip' ? `skip (${decision.cause})` : decision.policy.level;
}

describe('decide: the four actions of RFC 7672 section 2.2', () => {
  it.each<[PolicyLevel, 'secure' | 'insecure', TlsaFinding['status'], string]>([
    ['dane', 'secure', 'usable', 'dane'],
    ['dane', 'secure', 'unusable', 'encrypt'],
    ['dane', 'secure', 'none', 'may'],
    ['dane', 'secure', 'failed', 'skip (look-up)'],
    // Section 2.2.1: DANE may be used with an insecure MX, and a failed look-up is a failure there too.
    ['dane', 'insecure', 'usable', 'dane'],
    ['dane', 'insecure', 'unusable', 'encrypt'],
    ['dane', 'insecure', 'none', 'may'],
    ['dane', 'insecure', 'failed', 'skip (look-up)'],
    // Section 6.
    ['dane-only', 'secure', 'usable', 'dane-only'],
    ['dane-only', 'secure', 'unusable', 'skip (policy)'],
    ['dane-only', 'secure', 'none', 'skip (policy)'],
    ['dane-only', 'secure', 'failed', 'skip (look-up)'],
    ['dane-only', 'insecure', 'usable', 'skip (policy)'],
    ['dane-only', 'insecure', 'unusable', 'skip (policy)'],
    ['dane-only', 'insecure', 'none', 'skip (policy)'],
    ['dane-only', 'insecure', 'failed', 'skip (policy)'],
    // No look-up is made for these.
    ['none', 'secure', 'none', 'none'],
    ['may', 'secure', 'none', 'may'],
    ['encrypt', 'secure', 'none', 'encrypt'],
  ])('"%s", MX %s, TLSA %s: %s', (level, mx, status, expected) => {
    expect(decided(level, reachable(TLSA[status]), mx)).toBe(expected);
  });

  it.each<[PolicyLevel]>([['none'], ['may'], ['encrypt'], ['dane'], ['dane-only']])(
    '"%s" has nothing to connect to where addresses failed or are absent',
    (level) => {
      const unreachable = { host: host.host, port: 25, reason: 'test' };
      expect(decided(level, { status: 'failed', ...unreachable })).toBe('skip (look-up)');
      expect(decided(level, { status: 'absent', ...unreachable })).toBe('skip (absent)');
    },
  );

  it.each<[PolicyLevel, 'secure' | 'insecure', TlsaFinding['status'], string]>([
    ['dane', 'secure', 'failed', 'dnssec-invalid'],
    ['dane-only', 'secure', 'failed', 'dnssec-invalid'],
    ['dane-only', 'secure', 'unusable', 'tlsa-invalid'],
    ['dane-only', 'secure', 'none', 'dane-required'],
    ['dane-only', 'insecure', 'usable', 'dane-required'],
  ])('"%s", MX %s, TLSA %s is reported as %s (RFC 8460 section 4.3)', (level, mx, status, failureType) => {
    const decision = decide({ level, route: { ...route, mx }, host, finding: reachable(TLSA[status]) });
    expect(decision).toMatchObject({ action: 'skip', failureType });
  });

  it('sends the base domain as SNI (RFC 7672 section 8.1)', () => {
    const tlsa = { ...TLSA.usable, baseDomain: 'expanded.example' } as TlsaFinding;
    expect(decide({ level: 'dane', route, host, finding: reachable(tlsa) })).toMatchObject({
      policy: { serverName: 'expanded.example', baseDomain: 'expanded.example' },
    });
  });

  it('sends no SNI to an address', () => {
    const finding = reachable(TLSA.none);
    const decision = decide({
      level: 'may',
      route,
      host: { ...host, kind: 'address', host: '192.0.2.1' },
      finding,
    });
    expect(decision).toMatchObject({ policy: { serverName: null } });
  });
});

describe('decide: the names that a certificate may bear (RFC 7672 section 3.2.2)', () => {
  type Found = Pick<HostsRoute, 'domain' | 'expandedDomain' | 'via' | 'mx'>;
  it.each<[string, Found, string, string[]]>([
    ['secure MX: the next-hop domain', route, 'mx.example.org', ['example.org']],
    [
      'secure MX of a CNAMEd domain: its expansion too',
      { ...route, expandedDomain: 'end.example' },
      'mx.example.org',
      ['example.org', 'end.example'],
    ],
    [
      'insecure MX: no other name',
      { ...route, mx: 'insecure', expandedDomain: 'end.example' },
      'mx.example.org',
      [],
    ],
    ['the domain is its own MX host: once', route, 'example.org', []],
    [
      'no MX, base domain is the expansion: the original',
      { ...route, via: 'implicit-mx' },
      'end.example',
      ['example.org'],
    ],
    ['no MX, base domain is the domain: no other', { ...route, via: 'implicit-mx' }, 'example.org', []],
    [
      'a relay, base domain is its expansion: the relay',
      { ...route, via: 'relay' },
      'end.example',
      ['example.org'],
    ],
  ])('%s', (_, found, baseDomain, expected) => {
    const finding = reachable({ status: 'usable', baseDomain, records: [record], published: [{ record }] });
    const decision = decide({ level: 'dane', route: found, host, finding });
    expect(decision).toMatchObject({ policy: { otherNames: expected } });
  });
});
