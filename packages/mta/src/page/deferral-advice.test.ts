import { describe, expect, it } from 'vitest';
import { adviceFor, type DeferralCause, deferralCauseOf } from './deferral-advice.js';

const CASES: readonly [string, { enhancedStatus: string; reply?: string; reason: string }, DeferralCause][] =
  [
    [
      'a certificate that matches no TLSA record',
      { enhancedStatus: '4.7.5', reason: "mx [1]: the server's certificate does not match its TLSA records" },
      'dane',
    ],
    [
      'no STARTTLS where TLSA records promise it',
      {
        enhancedStatus: '4.7.4',
        reason: 'mx [1]: the server does not offer STARTTLS, and TLS is a must: TLSA records of mx',
      },
      'no-starttls',
    ],
    [
      'no STARTTLS where MTA-STS asks for it',
      {
        enhancedStatus: '4.7.4',
        reason: 'mx [1]: the server does not offer STARTTLS, and TLS is a must: the MTA-STS policy of a',
      },
      'no-starttls',
    ],
    [
      'a certificate that MTA-STS does not allow',
      { enhancedStatus: '4.7.5', reason: 'as the MTA-STS policy of a asks' },
      'sts',
    ],
    [
      'a signature that does not hold',
      { enhancedStatus: '4.4.3', reason: 'bogus, the signature does not hold' },
      'bogus',
    ],
    ['name servers that fail', { enhancedStatus: '4.4.3', reason: 'indeterminate: SERVFAIL' }, 'look-up'],
    [
      'a refusal for now',
      { enhancedStatus: '4.7.1', reply: '450 4.7.1 busy', reason: 'the server said: 450' },
      'server-busy',
    ],
    [
      'greylisting',
      { enhancedStatus: '4.7.1', reply: '450 4.7.1 Greylisted, come back', reason: 'the server said: 450' },
      'greylisted',
    ],
    [
      'no connection',
      { enhancedStatus: '4.4.1', reason: 'no connection: connect ECONNREFUSED' },
      'no-connection',
    ],
    [
      'a connection that is not made in time',
      { enhancedStatus: '4.4.1', reason: 'nothing came for 300 s while we were connecting' },
      'timeout',
    ],
    [
      'a greeting that does not come',
      { enhancedStatus: '4.4.2', reason: 'nothing came for 300 s while we were waiting for the greeting' },
      'timeout',
    ],
    [
      'a connection that broke',
      { enhancedStatus: '4.4.2', reason: 'the server ended the connection' },
      'connection-lost',
    ],
    [
      'a fault of ours',
      { enhancedStatus: '4.3.0', reason: 'the message could not be read from the queue' },
      'unknown',
    ],
  ];

describe('the cause of a deferral', () => {
  it.each(CASES)('%s', (_, { reply = null, ...facts }, expected) => {
    const cause = deferralCauseOf({ ...facts, reply, host: 'mx' });
    expect(cause).toBe(expected);
    expect(adviceFor(cause).advice.length).toBeGreaterThan(20);
  });
});
