import type { Attempt, ReportFailure, TlsaSummary } from '@danelaw/smtp';
import { describe, expect, it } from 'vitest';
import { type Tally, tallyAttempt, tallyUnrouted } from './tally.js';

const RECORD = `3 1 1 ${'ab'.repeat(32)}`;
const USABLE: TlsaSummary = {
  status: 'usable',
  baseDomain: 'mx.example.org',
  records: [{ record: RECORD, setAside: null }],
  reason: null,
};
const UNUSABLE: TlsaSummary = {
  ...USABLE,
  status: 'unusable',
  records: [{ record: '0 0 1 00', setAside: 'usage 0 is not for SMTP' }],
};
const NONE: TlsaSummary = { status: 'none', baseDomain: null, records: [], reason: 'denied' };
const FAILED: TlsaSummary = { ...NONE, status: 'failed', reason: 'bogus' };

const tls = { protocol: 'TLSv1.3', cipher: 'x', serverName: null, authenticated: null, reason: '' };
const stsPolicy = {
  domain: 'example.org',
  lines: ['version: STSv1', 'mode: enforce'],
  mx: ['*.example.org'],
};

const BASE: Attempt = {
  status: 'completed',
  domain: 'example.org',
  host: 'mx.example.org',
  port: 25,
  preference: 10,
  mx: 'secure',
  address: '192.0.2.1',
  tlsa: NONE,
  policy: { level: 'may', source: '' },
  handshake: null,
  connection: 'new',
  tls,
  stage: null,
  reply: null,
  enhancedStatus: null,
  reason: '',
  failureType: null,
  sts: null,
  overlooked: [],
  exceptions: [],
  report: { stsPolicy: null, failures: [], sourceAddress: '198.51.100.1', ehloName: 'mx' },
  recipients: [],
};

function failing(...failures: [ReportFailure['demand'], ReportFailure['failureType']][]): Attempt['report'] {
  const list = failures.map(([demand, failureType]) => ({ demand, failureType, reason: 'because' }));
  return { ...BASE.report, failures: list };
}

const dane = { tlsa: USABLE, policy: { level: 'dane', source: '' } } as const;
const skipped = { status: 'skipped', tls: null, policy: null, address: null } as const;
const failed = { status: 'failed', tls: null } as const;

/** `report domain: type of policy-domain, ok | failures` */
function words(tallies: readonly Tally[]): string[] {
  return tallies.map(({ reportDomain, policy, failures }) => {
    const result = failures.length === 0 ? 'ok' : failures.map(({ resultType }) => resultType).join('+');
    return `${reportDomain}: ${policy.type} of ${policy.domain}, ${result}`;
  });
}

const none = (result: string) => `example.org: no-policy-found of example.org, ${result}`;
const sts = (result: string) => `example.org: sts of example.org, ${result}`;
const tlsa = (result: string) => [
  `example.org: tlsa of mx.example.org, ${result}`,
  `mx.example.org: tlsa of mx.example.org, ${result}`,
];

