import { createSocket, type RemoteInfo, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { MAX_LOCAL_QUERIES } from './local-udp.js';
import { encodeMessage, encodeQuery, type Message, parseMessage } from './message.js';
import { Name } from './name.js';
import { RRTYPE } from './rrtype.js';
import { FrameReader } from './tcp.js';
import { createNetworkTransport, type Endpoint, type NetworkTransport } from './transport.js';
import { TransportError } from './transport-error.js';
import { MAX_JUNK_DATAGRAMS } from './udp.js';
import { concatBytes } from './wire.js';

const cleanup: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const end of cleanup.splice(0).reverse()) await end();
});

function transport(options: Parameters<typeof createNetworkTransport>[0] = {}): NetworkTransport {
  const made = createNetworkTransport(options);
  cleanup.push(() => made.close());
  return made;
}

function query(name: string, id: number, type: number = RRTYPE.A): Uint8Array {
  return encodeQuery({ id, name: Name.parse(name), type, rd: true });
}

/** The reply that a server gives to a query, changed as the test likes. */
function reply(to: Uint8Array, change: Partial<Message> = {}): Uint8Array {
  const asked = parseMessage(to);
  return encodeMessage({ ...asked, flags: { ...asked.flags, qr: true, ra: true }, ...change });
}

async function udpServer(
  answer: (datagram: Uint8Array, from: RemoteInfo, socket: UdpSocket) => void,
  family: 4 | 6 = 4,
): Promise<Endpoint> {
  const address = family === 4 ? '127.0.0.1' : '::1';
  const socket = createSocket(family === 4 ? 'udp4' : 'udp6');
  socket.on('message', (datagram: Uint8Array, from) => answer(new Uint8Array(datagram), from, socket));
  socket.bind(0, address);
  await once(socket, 'listening');
  cleanup.push(() => new Promise<void>((resolve) => socket.close(() => resolve())));
  return { address, port: socket.address().port, protocol: 'udp' };
}

interface TcpServer extends Endpoint {
  readonly server: Server;
  readonly connections: Socket[];
}

