/**
 * Rules of RFC 7672 that show only where all packages work together, on zones and servers made for each rule.
 * What one package decides alone is tested beside its code; docs/conformance.md says where.
 */
import { createResolver, type Resolver } from '@danelaw/dns';
import { type HostSpec, type Internet, type Scenario, startInternet, type ZoneSpec } from '@danelaw/lab';
import { checkMessage, type DeliverOptions, type Delivery, deliver } from '@danelaw/smtp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const AUTHORITIES = { Root: {}, Issuer: { parent: 'Root' } } as const;

function scenario(
  domain: string,
  zones: Readonly<Record<string, ZoneSpec>>,
  hosts: Readonly<Record<string, HostSpec>>,
): Scenario {
  const expected = { status: 'deferred', because: 'each test says for itself what it expects' } as const;
  return { domain, shows: '', rule: 'RFC 7672', zones, hosts, authorities: AUTHORITIES, expected };
}

/**
 * A server whose certificate is for `name` and was issued by a private CA, which a TLSA record names at `at`.
 */
const issuedFor = (names: string | readonly string[], at: string): HostSpec => ({
  certificate: { issuer: 'Issuer', names: [names].flat() },
  tlsa: ['2 0 1'],
  tlsaAt: [`_{port}._tcp.${at}`],
});

/** TLSA records that nothing matches: who used them would not deliver. */
const misleading = (at: string): HostSpec => ({
  tlsa: [{ parameters: '3 1 1', of: 'stranger' }],
  tlsaAt: [`_{port}._tcp.${at}`],
});

/**
 * The example of section 3.2.2 with one of its three servers and one name in that server's certificate. Its
 * `example.org` is called `<label>-org.example` here, and so on.
 */
function exampleOfTheRfc(label: string, server: 'mx10' | 'mx15' | 'mx20', name: string): Scenario {
  const org = `${label}-org.example`;
  const com = `${label}-com.example`;
  const net = `${label}-net.example`;
  const certificateName = inZones(name, label);
  const servers = {
    mx10: { records: [], host: `mx10.${com}`, at: `mx10.${com}` },
    mx15: { records: ['mx15 CNAME mxbackup'], host: `mxbackup.${com}`, at: `mx15.${com}` },
    mx20: { records: [`mx20 CNAME mxbackup.${net}.`], host: `mxbackup.${net}`, at: `mxbackup.${net}` },
  };
  const { records, host, at } = servers[server];
  return scenario(
    `exchange.${org}`,
    {
      [org]: { records: ['exchange CNAME mail', `mail CNAME ${com}.`] },
      [com]: { records: [`@ MX 10 ${server}`, ...records] },
      [net]: {},
    },
    { [host]: issuedFor(certificateName, at) },
  );
}

/** `mx10.example.com` of the RFC's example as it is named in the lab. */
const inZones = (name: string, label: string): string =>
  name.replace(/example\.(org|com|net)$/, `${label}-$1.example`);

type NameCase = readonly [server: 'mx10' | 'mx15' | 'mx20', name: string, accepted: boolean];

const NAME_CASES: readonly NameCase[] = [
  ['mx10', 'exchange.example.org', true],
  ['mx10', 'example.com', true],
  ['mx10', 'mx10.example.com', true],
  ['mx10', 'mail.example.org', false],
  ['mx10', 'mx15.example.com', false],
  ['mx15', 'exchange.example.org', true],
  ['mx15', 'example.com', true],
  ['mx15', 'mx15.example.com', true],
  ['mx15', 'mxbackup.example.com', false],
  ['mx20', 'exchange.example.org', true],
  ['mx20', 'example.com', true],
  ['mx20', 'mxbackup.example.net', true],
  ['mx20', 'mx20.example.com', false],
];

