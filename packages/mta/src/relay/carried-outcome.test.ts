import type { Attempt, AttemptRecipient, RecipientOutcome } from '@danelaw/smtp';
import { describe, expect, it } from 'vitest';
import { packOutcome, unpackOutcome } from './carried-outcome.js';
import type { JobOutcome } from './job.js';
import { deferredOutcome } from './settlement.js';

const told = (recipient: string, more: Partial<AttemptRecipient> = {}): AttemptRecipient => ({
  recipient,
  status: 'delivered',
  stage: 'data-end',
  reply: '250 2.0.0 Ok',
  code: 250,
  enhancedStatus: '2.0.0',
  reason: 'the server took the message',
  ...more,
});

const completed = (recipients: readonly AttemptRecipient[], more: Partial<Attempt> = {}): Attempt => ({
  status: 'completed',
  domain: 'there.example',
  host: 'mx.there.example',
  port: 25,
  preference: 10,
  mx: 'secure',
  address: '192.0.2.1',
  tlsa: {
    status: 'usable',
    baseDomain: 'mx.there.example',
    records: [
      { record: '3 1 1 aa', setAside: null },
      { record: '3 1 7 bb', setAside: 'nobody knows matching type 7' },
    ],
    reason: null,
  },
  policy: { level: 'dane', source: 'TLSA records' },
  connection: 'new',
  tls: {
    protocol: 'TLSv1.3',
    cipher: 'TLS_AES_256_GCM_SHA384',
    serverName: 'mx.there.example',
    authenticated: { by: 'dane', usage: 3, record: '3 1 1 aa', baseDomain: 'mx.there.example', name: null },
    reason: 'the key is the one that is named',
  },
  handshake: 12.5,
  stage: null,
  reply: null,
  enhancedStatus: null,
  reason: 'TLSv1.3, authenticated by 3 1 1 aa',
  failureType: null,
  sts: { domain: 'there.example', mode: 'testing', id: '1' },
  overlooked: [{ failureType: 'sts-webpki-invalid', reason: 'no certificate' }],
  report: {
    stsPolicy: { domain: 'there.example', lines: ['version: STSv1'], mx: ['mx.there.example'] },
    failures: [{ demand: 'sts', failureType: 'sts-webpki-invalid', reason: 'no certificate' }],
    sourceAddress: '192.0.2.25',
    ehloName: 'mx.there.example',
  },
  exceptions: [{ kind: 'audit', rule: 1, pattern: '.example', reason: 'for now', expires: '2030-01-01' }],
  recipients,
  ...more,
});

const bare = (more: Partial<Attempt>): Attempt =>
  completed([], {
    preference: null,
    mx: 'insecure',
    address: null,
    tlsa: null,
    policy: null,
    connection: null,
    tls: null,
    handshake: null,
    sts: null,
    overlooked: [],
    report: { stsPolicy: null, failures: [], sourceAddress: null, ehloName: null },
    exceptions: [],
    ...more,
  });

const asAttempt = (attempt: Attempt): RecipientOutcome[] => {
  const { host, address, tls, mx, exceptions, recipients } = attempt;
  return recipients.map((recipient) => ({ ...recipient, host, address, tls, mx, exceptions }));
};

const one = completed([told('you@there.example')]);
const several = completed([
  told('a@there.example', { dsn: true }),
  told('b@there.example', { status: 'failed', stage: 'rcpt', code: 550, reply: '550 No' }),
]);
const inClear = completed([told('you@there.example')], { tls: null, handshake: null });
const encrypted = completed([told('you@there.example')], {
  tls: { protocol: 'TLSv1.2', cipher: 'AES', serverName: null, authenticated: null, reason: 'not asked' },
  tlsa: { status: 'failed', baseDomain: null, records: [], reason: 'SERVFAIL' },
});
const skipped = bare({ status: 'skipped', failureType: 'dnssec-invalid', reason: 'its addresses are bogus' });
const failed = bare({ status: 'failed', stage: 'connect', address: '192.0.2.1', enhancedStatus: '4.4.1' });
const nothing = { attempts: [], unrouted: [] };
const deferred = [deferredOutcome('you@there.example', '4.4.1', 'refused', 'mx.there.example')];

describe('an outcome that goes from thread to thread', () => {
  it.each<[string, JobOutcome, (null | string)[]]>([
    ['delivered', { ...nothing, attempts: [one], recipients: asAttempt(one) }, [null]],
    [
      'two recipients, one refused',
      { ...nothing, attempts: [several], recipients: asAttempt(several) },
      [null, null],
    ],
    ['delivered in clear text', { ...nothing, attempts: [inClear], recipients: asAttempt(inClear) }, [null]],
    [
      'delivered, unauthenticated',
      { ...nothing, attempts: [encrypted], recipients: asAttempt(encrypted) },
      [null],
    ],
    [
      'delivered by the second host',
      { ...nothing, attempts: [skipped, failed, one], recipients: asAttempt(one) },
      [null],
    ],
    [
      'refused by one host and deferred by the next',
      { ...nothing, attempts: [several, failed], recipients: asAttempt(several) },
      ['a@there.example', 'b@there.example'],
    ],
    [
      'in another order than the server was asked',
      { ...nothing, attempts: [several], recipients: asAttempt(several).reverse() },
      ['b@there.example', 'a@there.example'],
    ],
    [
      'told in other words than the attempt',
      {
        ...nothing,
        attempts: [one],
        recipients: asAttempt(one).map((each) => ({ ...each, status: 'deferred', reason: 'and then' })),
      },
      ['you@there.example'],
    ],
    ['nobody reached', { ...nothing, attempts: [failed], recipients: deferred }, ['you@there.example']],
    [
      'no route',
      {
        attempts: [],
        recipients: deferred,
        unrouted: [{ domain: 'there.example', failureType: 'dnssec-invalid', reason: 'a bogus MX RRset' }],
      },
      ['you@there.example'],
    ],
    ['a fault of ours', { ...nothing, recipients: deferred, ours: true }, ['you@there.example']],
  ])('comes as it was, and says once what the last attempt says: %s', (_, outcome, repeated) => {
    const carried = structuredClone(packOutcome(outcome));
    expect(unpackOutcome(carried)).toStrictEqual(outcome);
    expect(carried.recipients.map((each) => each?.recipient ?? null)).toEqual(repeated);
  });

  it('names no value of an attempt', () => {
    const carried = packOutcome({ ...nothing, attempts: [one], recipients: asAttempt(one) });
    expect(JSON.stringify(carried)).not.toMatch(/"(preference|handshake|serverName|ehloName)"/u);
  });
});
