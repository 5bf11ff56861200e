import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { verifyCertificate } from '@danelaw/dane';
import { afterEach, describe, expect, it } from 'vitest';
import { connectTcp } from './connection.js';
import type { DanePolicy, TlsPolicy } from './policy.js';
import { type OpenedSession, openSession, type SessionOptions } from './session.js';
import { ca, leaf, other, tlsaFor } from './testing/certificates.js';
import { type Script, type ScriptedServer, startServer } from './testing/scripted-server.js';
import { DEFAULT_TIMEOUTS } from './timeouts.js';

const running: { close(): Promise<void> }[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((each) => each.close()));
});

const may: TlsPolicy = { level: 'may', serverName: 'mx.example.org', source: 'test' };
const encrypt: TlsPolicy = { level: 'encrypt', serverName: 'mx.example.org', source: 'test' };
const none: TlsPolicy = { level: 'none', source: 'test' };
const dane = (pem = leaf, usage: 2 | 3 = 3, more: Partial<DanePolicy> = {}): DanePolicy => ({
  level: 'dane',
  serverName: 'mx.example.org',
  baseDomain: 'mx.example.org',
  otherNames: [],
  tlsa: [tlsaFor(pem, usage)],
  source: 'test',
  ...more,
});

async function open(
  script: Script,
  policy: TlsPolicy,
  more: Partial<SessionOptions> = {},
): Promise<{ opened: OpenedSession; server: ScriptedServer }> {
  const server = await startServer(script);
  running.push(server);
  return { opened: await openSession(options(server.port, policy, more)), server };
}

function options(port: number, policy: TlsPolicy, more: Partial<SessionOptions>): SessionOptions {
  return {
    target: { address: '127.0.0.1', family: 4, port },
    policy,
    heloName: 'client.example',
    connect: connectTcp,
    verify: verifyCertificate,
    timeouts: DEFAULT_TIMEOUTS,
    clock: Date.now,
    ...more,
  };
}

const fault = ({ opened }: { opened: OpenedSession }) =>
  opened.status === 'failed' ? opened.fault : undefined;
const heardBy = (server: ScriptedServer): string[] => server.connections.flatMap(({ commands }) => commands);

describe('greeting and EHLO', () => {
  it.each<[string, Script, object]>([
    [
      '554 (RFC 5321 section 3.1)',
      { greeting: '554 5.7.1 go away' },
      { kind: 'refused', stage: 'greeting', reply: { code: 554 } },
    ],
    ['421', { greeting: '421 busy' }, { kind: 'refused', stage: 'greeting' }],
    ['250 in place of a greeting', { greeting: '250 hello' }, { kind: 'protocol', stage: 'greeting' }],
    ['what is no SMTP', { greeting: 'SSH-2.0-OpenSSH' }, { kind: 'protocol' }],
    ['the end of the connection', { greeting: 'close' }, { kind: 'closed', stage: 'greeting' }],
    ['a greeting without end', { greeting: '220-x\r\n'.repeat(300) }, { kind: 'protocol' }],
    ['EHLO refused for now', { replies: { EHLO: '450 later' } }, { kind: 'refused', stage: 'ehlo' }],
    [
      'EHLO and HELO refused',
      { replies: { EHLO: '550 no', HELO: '550 no' } },
      { kind: 'refused', stage: 'ehlo' },
    ],
  ])('ends with %s', async (_, script, expected) => {
    expect(fault(await open(script, may))).toMatchObject(expected);
  });

  it('waits for a greeting only as long as the time-out says (RFC 5321 section 4.5.3.2.1)', async () => {
    const timeouts = { ...DEFAULT_TIMEOUTS, greeting: 20 };
    expect(fault(await open({ greeting: null }, may, { timeouts }))).toMatchObject({
      kind: 'timeout',
      stage: 'greeting',
    });
  });

  it('says HELO to a server that knows no EHLO, and expects nothing (RFC 5321 section 3.2)', async () => {
    const { opened, server } = await open({ replies: { EHLO: '502 what?' } }, may);
    expect(opened).toMatchObject({ status: 'open', session: { capabilities: { pipelining: false } } });
    expect(heardBy(server)).toEqual(['EHLO client.example', 'HELO client.example']);
  });

  it('does not say HELO where TLS is a must', async () => {
    const { server } = await open({ replies: { EHLO: '502 what?' } }, encrypt);
    await server.connections[0]?.closed;
    expect(heardBy(server)).toEqual(['EHLO client.example', 'QUIT']);
  });

  it('refuses replies that nobody asked for before it says more (RFC 2920 section 3.1)', async () => {
    const ahead = '250 hello\r\n250 MAIL ok\r\n250 RCPT ok\r\n354 go on';
    const { opened } = await open({ replies: { EHLO: ahead } }, none);
    if (opened.status !== 'open') throw opened.fault;
    await expect(opened.session.connection.command('mail', 'MAIL FROM:<>')).rejects.toMatchObject({
      kind: 'protocol',
    });
  });

  it('says that nobody listens', async () => {
    const closed = createServer().listen(0, '127.0.0.1');
    await once(closed, 'listening');
    const { port } = closed.address() as AddressInfo;
    closed.close();
    await once(closed, 'close');
    const opened = await openSession(options(port, may, {}));
    expect(opened).toMatchObject({ status: 'failed', fault: { kind: 'connect', stage: 'connect' } });
  });

  it('stops at once when the caller says so', async () => {
    const server = await startServer({ greeting: null });
    running.push(server);
    const controller = new AbortController();
    const opening = openSession(options(server.port, may, { signal: controller.signal }));
    controller.abort(new Error('enough'));
    await expect(opening).rejects.toThrow('enough');
  });
});