const SCENARIOS: readonly Scenario[] = [
  ...NAME_CASES.map(([server, name], index) => exampleOfTheRfc(`case${index}`, server, name)),
  scenario(
    'alias-fails.example',
    {
      'alias-fails.example': { records: ['@ MX 10 mx', 'mx CNAME mx.alias-fails-end.example.'] },
      'alias-fails-end.example': {
        habits: [
          { name: 'mx', type: 'A', does: 'SERVFAIL' },
          { name: 'mx', type: 'AAAA', does: 'SERVFAIL' },
        ],
      },
    },
    { 'mx.alias-fails-end.example': { tlsa: ['3 1 1'] } },
  ),
  scenario(
    'back-to-secure.example',
    {
      'back-to-secure.example': { records: ['@ MX 10 mx', 'mx CNAME mx.back-to-secure.unsigned.'] },
      'back-to-secure.unsigned': {
        signing: 'unsigned',
        records: ['mx CNAME mx.back-to-secure-end.example.'],
      },
      'back-to-secure-end.example': {},
    },
    { 'mx.back-to-secure-end.example': misleading('mx.back-to-secure-end.example') },
  ),
  scenario(
    'begins-insecure.unsigned',
    {
      'begins-insecure.unsigned': {
        signing: 'unsigned',
        records: ['@ MX 10 mx', 'mx CNAME mx.begins-insecure.example.'],
      },
      'begins-insecure.example': {},
    },
    { 'mx.begins-insecure.example': misleading('mx.begins-insecure.example') },
  ),
  scenario(
    'next-hop.unsigned',
    {
      'next-hop.unsigned': { signing: 'unsigned', records: ['@ MX 1 unused'] },
      'alias.next-hop.unsigned': { signing: 'unsigned', records: ['office CNAME next-hop-end.example.'] },
      'next-hop-end.example': { records: ['@ MX 10 mx'] },
    },
    { 'mx.next-hop-end.example': { tlsa: ['3 1 1'] } },
  ),
  scenario(
    'alias.no-mx.example',
    { 'no-mx.example': { records: ['alias CNAME real'] } },
    { 'real.no-mx.example': issuedFor('alias.no-mx.example', 'real.no-mx.example') },
  ),
  scenario(
    'shared-signed.example',
    { 'shared-signed.example': { records: ['@ MX 10 mx.shared-host.example.'] }, 'shared-host.example': {} },
    {
      'mx.shared-host.example': issuedFor(
        ['shared-signed.example', 'shared.unsigned'],
        'mx.shared-host.example',
      ),
    },
  ),
  scenario(
    'shared.unsigned',
    { 'shared.unsigned': { signing: 'unsigned', records: ['@ MX 10 mx.shared-host.example.'] } },
    {},
  ),
  scenario(
    'insecure-expanded.unsigned',
    {
      'insecure-expanded.unsigned': {
        signing: 'unsigned',
        records: ['@ MX 10 mx.insecure-expanded.example.'],
      },
      'insecure-expanded.example': { records: ['mx CNAME real'] },
    },
    {
      'real.insecure-expanded.example': issuedFor(
        'real.insecure-expanded.example',
        'real.insecure-expanded.example',
      ),
    },
  ),
  scenario(
    'insecure-original.unsigned',
    {
      'insecure-original.unsigned': {
        signing: 'unsigned',
        records: ['@ MX 10 mx.insecure-original.example.'],
      },
      'insecure-original.example': { records: ['mx CNAME real'] },
    },
    {
      'real.insecure-original.example': issuedFor(
        'mx.insecure-original.example',
        'real.insecure-original.example',
      ),
    },
  ),
];

