import type { ConnectionRecord, Expected, ReceivedMessage, Scenario } from '@danelaw/lab';
import { describe, expect, it } from 'vitest';
import { type Came, judge, type ServerRecord, type Through } from './demo-judge.js';

const HOST = 'mx.a.example';
const ADDRESS = '127.25.0.1';
const RECIPIENT = 'you@a.example';
const octets = Buffer.from('A: b\r\n\r\n.\r\n');

const delivered: Came = {
  status: 'delivered',
  host: HOST,
  address: ADDRESS,
  mx: 'secure',
  tls: { by: '3 1 1', baseDomain: HOST },
  enhancedStatus: '2.0.0',
  failure: null,
  stage: null,
};
const deferred: Came = {
  ...delivered,
  status: 'deferred',
  tls: 'none',
  enhancedStatus: '4.7.5',
  failure: 'validation-failure',
  stage: 'handshake',
};
const failed: Came = { ...deferred, status: 'failed', enhancedStatus: '5.1.1', failure: null, stage: null };

const shouldDeliver: Expected = {
  status: 'delivered',
  host: HOST,
  mx: 'secure',
  tls: { by: '3 1 1', baseDomain: HOST },
};
const evidence = { enhancedStatus: '4.7.5', failure: 'validation-failure', stage: 'handshake' };
const shouldDefer: Expected = { status: 'deferred', because: 'a rule', evidence };
const shouldFail: Expected = { status: 'failed', because: 'a rule' };

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
const relayedMessage: ReceivedMessage = {
  ...message,
  content: Buffer.concat([Buffer.from('Received: from a (b [192.0.2.1])\r\n\tby c; now\r\n'), octets]),
};
const report: ReceivedMessage = {
  ...message,
  recipients: [{ address: 'me@home.example', parameters: [] }],
  content: Buffer.from(`A: b\r\n\r\nfinal-recipient: RFC822; ${RECIPIENT}\r\n`),
};
const inClear = (line: string): ConnectionRecord => ({
  ...connection,
  commands: [{ line, inTls: false, at: 0, pipelined: false }],
});

interface Case {
  readonly expected?: Expected;
  readonly came?: Came;
  readonly through?: Through;
  readonly messages?: readonly ReceivedMessage[];
  readonly connections?: readonly ConnectionRecord[];
}