describe('STARTTLS (RFC 3207)', () => {
  it('forgets what was offered in clear and asks anew (section 4.2)', async () => {
    const { opened, server } = await open(
      { offers: ['STARTTLS', 'SIZE 1'], offersUnderTls: ['8BITMIME'] },
      dane(),
    );
    expect(opened).toMatchObject({
      session: { capabilities: { keywords: ['8BITMIME'], sizeLimit: undefined } },
    });
    expect(heardBy(server)).toEqual(['EHLO client.example', 'STARTTLS', 'EHLO client.example']);
  });

  it.each(['250 fake.example\r\n', '250-fake\r\n250 SIZE 1\r\n', '2', '\r\n', '\0junk\r\n'])(
    'throws away clear text %j that follows the 220 (section 4.2)',
    async (injected) => {
      for (const policy of [may, encrypt, dane()]) {
        const { opened } = await open({ injected, offersUnderTls: ['8BITMIME'] }, policy);
        expect(opened).toMatchObject({
          session: { tls: {}, capabilities: { keywords: ['8BITMIME'], sizeLimit: undefined } },
        });
      }
    },
  );

  it('sends the server name of the policy (RFC 7672 section 8.1)', async () => {
    const { server } = await open({}, dane());
    expect(server.connections[0]?.tls).toMatchObject({ protocol: 'TLSv1.3', serverName: 'mx.example.org' });
  });

  it('sends no server name to an address (RFC 6066 section 3)', async () => {
    const { server } = await open({}, { level: 'may', serverName: null, source: 'test' });
    expect(server.connections[0]?.tls?.serverName).toBe(false);
  });

  it.each<[string, TlsPolicy]>([
    ['encrypt', encrypt],
    ['dane', dane()],
    ['dane-only', dane(leaf, 3, { level: 'dane-only' })],
  ])('is a must under "%s": not offered, refused or broken means no session', async (_, policy) => {
    const noOffer = await open({ offers: ['PIPELINING'] }, policy);
    expect(fault(noOffer)).toMatchObject({
      kind: 'starttls-not-offered',
      failureType: 'starttls-not-supported',
    });
    expect(fault(await open({ replies: { STARTTLS: '454 not now' } }, policy))).toMatchObject({
      kind: 'refused',
    });
    expect(fault(await open({ handshake: 'close' }, policy))).toMatchObject({ kind: 'handshake' });
    expect(fault(await open({ handshake: 'garbage' }, policy))).toMatchObject({ kind: 'handshake' });
    const oldTls = {
      minTls: 'TLSv1',
      maxTls: 'TLSv1.2',
      ciphers: 'ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0',
    } as const;
    expect((await open(oldTls, policy)).opened).toMatchObject({ session: { tls: { protocol: 'TLSv1.2' } } });
  });

  it('goes on in clear text under "may" where not offered or refused (RFC 3207 section 6)', async () => {
    const noOffer = await open({ offers: ['PIPELINING'] }, may);
    expect(noOffer.opened).toMatchObject({
      status: 'open',
      session: { tls: null, capabilities: { pipelining: true } },
    });
    const refused = await open({ replies: { STARTTLS: '454 not now' } }, may);
    expect(refused.opened).toMatchObject({
      session: { tls: null, notes: [expect.stringContaining('454 not now')] },
    });
  });

  it('is not used under "none"', async () => {
    const { opened, server } = await open({}, none);
    expect(opened).toMatchObject({ session: { tls: null } });
    expect(heardBy(server)).toEqual(['EHLO client.example']);
  });

  it('is given up after its time (handshake)', async () => {
    const timeouts = { ...DEFAULT_TIMEOUTS, handshake: 20 };
    const result = await open({ handshake: 'silent' }, dane(), { timeouts });
    expect(fault(result)).toMatchObject({ kind: 'timeout', stage: 'handshake' });
  });
});

