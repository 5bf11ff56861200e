import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { describe, expect, test } from 'vitest';
import type { Timer } from './abort.js';
import { TCP_TRY_MS } from './ask-server.js';
import { EDNS_UDP_OCTETS } from './exchange-once.js';
import {
  createForwarder,
  type Forwarder,
  MAX_TRIES,
  PENALTY_MS,
  QUESTION_MS,
  TCP_ONLY_MS,
  UDP_TRY_MS,
} from './forward.js';
import { encodeMessage, type Message, parseMessage } from './message.js';
import { Name } from './name.js';
import { RRTYPE } from './rrtype.js';
import { parseServer } from './server-address.js';
import { FrameReader } from './tcp.js';
import { createNetworkTransport, type Endpoint, formatServer, type Transport } from './transport.js';
import { TransportError } from './transport-error.js';

const NAME = Name.parse('example.com');
const QUESTION = { name: NAME, type: RRTYPE.A };
const VALIDATE = { cd: true, do: true };

/** What a server of a test does with a query: octets to send back, an error of the transport, or nothing for ever. */
type Behaviour = (query: Uint8Array, server: Endpoint) => Uint8Array | Error | 'silence';

/** A network in memory that keeps account of who was asked. */
function network(
  behaviours: Record<string, Behaviour>,
): Transport & { readonly asked: string[]; readonly queries: Message[] } {
  const asked: string[] = [];
  const queries: Message[] = [];
  return {
    asked,
    queries,
    exchange(query, server) {
      asked.push(`${server.address} ${server.protocol}`);
      queries.push(parseMessage(query));
      const result =
        behaviours[server.address]?.(query, server) ?? new TransportError('unreachable', 'no route');
      if (result === 'silence') return new Promise(() => {});
      return result instanceof Error ? Promise.reject(result) : Promise.resolve(result);
    },
  };
}

function reply(to: Uint8Array, change: Partial<Message> = {}): Uint8Array {
  const asked = parseMessage(to);
  return encodeMessage({ ...asked, flags: { ...asked.flags, qr: true, ra: true }, ...change });
}

const answers: Behaviour = (query) => reply(query);
const withRcode =
  (rcode: number): Behaviour =>
  (query) =>
    reply(query, { rcode });
const withTc = (query: Uint8Array, server: Endpoint) => {
  const { flags } = parseMessage(query);
  return reply(query, { flags: { ...flags, qr: true, tc: server.protocol === 'udp' } });
};
const isSilent: Behaviour = () => 'silence';
/** A record that says it is longer than the message. */
const isCutOff: Behaviour = (query) => {
  const whole = reply(query, {
    answer: [{ name: NAME, type: RRTYPE.A, class: 1, ttl: 1, rdata: Uint8Array.of(192, 0, 2, 1) }],
  });
  return whole.subarray(0, whole.length - 13);
};
const withExtendedError = (code: number, text: string): Behaviour => {
  const data = Uint8Array.of(code >> 8, code & 0xff, ...new TextEncoder().encode(text));
  const edns = { udpSize: 1232, version: 0, do: true, options: [{ code: 15, data }] };
  return (query) => reply(query, { rcode: 2, edns });
};

/** Time that passes as soon as nothing else happens; the time for the whole question never does. */
function impatient(elapsed: number[] = []): Timer {
  return (milliseconds, done) => {
    if (milliseconds === QUESTION_MS) return () => {};
    const immediate = setImmediate(() => {
      elapsed.push(milliseconds);
      done();
    });
    return () => clearImmediate(immediate);
  };
}

function forwarder(
  transport: Transport,
  addresses: readonly string[],
  more: { timer?: Timer; clock?: () => number } = {},
): Forwarder {
  const servers = addresses.map((address) => ({ address, port: 53 }));
  return createForwarder({
    servers,
    transport,
    timer: more.timer ?? impatient(),
    clock: more.clock ?? (() => 0),
  });
}

