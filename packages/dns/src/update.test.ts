import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { describe, expect, test } from 'vitest';
import { Name } from './name.js';
import { isReplyTo } from './reply-match.js';
import { RRTYPE } from './rrtype.js';
import { FrameReader } from './tcp.js';
import { createNetworkTransport, type Transport } from './transport.js';
import { TransportError } from './transport-error.js';
import { TsigKey } from './tsig-key.js';
import { sendUpdate, type UpdateOutcome } from './update.js';
import { concatBytes } from './wire.js';

const SECRET = Uint8Array.from({ length: 32 }, (_, i) => i);
const key = new TsigKey(Name.parse('k'), 'hmac-sha256', SECRET);
const server = { address: '127.0.0.1', port: 53 };
const NOW = 1_800_000_000;
const name = Name.parse('_25._tcp.mx.example.org');
const update = {
  zone: Name.parse('example.org'),
  prerequisites: [],
  changes: [{ kind: 'add', name, type: RRTYPE.TLSA, ttl: 3, rdata: Uint8Array.of(3, 1, 1, 7) }],
} as const;

/** A server's answer without zone section (RFC 2136 section 3.8), signed with our key. */
function answer(request: Uint8Array, rcode = 0, time = NOW): Uint8Array {
  const id = request.subarray(0, 2);
  const mac = request.subarray(request.length - 6 - 32, request.length - 6);
  const header = (additional: number) =>
    concatBytes([id, Uint8Array.of(0xa8, rcode, 0, 0, 0, 0, 0, 0, 0, additional)]);
  const timers = Buffer.alloc(8);
  timers.writeUIntBE(time, 0, 6);
  timers.writeUInt16BE(300, 6);
  const algorithm = Buffer.from('\x0bhmac-sha256\0', 'latin1');
  const owner = Buffer.from('\x01k\0', 'latin1');
  const digested = [
    ...[Buffer.from([0, 32]), mac, header(0), owner, Buffer.from([0, 255, 0, 0, 0, 0]), algorithm, timers],
    Buffer.from([0, 0, 0, 0]),
  ];
  const hash = createHmac('sha256', SECRET).update(concatBytes(digested)).digest();
  const rdata = concatBytes([algorithm, timers, Buffer.from([0, 32]), hash, id, Buffer.from([0, 0, 0, 0])]);
  const head = Buffer.from([0, 250, 0, 255, 0, 0, 0, 0, 0, rdata.length]);
  return concatBytes([header(1), owner, head, rdata]);
}

const unsigned = (request: Uint8Array, rcode: number): Uint8Array =>
  concatBytes([request.subarray(0, 2), Uint8Array.of(0xa8, rcode, 0, 0, 0, 0, 0, 0, 0, 0)]);

const transportOf = (exchange: Transport['exchange']): Transport => ({ exchange });
const sent = (transport: Transport, more = {}) =>
  sendUpdate({ transport, server, key, update, clock: () => NOW * 1000, ...more });

