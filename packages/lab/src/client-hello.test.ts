import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { type ConnectionOptions, connect } from 'node:tls';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readClientHello } from './client-hello.js';

/** What Node really sends. */
async function helloOf(options: ConnectionOptions): Promise<Buffer> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const accepted: Promise<Socket[]> = once(server, 'connection');
  const client = connect({ port: address.port, host: '127.0.0.1', ...options });
  client.on('error', () => {});
  const [socket] = await accepted;
  if (socket === undefined) throw new Error('no connection');
  let octets = Buffer.alloc(0);
  while (readClientHello(octets).status === 'incomplete') {
    const [chunk] = await once(socket, 'data');
    octets = Buffer.concat([octets, chunk]);
  }
  client.destroy();
  socket.destroy();
  server.close();
  return octets;
}

test.each<[string, ConnectionOptions, string | undefined, string[]]>([
  ['with a name', { servername: 'mx.good.example' }, 'mx.good.example', ['TLSv1.3', 'TLSv1.2']],
  ['without a name', { servername: '' }, undefined, ['TLSv1.3', 'TLSv1.2']],
  ['of TLS 1.2', { servername: 'a.example', maxVersion: 'TLSv1.2' }, 'a.example', ['TLSv1.2']],
  ['of TLS 1.3', { servername: 'a.example', minVersion: 'TLSv1.3' }, 'a.example', ['TLSv1.3']],
])('a ClientHello %s', async (_name, options, serverName, versions) => {
  const reading = readClientHello(await helloOf(options));
  expect(reading).toEqual({
    status: 'hello',
    hello: { ...(serverName === undefined ? {} : { serverName }), versions, offersResumption: false },
  });
});

test('one that is split over records and packets is the same; until its end it is incomplete', async () => {
  const whole = await helloOf({ servername: 'mx.good.example' });
  const message = whole.subarray(5);
  const record = (part: Buffer) =>
    Buffer.concat([Buffer.of(22, 3, 1, part.length >> 8, part.length & 255), part]);
  const split = Buffer.concat([
    record(message.subarray(0, 3)),
    record(message.subarray(3, 90)),
    record(message.subarray(90)),
  ]);
  for (let length = 0; length < split.length; length++) {
    expect(readClientHello(split.subarray(0, length)).status).toBe('incomplete');
  }
  expect(readClientHello(split)).toEqual(readClientHello(whole));
});

test.each([
  ['a line of SMTP', 'QUIT\r\n'],
  ['an alert', '\x15\x03\x03\x00\x02\x02\x28'],
  ['an empty record', '\x16\x03\x01\x00\x00'],
  ['a record that is too long', '\x16\x03\x01\xff\xff'],
  ['another message of the handshake', '\x16\x03\x01\x00\x04\x02\x00\x00\x00'],
  ['a ClientHello that ends too soon', '\x16\x03\x01\x00\x06\x01\x00\x00\x02\x03\x03'],
])('%s is no ClientHello', (_name, octets) => {
  expect(readClientHello(Buffer.from(octets, 'latin1'))).toEqual({ status: 'not-tls' });
});

test('octets of any kind are judged, and never thrown at us', async () => {
  const whole = await helloOf({ servername: 'mx.good.example' });
  const change = fc.tuple(fc.nat(whole.length - 1), fc.nat(255));
  fc.assert(
    fc.property(fc.array(change, { maxLength: 8 }), fc.nat(whole.length), (changes, length) => {
      const spoiled = Buffer.from(whole);
      for (const [at, octet] of changes) spoiled[at] = octet;
      expect(['hello', 'incomplete', 'not-tls']).toContain(
        readClientHello(spoiled.subarray(0, length)).status,
      );
    }),
    { numRuns: 2000 },
  );
});
