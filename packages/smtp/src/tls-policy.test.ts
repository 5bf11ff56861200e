import type { HostFinding, ReachableHost, TlsaFinding } from '@danelaw/dane';
import { describe, expect, it } from 'vitest';
import type { PolicyLevel } from './policy.js';
import type { HostsRoute } from './route.js';
import type { StsPolicyFinding } from './sts-finding.js';
import { leaf, tlsaFor } from './testing/certificates.js';
import { type DecisionInput, decide, needsSts, wantsTlsa } from './tls-policy.js';

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

const MX_POLICY = { mode: 'enforce', maxAge: 86_400, mx: ['*.example.org'] } as const;

function stsOf(policy: StsPolicyFinding['policy']): StsPolicyFinding {
  const known = { domain: 'example.org', id: '1', from: 'cache', expires: 1, problems: [] } as const;
  return { status: 'policy', ...known, policy };
}

const STS = {
  enforce: stsOf(MX_POLICY),
  testing: stsOf({ ...MX_POLICY, mode: 'testing' }),
  other: stsOf({ ...MX_POLICY, mx: ['mx.elsewhere.example'] }),
} as const;

/** The decided level, and whether MTA-STS has a say as well. */
function decidedWith(input: Partial<DecisionInput>, mx: 'secure' | 'insecure', tlsa: TlsaFinding['status']) {
  const finding = reachable(TLSA[tlsa]);
  const decision = decide({ level: 'dane', route: { ...route, mx }, host, finding, ...input });
  if (decision.action === 'skip') return `skip (${decision.cause})`;
  const { policy, overlooked } = decision;
  const more = policy.level !== 'none' && policy.level !== 'sts' && policy.sts ? ' + sts' : '';
  const lenient = policy.level !== 'none' && policy.lenience ? `, ${policy.lenience.kind}` : '';
  return `${policy.level}${more}${lenient}${overlooked.length > 0 ? ', overlooked' : ''}`;
}