describe('a query of the forwarder', () => {
  test('asks for recursion, with EDNS of 1232 octets and the flags that the caller wants', async () => {
    const net = network({ '192.0.2.1': answers });
    await forwarder(net, ['192.0.2.1']).ask(QUESTION, { cd: true, do: true });
    await forwarder(net, ['192.0.2.1']).ask(QUESTION, { cd: false, do: false, ad: true });
    const [validating, believing] = net.queries;
    expect(validating?.flags).toMatchObject({ qr: false, rd: true, cd: true, ad: false });
    expect(validating?.edns).toEqual({ udpSize: EDNS_UDP_OCTETS, version: 0, do: true, options: [] });
    expect(validating?.questions).toEqual([{ name: NAME, type: RRTYPE.A, class: 1 }]);
    expect(believing?.flags).toMatchObject({ rd: true, cd: false, ad: true });
    expect(believing?.edns?.do).toBe(false);
  });

  test('has an id that the one before does not tell', async () => {
    const net = network({ '192.0.2.1': answers });
    const client = forwarder(net, ['192.0.2.1']);
    for (let i = 0; i < 50; i++) await client.ask(QUESTION, VALIDATE);
    const ids = net.queries.map((query) => query.id);
    const steps = ids.slice(1).map((id, i) => id - (ids[i] ?? 0));
    expect(new Set(ids).size).toBeGreaterThan(40);
    expect(new Set(steps).size).toBeGreaterThan(40);
  });
});

describe('what counts as a reply', () => {
  test.each([
    ['NOERROR', 0],
    ['NXDOMAIN', 3],
    ['YXDOMAIN', 6],
  ])('%s does', async (_name, rcode) => {
    const got = await forwarder(network({ '192.0.2.1': withRcode(rcode) }), ['192.0.2.1']).ask(
      QUESTION,
      VALIDATE,
    );
    expect(got).toMatchObject({ kind: 'reply', server: '192.0.2.1#53', message: { rcode } });
  });

  test.each([
    ['FORMERR', 1],
    ['SERVFAIL', 2],
    ['NOTIMP', 4],
    ['REFUSED', 5],
    ['NOTAUTH', 9],
    ['BADVERS', 16],
    ['RCODE3841', 3841],
  ])('%s does not: the next server is asked, each once', async (name, rcode) => {
    const net = network({ '192.0.2.1': withRcode(rcode), '192.0.2.2': withRcode(rcode) });
    const got = await forwarder(net, ['192.0.2.1', '192.0.2.2']).ask(QUESTION, VALIDATE);
    expect(got).toMatchObject({ kind: 'failure', rcode: name, ede: { code: 0 } });
    expect(got).toMatchObject({ reason: `192.0.2.1#53: ${name}; 192.0.2.2#53: ${name}` });
    expect(net.asked).toEqual(['192.0.2.1 udp', '192.0.2.2 udp']);
  });

  const impostors: readonly (readonly [string, Behaviour])[] = [
    ['another id', (query) => reply(query, { id: parseMessage(query).id ^ 1 })],
    [
      'another name',
      (query) => reply(query, { questions: [{ name: Name.parse('example.net'), type: 1, class: 1 }] }),
    ],
    ['another type', (query) => reply(query, { questions: [{ name: NAME, type: 2, class: 1 }] })],
    ['another class', (query) => reply(query, { questions: [{ name: NAME, type: 1, class: 3 }] })],
    ['another opcode', (query) => reply(query, { opcode: 4 })],
    ['the query itself', (query) => query],
    ['no octets', () => new Uint8Array(0)],
    ['a record that is cut off', isCutOff],
  ];
  test.each(impostors)(
    '%s from a transport does not: TCP is tried, then the next server',
    async (_what, behaviour) => {
      const net = network({ '192.0.2.1': behaviour, '192.0.2.2': answers });
      const got = await forwarder(net, ['192.0.2.1', '192.0.2.2']).ask(QUESTION, VALIDATE);
      expect(got).toMatchObject({ kind: 'reply', server: '192.0.2.2#53' });
      expect(net.asked).toEqual(['192.0.2.1 udp', '192.0.2.1 tcp', '192.0.2.2 udp']);
    },
  );

  test('a truncated reply does not: the whole is fetched over TCP', async () => {
    const net = network({ '192.0.2.1': withTc });
    const got = await forwarder(net, ['192.0.2.1']).ask(QUESTION, VALIDATE);
    expect(got).toMatchObject({ kind: 'reply', message: { flags: { tc: false } } });
    expect(net.asked).toEqual(['192.0.2.1 udp', '192.0.2.1 tcp']);
  });

  test('a truncated reply over TCP does not either', async () => {
    const alwaysTc: Behaviour = (query) =>
      reply(query, { flags: { ...parseMessage(query).flags, qr: true, tc: true } });
    const got = await forwarder(network({ '192.0.2.1': alwaysTc }), ['192.0.2.1']).ask(QUESTION, VALIDATE);
    expect(got).toMatchObject({
      kind: 'failure',
      ede: { code: 23 },
      reason: expect.stringContaining('truncated over TCP'),
    });
  });

  test('guessing over UDP makes it ask over TCP, where nobody can guess', async () => {
    const net = network({
      '192.0.2.1': (query, { protocol }) =>
        protocol === 'udp' ? new TransportError('junk', 'junk') : reply(query),
    });
    expect(await forwarder(net, ['192.0.2.1']).ask(QUESTION, VALIDATE)).toMatchObject({ kind: 'reply' });
    expect(net.asked).toEqual(['192.0.2.1 udp', '192.0.2.1 tcp']);
  });
});

