/**
 * Connections and TLS sessions shared between messages, on the lab's Internet: several domains whose mail
 * goes to the same hosts, and what is proved about each. What the pool does alone is tested in packages/smtp.
 */
import { createResolver, type Resolver } from '@danelaw/dns';
import { type HostSpec, type Internet, type Scenario, startInternet, type ZoneSpec } from '@danelaw/lab';
import { checkMessage, deliverToDestination, makeClient, parseMailbox, SessionPool } from '@danelaw/smtp';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

function scenario(
  domain: string,
  zones: Readonly<Record<string, ZoneSpec>>,
  hosts: Readonly<Record<string, HostSpec>> = {},
): Scenario {
  const expected = { status: 'deferred', because: 'each test says for itself what it expects' } as const;
  const authorities = { Root: {}, Issuer: { parent: 'Root' } };
  return { domain, shows: '', rule: 'RFC 7672', zones, hosts, authorities, expected };
}

const towards = (host: string, more: ZoneSpec = {}): ZoneSpec => ({
  ...more,
  records: [`@ MX 10 ${host}.`, ...(more.records ?? [])],
});

const TRUSTED = 'mx.trusted-host.example';
const NAMED = 'mx.named-host.example';
const CHANGING = 'mx.changing.example';
const STRANGER = 'stranger.changing.example';
const ISSUER = 'issuer.changing.example';
const FIRST = 'mx1.one-address.example';
const SECOND = 'mx2.one-address.example';

const SCENARIOS: readonly Scenario[] = [
  scenario(
    'trusted.example',
    { 'trusted.example': towards(TRUSTED), 'trusted-host.example': {} },
    { [TRUSTED]: { tlsa: ['3 1 1'] } },
  ),
  scenario('trusted.unsigned', { 'trusted.unsigned': towards(TRUSTED, { signing: 'unsigned' }) }),
  scenario(
    'named-a.example',
    { 'named-a.example': towards(NAMED), 'named-host.example': {} },
    { [NAMED]: { certificate: { issuer: 'Issuer', names: ['named-a.example'] }, tlsa: ['2 0 1'] } },
  ),
  scenario('named-b.example', { 'named-b.example': towards(NAMED) }),
  scenario(
    'changing.example',
    { 'changing.example': towards(CHANGING) },
    {
      [CHANGING]: {
        certificate: { issuer: 'Issuer' },
        tlsa: ['3 1 1'],
      },
      // Only their records play a part.
      [STRANGER]: { tlsa: [{ parameters: '3 1 1', of: 'stranger' }] },
      [ISSUER]: { certificate: { issuer: 'Issuer' }, tlsa: ['2 0 1'] },
    },
  ),
  // Two names of one address: what is sent to them differs in SNI alone.
  scenario(
    FIRST,
    { 'one-address.example': { records: [`mx2 A {address ${FIRST}}`] } },
    { [FIRST]: { tlsa: ['3 1 1'], tlsaAt: [`_{port}._tcp.${FIRST}`, `_{port}._tcp.${SECOND}`] } },
  ),
];

/**
 * The zone after its owner has changed it: whoever asks for the records of `CHANGING` gets those of
 * `instead`, which are as well signed.
 */
function changed(resolver: Resolver, port: number, instead: string): Resolver {
  return {
    close: async () => {},
    resolve: async (name, type, options) =>
      type === 'TLSA' && name === `_${port}._tcp.${CHANGING}`
        ? { ...(await resolver.resolve(`_${port}._tcp.${instead}`, type, options)), name }
        : await resolver.resolve(name, type, options),
  };
}