describe('an update that is sent', () => {
  test.each<[string, (request: Uint8Array) => Uint8Array, UpdateOutcome]>([
    ['is done', (request) => answer(request), { status: 'done' }],
    [
      'is refused by policy (RFC 2136 section 3.3)',
      (request) => answer(request, 5),
      { status: 'refused', rcode: 'REFUSED' },
    ],
    [
      'is refused by the server of another zone (section 3.1.1)',
      (request) => answer(request, 9),
      { status: 'refused', rcode: 'NOTAUTH' },
    ],
    [
      'is refused for a name elsewhere (section 3.4.1)',
      (request) => answer(request, 10),
      { status: 'refused', rcode: 'NOTZONE' },
    ],
    [
      'fails in the server (section 3.4.2.1)',
      (request) => answer(request, 2),
      { status: 'refused', rcode: 'SERVFAIL' },
    ],
    [
      'finds a prerequisite not met (section 3.2)',
      (request) => answer(request, 7),
      { status: 'refused', rcode: 'YXRRSET' },
    ],
    [
      'comes to a server that signs nothing',
      (request) => unsigned(request, 4),
      { status: 'unproved', rcode: 'NOTIMP', reason: 'it is not signed' },
    ],
    [
      'is done, says somebody',
      (request) => unsigned(request, 0),
      { status: 'unproved', rcode: 'NOERROR', reason: 'it is not signed' },
    ],
    [
      'comes to a server with another clock',
      (request) => answer(request, 0, NOW + 400),
      { status: 'clock', ahead: 400, isRejected: false, isSigned: true },
    ],
    [
      'is answered with junk',
      () => new Uint8Array(13),
      { status: 'unanswered', reason: 'malformed answer: 1 octets behind the last record' },
    ],
  ])('%s', async (_what, serve, outcome) => {
    const asked: string[] = [];
    const transport = transportOf(async (request, { address, port, protocol }) => {
      asked.push(`${protocol} ${address}#${port}`);
      return serve(request);
    });
    expect([await sent(transport), asked]).toEqual([outcome, ['tcp 127.0.0.1#53']]);
  });

  test('without an answer says why', async () => {
    const refused = transportOf(() => Promise.reject(new TransportError('unreachable', 'no route')));
    expect(await sent(refused)).toEqual({ status: 'unanswered', reason: 'no route' });
  });

  test('is waited for no longer than it may be, even by a transport that does not listen', async () => {
    const silent = transportOf(() => new Promise(() => {}));
    const timer = (milliseconds: number, done: () => void) => {
      expect(milliseconds).toBe(7);
      queueMicrotask(done);
      return () => {};
    };
    expect(await sent(silent, { timer, patience: 7 })).toEqual({
      status: 'unanswered',
      reason: 'no answer in 7 ms',
    });
  });

  test('is given up when its signal aborts', async () => {
    const end = new AbortController();
    const silent = transportOf(() => {
      end.abort(new Error('enough'));
      return new Promise(() => {});
    });
    await expect(sent(silent, { signal: end.signal })).rejects.toThrow('enough');
    await expect(sent(silent, { signal: AbortSignal.abort(new Error('before')) })).rejects.toThrow('before');
  });

  test('goes over TLS where the server is given so', async () => {
    const transport = transportOf(async (request, { protocol }) => {
      expect(protocol).toBe('tls');
      return answer(request);
    });
    const secure = { ...server, tls: { pins: [] } };
    expect(await sent(transport, { server: secure })).toEqual({ status: 'done' });
  });

  test('goes over TCP, and its answer needs no zone section (RFC 2136 section 3.8)', async () => {
    const seen: Uint8Array[] = [];
    const listener = createServer((socket) => {
      const frames = new FrameReader();
      socket.on('data', (chunk: Uint8Array) => {
        for (const request of frames.read(chunk)) {
          seen.push(request);
          const response = answer(request);
          socket.write(concatBytes([Uint8Array.of(0, response.length), response]));
        }
      });
      socket.on('error', () => {});
    }).listen(0, '127.0.0.1');
    await once(listener, 'listening');
    const place = listener.address();
    const port = typeof place === 'object' && place !== null ? place.port : 0;
    const transport = createNetworkTransport();
    try {
      const outcome = await sent(transport, { server: { ...server, port }, random: () => 0x4321 });
      expect(outcome).toEqual({ status: 'done' });
      const [request = new Uint8Array()] = seen;
      expect([...request.subarray(0, 3)]).toEqual([0x43, 0x21, 0x28]);
    } finally {
      await transport.close();
      listener.close();
    }
  });
});

test('only to updates an answer without question and without error is a reply', () => {
  const query = Uint8Array.of(1, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 6, 0, 1);
  const reply = Uint8Array.of(1, 2, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0);
  expect(isReplyTo(query, reply)).toBe(false);
  const [updating, updated] = [query.slice(), reply.slice()];
  updating[2] = 0x28;
  updated[2] = 0xa8;
  expect([isReplyTo(updating, updated), isReplyTo(updating, reply), isReplyTo(query, updated)]).toEqual([
    true,
    false,
    false,
  ]);
});