describe('a failure', () => {
  test('of all servers to say anything is code 22, after tries of growing length', async () => {
    const elapsed: number[] = [];
    const net = network({ '192.0.2.1': isSilent });
    const got = await forwarder(net, ['192.0.2.1'], { timer: impatient(elapsed) }).ask(QUESTION, VALIDATE);
    expect(got).toEqual({
      kind: 'failure',
      reason: '192.0.2.1#53: no answer in time',
      ede: { code: 22, text: '192.0.2.1#53: no answer in time' },
    });
    // After the first silence UDP may be blocked: TCP is tried beside it.
    const [first, ...later] = UDP_TRY_MS;
    expect(elapsed).toEqual([first, ...later.flatMap((patience) => [patience, patience])]);
    expect(new Set(net.queries.map(({ id }) => id)).size).toBeGreaterThan(1);
  });

  test('of the network is code 23, after pauses between the rounds', async () => {
    const elapsed: number[] = [];
    const net = network({ '192.0.2.1': () => new TransportError('unreachable', 'connection refused') });
    const got = await forwarder(net, ['192.0.2.1'], { timer: impatient(elapsed) }).ask(QUESTION, VALIDATE);
    expect(got).toMatchObject({
      kind: 'failure',
      ede: { code: 23 },
      reason: '192.0.2.1#53: connection refused',
    });
    expect(elapsed).toEqual([250, 500]);
    expect(net.asked).toHaveLength(3);
  });

  test('because our transport was closed is not tried again', async () => {
    const net = network({ '192.0.2.1': () => new TransportError('closed', 'the transport was closed') });
    const got = await forwarder(net, ['192.0.2.1']).ask(QUESTION, VALIDATE);
    expect(got).toMatchObject({ kind: 'failure', reason: '192.0.2.1#53: the transport was closed' });
    expect(net.asked).toHaveLength(1);
  });

  test('tells the extended error of the server that gave one, and every server', async () => {
    const net = network({
      '192.0.2.1': isSilent,
      '192.0.2.2': withRcode(5),
      '192.0.2.3': withExtendedError(6, 'signature\r\nforged log line'),
    });
    const got = await forwarder(net, ['192.0.2.1', '192.0.2.2', '192.0.2.3']).ask(QUESTION, VALIDATE);
    expect(got).toMatchObject({ rcode: 'SERVFAIL', ede: { code: 6, text: 'signature forged log line' } });
    expect(got).toMatchObject({
      reason:
        '192.0.2.3#53: SERVFAIL (extended error 6: signature forged log line); 192.0.2.2#53: REFUSED; ' +
        '192.0.2.1#53: no answer in time',
    });
  });

  test('comes after a bounded number of queries, however many servers there are', async () => {
    const addresses = Array.from({ length: 50 }, (_, i) => `192.0.2.${i + 1}`);
    const net = network(Object.fromEntries(addresses.map((address) => [address, isSilent])));
    const got = await forwarder(net, addresses).ask(QUESTION, VALIDATE);
    expect(got.kind).toBe('failure');
    expect(net.asked).toHaveLength(MAX_TRIES);
  });

  test('comes when the time for the question is over', async () => {
    let elapse = () => {};
    const timer: Timer = (milliseconds, done) => {
      if (milliseconds === QUESTION_MS) elapse = done;
      return () => {};
    };
    const net = network({
      '192.0.2.1': () => {
        setImmediate(() => elapse());
        return 'silence';
      },
    });
    const got = await forwarder(net, ['192.0.2.1', '192.0.2.2'], { timer }).ask(QUESTION, VALIDATE);
    expect(got).toMatchObject({ kind: 'failure', ede: { code: 22 } });
    expect(net.asked).toHaveLength(1);
  });

  test('of TCP after a truncated reply has its own patience', async () => {
    const elapsed: number[] = [];
    const net = network({
      '192.0.2.1': (query, server) => (server.protocol === 'udp' ? withTc(query, server) : 'silence'),
    });
    const got = await forwarder(net, ['192.0.2.1'], { timer: impatient(elapsed) }).ask(QUESTION, VALIDATE);
    expect(got).toMatchObject({ kind: 'failure' });
    // In the second and third round TCP is tried beside UDP as well, with the patience of that round.
    expect(elapsed.filter((patience) => patience === TCP_TRY_MS).length).toBeGreaterThanOrEqual(3);
  });

  test('is never made of an abort: that rejects, with its reason', async () => {
    const abort = new AbortController();
    const net = network({
      '192.0.2.1': () => {
        abort.abort(new Error('enough'));
        return 'silence';
      },
    });
    const asked = forwarder(net, ['192.0.2.1'], { timer: () => () => {} }).ask(QUESTION, {
      ...VALIDATE,
      signal: abort.signal,
    });
    await expect(asked).rejects.toThrow('enough');
    const again = forwarder(net, ['192.0.2.1']).ask(QUESTION, { ...VALIDATE, signal: abort.signal });
    await expect(again).rejects.toThrow('enough');
    expect(net.asked).toHaveLength(1);
  });
});