describe('tallyAttempt (RFC 8460 sections 4.2 to 4.4)', () => {
  it.each<[string, Partial<Attempt>, string[]]>([
    ['a TLS session without any policy', {}, [none('ok')]],
    ['a session that DANE authenticated', dane, tlsa('ok')],
    [
      'no STARTTLS, and no policy',
      { tls: null, report: failing(['any', 'starttls-not-supported']) },
      [none('starttls-not-supported')],
    ],
    [
      'no STARTTLS under DANE',
      {
        ...dane,
        ...failed,
        failureType: 'starttls-not-supported',
        report: failing(['any', 'starttls-not-supported']),
      },
      tlsa('starttls-not-supported'),
    ],
    [
      'a certificate that has expired, under DANE-TA',
      {
        ...dane,
        status: 'failed',
        failureType: 'certificate-expired',
        report: failing(['tlsa', 'certificate-expired']),
      },
      tlsa('certificate-expired'),
    ],
    [
      'TLSA records that can’t be used (section 4.3.2.1)',
      { tlsa: UNUSABLE, policy: { level: 'encrypt', source: '' } },
      tlsa('tlsa-invalid'),
    ],
    [
      'a TLSA look-up that failed',
      {
        ...skipped,
        tlsa: FAILED,
        failureType: 'dnssec-invalid',
        report: failing(['tlsa', 'dnssec-invalid']),
      },
      tlsa('dnssec-invalid'),
    ],
    [
      'addresses that are bogus',
      { ...skipped, tlsa: null, failureType: 'dnssec-invalid', report: failing(['tlsa', 'dnssec-invalid']) },
      tlsa('dnssec-invalid'),
    ],
    [
      'DANE demanded, and there is none',
      { ...skipped, failureType: 'dane-required', report: failing(['tlsa', 'dane-required']) },
      tlsa('dane-required'),
    ],
    [
      'a session under MTA-STS',
      { policy: { level: 'sts', source: '' }, report: { ...BASE.report, stsPolicy } },
      [sts('ok')],
    ],
    [
      'MTA-STS in testing mode: the mail went through, the session failed',
      {
        policy: { level: 'sts', source: '' },
        report: { ...failing(['sts', 'certificate-not-trusted']), stsPolicy },
      },
      [sts('certificate-not-trusted')],
    ],
    [
      'a host that the MTA-STS policy does not list',
      {
        ...skipped,
        failureType: 'validation-failure',
        report: { ...failing(['sts', 'validation-failure']), stsPolicy },
      },
      [sts('validation-failure')],
    ],
    [
      'DANE and MTA-STS, both fulfilled',
      { ...dane, mx: 'insecure', report: { ...BASE.report, stsPolicy } },
      [...tlsa('ok'), sts('ok')],
    ],
    [
      'DANE fulfilled, MTA-STS not: an object each (section 4.4)',
      {
        ...dane,
        status: 'failed',
        failureType: 'certificate-not-trusted',
        report: { ...failing(['sts', 'certificate-not-trusted']), stsPolicy },
      },
      [...tlsa('ok'), sts('certificate-not-trusted')],
    ],
    [
      'no STARTTLS under both',
      {
        ...dane,
        ...failed,
        failureType: 'starttls-not-supported',
        report: { ...failing(['any', 'starttls-not-supported']), stsPolicy },
      },
      [...tlsa('starttls-not-supported'), sts('starttls-not-supported')],
    ],
    [
      'an MTA-STS policy that could not be fetched, and none known: the session has no policy',
      { report: failing(['sts', 'sts-policy-fetch-error']) },
      [sts('sts-policy-fetch-error'), none('ok')],
    ],
    [
      'an MTA-STS policy that could not be fetched, and an old one',
      {
        policy: { level: 'sts', source: '' },
        report: { ...failing(['sts', 'sts-webpki-invalid']), stsPolicy },
      },
      [sts('sts-webpki-invalid')],
    ],
    [
      'a failed session refused by a reply over TLS: TLS was in order',
      { status: 'failed', stage: 'ehlo', reply: '421 busy' },
      [none('ok')],
    ],
  ])('%s', (_, more, expected) => {
    expect(words(tallyAttempt({ ...BASE, ...more }))).toEqual(expected);
  });

  it.each<[string, Partial<Attempt>]>([
    ['no TCP connection (section 4.3.4)', { ...failed, stage: 'connect' }],
    ['a greeting that refuses', { ...failed, stage: 'greeting', reply: '554 no' }],
    ['the second try, in clear text', { tls: null, policy: { level: 'none', source: '' } }],
    ['a host without address', { ...skipped, tlsa: null }],
    ['a connection that ended at EHLO under TLS 1.3', { status: 'failed', stage: 'ehlo' }],
    [
      'a certificate that our administrator does not want',
      {
        status: 'failed',
        policy: { level: 'verify', source: '' },
        failureType: 'certificate-not-trusted',
        report: failing(['local', 'certificate-not-trusted']),
      },
    ],
    [
      'REQUIRETLS that can’t be fulfilled',
      { ...skipped, failureType: 'validation-failure', report: failing(['local', 'validation-failure']) },
    ],
    [
      'TLSA records that local policy takes for less',
      { tlsa: USABLE, mx: 'insecure', policy: { level: 'encrypt', source: '' } },
    ],
    ['an address literal, which has no policy domain', { domain: '[192.0.2.1]', host: '[192.0.2.1]' }],
  ])('does not count %s', (_, more) => {
    expect(tallyAttempt({ ...BASE, ...more })).toEqual([]);
  });

  it.each([
    ['new', 1],
    ['resumed', 1],
    [null, 1],
    ['shared', 0],
  ] as const)(
    'a connection that is %s counts %i times: section 4.4 counts negotiated ones',
    (connection, times) => {
      expect(tallyAttempt({ ...BASE, connection })).toHaveLength(times);
    },
  );

  it('has the policy as section 4.5 wants it, and the failure with all that is known', () => {
    const report = failing(['tlsa', 'validation-failure']);
    const [tally] = tallyAttempt({
      ...BASE,
      ...dane,
      host: 'MX.example.org',
      status: 'failed',
      failureType: 'validation-failure',
      report,
    });
    expect(tally).toEqual({
      reportDomain: 'example.org',
      policy: { type: 'tlsa', strings: [RECORD], domain: 'mx.example.org', mxHosts: ['mx.example.org'] },
      failures: [
        {
          resultType: 'validation-failure',
          sendingMtaIp: '198.51.100.1',
          receivingMxHostname: 'mx.example.org',
          receivingMxHelo: 'mx',
          receivingIp: '192.0.2.1',
          reason: 'because',
        },
      ],
    });
  });

  it('bounds what a domain chooses: reasons, policy lines, patterns', () => {
    const long = 'ä\n'.repeat(1000);
    const lines = Array.from({ length: 1000 }, () => 'x'.repeat(20_000));
    const report = { ...BASE.report, stsPolicy: { ...stsPolicy, lines, mx: lines } };
    const failures = [{ demand: 'sts', failureType: 'validation-failure', reason: long }] as const;
    const [tally] = tallyAttempt({ ...BASE, report: { ...report, failures } });
    expect(tally?.failures[0]?.reason).toMatch(/^[\x20-\x7e]{200}$/u);
    expect(tally?.policy.strings.join('')).toHaveLength(20_000);
    expect(tally?.policy.mxHosts).toHaveLength(1);
  });

  it('keeps a hundred lines of a policy', () => {
    const lines = Array.from({ length: 1000 }, (_, i) => `mx: mx${i}.a.example`);
    const [tally] = tallyAttempt({
      ...BASE,
      report: { ...BASE.report, stsPolicy: { ...stsPolicy, lines, mx: lines } },
    });
    expect(tally?.policy.strings).toEqual(lines.slice(0, 100));
    expect(tally?.policy.mxHosts).toEqual(lines.slice(0, 100));
  });

  it('a bogus MX RRset is a failure of the domain without a host', () => {
    const tallies = tallyUnrouted({
      domain: 'example.org',
      failureType: 'dnssec-invalid',
      reason: 'expired',
    });
    expect(words(tallies)).toEqual(['example.org: tlsa of example.org, dnssec-invalid']);
    expect(tallyUnrouted({ domain: '[::1]', failureType: 'dnssec-invalid', reason: '' })).toEqual([]);
  });
});