describe.each(['validate', 'ad'] as const)('RFC 7672 as a whole, trust: %s', (trust) => {
  let internet: Internet;
  let resolver: Resolver;

  beforeAll(async () => {
    internet = await startInternet(SCENARIOS);
    const { address, port } = trust === 'ad' ? await internet.startValidatingResolver() : internet.resolver;
    resolver = createResolver({
      upstream: `${address}#${port}`,
      trust,
      trustAnchors: [...internet.trustAnchors],
    });
  });
  afterAll(async () => {
    await resolver?.close();
    await internet?.close();
  });

  async function send(to: readonly string[], more: Partial<DeliverOptions> = {}): Promise<Delivery> {
    const checked = checkMessage(Buffer.from('Subject: a rule\r\n\r\nkept\r\n'));
    if (checked.status !== 'ok') throw new Error(checked.reason);
    return await deliver({
      resolver,
      heloName: 'client.example',
      port: internet.smtpPort,
      envelope: { from: 'a@client.example', to: to.map((domain) => `b@${domain}`) },
      message: checked.message,
      ...more,
    });
  }

  async function outcome(domain: string, more: Partial<DeliverOptions> = {}) {
    const { recipients } = await send([domain], more);
    const [recipient] = recipients;
    if (recipient === undefined) throw new Error('no outcome');
    return recipient;
  }

  describe("the example of section 3.2.2: names that each server's certificate may bear", () => {
    it.each(NAME_CASES.map((each, index) => [...each, index] as const))(
      '%s with %s: accepted is %s',
      async (server, name, accepted, index) => {
        const label = `case${index}`;
        const found = await outcome(`exchange.${label}-org.example`);
        expect(found.status, found.reason).toBe(accepted ? 'delivered' : 'deferred');
        expect(found.host).toBe(`${server}.${label}-com.example`);
        if (accepted)
          expect(found.tls?.authenticated).toMatchObject({ usage: 2, name: inZones(name, label) });
        else expect(found.reason).toContain('section 3.2.2');
      },
    );
  });

  it('section 2.1.3: an alias whose end can not be looked up is a failure, not an absence', async () => {
    expect(await outcome('alias-fails.example')).toMatchObject({ status: 'deferred', address: null });
  });

  it('section 2.1.3: behind an insecure alias all is insecure, signed or not', async () => {
    const found = await outcome('back-to-secure.example');
    expect(found).toMatchObject({ status: 'delivered', mx: 'secure', tls: { authenticated: null } });
  });

  it('section 2.2.2: an alias that is insecure itself leads to no TLSA records, wherever it ends', async () => {
    const { recipients, attempts } = await send(['begins-insecure.unsigned']);
    expect(recipients).toMatchObject([{ status: 'delivered', mx: 'insecure', tls: { authenticated: null } }]);
    expect(attempts).toMatchObject([{ tlsa: { status: 'none' } }]);
  });

  it('section 2.2.1: an insecure alias in front of signed MX records makes them insecure', async () => {
    expect(await outcome('office.alias.next-hop.unsigned')).toMatchObject({
      status: 'delivered',
      host: 'mx.next-hop-end.example',
      mx: 'insecure',
      tls: { authenticated: { usage: 3 } },
    });
    expect(await outcome('office.alias.next-hop.unsigned', { level: 'dane-only' })).toMatchObject({
      status: 'deferred',
      address: null,
    });
  });

  it('section 3.2.2: without MX records, the original next-hop domain counts beside its expansion', async () => {
    expect(await outcome('alias.no-mx.example')).toMatchObject({
      status: 'delivered',
      tls: { authenticated: { baseDomain: 'real.no-mx.example', name: 'alias.no-mx.example' } },
    });
  });

  it('section 3.2.2: behind an insecure MX record the TLSA base domain is the only name', async () => {
    expect(await outcome('insecure-expanded.unsigned')).toMatchObject({
      status: 'delivered',
      tls: { authenticated: { name: 'real.insecure-expanded.example' } },
    });
    expect(await outcome('insecure-original.unsigned')).toMatchObject({ status: 'deferred' });
  });

  it('section 8.1: each connection makes a full handshake, with the base domain as server name', async () => {
    for (let round = 0; round < 2; round++) await outcome('alias.no-mx.example');
    const { connections } = internet.mailServers.get('real.no-mx.example')?.received ?? { connections: [] };
    expect(connections.length).toBeGreaterThanOrEqual(2);
    for (const { clientHello } of connections) {
      expect(clientHello).toMatchObject({ serverName: 'real.no-mx.example', offersResumption: false });
      expect(clientHello?.versions).toEqual(['TLSv1.3', 'TLSv1.2']);
    }
  });

  it('section 2.2.1: two domains with one server share no verdict, one signed and one not', async () => {
    const domains = ['shared-signed.example', 'shared.unsigned', 'shared-signed.example'];
    for (const to of [domains, domains.toReversed()]) {
      const { recipients } = await send(to);
      for (const { recipient, status, mx } of recipients) {
        const signed = recipient.endsWith('@shared-signed.example');
        expect({ recipient, status, mx }).toEqual({
          recipient,
          status: signed ? 'delivered' : 'deferred',
          mx: signed ? 'secure' : 'insecure',
        });
      }
    }
  });
});