describe('where UDP is blocked', () => {
  const onlyTcp: Behaviour = (query, { protocol }) => (protocol === 'tcp' ? reply(query) : 'silence');

  test('TCP is tried after the first silence, and kept to for a while', async () => {
    let now = 0;
    const net = network({ '192.0.2.1': onlyTcp });
    const client = forwarder(net, ['192.0.2.1'], { clock: () => now });
    const ways = async () => {
      const before = net.asked.length;
      expect(await client.ask(QUESTION, VALIDATE)).toMatchObject({ kind: 'reply', server: '192.0.2.1#53' });
      return net.asked.slice(before).map((line) => line.slice(-3));
    };
    expect(await ways()).toEqual(['udp', 'udp', 'tcp']);
    expect(await ways()).toEqual(['tcp']);
    now = TCP_ONLY_MS;
    expect(await ways()).toEqual(['udp', 'udp', 'tcp']);
  });

  test('a lost datagram is not taken for that', async () => {
    let datagrams = 0;
    const net = network({
      '192.0.2.1': (query, { protocol }) =>
        protocol === 'udp' && ++datagrams === 2 ? reply(query) : new TransportError('silent', 'lost'),
    });
    const client = forwarder(net, ['192.0.2.1']);
    await client.ask(QUESTION, VALIDATE);
    datagrams = 1;
    await client.ask(QUESTION, VALIDATE);
    expect(net.asked.map((line) => line.slice(-3))).toEqual(['udp', 'udp', 'tcp', 'udp']);
  });
});