function judged({
  expected = shouldDeliver,
  came = delivered,
  through = 'nobody',
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
  const servers = new Map([[HOST, server]]);
  return judge({ scenario, expected, recipient: RECIPIENT, octets, came, through, servers });
}

describe('judge', () => {
  it('has nothing to say where all is as it should be', () => {
    expect(judged({})).toEqual([]);
    expect(judged({ expected: shouldDefer, came: deferred, messages: [] })).toEqual([]);
    expect(judged({ messages: [relayedMessage], through: 'relay' })).toEqual([]);
    expect(judged({ expected: shouldFail, came: failed, messages: [report], through: 'relay' })).toEqual([]);
    // Who was refused by the relay itself knows.
    expect(judged({ expected: shouldFail, came: failed, messages: [], through: 'refusal' })).toEqual([]);
    expect(judged({ connections: [inClear('EHLO home.example'), inClear('STARTTLS')] })).toEqual([]);
  });

  it('finds a message that nothing became of', () => {
    const scenario = { domain: 'a.example', shows: '', rule: '', zones: {}, expected: shouldDefer };
    const nothing = { scenario, recipient: RECIPIENT, octets, came: undefined, through: 'relay' as const };
    expect(judge({ ...nothing, expected: shouldDefer, servers: new Map() })).toEqual([
      `nothing became of the message to ${RECIPIENT}`,
    ]);
  });

  const rows: [what: string, given: Case, fault: RegExp][] = [
    [
      'a delivery that should have been deferred',
      { expected: shouldDefer },
      /^delivered, and should be deferred$/m,
    ],
    [
      'a deferral that should have been a delivery',
      { came: deferred },
      /^deferred, and should be delivered$/,
    ],
    [
      'another host than the one whose address was named',
      { expected: { ...shouldDeliver, host: '{address mx.a.example}' } },
      /the host is mx\.a\.example, and should be 127\.25\.0\.1/,
    ],
    ['another host', { came: { ...delivered, host: 'mx.b.example' } }, /the host is mx\.b\.example/],
    [
      'an overstated MX',
      { came: { ...delivered, mx: 'insecure' } },
      /the MX is insecure, and should be secure/,
    ],
    [
      'clear text',
      { came: { ...delivered, tls: 'none' } },
      /the TLS is none, and should be authenticated by 3 1 1/,
    ],
    [
      'a session that nobody authenticated',
      { came: { ...delivered, tls: 'unauthenticated' } },
      /the TLS is unauthenticated/,
    ],
    [
      'another record',
      { came: { ...delivered, tls: { by: '2 1 1', baseDomain: HOST } } },
      /the TLS is authenticated by 2 1 1/,
    ],
    [
      'a refusal for another reason',
      { expected: shouldDefer, came: { ...deferred, failure: 'certificate-expired' }, messages: [] },
      /^the failure type is certificate-expired, and should be validation-failure$/,
    ],
    [
      'a refusal of another kind',
      { expected: shouldDefer, came: { ...deferred, enhancedStatus: '4.4.3' }, messages: [] },
      /^the enhanced status is 4\.4\.3, and should be 4\.7\.5$/,
    ],
    [
      'a refusal at another step',
      { expected: shouldDefer, came: { ...deferred, stage: null }, messages: [] },
      /^the step that failed is none, and should be handshake$/,
    ],
    [
      'a failure that a relay kept to itself',
      { expected: shouldFail, came: failed, messages: [], through: 'relay' },
      /its sender was told 0 times that it failed, and should have been told 1 times/,
    ],
    [
      'a report about what was only deferred',
      { expected: shouldDefer, came: deferred, messages: [report], through: 'relay' },
      /its sender was told 1 times that it failed, and should have been told 0 times/,
    ],
    ['a relay that left no trace', { through: 'relay' }, /arrived changed/],
    [
      'a field that no relay had to add',
      {
        messages: [{ ...message, content: Buffer.concat([Buffer.from('X-Spam: no\r\n'), octets]) }],
        through: 'relay',
      },
      /arrived changed/,
    ],
    ['a trace without a relay', { messages: [relayedMessage] }, /arrived changed/],
    [
      'a claim of delivery where nothing arrived',
      { messages: [] },
      /arrived 0 times, and should have arrived 1/,
    ],
    ['a message that arrived twice', { messages: [message, message] }, /arrived 2 times/],
    [
      'a claim of refusal where something arrived',
      { expected: shouldDefer, came: deferred },
      /arrived 1 times \(at mx\.a\.example\), and should have arrived 0/,
    ],
    ['a message that was not accepted', { messages: [{ ...message, accepted: false }] }, /arrived 0 times/],
    [
      'a changed octet',
      { messages: [{ ...message, content: Buffer.from('A: c\r\n\r\n.\r\n') }] },
      /arrived changed/,
    ],
    ['another place', { came: { ...delivered, address: '127.25.0.2' } }, /which nobody said/],
    [
      'an envelope in clear',
      { connections: [inClear('MAIL FROM:<>')] },
      /"MAIL FROM:<>" went in clear text to mx\.a/,
    ],
    [
      'an envelope in clear to a host that was refused',
      { expected: shouldDefer, came: deferred, messages: [], connections: [inClear('rcpt to:<a@b>')] },
      /went in clear text/,
    ],
  ];
  it.each(rows)('finds %s', (_, given, fault) => {
    expect(judged(given).join('\n')).toMatch(fault);
  });
});
