import { formatTlsa } from '@danelaw/dane';
import { afterEach, describe, expect, it } from 'vitest';
import type { ClientOptions } from './client.js';
import { connectTcp } from './connection.js';
import { type DeliverOptions, deliver } from './deliver.js';
import { checkMessage, type Message } from './message.js';
import type { Delivery } from './outcome.js';
import { ca, leaf, other, tlsaFor } from './testing/certificates.js';
import { a, aaaa, type Fixed, fixedResolver, mx } from './testing/fixed-resolver.js';
import { type Script, type ScriptedServer, startServer } from './testing/scripted-server.js';

const servers: ScriptedServer[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

function message(text = 'Subject: hello\r\n\r\nworld\r\n'): Message {
  const checked = checkMessage(Buffer.from(text));
  if (checked.status !== 'ok') throw new Error(checked.reason);
  return checked.message;
}

/** Starts a server for each address; every other address refuses. */
async function network(scripts: Readonly<Record<string, Script>>) {
  const ports = new Map<string, number>();
  const byAddress: Record<string, ScriptedServer> = {};
  const dialled: string[] = [];
  for (const [address, script] of Object.entries(scripts)) {
    const server = await startServer(script);
    servers.push(server);
    ports.set(address, server.port);
    byAddress[address] = server;
  }
  const connect: NonNullable<ClientOptions['connect']> = ({ address }) => {
    dialled.push(address);
    // Port 1 on loopback: nobody listens there.
    return connectTcp({ address: '127.0.0.1', family: 4, port: ports.get(address) ?? 1 });
  };
  const heard = (address: string) => byAddress[address]?.connections ?? [];
  return { connect, dialled, heard };
}

const tlsa = (pem: string, usage: 2 | 3) => ({ type: 'TLSA', ...tlsaFor(pem, usage) }) as const;

/** example.org with one signed MX host at 192.0.2.1 whose TLSA record matches. */
const SIGNED: Readonly<Record<string, Fixed>> = {
  'example.org MX': { records: [mx(10, 'mx.example.org')] },
  'mx.example.org A': { records: [a('192.0.2.1')] },
  '_25._tcp.mx.example.org TLSA': { records: [tlsa(leaf, 3)] },
};

const base = { heloName: 'client.example', envelope: { from: 'a@client.example', to: ['b@example.org'] } };

const statuses = (result: Delivery): string[] => result.recipients.map(({ status }) => status);
const attemptsOf = (result: Delivery): string[] =>
  result.attempts.map(({ host, address, status }) => `${host} ${address ?? '-'} ${status}`);

/**
 * example.org with MX hosts mx1 (192.0.2.1), mx2 (192.0.2.2), mx3 (192.0.2.3), all signed and without TLSA.
 */
const THREE: Readonly<Record<string, Fixed>> = {
  'example.org MX': {
    records: [mx(10, 'mx1.example.org'), mx(20, 'mx2.example.org'), mx(30, 'mx3.example.org')],
  },
  'mx1.example.org A': { records: [a('192.0.2.1')] },
  'mx2.example.org A': { records: [a('192.0.2.2')] },
  'mx3.example.org A': { records: [a('192.0.2.3')] },
};

describe('what is proved', () => {
  it('is the TLSA record that matched, at a host found through secure MX records', async () => {
    const { connect, heard } = await network({ '192.0.2.1': {} });
    const result = await deliver({ ...base, resolver: fixedResolver(SIGNED), connect, message: message() });
    const record = formatTlsa(tlsaFor(leaf, 3));
    expect(result.recipients).toEqual([
      {
        recipient: 'b@example.org',
        status: 'delivered',
        stage: 'data-end',
        reply: '250 2.0.0 taken',
        code: 250,
        enhancedStatus: '2.0.0',
        reason: 'mx.example.org [192.0.2.1]: the server took the message: 250 2.0.0 taken',
        host: 'mx.example.org',
        address: '192.0.2.1',
        mx: 'secure',
        exceptions: [],
        tls: {
          protocol: 'TLSv1.3',
          cipher: 'TLS_AES_256_GCM_SHA384',
          serverName: 'mx.example.org',
          authenticated: { by: 'dane', usage: 3, record, baseDomain: 'mx.example.org', name: null },
          reason: expect.any(String),
        },
      },
    ]);
    expect(result.attempts).toMatchObject([
      { status: 'completed', tlsa: { status: 'usable', records: [{ record }] } },
    ]);
    expect(heard('192.0.2.1')[0]?.data).toEqual(['Subject: hello\r\n\r\nworld\r\n.\r\n']);
  });

  it('is plain data: JSON brings back the same', async () => {
    const { connect } = await network({ '192.0.2.1': {} });
    const result = await deliver({ ...base, resolver: fixedResolver(SIGNED), connect, message: message() });
    expect(JSON.parse(JSON.stringify(result))).toEqual(result);
  });

  it('is no delivery to the domain where the MX records are insecure (RFC 7672 section 2.2.1)', async () => {
    const { connect } = await network({ '192.0.2.1': {} });
    const insecure = { status: 'insecure', records: [mx(10, 'mx.example.org')] } as const;
    const resolver = fixedResolver({ ...SIGNED, 'example.org MX': insecure });
    const result = await deliver({ ...base, resolver, connect, message: message() });
    expect(result.recipients).toMatchObject([
      { status: 'delivered', mx: 'insecure', host: 'mx.example.org' },
    ]);
    expect(result.attempts[0]?.reason).toContain('the MX records of example.org are not signed');
  });

  it('keeps the unexpanded MX host where that is an alias (RFC 7672 section 2.2.1)', async () => {
    const { connect } = await network({ '192.0.2.1': {} });
    const resolver = fixedResolver({
      'example.org MX': { status: 'insecure', records: [mx(10, 'alias.example.org')] },
      'alias.example.org A': { aliases: ['mx.example.org'], records: [a('192.0.2.1')] },
      'alias.example.org AAAA': { aliases: ['mx.example.org'] },
      '_25._tcp.mx.example.org TLSA': { records: [tlsa(leaf, 3)] },
    });
    const result = await deliver({ ...base, resolver, connect, message: message() });
    expect(result.recipients).toMatchObject([
      {
        status: 'delivered',
        host: 'alias.example.org',
        tls: { authenticated: { baseDomain: 'mx.example.org' } },
      },
    ]);
  });

  it('is the next-hop domain on a certificate, for secure MX only (RFC 7672 section 3.2.2)', async () => {
    const hosted = (status: 'secure' | 'insecure') =>
      fixedResolver({
        'example.org MX': { status, records: [mx(10, 'mx.host.example')] },
        'mx.host.example A': { records: [a('192.0.2.1')] },
        '_25._tcp.mx.host.example TLSA': { records: [tlsa(ca, 2)] },
      });
    const { connect } = await network({ '192.0.2.1': {} });
    const secure = await deliver({ ...base, resolver: hosted('secure'), connect, message: message() });
    expect(secure.recipients).toMatchObject([
      { status: 'delivered', tls: { authenticated: { name: 'example.org' } } },
    ]);
    const insecure = await deliver({ ...base, resolver: hosted('insecure'), connect, message: message() });
    expect(insecure.attempts).toMatchObject([{ status: 'failed', failureType: 'certificate-host-mismatch' }]);
    expect(statuses(insecure)).toEqual(['deferred']);
  });
});

describe('what forbids a delivery', () => {
  it.each<[string, Readonly<Record<string, Fixed>>, Script, object]>([
    [
      'a certificate that does not match (RFC 7672 section 3.2)',
      { '_25._tcp.mx.example.org TLSA': { records: [tlsa(other, 3)] } },
      {},
      { enhancedStatus: '4.7.5', address: '192.0.2.1' },
    ],
    [
      'no STARTTLS where there are TLSA records (section 2.2)',
      {},
      { offers: [] },
      { enhancedStatus: '4.7.4' },
    ],
    [
      'STARTTLS refused where there are TLSA records',
      {},
      { replies: { STARTTLS: '454 no' } },
      { reply: '454 no' },
    ],
    [
      'no STARTTLS where all TLSA records are unusable (section 2.2)',
      { '_25._tcp.mx.example.org TLSA': { records: [{ ...tlsa(leaf, 3), usage: 1 }] } },
      { offers: [] },
      { enhancedStatus: '4.7.4' },
    ],
    [
      'a bogus TLSA look-up (section 2.1.2)',
      { '_25._tcp.mx.example.org TLSA': { status: 'bogus' } },
      {},
      { address: null },
    ],
    [
      'an indeterminate one',
      { '_25._tcp.mx.example.org TLSA': { status: 'indeterminate' } },
      {},
      { enhancedStatus: '4.4.3' },
    ],
    [
      'a bogus MX look-up (section 2.1.2)',
      { 'example.org MX': { status: 'bogus' } },
      {},
      { host: null, mx: null },
    ],
  ])('is %s: deferred, and nothing of the message is sent', async (_, changed, script, expected) => {
    const { connect, heard } = await network({ '192.0.2.1': script });
    const resolver = fixedResolver({ ...SIGNED, ...changed });
    const result = await deliver({ ...base, resolver, connect, message: message() });
    expect(result.recipients).toMatchObject([{ status: 'deferred', ...expected }]);
    expect(
      heard('192.0.2.1')
        .flatMap(({ commands }) => commands)
        .join(),
    ).not.toMatch(/MAIL|RCPT|DATA/);
  });

  it('under "dane-only" is an insecure MX RRset (RFC 7672 section 2.2.1)', async () => {
    const insecure = { status: 'insecure', records: [mx(10, 'mx.example.org')] } as const;
    const resolver = fixedResolver({ ...SIGNED, 'example.org MX': insecure });
    const { connect, dialled } = await network({ '192.0.2.1': {} });
    const result = await deliver({ ...base, level: 'dane-only', resolver, connect, message: message() });
    expect(result.recipients).toMatchObject([
      { status: 'deferred', reason: expect.stringContaining('dane-only') },
    ]);
    expect(dialled).toEqual([]);
  });

  it('for good is a null MX (RFC 7505 section 4.1)', async () => {
    const resolver = fixedResolver({ 'example.org MX': { records: [mx(0, '.')] } });
    const result = await deliver({ ...base, resolver, message: message() });
    expect(result.recipients).toMatchObject([{ status: 'failed', enhancedStatus: '5.1.10', mx: 'secure' }]);
  });

  it.each<[string, string, Fixed, object]>([
    ['a domain that does not exist', 'b@example.org', { rcode: 'NXDOMAIN' }, { enhancedStatus: '5.1.2' }],
    [
      'MX hosts without addresses',
      'b@example.org',
      { records: [mx(1, 'x.example')] },
      { enhancedStatus: '5.4.4' },
    ],
    ['a recipient that is no mailbox', 'b@example.org\r\nDATA', {}, { enhancedStatus: '5.1.3' }],
  ])('for good is %s (RFC 5321 section 5.1)', async (_, to, answer, expected) => {
    const envelope = { ...base.envelope, to: [to] };
    const resolver = fixedResolver({ 'example.org MX': answer });
    const result = await deliver({ ...base, envelope, resolver, message: message() });
    expect(result.recipients).toMatchObject([{ status: 'failed', ...expected }]);
  });

  it('for good is a sender that is no mailbox', async () => {
    const envelope = { ...base.envelope, from: 'a@b>\r\nRSET' };
    const result = await deliver({ ...base, envelope, resolver: fixedResolver({}), message: message() });
    expect(result.recipients).toMatchObject([{ status: 'failed', enhancedStatus: '5.1.7' }]);
  });

  it('refuses to be called a name that is a command', async () => {
    const called = deliver({
      ...base,
      heloName: 'a\r\nRSET',
      resolver: fixedResolver({}),
      message: message(),
    });
    await expect(called).rejects.toThrow(TypeError);
  });
});

const OLD_TLS: Script = { minTls: 'TLSv1', maxTls: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' };

describe('opportunistic TLS, where DANE does not apply (RFC 7672 section 2.2)', () => {
  const none = { ...SIGNED, '_25._tcp.mx.example.org TLSA': {} };
  const to = async (script: Script, level: 'dane' | 'encrypt' | 'may' = 'dane') => {
    const { connect, heard } = await network({ '192.0.2.1': script });
    const result = await deliver({
      ...base,
      level,
      resolver: fixedResolver(none),
      connect,
      message: message(),
    });
    return { result, heard: heard('192.0.2.1') };
  };

  it('encrypts without authentication', async () => {
    const { result } = await to({});
    expect(result.recipients).toMatchObject([{ status: 'delivered', tls: { authenticated: null } }]);
  });

  it('delivers in clear text where STARTTLS is not offered', async () => {
    const { result } = await to({ offers: [] });
    expect(result.recipients).toMatchObject([{ status: 'delivered', tls: null }]);
  });

  it.each(['close', 'garbage'] as const)(
    'delivers in clear text over a new connection after a broken handshake: %s',
    async (handshake) => {
      const { result, heard } = await to({ handshake });
      expect(result.recipients).toMatchObject([{ status: 'delivered', tls: null }]);
      // TLS, older TLS, clear text.
      expect(attemptsOf(result)).toEqual([
        'mx.example.org 192.0.2.1 failed',
        'mx.example.org 192.0.2.1 failed',
        'mx.example.org 192.0.2.1 completed',
      ]);
      expect(heard.map(({ commands }) => commands.includes('STARTTLS'))).toEqual([true, true, false]);
    },
  );

  it.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'delivers in clear text to a server that breaks off after the handshake: %s',
    async (maxTls) => {
      const { result } = await to({ closeAfterHandshake: true, maxTls });
      expect(result.recipients).toMatchObject([{ status: 'delivered', tls: null }]);
      expect(result.attempts.at(-1)).toMatchObject({ status: 'completed', tls: null });
    },
  );

  it('goes down to TLS 1.0 before it goes clear (RFC 7435)', async () => {
    const { result, heard } = await to(OLD_TLS);
    expect(result.recipients).toMatchObject([
      { status: 'delivered', tls: { protocol: 'TLSv1.1', authenticated: null } },
    ]);
    expect(attemptsOf(result)).toEqual([
      'mx.example.org 192.0.2.1 failed',
      'mx.example.org 192.0.2.1 completed',
    ]);
    expect(result.attempts[1]?.policy?.source).toContain(
      'TLS 1.2 failed, and any encryption is better than none',
    );
    expect(heard[1]?.tls).toMatchObject({ protocol: 'TLSv1.1', serverName: 'mx.example.org' });
  });

  it('knows nothing older than TLS 1.2 where TLS is a must (RFC 8996)', async () => {
    const { result, heard } = await to(OLD_TLS, 'encrypt');
    expect(statuses(result)).toEqual(['deferred']);
    expect(heard).toHaveLength(1);
  });

  it('delivers in clear text to a server that breaks off at STARTTLS', async () => {
    const { result } = await to({ replies: { STARTTLS: 'close' } });
    expect(result.recipients).toMatchObject([{ status: 'delivered', tls: null }]);
  });

  it('delivers under TLS where somebody injects clear text into the session (RFC 3207 section 4.2)', async () => {
    const { result } = await to({ injected: '250 ok\r\n' });
    expect(result.recipients).toMatchObject([{ status: 'delivered', tls: {} }]);
    expect(result.attempts).toHaveLength(1);
  });

  it('does not under "encrypt"', async () => {
    expect(statuses((await to({ handshake: 'close' }, 'encrypt')).result)).toEqual(['deferred']);
    expect(statuses((await to({ offers: [] }, 'encrypt')).result)).toEqual(['deferred']);
  });

  it('looks no TLSA records up under "may"', async () => {
    const resolver = fixedResolver(SIGNED);
    const { connect } = await network({ '192.0.2.1': {} });
    const result = await deliver({ ...base, level: 'may', resolver, connect, message: message() });
    expect(statuses(result)).toEqual(['delivered']);
    expect(resolver.asked.filter((question) => question.endsWith('TLSA'))).toEqual([]);
  });

  it('encrypts under "dane" where all TLSA records are unusable', async () => {
    const { connect } = await network({ '192.0.2.1': {} });
    const unusable = { records: [{ ...tlsa(leaf, 3), usage: 1 }] };
    const resolver = fixedResolver({ ...SIGNED, '_25._tcp.mx.example.org TLSA': unusable });
    const result = await deliver({ ...base, resolver, connect, message: message() });
    expect(result.recipients).toMatchObject([{ status: 'delivered', tls: { authenticated: null } }]);
    expect(result.attempts).toMatchObject([{ policy: { level: 'encrypt' }, tlsa: { status: 'unusable' } }]);
  });
});

describe('host by host, address by address', () => {
  const send = async (
    scripts: Readonly<Record<string, Script>>,
    answers = THREE,
    more: Partial<DeliverOptions> = {},
  ) => {
    const { connect, dialled, heard } = await network(scripts);
    const result = await deliver({
      ...base,
      resolver: fixedResolver(answers),
      connect,
      message: message(),
      ...more,
    });
    return { result, dialled, heard };
  };

  it('a worse host with TLSA records never goes before a better one (RFC 7672 section 2.2.1)', async () => {
    const answers = { ...THREE, '_25._tcp.mx2.example.org TLSA': { records: [tlsa(leaf, 3)] } };
    const { dialled } = await send({ '192.0.2.1': {}, '192.0.2.2': {} }, answers);
    expect(dialled).toEqual(['192.0.2.1']);
  });

  it.each<[string, Script]>([
    ['greets with 554', { greeting: '554 no' }],
    ['greets with 421', { greeting: '421 busy' }],
    ['refuses EHLO', { replies: { EHLO: '550 no', HELO: '550 no' } }],
    ['refuses the recipient for now', { replies: { RCPT: '450 4.2.0 greylisted' } }],
    ['refuses the message for now', { endOfData: '451 4.3.0 later' }],
    ['breaks off before the message', { replies: { RCPT: 'close' } }],
  ])('goes on to the next host where the first one %s', async (_, script) => {
    const { result } = await send({ '192.0.2.1': script, '192.0.2.2': {} });
    expect(result.recipients).toMatchObject([{ status: 'delivered', host: 'mx2.example.org' }]);
  });

  it.each<[string, Script]>([
    ['MAIL', { replies: { MAIL: '550 5.7.1 no' } }],
    ['RCPT', { replies: { RCPT: '550 5.1.1 no' } }],
    ['DATA', { replies: { DATA: '554 5.7.1 no' } }],
    ['the message', { endOfData: '554 5.7.1 no' }],
  ])('takes a permanent refusal of %s for final', async (_, script) => {
    const { result, dialled } = await send({ '192.0.2.1': script, '192.0.2.2': {} });
    const enhancedStatus = expect.stringMatching(/^5\./);
    expect(result.recipients).toMatchObject([{ status: 'failed', host: 'mx1.example.org', enhancedStatus }]);
    expect(dialled).toEqual(['192.0.2.1']);
  });

  it.each<[string, Script, string[]]>([
    [
      'a connection that broke off leads to the next address',
      { replies: { RCPT: 'close' } },
      ['192.0.2.1', '192.0.2.9'],
    ],
    ['a 4yz reply leads to the next host', { replies: { RCPT: '450 later' } }, ['192.0.2.1', '192.0.2.2']],
  ])('%s', async (_, script, expected) => {
    const answers = { ...THREE, 'mx1.example.org A': { records: [a('192.0.2.1'), a('192.0.2.9')] } };
    const { dialled } = await send({ '192.0.2.1': script, '192.0.2.2': {}, '192.0.2.9': {} }, answers);
    expect(dialled).toEqual(expected);
  });

  it('takes only those recipients to the next host that are not settled', async () => {
    const replies = { 'RCPT TO:<c': '450 4.2.0 later', 'RCPT TO:<d': '550 5.1.1 no' };
    const envelope = { from: '', to: ['b@example.org', 'c@example.org', 'd@example.org'] };
    const { result, heard } = await send({ '192.0.2.1': { replies }, '192.0.2.2': {} }, THREE, { envelope });
    expect(statuses(result)).toEqual(['delivered', 'delivered', 'failed']);
    expect(result.recipients.map(({ host }) => host)).toEqual([
      'mx1.example.org',
      'mx2.example.org',
      'mx1.example.org',
    ]);
    expect(heard('192.0.2.2')[0]?.commands.filter((command) => command.startsWith('RCPT'))).toEqual([
      'RCPT TO:<c@example.org>',
    ]);
  });

  it('leaves a message in doubt with the host that may have it', async () => {
    const { result, dialled } = await send({ '192.0.2.1': { endOfData: 'close' }, '192.0.2.2': {} });
    expect(result.recipients).toMatchObject([
      { status: 'deferred', reason: expect.stringContaining('may arrive twice') },
    ]);
    expect(dialled).toEqual(['192.0.2.1']);
  });

  it('skips a host whose TLSA look-up failed and uses the next (RFC 7672 section 2.1.2)', async () => {
    const answers: Record<string, Fixed> = {
      ...THREE,
      '_25._tcp.mx1.example.org TLSA': { status: 'indeterminate' },
    };
    const { result, dialled } = await send({ '192.0.2.1': {}, '192.0.2.2': {} }, answers);
    expect(attemptsOf(result)).toEqual(['mx1.example.org - skipped', 'mx2.example.org 192.0.2.2 completed']);
    expect(dialled).toEqual(['192.0.2.2']);
  });

  it.each(['bogus', 'indeterminate'] as const)(
    'skips a host whose addresses are %s and uses the next (RFC 7672 section 2.1.2)',
    async (status) => {
      const answers: Record<string, Fixed> = {
        ...THREE,
        'mx1.example.org A': { status },
        'mx1.example.org AAAA': { status },
      };
      const { result, dialled } = await send({ '192.0.2.1': {}, '192.0.2.2': {} }, answers);
      expect(statuses(result)).toEqual(['delivered']);
      expect(dialled).toEqual(['192.0.2.2']);
    },
  );

  it('uses the next host where one does not match its TLSA records (RFC 7672 section 2.2)', async () => {
    const answers = { ...THREE, '_25._tcp.mx1.example.org TLSA': { records: [tlsa(other, 3)] } };
    const { result } = await send({ '192.0.2.1': {}, '192.0.2.2': {} }, answers);
    expect(attemptsOf(result)).toEqual([
      'mx1.example.org 192.0.2.1 failed',
      'mx2.example.org 192.0.2.2 completed',
    ]);
  });

  it('a host that does not exist leaves the other hosts of the domain (RFC 7672 section 2.1.2)', async () => {
    const gone = { status: 'insecure', rcode: 'NXDOMAIN' } as const;
    const answers: Record<string, Fixed> = {
      ...THREE,
      'mx1.example.org A': gone,
      'mx1.example.org AAAA': gone,
    };
    expect(statuses((await send({ '192.0.2.2': {} }, answers)).result)).toEqual(['delivered']);
  });

  it('tries the addresses of a host before the next host, and gives up at its limit', async () => {
    const many = ['192.0.2.11', '192.0.2.12', '192.0.2.13'].map(a);
    const answers = { ...THREE, 'mx1.example.org A': { records: many } };
    const { dialled } = await send({ '192.0.2.2': {} }, answers, { limits: { addressesPerHost: 2 } });
    expect(dialled).toEqual(['192.0.2.11', '192.0.2.12', '192.0.2.2']);
  });

  it('keeps what a server said about the recipient, where the later hosts could not be asked', async () => {
    const answers: Record<string, Fixed> = { ...THREE, '_25._tcp.mx2.example.org TLSA': { status: 'bogus' } };
    const { result } = await send({ '192.0.2.1': { replies: { RCPT: '450 4.2.0 greylisted' } } }, answers);
    expect(result.recipients).toMatchObject([{ reply: '450 4.2.0 greylisted', host: 'mx1.example.org' }]);
  });

  it('takes the families of a host in turn where DANE is not asked for (RFC 5321 section 5.2)', async () => {
    const both: Record<string, Fixed> = {
      'example.org MX': { records: [mx(10, 'mx1.example.org')] },
      'mx1.example.org AAAA': { records: [aaaa('2001:db8::1'), aaaa('2001:db8::2')] },
      'mx1.example.org A': { records: [a('192.0.2.1'), a('192.0.2.2')] },
    };
    const { dialled } = await send({}, both, { level: 'may' });
    expect(dialled).toEqual(['2001:db8::1', '192.0.2.1', '2001:db8::2', '192.0.2.2']);
  });

  it('tells why no host was used, each of them, in order', async () => {
    const { result } = await send({ '192.0.2.1': { greeting: '554 no' } });
    expect(result.recipients[0]?.status).toBe('deferred');
    expect(result.recipients[0]?.reason).toMatch(
      /mx1\.example\.org .*554 no.*mx2\.example\.org .*mx3\.example\.org /,
    );
  });

  it('makes no more connections than its limit', async () => {
    const { result, dialled } = await send({}, THREE, { limits: { connections: 2 } });
    expect(dialled).toHaveLength(2);
    expect(result.recipients[0]?.reason).toContain('which is the limit');
  });

  it('ends when its time is over', async () => {
    const { result } = await send({ '192.0.2.1': { greeting: null }, '192.0.2.2': {} }, THREE, {
      limits: { totalTime: 50 },
    });
    expect(result.recipients).toMatchObject([
      { status: 'deferred', reason: expect.stringContaining('the time for this delivery') },
    ]);
  });

  it('stops at once when the caller says so', async () => {
    const controller = new AbortController();
    const { connect } = await network({ '192.0.2.1': { greeting: null } });
    const options = { ...base, resolver: fixedResolver(THREE), connect, message: message() };
    const delivering = deliver({ ...options, signal: controller.signal });
    controller.abort(new Error('enough'));
    await expect(delivering).rejects.toThrow('enough');
  });
});

describe('destinations', () => {
  const deliverTo = async (
    to: readonly string[],
    scripts: Record<string, Script>,
    more: Partial<DeliverOptions> = {},
  ) => {
    const { connect, heard } = await network(scripts);
    const resolver = fixedResolver({
      ...THREE,
      ...SIGNED,
      'example.net MX': { records: [mx(10, 'mx2.example.org')] },
    });
    const envelope = { from: 'a@client.example', to };
    return {
      result: await deliver({ ...base, envelope, resolver, connect, message: message(), ...more }),
      heard,
    };
  };

  it('are served each over a connection of its own, outcomes in the order of the envelope', async () => {
    const to = ['b@example.net', 'c@example.org', 'd@EXAMPLE.net'];
    const { result, heard } = await deliverTo(to, { '192.0.2.1': {}, '192.0.2.2': {} });
    expect(result.recipients.map(({ recipient, host }) => [recipient, host])).toEqual([
      ['b@example.net', 'mx2.example.org'],
      ['c@example.org', 'mx.example.org'],
      ['d@EXAMPLE.net', 'mx2.example.org'],
    ]);
    expect(heard('192.0.2.2')).toHaveLength(1);
  });

  it('may be an address literal, to which DANE does not apply (RFC 7672 section 2.2)', async () => {
    const { result, heard } = await deliverTo(['b@[192.0.2.1]'], { '192.0.2.1': {} });
    expect(result.recipients).toMatchObject([
      { status: 'delivered', tls: { serverName: null, authenticated: null } },
    ]);
    expect(heard('192.0.2.1')[0]?.tls?.serverName).toBe(false);
  });

  it('are all one with a relay, which is secure a priori (RFC 7672 section 2.2.2)', async () => {
    const relay = { host: 'mx.example.org', port: 25 };
    const { result, heard } = await deliverTo(
      ['b@example.net', 'c@example.org'],
      { '192.0.2.1': {} },
      { relay, level: 'dane-only' },
    );
    expect(result.recipients).toMatchObject([
      { status: 'delivered', mx: 'secure' },
      { status: 'delivered', mx: 'secure' },
    ]);
    expect(heard('192.0.2.1')).toHaveLength(1);
  });
});

describe('what a message costs', () => {
  it('is one connection, one handshake, one write for each SMTP round trip, no wait for QUIT', async () => {
    const { connect, dialled, heard } = await network({ '192.0.2.1': { replies: { QUIT: null } } });
    const envelope = { from: 'a@client.example', to: ['b@example.org', 'c@example.org'] };
    // QUIT is never answered: the outcome does not wait for it.
    const result = await deliver({
      ...base,
      envelope,
      resolver: fixedResolver(SIGNED),
      connect,
      message: message(),
    });
    expect(statuses(result)).toEqual(['delivered', 'delivered']);
    expect(dialled).toEqual(['192.0.2.1']);
    await heard('192.0.2.1')[0]?.closed;
    expect(heard('192.0.2.1')[0]?.pieces.map((piece) => piece.split(/[ \r]/, 1)[0])).toEqual([
      'EHLO',
      'STARTTLS',
      'EHLO',
      'MAIL',
      'Subject:',
      'QUIT',
    ]);
  });
});