async function tcpServer(answer: (query: Uint8Array, socket: Socket) => void): Promise<TcpServer> {
  const connections: Socket[] = [];
  const server = createServer((socket) => {
    connections.push(socket);
    const frames = new FrameReader();
    socket.on('error', () => {});
    socket.on('data', (chunk: Uint8Array) => {
      for (const message of frames.read(chunk)) answer(message, socket);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanup.push(async () => {
    for (const socket of connections) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return { address: '127.0.0.1', port: address.port, protocol: 'tcp', server, connections };
}

function frame(message: Uint8Array): Uint8Array {
  return concatBytes([Uint8Array.of(message.length >> 8, message.length & 0xff), message]);
}

async function failureOf(promise: Promise<unknown>): Promise<TransportError> {
  const error: unknown = await promise.then(
    () => new Error('it did not fail'),
    (reason: unknown) => reason,
  );
  if (!(error instanceof TransportError)) throw error;
  return error;
}

describe('over UDP', () => {
  test.each([4, 6] as const)('a query is answered (IPv%i)', async (family) => {
    const server = await udpServer(
      (datagram, from, socket) => socket.send(reply(datagram), from.port, from.address),
      family,
    );
    const asked = query('example.com', 0x1234);
    expect(await transport().exchange(asked, server)).toEqual(reply(asked));
  });

  test('every query comes from another port', async () => {
    const ports = new Set<number>();
    const server = await udpServer((datagram, from, socket) => {
      ports.add(from.port);
      socket.send(reply(datagram), from.port, from.address);
    });
    const client = transport();
    // Sockets that are open at the same time can't share a port; that they differ is then no accident.
    await Promise.all(Array.from({ length: 20 }, (_, i) => client.exchange(query('example.com', i), server)));
    expect(ports.size).toBe(20);
  });

  describe('to a resolver on this machine', () => {
    const local = (server: Endpoint): Endpoint => ({ ...server, isLocal: true });

    test('all queries come from one port, and each gets its own reply, in whatever order they come', async () => {
      const ports = new Set<number>();
      const held: (() => void)[] = [];
      const server = await udpServer((datagram, from, socket) => {
        ports.add(from.port);
        held.unshift(() => socket.send(reply(datagram), from.port, from.address));
        if (held.length === 20) for (const answer of held) answer();
      });
      const client = transport();
      const queries = Array.from({ length: 20 }, (_, i) => query(`${i}.example.com`, i));
      const replies = await Promise.all(queries.map((each) => client.exchange(each, local(server))));
      expect(replies).toEqual(queries.map((each) => reply(each)));
      expect(ports.size).toBe(1);
    });

    test('a query whose id another one has, and one too many, have a socket of their own', async () => {
      const ports = new Set<number>();
      const held: (() => void)[] = [];
      const all = MAX_LOCAL_QUERIES + 2;
      const server = await udpServer((datagram, from, socket) => {
        ports.add(from.port);
        held.push(() => socket.send(reply(datagram), from.port, from.address));
        if (held.length === all) for (const answer of held) answer();
      });
      const client = transport();
      const ids = [7, 7, ...Array.from({ length: all - 2 }, (_, i) => 100 + i)];
      const queries = ids.map((id, i) => query(`${i}.example.com`, id));
      const replies = await Promise.all(queries.map((each) => client.exchange(each, local(server))));
      expect(replies).toEqual(queries.map((each) => reply(each)));
      expect(ports.size).toBe(3);
    });

    test('what is no reply to any of them is ignored, and so is a reply that comes after its time', async () => {
      let late = (): void => {};
      const stop = new AbortController();
      const server = await udpServer((datagram, from, socket) => {
        const send = (message: Uint8Array): void => socket.send(message, from.port, from.address);
        if (parseMessage(datagram).id === 1) {
          late = () => send(reply(datagram));
          stop.abort(new Error('enough'));
          return;
        }
        late();
        send(datagram.subarray(0, 1));
        send(reply(datagram, { id: 3 }));
        send(reply(datagram, { questions: parseMessage(query('example.net', 2)).questions }));
        send(reply(datagram));
      });
      const client = transport();
      const first = client.exchange(query('late.example.com', 1), local(server), stop.signal);
      await expect(first).rejects.toThrow('enough');
      const asked = query('example.com', 2);
      expect(await client.exchange(asked, local(server))).toEqual(reply(asked));
    });

    test('all that wait are told where nobody listens, and the next is asked anew', async () => {
      const server = local(await udpServer(() => {}));
      const end = cleanup.pop();
      await end?.();
      const client = transport();
      const asked = [1, 2, 3].map((id) => failureOf(client.exchange(query('example.com', id), server)));
      for (const failure of await Promise.all(asked)) expect(failure.failure).toBe('unreachable');
      const socket = createSocket('udp4');
      socket.on('message', (datagram: Uint8Array, from) =>
        socket.send(reply(new Uint8Array(datagram)), from.port, from.address),
      );
      socket.bind(server.port, server.address);
      await once(socket, 'listening');
      cleanup.push(() => new Promise<void>((resolve) => socket.close(() => resolve())));
      const again = query('example.com', 4);
      expect(await client.exchange(again, server)).toEqual(reply(again));
    });

    test('what is under way ends with the transport', async () => {
      const server = await udpServer(() => {});
      const client = transport();
      const asked = failureOf(client.exchange(query('example.com', 1), local(server)));
      await client.close();
      expect((await asked).failure).toBe('closed');
    });
  });

  const wrong: readonly (readonly [string, (asked: Uint8Array) => Uint8Array])[] = [
    ['a wrong id', (asked) => reply(asked, { id: parseMessage(asked).id ^ 1 })],
    ['another name', (asked) => reply(asked, { questions: parseMessage(query('example.net', 1)).questions })],
    [
      'another type',
      (asked) => reply(asked, { questions: parseMessage(query('example.com', 1, RRTYPE.MX)).questions }),
    ],
    ['another opcode', (asked) => reply(asked, { opcode: 2 })],
    ['no question, though it is no error', (asked) => reply(asked, { questions: [] })],
    ['the query itself', (asked) => asked],
    ['less than a header', (asked) => asked.subarray(0, 11)],
    ['nothing', () => new Uint8Array(0)],
  ];
  test.each(wrong)('a datagram with %s is passed over', async (_what, forge) => {
    const server = await udpServer((datagram, from, socket) => {
      socket.send(forge(datagram), from.port, from.address, () => {
        socket.send(reply(datagram, { rcode: 3 }), from.port, from.address);
      });
    });
    const got = await transport().exchange(query('example.com', 77), server);
    expect(parseMessage(got).rcode).toBe(3);
  });

  test('letters of the name may come back in another case', async () => {
    const server = await udpServer((datagram, from, socket) => {
      const questions = parseMessage(query('EXAMPLE.com', 1)).questions;
      socket.send(reply(datagram, { questions }), from.port, from.address);
    });
    const got = await transport().exchange(query('example.COM', 5), server);
    expect(parseMessage(got).questions[0]?.name.toString()).toBe('EXAMPLE.com');
  });

  test('an error without its question is a reply', async () => {
    const server = await udpServer((datagram, from, socket) => {
      socket.send(reply(datagram, { rcode: 1, questions: [] }), from.port, from.address);
    });
    expect(parseMessage(await transport().exchange(query('example.com', 5), server)).rcode).toBe(1);
  });

  test('a flood of perfect forgeries from another port neither is taken nor stops the right reply', async () => {
    const forger = createSocket('udp4');
    cleanup.push(() => new Promise<void>((resolve) => forger.close(() => resolve())));
    forger.bind(0, '127.0.0.1');
    await once(forger, 'listening');
    const server = await udpServer(async (datagram, from, socket) => {
      const forged = reply(datagram, { rcode: 3 });
      for (let i = 0; i < 3 * MAX_JUNK_DATAGRAMS; i++) {
        await new Promise<void>((resolve) => forger.send(forged, from.port, from.address, () => resolve()));
      }
      socket.send(reply(datagram), from.port, from.address);
    });
    const got = await transport().exchange(query('example.com', 5), server);
    expect(parseMessage(got).rcode).toBe(0);
  });

  test('guessing of ids from the right address and port is noticed, and ends the wait', async () => {
    const server = await udpServer(async (datagram, from, socket) => {
      const { id } = parseMessage(datagram);
      for (let i = 1; i <= 4 * MAX_JUNK_DATAGRAMS; i++) {
        const forged = reply(datagram, { id: (id + i) & 0xffff });
        await new Promise<void>((resolve) => socket.send(forged, from.port, from.address, () => resolve()));
      }
    });
    const error = await failureOf(transport().exchange(query('example.com', 5), server));
    expect(error.failure).toBe('junk');
  });

  test('a port where nobody listens is told at once', async () => {
    const gone = createSocket('udp4');
    gone.bind(0, '127.0.0.1');
    await once(gone, 'listening');
    const { port } = gone.address();
    await new Promise<void>((resolve) => gone.close(() => resolve()));
    const error = await failureOf(
      transport().exchange(query('example.com', 5), { address: '127.0.0.1', port, protocol: 'udp' }),
    );
    expect(error.failure).toBe('unreachable');
  });

  test('silence ends when the signal aborts, with its reason', async () => {
    const abort = new AbortController();
    const server = await udpServer(() => abort.abort(new Error('enough')));
    await expect(transport().exchange(query('example.com', 5), server, abort.signal)).rejects.toThrow(
      'enough',
    );
  });

  test('silence ends when the patience of the transport does', async () => {
    let elapse = () => {};
    const server = await udpServer(() => elapse());
    const client = transport({
      timer: (_milliseconds, done) => {
        elapse = done;
        return () => {};
      },
    });
    expect((await failureOf(client.exchange(query('example.com', 5), server))).failure).toBe('silent');
  });

  test('close ends what is under way, and everything after', async () => {
    const client = transport();
    const server = await udpServer(() => void client.close());
    expect((await failureOf(client.exchange(query('example.com', 5), server))).failure).toBe('closed');
    expect((await failureOf(client.exchange(query('example.com', 5), server))).failure).toBe('closed');
  });
});

describe('over TCP', () => {
  test('one connection serves queries one after the other', async () => {
    const server = await tcpServer((asked, socket) => void socket.write(frame(reply(asked))));
    const client = transport();
    for (const id of [1, 2, 3]) {
      const asked = query('example.com', id);
      expect(await client.exchange(asked, server)).toEqual(reply(asked));
    }
    expect(server.connections).toHaveLength(1);
  });

  test('queries are in flight together, and replies may come in any order', async () => {
    const waiting: Uint8Array[] = [];
    const server = await tcpServer((asked, socket) => {
      waiting.push(asked);
      if (waiting.length < 10) return;
      for (const one of waiting.reverse()) socket.write(frame(reply(one)));
    });
    const client = transport();
    const asked = Array.from({ length: 10 }, (_, i) => query(`host${i}.example.com`, 100 + i));
    const got = await Promise.all(asked.map((one) => client.exchange(one, server)));
    expect(got).toEqual(asked.map((one) => reply(one)));
    expect(server.connections).toHaveLength(1);
  });

  test('queries with one id at a time are told apart, and get their own id back (RFC 7766 section 6.2.1)', async () => {
    const waiting: Uint8Array[] = [];
    const server = await tcpServer((asked, socket) => {
      waiting.push(asked);
      if (waiting.length === 2) for (const one of waiting.reverse()) socket.write(frame(reply(one)));
    });
    const client = transport();
    const [first, second] = [query('one.example', 9), query('two.example', 9)];
    const got = await Promise.all([client.exchange(first, server), client.exchange(second, server)]);
    expect(got).toEqual([reply(first), reply(second)]);
    expect(new Set(waiting.map((one) => parseMessage(one).id)).size).toBe(2);
  });

  test('a reply may come octet by octet', async () => {
    const server = await tcpServer(async (asked, socket) => {
      socket.setNoDelay(true);
      for (const octet of frame(reply(asked))) {
        await new Promise((resolve) => socket.write(Uint8Array.of(octet), resolve));
      }
    });
    const asked = query('example.com', 3);
    expect(await transport().exchange(asked, server)).toEqual(reply(asked));
  });

  test('replies to nobody and with a wrong question are passed over', async () => {
    const server = await tcpServer((asked, socket) => {
      const { id } = parseMessage(asked);
      socket.write(frame(reply(asked, { id: id ^ 1 })));
      socket.write(frame(reply(query('example.net', id))));
      socket.write(frame(reply(asked, { rcode: 3 })));
    });
    expect(parseMessage(await transport().exchange(query('example.com', 3), server)).rcode).toBe(3);
  });

  test('a server that writes only junk is cut off', async () => {
    const server = await tcpServer((asked, socket) => {
      const junk = frame(reply(asked, { id: parseMessage(asked).id ^ 1 }));
      socket.write(concatBytes(Array.from({ length: 200 }, () => junk)));
    });
    expect((await failureOf(transport().exchange(query('example.com', 3), server))).failure).toBe('junk');
  });

  test('a length that can hold no header is malformed', async () => {
    const server = await tcpServer((_asked, socket) => void socket.write(Uint8Array.of(0, 11)));
    expect((await failureOf(transport().exchange(query('example.com', 3), server))).failure).toBe(
      'malformed',
    );
  });

  test('a server that closes before it answers is an error', async () => {
    const server = await tcpServer((_asked, socket) => void socket.end());
    expect((await failureOf(transport().exchange(query('example.com', 3), server))).failure).toBe('cut-off');
    expect(server.connections).toHaveLength(1);
  });

  test('where a connection that was used before is closed, the query goes over a new one (RFC 7766 section 6.2.4)', async () => {
    const server = await tcpServer((asked, socket) => {
      const isFirst = server.connections.length === 1;
      if (isFirst && parseMessage(asked).id === 2) socket.destroy();
      else socket.write(frame(reply(asked)));
    });
    const client = transport();
    await client.exchange(query('example.com', 1), server);
    const second = query('example.com', 2);
    expect(await client.exchange(second, server)).toEqual(reply(second));
    expect(server.connections).toHaveLength(2);
  });

  test('all queries of a connection that is closed go together over the next', async () => {
    let asked = 0;
    const server = await tcpServer((message, socket) => {
      asked++;
      if (server.connections.length > 1 || asked === 1) socket.write(frame(reply(message)));
      else if (asked === 6) socket.destroy();
    });
    const client = transport();
    await client.exchange(query('example.com', 1), server);
    const queries = Array.from({ length: 5 }, (_, i) => query('example.com', 10 + i));
    const got = await Promise.all(queries.map((one) => client.exchange(one, server)));
    expect(got).toEqual(queries.map((one) => reply(one)));
    expect(server.connections).toHaveLength(2);
  });

  test('after a query that nothing answered, the connection is not used again', async () => {
    const abort = new AbortController();
    const server = await tcpServer((asked, socket) => {
      if (parseMessage(asked).id === 1) abort.abort(new Error('enough'));
      else socket.write(frame(reply(asked)));
    });
    const client = transport();
    await expect(client.exchange(query('example.com', 1), server, abort.signal)).rejects.toThrow('enough');
    await client.exchange(query('example.com', 2), server);
    expect(server.connections).toHaveLength(2);
  });

  test('an abort ends its own query alone', async () => {
    const abort = new AbortController();
    const arrived: Uint8Array[] = [];
    const server = await tcpServer((asked, socket) => {
      arrived.push(asked);
      if (arrived.length < 2) return;
      abort.abort(new Error('enough'));
      for (const one of arrived) socket.write(frame(reply(one)));
    });
    const client = transport();
    const first = client.exchange(query('one.example', 1), server, abort.signal);
    const second = client.exchange(query('two.example', 2), server);
    await expect(first).rejects.toThrow('enough');
    expect(parseMessage(await second).id).toBe(2);
    expect(server.connections).toHaveLength(1);
  });

  test('an idle connection is closed by us (RFC 7766 section 6.2.3)', async () => {
    const server = await tcpServer((asked, socket) => void socket.write(frame(reply(asked))));
    await transport({ idle: 1 }).exchange(query('example.com', 1), server);
    const [connection] = server.connections;
    if (connection === undefined) throw new Error('no connection');
    if (!connection.closed) await once(connection, 'close');
    expect(connection.bytesRead).toBeGreaterThan(0);
  });

  test('a port where nobody listens is told', async () => {
    const server = await tcpServer(() => {});
    await new Promise((resolve) => server.server.close(resolve));
    expect((await failureOf(transport().exchange(query('example.com', 3), server))).failure).toBe(
      'unreachable',
    );
  });

  test('close ends what is under way', async () => {
    const client = transport();
    const server = await tcpServer(() => void client.close());
    expect((await failureOf(client.exchange(query('example.com', 3), server))).failure).toBe('closed');
  });
});

describe('what a transport refuses', () => {
  test('a host name in place of an address', async () => {
    const error = await failureOf(
      transport().exchange(query('example.com', 1), { address: 'localhost', port: 53, protocol: 'udp' }),
    );
    expect(error.failure).toBe('unsupported');
  });

  test('a signal that has aborted before', async () => {
    const signal = AbortSignal.abort(new Error('too late'));
    const endpoint: Endpoint = { address: '127.0.0.1', port: 9, protocol: 'udp' };
    await expect(transport().exchange(query('example.com', 1), endpoint, signal)).rejects.toThrow('too late');
  });
});