describe('decide: MTA-STS and DANE, host by host (RFC 8461 section 2)', () => {
  it.each<['secure' | 'insecure', TlsaFinding['status'], keyof typeof STS, string]>([
    // A host of a secure MX RRset with usable TLSA records: DANE alone decides.
    ['secure', 'usable', 'enforce', 'dane'],
    ['secure', 'usable', 'other', 'dane'],
    // Without them the policy is followed.
    ['secure', 'none', 'enforce', 'sts'],
    ['secure', 'none', 'testing', 'sts'],
    ['secure', 'none', 'other', 'skip (policy)'],
    ['secure', 'unusable', 'enforce', 'encrypt + sts'],
    // A host of an insecure MX RRset: the policy binds in addition.
    ['insecure', 'usable', 'enforce', 'dane + sts'],
    ['insecure', 'usable', 'testing', 'dane + sts'],
    ['insecure', 'usable', 'other', 'skip (policy)'],
    ['insecure', 'unusable', 'enforce', 'encrypt + sts'],
    ['insecure', 'none', 'enforce', 'sts'],
    ['insecure', 'none', 'other', 'skip (policy)'],
    // A failed look-up is never rescued.
    ['secure', 'failed', 'enforce', 'skip (look-up)'],
    ['insecure', 'failed', 'enforce', 'skip (look-up)'],
  ])('MX %s, TLSA %s, policy %s: %s', (mx, tlsa, sts, expected) => {
    expect(decidedWith({ sts: STS[sts] }, mx, tlsa)).toBe(expected);
  });

  it('under "sts" the policy alone decides, and without one TLS is opportunistic', () => {
    expect(decidedWith({ level: 'sts', sts: STS.enforce }, 'secure', 'none')).toBe('sts');
    expect(decidedWith({ level: 'sts', sts: STS.other }, 'secure', 'none')).toBe('skip (policy)');
    expect(decidedWith({ level: 'sts' }, 'secure', 'none')).toBe('may');
  });

  it('what the administrator says of the domain goes before it', () => {
    for (const level of ['none', 'may', 'encrypt', 'verify'] as const) {
      expect(decidedWith({ level, sts: STS.other }, 'insecure', 'none')).toBe(level);
    }
  });

  it('what he says of a host does not, where a forged MX record may have named the host', () => {
    const rule = { level: 'may', byHost: true } as const;
    expect(decidedWith({ ...rule, sts: STS.enforce }, 'insecure', 'none')).toBe('sts');
    expect(decidedWith({ ...rule, sts: STS.other }, 'insecure', 'none')).toBe('skip (policy)');
    expect(decidedWith({ ...rule, sts: STS.other }, 'secure', 'none')).toBe('may');
  });

  it('hosts that the administrator listed need not be in it, but their certificates count', () => {
    const listed = { ...route, via: 'hosts' } as const;
    expect(decidedWith({ sts: STS.other, route: listed }, 'secure', 'none')).toBe('sts');
  });

  it('is not asked for where it does not matter', () => {
    const needs = (mx: 'secure' | 'insecure', tlsa: TlsaFinding['status'], level: PolicyLevel = 'dane') =>
      needsSts({ level, route: { ...route, mx }, host, finding: reachable(TLSA[tlsa]) });
    expect(needs('secure', 'usable')).toBe(false);
    expect(needs('secure', 'failed')).toBe(false);
    expect(needs('insecure', 'usable')).toBe(true);
    expect(needs('insecure', 'none', 'dane-only')).toBe(false);
    expect(needs('insecure', 'none', 'may')).toBe(false);
    const relay = { kind: 'address', host: '192.0.2.1', port: 25, preference: undefined } as const;
    const finding = reachable(TLSA.none);
    expect(needsSts({ level: 'dane', route: { ...route, via: 'relay' }, host: relay, finding })).toBe(false);
    // An address in an MX record is a host that no policy lists: there it matters.
    expect(needsSts({ level: 'dane', route, host: relay, finding })).toBe(true);
  });
});

describe('decide: what TLSA is worth at a host of insecure MX records', () => {
  it.each<['dane' | 'encrypt' | 'may', TlsaFinding['status'], string]>([
    ['dane', 'usable', 'dane'],
    ['encrypt', 'usable', 'encrypt'],
    ['encrypt', 'failed', 'skip (look-up)'],
    ['may', 'usable', 'may'],
    ['may', 'failed', 'may'],
  ])('"%s", TLSA %s: %s', (insecureMx, tlsa, expected) => {
    expect(decidedWith({ insecureMx }, 'insecure', tlsa)).toBe(expected);
    // Of secure MX records nothing is taken back.
    expect(decidedWith({ insecureMx }, 'secure', 'usable')).toBe('dane');
  });

  it('"may" does not even look TLSA records up', () => {
    expect(wantsTlsa({ level: 'dane', insecureMx: 'may', route: { ...route, mx: 'insecure' } })).toBe(false);
    expect(wantsTlsa({ level: 'dane', insecureMx: 'may', route })).toBe(true);
  });
});

describe('decide: local levels', () => {
  it('"verify" asks for the names of the rule, else of the host or, with insecure MX records, of the domain', () => {
    const names = (mx: 'secure' | 'insecure', more: Partial<DecisionInput> = {}) => {
      const finding = reachable(TLSA.none);
      return decide({ level: 'verify', route: { ...route, mx }, host, finding, ...more });
    };
    expect(names('secure')).toMatchObject({ policy: { names: ['mx.example.org'] } });
    expect(names('insecure')).toMatchObject({ policy: { names: ['example.org'] } });
    expect(names('insecure', { names: ['a.example'] })).toMatchObject({ policy: { names: ['a.example'] } });
  });

  it('the minimum version goes with every level that has TLS', () => {
    for (const level of ['may', 'encrypt', 'dane', 'dane-only', 'verify', 'fingerprint'] as const) {
      const finding = reachable(TLSA.usable);
      const decision = decide({ level, route, host, finding, minTls: 'TLSv1.3' });
      expect(decision, level).toMatchObject({ policy: { level, minTls: 'TLSv1.3' } });
    }
  });
});

