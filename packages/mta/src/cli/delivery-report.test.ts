import type { Attempt, Delivery, RecipientOutcome, TlsFacts } from '@danelaw/smtp';
import { describe, expect, it } from 'vitest';
import { describeDelivery, describeTls, shortTlsa, verdictSentence } from './delivery-report.js';

const same = (text: string) => text;
const plain = { good: same, bad: same, warn: same, strong: same, faint: same };
const HOST = 'mx.a.example';

const authenticated = {
  by: 'dane' as const,
  usage: 3,
  record: `3 1 1 ${'ab'.repeat(32)}`,
  baseDomain: HOST,
  name: null,
};
const tls: TlsFacts = {
  protocol: 'TLSv1.3',
  cipher: 'X',
  serverName: HOST,
  authenticated,
  reason: 'nobody asked',
};
const outcome: RecipientOutcome = {
  exceptions: [],
  recipient: 'you@a.example',
  status: 'delivered',
  reply: '250 ok',
  code: 250,
  stage: null,
  enhancedStatus: null,
  reason: '',
  host: HOST,
  address: '192.0.2.1',
  tls,
  mx: 'secure',
};
const attempt: Attempt = {
  status: 'completed',
  domain: 'a.example',
  host: HOST,
  port: 25,
  preference: 10,
  mx: 'secure',
  address: '192.0.2.1',
  tlsa: { status: 'none', baseDomain: null, records: [], reason: 'there are none' },
  policy: { level: 'may', source: 'DANE does not apply' },
  handshake: null,
  connection: 'new',
  tls,
  reply: null,
  stage: null,
  enhancedStatus: null,
  reason: '',
  failureType: null,
  sts: null,
  overlooked: [],
  exceptions: [],
  report: { stsPolicy: null, failures: [], sourceAddress: null, ehloName: null },
  recipients: [],
};
const withOutcome = (more: Partial<RecipientOutcome>): Delivery => ({
  recipients: [{ ...outcome, ...more }],
  attempts: [attempt],
  unrouted: [],
});

describe('verdictSentence', () => {
  const rows: [what: string, more: Partial<RecipientOutcome>, sentence: RegExp][] = [
    ['proved to the domain', {}, /DANE proved to be a server for a\.example\.$/],
    [
      'proved to a host only (RFC 7672 section 2.2.1)',
      { mx: 'insecure' },
      /is a server for a\.example is not proved/,
    ],
    [
      'encrypted only',
      { tls: { ...tls, authenticated: null } },
      /whose identity was not proved: nobody asked\.$/,
    ],
    ['in clear', { tls: null }, /^handed over in clear text to mx\.a\.example; DANE does not apply\.$/],
    [
      'deferred',
      { status: 'deferred', reason: 'no luck' },
      /^no luck\. Nothing was delivered; try again later\.$/,
    ],
    ['failed', { status: 'failed', reason: 'no such user' }, /^no such user\.$/],
  ];
  it.each(rows)('says what was %s, and no more', (_, more, sentence) => {
    const delivery = withOutcome(more);
    const [first] = delivery.recipients;
    if (first === undefined) throw new Error('no outcome');
    expect(verdictSentence(first, delivery)).toMatch(sentence);
  });
});

describe('describeDelivery', () => {
  it('names each domain and host once, with its attempts in order', () => {
    const skipped: Attempt = {
      ...attempt,
      status: 'skipped',
      host: 'mx0.a.example',
      address: null,
      tls: null,
      reason: 'a rule',
    };
    const failed: Attempt = {
      ...attempt,
      status: 'failed',
      address: '192.0.2.2',
      tls: null,
      reason: 'no\u0007 answer',
    };
    const lines = describeDelivery(
      { recipients: [outcome], attempts: [skipped, failed, attempt], unrouted: [] },
      plain,
      100,
    );
    expect(lines).toEqual([
      'a.example',
      '  mx0.a.example  secure MX, preference 10',
      '    TLSA  none: there are none',
      '    not used: a rule',
      '  mx.a.example  secure MX, preference 10',
      '    TLSA  none: there are none',
      '    192.0.2.2  no\\x07 answer',
      '    192.0.2.1  TLSv1.3 X, authenticated by TLSA 3 1 1 abababababababab... (DANE-EE)',
      '',
      'delivered  you@a.example: handed over under TLS to mx.a.example, which DANE proved to be a server',
      '           for a.example.',
    ]);
  });
});

describe('TLSA in words', () => {
  it('shows as many digits as people compare', () => {
    expect(shortTlsa('3 1 1 0123456789abcdef')).toBe('3 1 1 0123456789abcdef');
    expect(shortTlsa('3 1 1 0123456789abcdef0')).toBe('3 1 1 0123456789abcdef...');
  });
  it('tells usage 2 with the name that it was for', () => {
    const ta = { ...authenticated, usage: 2, record: '2 0 1 ab', name: 'a.example' };
    expect(describeTls({ ...tls, authenticated: ta })).toContain(
      'TLSA 2 0 1 ab (DANE-TA, for the name a.example)',
    );
  });
});

describe('describeDelivery', () => {
  it('names each exception and audit that was used, with its reason and end (RFC 7672 section 9.1)', () => {
    const use = { rule: 2, pattern: 'a.example', reason: 'ticket 4711', expires: '2026-12-01T00:00:00.000Z' };
    const exceptions = [
      { kind: 'exception', ...use },
      { kind: 'audit', ...use },
    ] as const;
    const delivery = { ...withOutcome({}), attempts: [{ ...attempt, exceptions }] };
    const lines = describeDelivery(delivery, plain, 200);
    const end = 'by rule 2 (a.example) until 2026-12-01T00:00:00.000Z: ticket 4711';
    expect(lines).toContain(`    an exception ${end}`);
    expect(lines).toContain(`    audit only ${end}`);
  });
});