describe('a server over TLS', () => {
  test('is asked over TLS and in no other way, beside plain ones', async () => {
    const net = network({
      '192.0.2.1': () => new TransportError('unauthenticated', 'another'),
      '192.0.2.2': answers,
    });
    const servers = [parseServer('tls://192.0.2.1/dns.example'), parseServer('192.0.2.2')];
    const client = createForwarder({ servers, transport: net, timer: impatient(), clock: () => 0 });
    expect(await client.ask(QUESTION, VALIDATE)).toMatchObject({ kind: 'reply', server: '192.0.2.2#53' });
    expect(net.asked).toEqual(['192.0.2.1 tls', '192.0.2.2 udp']);
  });

  test('that is not who it should be is not asked again', async () => {
    const net = network({ '192.0.2.1': () => new TransportError('unauthenticated', 'another') });
    const servers = [parseServer('tls://192.0.2.1/dns.example')];
    const client = createForwarder({ servers, transport: net, timer: impatient(), clock: () => 0 });
    expect(await client.ask(QUESTION, VALIDATE)).toMatchObject({
      kind: 'failure',
      reason: 'tls://192.0.2.1#853/dns.example: another',
    });
    expect(net.asked).toEqual(['192.0.2.1 tls']);
  });
});

describe('the order of servers', () => {
  test('has those that gave no answer last, until their penalty is over', async () => {
    let now = 0;
    const net = network({ '192.0.2.1': isSilent, '192.0.2.2': answers });
    const client = forwarder(net, ['192.0.2.1', '192.0.2.2'], { clock: () => now });
    const first = async () => {
      const before = net.asked.length;
      await client.ask(QUESTION, VALIDATE);
      return net.asked[before];
    };
    expect(await first()).toBe('192.0.2.1 udp');
    expect(await first()).toBe('192.0.2.2 udp');
    now = PENALTY_MS - 1;
    expect(await first()).toBe('192.0.2.2 udp');
    now = PENALTY_MS;
    expect(await first()).toBe('192.0.2.1 udp');
  });

  test('has the faster first, once both were tried', async () => {
    let now = 0;
    const takes =
      (milliseconds: number): Behaviour =>
      (query) => {
        now += milliseconds;
        return reply(query);
      };
    const net = network({ '192.0.2.1': takes(80), '192.0.2.2': takes(20) });
    const client = forwarder(net, ['192.0.2.1', '192.0.2.2'], { clock: () => now });
    for (let i = 0; i < 5; i++) await client.ask(QUESTION, VALIDATE);
    expect(net.asked.map((line) => line.slice(0, 9))).toEqual([
      '192.0.2.1',
      '192.0.2.2',
      '192.0.2.2',
      '192.0.2.2',
      '192.0.2.2',
    ]);
  });
});

test('a forwarder without servers is a mistake of its maker', () => {
  expect(() => createForwarder({ servers: [], transport: network({}) })).toThrow(TypeError);
});

test('over real sockets: the first server is gone, the second truncates over UDP and answers over TCP', async () => {
  const gone = createSocket('udp4').bind(0, '127.0.0.1');
  await once(gone, 'listening');
  const goneAt = { address: '127.0.0.1', port: gone.address().port };
  await new Promise<void>((resolve) => gone.close(() => resolve()));

  const tcp = createServer((socket) => {
    const frames = new FrameReader();
    socket.on('error', () => {});
    socket.on('data', (chunk: Uint8Array) => {
      for (const query of frames.read(chunk)) {
        const whole = reply(query, {
          answer: [{ name: NAME, type: RRTYPE.A, class: 1, ttl: 60, rdata: Uint8Array.of(192, 0, 2, 7) }],
        });
        socket.write(Uint8Array.of(whole.length >> 8, whole.length & 0xff, ...whole));
      }
    });
  });
  tcp.listen(0, '127.0.0.1');
  await once(tcp, 'listening');
  const bound = tcp.address();
  if (bound === null || typeof bound === 'string') throw new Error('no port');
  const udp = createSocket('udp4').bind(bound.port, '127.0.0.1');
  udp.on('message', (query: Uint8Array, from) => {
    udp.send(withTc(new Uint8Array(query), { ...goneAt, protocol: 'udp' }), from.port, from.address);
  });
  await once(udp, 'listening');

  const transport = createNetworkTransport();
  try {
    const here = { address: '127.0.0.1', port: bound.port };
    const got = await createForwarder({ servers: [goneAt, here], transport }).ask(QUESTION, VALIDATE);
    expect(got).toMatchObject({
      kind: 'reply',
      server: formatServer(here),
      message: { answer: [{ ttl: 60 }] },
    });
  } finally {
    await transport.close();
    await new Promise<void>((resolve) => udp.close(() => resolve()));
    await new Promise((resolve) => tcp.close(resolve));
  }
});