describe('decide: audits and TLS-Required: No refuse nothing', () => {
  const audit = { reason: 'a test', expires: 1 };
  it.each<[PolicyLevel, 'secure' | 'insecure', TlsaFinding['status'], string]>([
    ['dane', 'secure', 'usable', 'dane, audit'],
    ['dane', 'secure', 'failed', 'may, overlooked'],
    ['dane-only', 'insecure', 'usable', 'may, overlooked'],
    ['dane-only', 'secure', 'none', 'may, overlooked'],
    ['encrypt', 'secure', 'none', 'encrypt, audit'],
  ])('audit of "%s", MX %s, TLSA %s: %s (RFC 7672 section 9.1)', (level, mx, tlsa, expected) => {
    expect(decidedWith({ level, audit }, mx, tlsa)).toBe(expected);
  });

  it('TLS-Required: No sets aside what the domain publishes, not what our administrator asks (RFC 8689)', () => {
    const no = { tlsRequired: 'no' } as const;
    expect(decidedWith(no, 'secure', 'usable')).toBe('dane, tls-required-no');
    expect(decidedWith(no, 'secure', 'failed')).toBe('may, overlooked');
    expect(decidedWith({ ...no, sts: STS.other }, 'insecure', 'none')).toBe('may, overlooked');
    expect(decidedWith({ ...no, level: 'dane-only' }, 'secure', 'failed')).toBe('skip (look-up)');
    expect(decidedWith({ ...no, level: 'encrypt' }, 'secure', 'none')).toBe('encrypt');
  });

  it('an address that is not known can’t be connected to', () => {
    const finding = { status: 'failed', host: host.host, port: 25, reason: 'test' } as const;
    expect(decidedWith({ audit, finding }, 'secure', 'none')).toBe('skip (look-up)');
  });
});

describe('decide: REQUIRETLS (RFC 8689 section 4.2.1)', () => {
  const yes = { tlsRequired: 'yes' } as const;
  it.each<[string, Partial<DecisionInput>, 'secure' | 'insecure', TlsaFinding['status'], string]>([
    ['DANE authenticates', {}, 'secure', 'usable', 'dane'],
    ['else a root must, for the host', {}, 'secure', 'none', 'verify'],
    ['unusable records authenticate nobody', {}, 'secure', 'unusable', 'verify'],
    ['a local level that asks for less does not count', { level: 'none' }, 'secure', 'none', 'verify'],
    ['one that asks for more does', { level: 'dane-only' }, 'secure', 'none', 'skip (policy)'],
    [
      'an audit does not soften it',
      { audit: { reason: 'x', expires: 1 } },
      'secure',
      'failed',
      'skip (look-up)',
    ],
    ['insecure MX records need an MTA-STS policy', {}, 'insecure', 'usable', 'skip (policy)'],
    ['which must name the host', { sts: STS.other }, 'insecure', 'usable', 'skip (policy)'],
    ['and then do', { sts: STS.enforce }, 'insecure', 'usable', 'dane + sts'],
    ['without TLSA too', { sts: STS.enforce }, 'insecure', 'none', 'verify + sts'],
    ['testing names hosts as well', { sts: STS.testing }, 'insecure', 'none', 'verify + sts'],
  ])('%s', (_, more, mx, tlsa, expected) => {
    expect(decidedWith({ ...yes, ...more }, mx, tlsa)).toBe(expected);
  });

  it('without MX records the domain is its own server, and its certificate says so', () => {
    const implicit = { ...route, via: 'implicit-mx', mx: 'insecure' } as const;
    expect(decidedWith({ ...yes, route: implicit }, 'insecure', 'none')).toBe('verify');
  });
});