describe('connections and TLS sessions shared between messages', () => {
  let internet: Internet;
  let resolver: Resolver;
  let pool: SessionPool;

  beforeAll(async () => {
    internet = await startInternet(SCENARIOS);
    const { address, port } = internet.resolver;
    resolver = createResolver({
      upstream: `${address}#${port}`,
      trustAnchors: [...internet.trustAnchors],
    });
  });
  afterAll(async () => {
    await resolver?.close();
    await internet?.close();
  });
  beforeEach(() => {
    pool = new SessionPool();
  });
  afterEach(() => pool.close());

  async function send(domain: string, using: Resolver = resolver) {
    const checked = checkMessage(Buffer.from('Subject: a rule\r\n\r\nkept\r\n'));
    const to = parseMailbox(`b@${domain}`);
    if (checked.status !== 'ok' || to === undefined) throw new Error(domain);
    const client = makeClient({
      resolver: using,
      heloName: 'client.example',
      port: internet.smtpPort,
      pool,
    });
    const { outcomes, attempts } = await deliverToDestination(client, {
      nextHop: domain,
      from: parseMailbox('a@client.example'),
      recipients: [to],
      message: checked.message,
      requireTls: false,
    });
    const outcome = outcomes.get(to);
    return {
      status: outcome?.status,
      mx: outcome?.mx,
      proof: outcome?.tls?.authenticated ?? null,
      connections: attempts.map(({ connection }) => connection),
      reason: outcome?.reason,
      attempts,
    };
  }

  const hellos = (host: string) =>
    (internet.mailServers.get(host)?.received.connections ?? []).map(({ clientHello, tls }) => ({
      serverName: clientHello?.serverName,
      offersResumption: clientHello?.offersResumption,
      resumed: tls?.resumed,
    }));

  it('two domains with the same MX hosts, one signed and one not, never inherit a verdict from each other', async () => {
    const domains = ['trusted.example', 'trusted.unsigned'];
    for (const order of [domains, domains.toReversed()]) {
      pool.close();
      pool = new SessionPool();
      const [first, second] = [await send(order[0] ?? ''), await send(order[1] ?? '')];
      expect([first.connections, second.connections]).toEqual([['new'], ['shared']]);
      for (const [domain, sent] of [
        [order[0], first],
        [order[1], second],
      ] as const) {
        const signed = domain === 'trusted.example';
        expect([sent.status, sent.mx]).toEqual(['delivered', signed ? 'secure' : 'insecure']);
        expect(sent.proof).toMatchObject({ by: 'dane', usage: 3 });
        const doubt = 'are not signed, so anybody may have named it';
        expect(sent.attempts[0]?.reason.includes(doubt)).toBe(!signed);
      }
    }
  });

  it('a DANE-TA certificate that names only domain A, then mail to B at the same host', async () => {
    expect(await send('named-a.example')).toMatchObject({
      status: 'delivered',
      proof: { usage: 2, name: 'named-a.example' },
    });
    const second = await send('named-b.example');
    expect(second).toMatchObject({ status: 'deferred', connections: ['new'], proof: null });
    expect(second.attempts[0]?.failureType).toBe('certificate-host-mismatch');
    expect(await send('named-a.example')).toMatchObject({ status: 'delivered', connections: ['shared'] });
  });

  it('TLSA changed between two messages: what matches no more is not shared, and what still matches is', async () => {
    const to = (instead: string) => changed(resolver, internet.smtpPort, instead);
    expect(await send('changing.example')).toMatchObject({
      status: 'delivered',
      connections: ['new'],
      proof: { usage: 3 },
    });
    expect(await send('changing.example', to(ISSUER))).toMatchObject({
      status: 'delivered',
      connections: ['shared'],
      proof: { usage: 2, name: CHANGING },
    });
    const refused = await send('changing.example', to(STRANGER));
    expect(refused).toMatchObject({ status: 'deferred', connections: ['new'], proof: null });
    expect(refused.reason).toContain('does not match its TLSA records');
    // For the new connection no session was offered: the server showed the certificate that it has now.
    expect(hellos(CHANGING).map(({ offersResumption }) => offersResumption)).toEqual([false, false]);
    expect(await send('changing.example')).toMatchObject({ status: 'delivered', connections: ['shared'] });
  });

  it('a ticket offered under another server name: never, though the server would resume it', async () => {
    pool = new SessionPool({ limits: { messages: 1 } });
    const sent = [await send(FIRST), await send(SECOND), await send(FIRST), await send(SECOND)];
    expect(sent.map(({ status, connections }) => [status, connections[0]])).toEqual([
      ['delivered', 'new'],
      ['delivered', 'new'],
      ['delivered', 'resumed'],
      ['delivered', 'resumed'],
    ]);
    expect(sent.map(({ proof }) => proof)).toMatchObject(
      [FIRST, SECOND, FIRST, SECOND].map((baseDomain) => ({ by: 'dane', usage: 3, baseDomain })),
    );
    expect(hellos(FIRST)).toEqual([
      { serverName: FIRST, offersResumption: false, resumed: false },
      { serverName: SECOND, offersResumption: false, resumed: false },
      { serverName: FIRST, offersResumption: true, resumed: true },
      { serverName: SECOND, offersResumption: true, resumed: true },
    ]);
  });
});
