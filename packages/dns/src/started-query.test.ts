import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { afterEach, describe, expect, test } from 'vitest';
import { encodeMessage, encodeQuery, parseMessage } from './message.js';
import { Name } from './name.js';
import { RRTYPE } from './rrtype.js';
import { type QueryListener, START, startQuery } from './started-query.js';
import { createNetworkTransport, createSocketTransport, type Endpoint, type Transport } from './transport.js';
import { TransportError } from './transport-error.js';

const cleanup: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const end of cleanup.splice(0).reverse()) await end();
});

const query = (id: number) => encodeQuery({ id, name: Name.parse('example.com'), type: RRTYPE.A, rd: true });

function replyTo(asked: Uint8Array): Uint8Array {
  const message = parseMessage(asked);
  return encodeMessage({ ...message, flags: { ...message.flags, qr: true } });
}

/** What is heard of one query, and a promise for the first of it. */
function ear(): { listener: QueryListener; heard: (Uint8Array | unknown)[]; first: Promise<unknown> } {
  const heard: unknown[] = [];
  let tell: (what: unknown) => void = () => {};
  const first = new Promise((resolve) => {
    tell = resolve;
  });
  const hear = (what: unknown): void => {
    heard.push(what);
    tell(what);
  };
  return { listener: { replied: hear, failed: hear }, heard, first };
}

/** A server that answers each query but those with id 1. */
async function server(isLocal: boolean): Promise<Endpoint> {
  const socket = createSocket('udp4');
  socket.on('message', (datagram: Uint8Array, from) => {
    const asked = new Uint8Array(datagram);
    if (parseMessage(asked).id !== 1) socket.send(replyTo(asked), from.port, from.address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  cleanup.push(() => new Promise<void>((resolve) => socket.close(() => resolve())));
  const { port } = socket.address();
  return { address: '127.0.0.1', port, protocol: 'udp', ...(isLocal ? { isLocal } : {}) };
}

function sockets(): ReturnType<typeof createSocketTransport> {
  const transport = createSocketTransport();
  cleanup.push(() => transport.close());
  return transport;
}

describe.each([
  ['from a socket of its own', false],
  ['from the socket for a resolver on this machine', true],
])('a query that is started %s', (_how, isLocal) => {
  test('is answered', async () => {
    const { listener, first, heard } = ear();
    const started = sockets()[START](query(7), await server(isLocal), listener);
    expect(started).toBeDefined();
    expect(await first).toEqual(replyTo(query(7)));
    started?.end();
    expect(heard).toHaveLength(1);
  });

  test('and ended is not heard of any more, neither by a late reply nor when the transport is closed', async () => {
    const transport = sockets();
    const to = await server(isLocal);
    const ended = ear();
    transport[START](query(8), to, ended.listener)?.end();
    const other = ear();
    transport[START](query(9), to, other.listener);
    await other.first;
    await transport.close();
    expect(ended.heard).toEqual([]);
    expect(other.heard).toHaveLength(1);
  });

  test('ends with the transport, which starts none after that', async () => {
    const transport = sockets();
    const to = await server(isLocal);
    const { listener, first } = ear();
    transport[START](query(1), to, listener);
    await transport.close();
    expect(await first).toMatchObject({ failure: 'closed' });
    expect(transport[START](query(2), to, listener)).toBeUndefined();
  });

  test('to a port where nobody listens fails', async () => {
    const { port } = await server(isLocal);
    const end = cleanup.pop();
    await end?.();
    const { listener, first } = ear();
    const nowhere = { address: '127.0.0.1', port, protocol: 'udp', ...(isLocal ? { isLocal } : {}) } as const;
    sockets()[START](query(2), nowhere, listener);
    expect(await first).toMatchObject({ failure: 'unreachable' });
  });
});

test('no more are started at a time than there may be sockets; the others have to wait in line', async () => {
  const transport = sockets();
  const to = await server(false);
  const started = Array.from({ length: 401 }, () => transport[START](query(1), to, ear().listener));
  expect(started.filter((each) => each !== undefined)).toHaveLength(400);
  started[0]?.end();
  expect(transport[START](query(1), to, ear().listener)).toBeDefined();
});

test('the end of a query whose reply has come does not end the next one with its id', async () => {
  const transport = sockets();
  const to = await server(true);
  const [first, second] = [ear(), ear()];
  const started = transport[START](query(7), to, first.listener);
  await first.first;
  transport[START](query(7), to, second.listener);
  started?.end();
  expect(await second.first).toEqual(replyTo(query(7)));
});

describe('over a transport that has only `exchange`', () => {
  const to: Endpoint = { address: '192.0.2.1', port: 53, protocol: 'tcp' };
  const by = (exchange: Transport['exchange']): Transport => ({ exchange });

  test('the reply is heard, or the failure', async () => {
    const [answered, failed] = [ear(), ear()];
    startQuery(
      by(async (asked) => replyTo(asked)),
      query(3),
      to,
      answered.listener,
    );
    expect(await answered.first).toEqual(replyTo(query(3)));
    const error = new TransportError('unreachable', 'no route');
    startQuery(
      by(() => Promise.reject(error)),
      query(3),
      to,
      failed.listener,
    );
    expect(await failed.first).toBe(error);
  });

  test('the end aborts the exchange, and its rejection is not heard', async () => {
    const { listener, heard } = ear();
    let aborted = false;
    const transport = by(
      (_query, _server, signal) =>
        new Promise((_resolve, reject) => {
          signal?.addEventListener('abort', () => {
            aborted = true;
            reject(signal.reason);
          });
        }),
    );
    startQuery(transport, query(3), to, listener).end();
    await new Promise((resolve) => setImmediate(resolve));
    expect(aborted).toBe(true);
    expect(heard).toEqual([]);
  });

  test('and that of others is one: whoever wraps its `exchange` is not gone around', () => {
    expect(START in createNetworkTransport()).toBe(false);
  });
});
