import { once } from 'node:events';
import { createServer as createTcpServer } from 'node:net';
import { createServer, type TLSSocket, type TlsOptions } from 'node:tls';
import { afterEach, describe, expect, test } from 'vitest';
import { encodeMessage, encodeQuery, parseMessage } from './message.js';
import { Name } from './name.js';
import { parseServer } from './server-address.js';
import { FrameReader } from './tcp.js';
import { createNetworkTransport, type Endpoint, type NetworkTransport } from './transport.js';
import { TransportError } from './transport-error.js';
import { concatBytes } from './wire.js';

/** A root of nobody's, valid from 2020 to 2120; it signed the server's certificate, for dns.example and 127.0.0.1. */
const ROOT = `-----BEGIN CERTIFICATE-----
MIIBTDCB86ADAgECAgEBMAoGCCqGSM49BAMCMBUxEzARBgNVBAMMClRlc3Qgcm9v
dHMwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMBUxEzARBgNVBAMM
ClRlc3Qgcm9vdHMwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAARhxADfq0Y7aT5y
ZJOkfYWKrGqNhtoLPv9p6RzNnDJCUK9S+0NAyIEgTpdJQBoyCjrMRTgbMJiwHgZB
Ek36ATzfozIwMDAPBgNVHRMBAf8EBTADAQH/MB0GA1UdDgQWBBSRMPikBj3l7B2x
TDBieM5Cp5uH5DAKBggqhkjOPQQDAgNIADBFAiBJeWIxZR2ggz9QzeTNUOxpH7ST
Rv61HaRPyx24p5EaOwIhAP2l7CnAiK1CRuJspef1zEpg9wLY4VoM4i+Ftex7h0QN
-----END CERTIFICATE-----`;
const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBezCCASKgAwIBAgIBAjAKBggqhkjOPQQDAjAVMRMwEQYDVQQDDApUZXN0IHJv
b3RzMCAXDTIwMDEwMTAwMDAwMFoYDzIxMjAwMTAxMDAwMDAwWjAWMRQwEgYDVQQD
DAtkbnMuZXhhbXBsZTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABCMyyhP5oG70
4bcseeB6V3RlavfrIs50YInSotUaJ2laDNYHssWm7hFB24eNpOJSiDVQKWf/lqOh
PhlGSgA0rGujYDBeMBwGA1UdEQQVMBOCC2Rucy5leGFtcGxlhwR/AAABMB0GA1Ud
DgQWBBTG6RN/kYkTDHau/n+Kvj9iKRH+IjAfBgNVHSMEGDAWgBSRMPikBj3l7B2x
TDBieM5Cp5uH5DAKBggqhkjOPQQDAgNHADBEAiBgZFZsLQv9a4SQz2/jr9JEmAjI
KPvDeka6cdaFrPE2vgIgQqg73qk89+NdTXBRI97kUHngZ0LUwvACjoM1mPCaQ5I=
-----END CERTIFICATE-----`;
/** Guards nothing. */
const KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgL9DBGDYibxZCsIWz
f/5gz+8NnNQby7gjG5t4IhLBNSihRANCAAQjMsoT+aBu9OG3LHngeld0ZWr36yLO
dGCJ0qLVGidpWgzWB7LFpu4RQduHjaTiUog1UCln/5ajoT4ZRkoANKxr
-----END PRIVATE KEY-----`;
/** As `openssl x509 -pubkey | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | base64` prints it. */
const PIN = 'uTFrtaI+fc9sAy/FFGGtznP1q7/m4X1CUgt+6zwjLS4=';
const OTHER_PIN = `${'A'.repeat(43)}=`;

const cleanup: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const end of cleanup.splice(0).reverse()) await end();
});

function transport(options: Parameters<typeof createNetworkTransport>[0] = {}): NetworkTransport {
  const made = createNetworkTransport(options);
  cleanup.push(() => made.close());
  return made;
}

