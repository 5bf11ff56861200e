import type { ConnectionRecord, Expected, ReceivedMessage, Scenario } from '@danelaw/lab';
import type { RecipientOutcome, TlsFacts } from '@danelaw/smtp';
import { describe, expect, it } from 'vitest';
import { judge, type ServerRecord } from './demo-judge.js';

const HOST = 'mx.a.example';
const ADDRESS = '127.25.0.1';
const RECIPIENT = 'you@a.example';
const octets = Buffer.from('A: b\r\n\r\n.\r\n');

const authenticated = { by: 'dane' as const, usage: 3, record: '3 1 1 abcd', baseDomain: HOST, name: null };
const tls: TlsFacts = { protocol: 'TLSv1.3', cipher: 'X', serverName: HOST, authenticated, reason: '' };
const delivered: RecipientOutcome = {
  exceptions: [],
  recipient: RECIPIENT,
  status: 'delivered',
  reply: '250 ok',
  code: 250,
  stage: null,
  enhancedStatus: null,
  reason: '',
  host: HOST,
  address: ADDRESS,
  tls,
  mx: 'secure',
};
const deferred: RecipientOutcome = { ...delivered, status: 'deferred' };

const shouldDeliver: Expected = {
  status: 'delivered',
  host: HOST,
  mx: 'secure',
  tls: { by: '3 1 1', baseDomain: HOST },
};
const shouldDefer: Expected = { status: 'deferred', because: 'a rule' };

const connection: ConnectionRecord = {
  clientAddress: '127.0.0.1',
  clientPort: 1,
  serverAddress: ADDRESS,
  openedAt: 0,
  commands: [],
  clearAfterStarttls: new Uint8Array(0),
};
const message: ReceivedMessage = {
  from: '',
  mailParameters: [],
  recipients: [{ address: RECIPIENT, parameters: [] }],
  content: octets,
  wire: octets,
  accepted: true,
  connection,
};
const inClear = (line: string): ConnectionRecord => ({
  ...connection,
  commands: [{ line, inTls: false, at: 0, pipelined: false }],
});

interface Case {
  readonly expected?: Expected;
  readonly outcome?: RecipientOutcome;
  readonly messages?: readonly ReceivedMessage[];
  readonly connections?: readonly ConnectionRecord[];
}

function judged({
  expected = shouldDeliver,
  outcome = delivered,
  messages = [message],
  connections = [],
}: Case) {
  const scenario: Scenario = {
    domain: 'a.example',
    shows: '',
    rule: '',
    zones: {},
    hosts: { [HOST]: {} },
    expected,
  };
  const record = { usage: 3, selector: 1, matchingType: 1, data: Uint8Array.of(1) };
  const server: ServerRecord = {
    host: HOST,
    addresses: [ADDRESS],
    tlsa: [record],
    received: { connections, messages },
  };
  const delivery = { recipients: [outcome], attempts: [], unrouted: [] };
  const servers = new Map([[HOST, server]]);
  return judge({ scenario, expected, recipient: RECIPIENT, octets, delivery, servers });
}

describe('judge', () => {
  it('has nothing to say where all is as it should be', () => {
    expect(judged({})).toEqual([]);
    expect(judged({ expected: shouldDefer, outcome: deferred, messages: [] })).toEqual([]);
    expect(judged({ connections: [inClear('EHLO home.example'), inClear('STARTTLS')] })).toEqual([]);
  });

  const rows: [what: string, given: Case, fault: RegExp][] = [
    [
      'a delivery that should have been deferred',
      { expected: shouldDefer },
      /^delivered, and should be deferred$/m,
    ],
    [
      'a deferral that should have been a delivery',
      { outcome: deferred },
      /^deferred, and should be delivered$/,
    ],
    [
      'another host than the one whose address was named',
      { expected: { ...shouldDeliver, host: '{address mx.a.example}' } },
      /the host is mx\.a\.example, and should be 127\.25\.0\.1/,
    ],
    ['another host', { outcome: { ...delivered, host: 'mx.b.example' } }, /the host is mx\.b\.example/],
    [
      'an overstated MX',
      { outcome: { ...delivered, mx: 'insecure' } },
      /the MX is insecure, and should be secure/,
    ],
    [
      'clear text',
      { outcome: { ...delivered, tls: null } },
      /the TLS is none, and should be authenticated by 3 1 1/,
    ],
    [
      'a session that nobody authenticated',
      { outcome: { ...delivered, tls: { ...tls, authenticated: null } } },
      /the TLS is unauthenticated/,
    ],
    [
      'another record',
      {
        outcome: { ...delivered, tls: { ...tls, authenticated: { ...authenticated, record: '2 1 1 abcd' } } },
      },
      /the TLS is authenticated by 2 1 1/,
    ],
    [
      'a claim of delivery where nothing arrived',
      { messages: [] },
      /arrived 0 times, and should have arrived 1/,
    ],
    ['a message that arrived twice', { messages: [message, message] }, /arrived 2 times/],
    [
      'a claim of refusal where something arrived',
      { expected: shouldDefer, outcome: deferred },
      /arrived 1 times \(at mx\.a\.example\), and should have arrived 0/,
    ],
    ['a message that was not accepted', { messages: [{ ...message, accepted: false }] }, /arrived 0 times/],
    [
      'a changed octet',
      { messages: [{ ...message, content: Buffer.from('A: c\r\n\r\n.\r\n') }] },
      /arrived changed/,
    ],
    ['another place', { outcome: { ...delivered, address: '127.25.0.2' } }, /which nobody said/],
    [
      'an envelope in clear',
      { connections: [inClear('MAIL FROM:<>')] },
      /"MAIL FROM:<>" went in clear text to mx\.a/,
    ],
    [
      'an envelope in clear to a host that was refused',
      { expected: shouldDefer, outcome: deferred, messages: [], connections: [inClear('rcpt to:<a@b>')] },
      /went in clear text/,
    ],
  ];
  it.each(rows)('finds %s', (_, given, fault) => {
    expect(judged(given).join('\n')).toMatch(fault);
  });
});
