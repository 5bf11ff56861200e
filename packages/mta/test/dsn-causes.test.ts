/**
 * What @danelaw/smtp really says of broken domains, on the lab's Internet, and the cause that senders are told of: so that
 * a sentence that changes there is noticed here.
 */
import { type Internet, SCENARIOS, STS_SCENARIOS, startInternet } from '@danelaw/lab';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Cause, causeOf } from '../src/dsn/cause.js';
import { type DeliveredRow, deliverScenarios } from './deliver-scenarios.js';

const CAUSES: Readonly<Record<string, Cause>> = {
  'swapped-certificate.example': 'dane',
  'ta-expired-leaf.example': 'dane',
  'stripped-starttls.example': 'dane',
  'unusable-no-starttls.example': 'dane',
  'starttls-refused.example': 'tls',
  'broken-handshake.example': 'tls',
  'mandated.example': 'local-tls-policy',
  'temporary-refusal.example': 'server-busy',
  'permanent-refusal.example': 'unknown-user',
  'greeting-silent.example': 'connection-lost',
  'tlsa-servfail.example': 'look-up',
  'mx-servfail.example': 'look-up',
  'tlsa-forged.example': 'bogus',
  'mx-bogus.example': 'bogus',
  'address-bogus.example': 'bogus',
  'unsigned-with-ds.example': 'bogus',
  'null-mx.example': 'null-mx',
  'nonexistent.example': 'no-such-domain',
  'no-address.example': 'no-server',
  'sts-self-signed.unsigned': 'sts',
  'sts-no-starttls.unsigned': 'sts',
  'sts-other-host.unsigned': 'sts',
};

const scenarios = [...SCENARIOS, ...STS_SCENARIOS].filter(({ domain }) => domain in CAUSES);

let internet: Internet;
let rows: DeliveredRow[];
beforeAll(async () => {
  internet = await startInternet(scenarios);
  rows = await deliverScenarios(internet, new AbortController().signal);
});
afterAll(() => internet.close());

describe('the cause of a failure, from what was really said', () => {
  it.each(Object.entries(CAUSES))('%s: %s', (domain, cause) => {
    const outcome = rows.find(({ scenario }) => scenario.domain === domain)?.delivery.recipients[0];
    expect(outcome && causeOf(outcome), outcome?.reason).toBe(cause);
  });
});