interface DotServer {
  readonly port: number;
  readonly connections: TLSSocket[];
  /** Names of the questions that reached it. */
  readonly asked: string[];
}

/** Answers when there are `batch` queries, last one first. */
async function dotServer(options: TlsOptions & { batch?: number } = {}): Promise<DotServer> {
  const { batch = 1, ...tls } = options;
  const connections: TLSSocket[] = [];
  const asked: string[] = [];
  const server = createServer({ key: KEY, cert: CERTIFICATE, ...tls }, (socket) => {
    connections.push(socket);
    const frames = new FrameReader();
    const waiting: Uint8Array[] = [];
    socket.on('error', () => {});
    socket.on('data', (chunk: Uint8Array) => {
      for (const query of frames.read(chunk)) {
        const message = parseMessage(query);
        asked.push(String(message.questions[0]?.name));
        const answer = encodeMessage({ ...message, flags: { ...message.flags, qr: true } });
        waiting.push(concatBytes([Uint8Array.of(answer.length >> 8, answer.length & 0xff), answer]));
        if (waiting.length === batch) for (const frame of waiting.splice(0).reverse()) socket.write(frame);
      }
    });
  });
  server.on('tlsClientError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanup.push(async () => {
    for (const socket of connections) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return { port: address.port, connections, asked };
}

function endpoint({ port }: { port: number }, identity = ''): Endpoint {
  return { ...parseServer(`tls://127.0.0.1#${port}${identity}`), protocol: 'tls' };
}

function query(name: string, id = 7): Uint8Array {
  return encodeQuery({ id, name: Name.parse(name), type: 1, rd: true });
}

async function failureOf(promise: Promise<unknown>): Promise<TransportError> {
  const error: unknown = await promise.then(
    () => new Error('it did not fail'),
    (reason: unknown) => reason,
  );
  if (!(error instanceof TransportError)) throw error;
  return error;
}

describe('a server over TLS is asked', () => {
  test.each([
    ['where nothing was said of who it is (RFC 7858 section 4.1)', ''],
    ['where its certificate proves its name', '/dns.example'],
    ['where its certificate proves its address', '/127.0.0.1'],
    ['where its key is pinned, whoever signed its certificate', `?pin=sha256-${PIN}`],
    ['where its key is one of several pinned', `?pin=sha256-${OTHER_PIN}&pin=sha256-${PIN}`],
    ['where name and key are right', `/dns.example?pin=sha256-${PIN}`],
  ])('%s', async (_when, identity) => {
    const server = await dotServer();
    const tlsRoots = identity.startsWith('/') ? [ROOT] : [];
    const reply = await transport({ tlsRoots }).exchange(query('mx.example'), endpoint(server, identity));
    expect(parseMessage(reply)).toMatchObject({ id: 7, flags: { qr: true } });
    expect(server.asked).toEqual(['mx.example']);
  });

  test('with many queries on one connection, whose replies come in any order (RFC 7858 section 3.3)', async () => {
    const server = await dotServer({ batch: 20 });
    const client = transport();
    const names = Array.from({ length: 20 }, (_, i) => `n${i}.example`);
    const replies = await Promise.all(
      names.map((name, i) => client.exchange(query(name, i), endpoint(server))),
    );
    expect(replies.map((reply) => String(parseMessage(reply).questions[0]?.name))).toEqual(names);
    expect(server.connections).toHaveLength(1);
  });

  test('again on the same connection, and on a new one where it was closed meanwhile', async () => {
    const server = await dotServer();
    const client = transport();
    await client.exchange(query('a.example'), endpoint(server));
    await client.exchange(query('b.example'), endpoint(server));
    expect(server.connections).toHaveLength(1);
    server.connections[0]?.destroy();
    await client.exchange(query('c.example'), endpoint(server));
    expect(server.connections).toHaveLength(2);
  });

  test('with the name in SNI, and without any where there is only an address (RFC 6066 section 3)', async () => {
    const server = await dotServer();
    const client = transport({ tlsRoots: [ROOT] });
    await client.exchange(query('a.example'), endpoint(server, '/dns.example'));
    await client.exchange(query('a.example'), endpoint(server, '/127.0.0.1'));
    await client.exchange(query('a.example'), endpoint(server));
    expect(server.connections.map((socket) => socket.servername)).toEqual(['dns.example', false, false]);
  });
});

describe('a server over TLS is asked nothing', () => {
  test.each([
    ['its certificate is for another name', '/other.example', [ROOT], /other\.example/],
    ['its certificate is for another address', '/127.0.0.2', [ROOT], /127\.0\.0\.2/],
    ["its certificate is not under the Web's roots", '/dns.example', undefined, /does not prove/],
    ['its key is not pinned', `?pin=sha256-${OTHER_PIN}`, undefined, /fingerprint sha256-uTFrtaI\+/],
    ['its key is right and its name is not', `/other.example?pin=sha256-${PIN}`, [ROOT], /does not prove/],
    ['its name is right and its key is not', `/dns.example?pin=sha256-${OTHER_PIN}`, [ROOT], /not pinned/],
  ] as const)('where %s', async (_when, identity, tlsRoots, words) => {
    const server = await dotServer();
    const client = transport(tlsRoots === undefined ? {} : { tlsRoots });
    const asking = [query('a.example'), query('b.example')];
    const errors = await Promise.all(
      asking.map((octets) => failureOf(client.exchange(octets, endpoint(server, identity)))),
    );
    for (const error of errors)
      expect(error).toMatchObject({ failure: 'unauthenticated', message: expect.stringMatching(words) });
    expect(server.asked).toEqual([]);
  });

  test('on a connection on which another identity was proved', async () => {
    const server = await dotServer();
    const client = transport();
    await client.exchange(query('a.example'), endpoint(server, `?pin=sha256-${PIN}`));
    const error = await failureOf(
      client.exchange(query('b.example'), endpoint(server, `?pin=sha256-${OTHER_PIN}`)),
    );
    expect(error.failure).toBe('unauthenticated');
    expect(server.asked).toEqual(['a.example']);
  });

  test('where it speaks no TLS 1.2 (RFC 8996)', async () => {
    const server = await dotServer({
      minVersion: 'TLSv1',
      maxVersion: 'TLSv1.1',
      ciphers: 'DEFAULT@SECLEVEL=0',
    });
    const error = await failureOf(transport().exchange(query('a.example'), endpoint(server)));
    expect(error.failure).toBe('unreachable');
    expect(server.asked).toEqual([]);
  });

  test('where it speaks no TLS at all', async () => {
    const plain = createTcpServer((socket) =>
      socket
        .on('error', () => {})
        .resume()
        .end('220 mx.example ESMTP\r\n'),
    );
    plain.listen(0, '127.0.0.1');
    await once(plain, 'listening');
    cleanup.push(() => new Promise<void>((resolve) => plain.close(() => resolve())));
    const bound = plain.address();
    if (bound === null || typeof bound === 'string') throw new Error('no port');
    const error = await failureOf(transport().exchange(query('a.example'), endpoint(bound)));
    expect(error).toMatchObject({ failure: 'unreachable', message: expect.stringMatching(/^TLS to tls:/) });
  });

  test('where it never shakes hands: the query ends with its signal', async () => {
    const mute = createTcpServer((socket) => socket.on('error', () => {}).resume());
    mute.listen(0, '127.0.0.1');
    await once(mute, 'listening');
    cleanup.push(() => new Promise<void>((resolve) => mute.close(() => resolve())));
    const bound = mute.address();
    if (bound === null || typeof bound === 'string') throw new Error('no port');
    const abort = new AbortController();
    mute.once('connection', () => abort.abort(new Error('enough')));
    const asked = transport().exchange(query('a.example'), endpoint(bound), abort.signal);
    await expect(asked).rejects.toThrow('enough');
  });
});
