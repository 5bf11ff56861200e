/** What is said where no name server can be reached: few words, whatever the number of servers. */
import { describe, expect, it } from 'vitest';
import { noReply, type Trouble } from './ask-server.js';
import { createIterator } from './iterate.js';
import { Name } from './name.js';
import { ROOT_HINTS } from './root-hints.js';
import { RRTYPE } from './rrtype.js';
import { parseServer } from './server-address.js';
import type { Endpoint, Transport } from './transport.js';
import { TransportError } from './transport-error.js';
import { rootTrustAnchors } from './trust-anchor.js';
import { createWaysOut } from './ways-out.js';

const QUESTION = { name: Name.parse('example.org'), type: RRTYPE.MX };
const SILENT: Trouble = { kind: 'silent' };
const unreached = (address: string, code: string): Trouble => ({
  kind: 'network',
  reason: `UDP to ${address}#53: connect ${code}`,
  isLasting: false,
});

/** A way out over a network of which `exchange` is all that there is. */
function waysOut(exchange: Transport['exchange']) {
  const transport: Transport = { exchange };
  const clock = (): number => 0;
  const rootHints = ROOT_HINTS.map(({ name, address }) => ({ name: Name.parse(name), address }));
  return createWaysOut({
    systemServers: async () => [parseServer('192.0.2.53')],
    iterator: createIterator({ rootHints, transport, port: 53, qnameMinimisation: true, clock }),
    fallback: [],
    anchors: rootTrustAnchors(),
    transport,
    clock,
  });
}

const offline = ({ address }: Endpoint): Promise<Uint8Array> =>
  Promise.reject(new TransportError('unreachable', `UDP to ${address}#53: connect ENETUNREACH`));

describe('without a network', () => {
  it('it is said in a line how many servers were tried, the first cause, and what to do', async () => {
    const source = waysOut((_, server) => offline(server));
    expect(await source.ask(QUESTION)).toMatchObject({
      kind: 'failure',
      reason:
        "DNS can't be asked: none of 9 name servers can be reached from here: 192.0.2.53#53 does not answer (UDP to " +
        '192.0.2.53#53: connect ENETUNREACH). Ways out: a network that works, with port 53 (UDP and TCP) open to the ' +
        'Internet, or a DNS-over-TLS server as a fallback',
    });
    await source.close();
  });

  it('is not said where one of them has spoken', async () => {
    const source = waysOut((_, server) =>
      server.address === '192.0.2.53' ? Promise.resolve(new Uint8Array(3)) : offline(server),
    );
    const { reason } = { reason: '', ...(await source.ask(QUESTION)) };
    expect(reason).toContain(
      "The system's resolvers: 192.0.2.53#53 does not answer (the message is no reply",
    );
    expect(reason).toMatch(
      /From the root: it does not answer \(no server of \. answers for \.: \S+ and 7 more: /u,
    );
    await source.close();
  });
});

describe('the reason why nobody replied', () => {
  it.each<[what: string, troubles: Readonly<Record<string, Trouble>>, reason: string, count?: number]>([
    [
      'names every server where they are few',
      { '192.0.2.1': SILENT, '192.0.2.2': SILENT, '192.0.2.3': SILENT },
      '192.0.2.1: no answer in time; 192.0.2.2: no answer in time; 192.0.2.3: no answer in time',
    ],
    [
      'names one for each trouble where they are many',
      {
        '192.0.2.1#53': unreached('192.0.2.1', 'ENETUNREACH'),
        '192.0.2.2#53': unreached('192.0.2.2', 'ENETUNREACH'),
        '2001:db8::1#53': unreached('2001:db8::1', 'EADDRNOTAVAIL'),
        '192.0.2.3#53': SILENT,
        '192.0.2.4#53': unreached('192.0.2.4', 'ENETUNREACH'),
      },
      '192.0.2.1#53 and 2 more: UDP to 192.0.2.1#53: connect ENETUNREACH; ' +
        '2001:db8::1#53: UDP to 2001:db8::1#53: connect EADDRNOTAVAIL; 192.0.2.3#53: no answer in time',
    ],
    [
      'counts them where the network has a way to none',
      {
        '192.0.2.1': unreached('192.0.2.1', 'ENETUNREACH'),
        '192.0.2.2': unreached('192.0.2.2', 'ECONNREFUSED'),
      },
      '192.0.2.1: UDP to 192.0.2.1#53: connect ENETUNREACH; 192.0.2.2: UDP to 192.0.2.2#53: connect ECONNREFUSED',
      2,
    ],
  ])('%s', (_, troubles, reason, count) => {
    const none = noReply(new Map(Object.entries(troubles)));
    expect([none.reason, none.unreached]).toEqual([reason, count]);
  });
});