describe('authentication', () => {
  it.each<[string, Script, DanePolicy, object]>([
    ['DANE-EE', {}, dane(leaf, 3), { usage: 3, name: null }],
    [
      'DANE-EE, whatever the name is',
      {},
      dane(leaf, 3, { baseDomain: 'else.example' }),
      { usage: 3, baseDomain: 'else.example' },
    ],
    ['DANE-TA', {}, dane(ca, 2), { usage: 2, baseDomain: 'mx.example.org', name: 'mx.example.org' }],
    [
      'DANE-TA by another reference name',
      {},
      dane(ca, 2, { baseDomain: 'b.example', otherNames: ['example.org'] }),
      { name: 'example.org' },
    ],
    ['TLS 1.2', { maxTls: 'TLSv1.2' }, dane(leaf, 3), { usage: 3 }],
    ['a stranger in the chain', { chain: leaf + other + ca }, dane(ca, 2), { usage: 2 }],
    [
      'DANE-EE, however many strangers follow (RFC 7672 section 3.1.1)',
      { chain: leaf + other.repeat(40) },
      dane(leaf, 3),
      { usage: 3 },
    ],
  ])('succeeds by %s', async (_, script, policy, expected) => {
    expect((await open(script, policy)).opened).toMatchObject({
      session: { tls: { authenticated: expected } },
    });
  });

  it.each<[string, Script, DanePolicy]>([
    ['another key', {}, dane(other, 3)],
    ['another anchor', {}, dane(other, 2)],
    ['a name that is not on the certificate', {}, dane(ca, 2, { baseDomain: 'else.example' })],
    ['an anchor that was not sent', { chain: leaf }, dane(ca, 2)],
    ['an anchor behind too many strangers', { chain: leaf + other.repeat(31) + ca }, dane(ca, 2)],
  ])(
    'fails with %s, and not a word of SMTP but QUIT is said after the handshake',
    async (_, script, policy) => {
      const { opened, server } = await open(script, policy);
      expect(opened).toMatchObject({ fault: { kind: 'unauthenticated' }, tls: { authenticated: null } });
      await server.connections[0]?.closed;
      expect(heardBy(server).slice(0, 2)).toEqual(['EHLO client.example', 'STARTTLS']);
      expect(heardBy(server).slice(2)).toEqual(['QUIT']);
    },
  );

  it('asks nobody under "may" and "encrypt", and claims nothing', async () => {
    const verify: SessionOptions['verify'] = () => {
      throw new Error('must not be asked');
    };
    for (const policy of [may, encrypt]) {
      expect((await open({}, policy, { verify })).opened).toMatchObject({
        session: { tls: { authenticated: null } },
      });
    }
  });

  const nothingUsable: SessionOptions['verify'] = () => ({
    authenticated: false,
    usable: false,
    reason: 'nothing usable',
  });
  it('goes on unauthenticated where no record turns out usable (RFC 7672 section 2.2)', async () => {
    const { opened } = await open({}, dane(), { verify: nothingUsable });
    expect(opened).toMatchObject({ session: { tls: { authenticated: null, reason: 'nothing usable' } } });
  });

  it('does not under "dane-only" (RFC 7672 section 6)', async () => {
    const result = await open({}, dane(leaf, 3, { level: 'dane-only' }), { verify: nothingUsable });
    expect(fault(result)).toMatchObject({ kind: 'unauthenticated', failureType: 'tlsa-invalid' });
  });

  it('gives the verifier the time of the clock', async () => {
    let time: Date | undefined;
    const verify: SessionOptions['verify'] = (input) => {
      time = input.time;
      return verifyCertificate(input);
    };
    await open({}, dane(), { verify, clock: () => 1_000_000 });
    expect(time).toEqual(new Date(1_000_000));
  });
});
