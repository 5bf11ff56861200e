/** What our first TLS message offers, octet by octet, before any TLS library has made sense of it. */
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { connectTcp } from './connection.js';
import type { DanePolicy, TlsPolicy } from './policy.js';
import { openSession } from './session.js';
import { leaf, tlsaFor } from './testing/certificates.js';
import { DEFAULT_TIMEOUTS } from './timeouts.js';

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  await Promise.all(ends.splice(0).map((end) => end()));
});

/** Says yes to STARTTLS, keeps the first record that follows, and breaks off. */
async function firstRecord(policy: TlsPolicy): Promise<Buffer> {
  const { promise, resolve } = withResolvers<Buffer>();
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.write('220 mx.example.org\r\n');
    let inClear = true;
    let octets = Buffer.alloc(0);
    socket.on('data', (piece) => {
      octets = Buffer.concat([octets, piece]);
      if (inClear) {
        if (!octets.includes('\r\n')) return;
        const isStartTls = octets.toString('latin1').startsWith('STARTTLS');
        octets = Buffer.alloc(0);
        inClear = !isStartTls;
        socket.write(isStartTls ? '220 go ahead\r\n' : '250-mx.example.org\r\n250 STARTTLS\r\n');
      } else if (octets.length >= 5 && octets.length >= 5 + octets.readUInt16BE(3)) {
        resolve(octets);
        socket.destroy();
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  ends.push(() => new Promise((done) => server.close(done)));
  const { port } = server.address() as AddressInfo;
  const opened = await openSession({
    target: { address: '127.0.0.1', family: 4, port },
    policy,
    heloName: 'client.example',
    connect: connectTcp,
    verify: () => ({ authenticated: false, usable: true, reason: 'there is no certificate to verify' }),
    timeouts: DEFAULT_TIMEOUTS,
    clock: Date.now,
  });
  expect(opened).toMatchObject({ status: 'failed', fault: { kind: 'handshake' } });
  return await promise;
}

function withResolvers<T>() {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>((fulfil) => {
    resolve = fulfil;
  });
  return { promise, resolve };
}

/** RFC 8446 section 4.1.2: version, random, session id, cipher suites, compression, extensions. */
function read(record: Buffer) {
  let at = 5 + 4 + 2 + 32;
  const vector = (lengthOctets: number): Buffer => {
    const length = record.readUIntBE(at, lengthOctets);
    at += lengthOctets + length;
    return record.subarray(at - length, at);
  };
  const sessionId = vector(1);
  const suites = numbers(vector(2));
  vector(1);
  const end = at + 2 + record.readUInt16BE(at);
  at += 2;
  const extensions = new Map<number, Buffer>();
  while (at < end) {
    const type = record.readUInt16BE(at);
    at += 2;
    extensions.set(type, vector(2));
  }
  return { sessionId, suites, extensions };
}

const numbers = (octets: Buffer): number[] =>
  Array.from({ length: octets.length / 2 }, (_, index) => octets.readUInt16BE(2 * index));

const SERVER_NAME = 0;
const SERVER_CERTIFICATE_TYPE = 20;
const SESSION_TICKET = 35;
const PRE_SHARED_KEY = 41;
const SUPPORTED_GROUPS = 10;
const SUPPORTED_VERSIONS = 43;
const KEY_SHARE = 51;

/** IANA's numbers of groups; the first is ML-KEM-768 together with X25519 (draft-ietf-tls-ecdhe-mlkem). */
const X25519MLKEM768 = 0x11ec;
const X25519 = 0x001d;
const SECP256R1 = 0x0017;
/** OpenSSL has it from 3.5 on: Node.js 24 does, Node.js 20 doesn't. */
const HAS_ML_KEM = /^(?:3\.[5-9]|3\.\d\d|[4-9])/u.test(process.versions.openssl ?? '');

/** RFC 8446 section 4.2.8: group, then a key of so many octets. */
function keyShares(octets: Buffer): number[] {
  const groups: number[] = [];
  for (let at = 2; at + 4 <= octets.length; at += 4 + octets.readUInt16BE(at + 2))
    groups.push(octets.readUInt16BE(at));
  return groups;
}

/** TLS_DH_anon_* and TLS_ECDH_anon_* of the IANA registry. */
const ANONYMOUS = [
  0x17, 0x18, 0x19, 0x1a, 0x1b, 0x34, 0x3a, 0x46, 0x6c, 0x6d, 0x89, 0x9b, 0xa6, 0xa7, 0xbf, 0xc5, 0xc015,
  0xc016, 0xc017, 0xc018, 0xc019,
];
/** What nearly every server with an RSA or ECDSA certificate has, under TLS 1.3 and 1.2. */
const TYPICAL = [0x1301, 0x1302, 0xc02b, 0xc02c, 0xc02f, 0xc030];

const dane: DanePolicy = {
  level: 'dane',
  serverName: 'base.example.org',
  baseDomain: 'base.example.org',
  otherNames: ['example.org'],
  tlsa: [tlsaFor(leaf, 3)],
  source: 'test',
};
const POLICIES: readonly [string, TlsPolicy][] = [
  ['may', { level: 'may', serverName: 'base.example.org', source: 'test' }],
  ['encrypt', { level: 'encrypt', serverName: 'base.example.org', source: 'test' }],
  ['dane', dane],
  ['dane-only', { ...dane, level: 'dane-only' }],
  [
    'sts',
    {
      level: 'sts',
      serverName: 'base.example.org',
      sts: { domain: 'example.org', mode: 'enforce', id: '1', name: 'base.example.org', hostMatches: true },
      source: 'test',
    },
  ],
  ['verify', { level: 'verify', serverName: 'base.example.org', names: ['example.org'], source: 'test' }],
  ['fingerprint', { level: 'fingerprint', serverName: 'base.example.org', fingerprints: [], source: 'test' }],
];

describe.each(POLICIES)('the ClientHello under "%s"', (_, policy) => {
  it('has the TLSA base domain, and it alone, as server name (RFC 7672 section 8.1)', async () => {
    const name = Buffer.from('base.example.org');
    const entry = Buffer.concat([Buffer.from([0, 0, name.length]), name]);
    const list = Buffer.concat([Buffer.from([0, entry.length]), entry]);
    expect(read(await firstRecord(policy)).extensions.get(SERVER_NAME)).toEqual(list);
  });

  it('is a TLS record with a ClientHello, not the hello of SSL 2.0 (RFC 7672 section 8.1)', async () => {
    const record = await firstRecord(policy);
    expect([...record.subarray(0, 2), record[5]]).toEqual([22, 3, 1]);
  });

  it('offers the usual cipher suites and none without a certificate (RFC 7672 section 8.2)', async () => {
    const { suites } = read(await firstRecord(policy));
    expect(suites).toEqual(expect.arrayContaining(TYPICAL));
    expect(suites.filter((suite) => ANONYMOUS.includes(suite))).toEqual([]);
  });

  it('offers no raw public keys (RFC 7671 section 5.1)', async () => {
    expect(read(await firstRecord(policy)).extensions.has(SERVER_CERTIFICATE_TYPE)).toBe(false);
  });

  it('offers TLS 1.3 and 1.2 (RFC 7671 section 3)', async () => {
    const versions = read(await firstRecord(policy)).extensions.get(SUPPORTED_VERSIONS);
    expect(versions).toEqual(Buffer.from([4, 3, 4, 3, 3]));
  });

  it('offers post-quantum key agreement, with a key, where OpenSSL has it', async () => {
    const { extensions } = read(await firstRecord(policy));
    const groups = numbers((extensions.get(SUPPORTED_GROUPS) ?? Buffer.alloc(2)).subarray(2));
    expect(groups).toEqual(expect.arrayContaining([X25519, SECP256R1]));
    expect(groups.includes(X25519MLKEM768)).toBe(HAS_ML_KEM);
    expect(keyShares(extensions.get(KEY_SHARE) ?? Buffer.alloc(2)).includes(X25519MLKEM768)).toBe(HAS_ML_KEM);
  });

  it('resumes nothing: a resumed session shows no certificate', async () => {
    const { sessionId: first } = read(await firstRecord(policy));
    const { sessionId, extensions } = read(await firstRecord(policy));
    // Under TLS 1.3 the session id is only there for old middleboxes, and new each time (RFC 8446 appendix D.4).
    expect(sessionId.equals(first) && sessionId.length > 0).toBe(false);
    expect(extensions.get(SESSION_TICKET)?.length ?? 0).toBe(0);
    expect(extensions.has(PRE_SHARED_KEY)).toBe(false);
  });
});
