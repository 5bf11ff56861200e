import type { Attempt, RecipientOutcome } from '@danelaw/smtp';
import { describe, expect, it } from 'vitest';
import { type Protection, protectionOf } from './protection.js';

type Authenticated = NonNullable<NonNullable<RecipientOutcome['tls']>['authenticated']>;
type Decisive = Parameters<typeof protectionOf>[1][number];

const DANE: Authenticated = {
  by: 'dane',
  usage: 3,
  record: '3 1 1 00',
  baseDomain: 'mx.example',
  name: null,
};
const PKIX: Authenticated = { by: 'pkix', root: 'A Root', name: 'mx.example' };
const PIN: Authenticated = { by: 'fingerprint', fingerprint: '00' };
const where = { host: 'mx.example', address: '192.0.2.1' };

const tls = (authenticated: Authenticated | null): RecipientOutcome['tls'] => ({
  protocol: 'TLSv1.3',
  cipher: 'X',
  serverName: null,
  authenticated,
  reason: '',
});
const attempt = (level: 'dane' | 'sts' | 'verify' | 'may', sts: 'enforce' | 'testing' | null): Decisive => {
  const policy: Attempt['policy'] = { level, source: '' };
  const found = sts === null ? null : { domain: 'example', mode: sts, id: '1' };
  return { ...where, status: 'completed', policy, sts: found };
};

const CASES: readonly [string, RecipientOutcome['tls'], 'secure' | 'insecure', Decisive, Protection][] = [
  [
    'signed MX records and a TLSA record that matches: DANE',
    tls(DANE),
    'secure',
    attempt('dane', null),
    'dane',
  ],
  [
    'unsigned MX records: the server is proved, and nobody proved that it is the right one',
    tls(DANE),
    'insecure',
    attempt('dane', null),
    'encrypted',
  ],
  [
    'unsigned MX records, but a policy names the server: MTA-STS',
    tls(DANE),
    'insecure',
    attempt('dane', 'enforce'),
    'sts',
  ],
  [
    'a public authority under an enforced policy: MTA-STS',
    tls(PKIX),
    'insecure',
    attempt('sts', 'enforce'),
    'sts',
  ],
  ['a policy in testing mode proves nothing', tls(PKIX), 'insecure', attempt('sts', 'testing'), 'encrypted'],
  [
    'a public authority that a local rule demands: local policy',
    tls(PKIX),
    'insecure',
    attempt('verify', null),
    'local',
  ],
  ['a pinned key: local policy', tls(PIN), 'insecure', attempt('may', null), 'local'],
  ['TLS and nothing more: encrypted only', tls(null), 'secure', attempt('may', null), 'encrypted'],
  ['no TLS: clear', null, 'secure', attempt('may', null), 'clear'],
];

describe('how a message was protected', () => {
  it.each(CASES)('%s', (_, session, mx, decisive, expected) => {
    const other = { ...attempt('verify', 'enforce'), address: '192.0.2.2' };
    expect(protectionOf({ ...where, tls: session, mx }, [other, decisive])).toBe(expected);
  });
});
