/** From whatever network: the system's resolvers if DNSSEC survives them, else the root's servers, else DNS over TLS, else nothing. */
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer } from 'node:tls';
import {
  createNetworkTransport,
  createResolver,
  type Notice,
  probeUpstream,
  type ResolverOptions,
  type Transport,
} from '@danelaw/dns';
import {
  type Endpoint,
  type Habit,
  type Internet,
  type InternetOptions,
  type Scenario,
  selfSigned,
  startInternet,
} from '@danelaw/lab';
import { afterEach, describe, expect, it } from 'vitest';

const SCENARIOS: readonly Scenario[] = [
  {
    domain: 'mail.example',
    shows: 'A signed zone.',
    rule: 'RFC 4035',
    zones: {
      'mail.example': { records: ['@ MX 10 mx', 'mx A 192.0.2.25'] },
      'mail.unsigned': { signing: 'unsigned', records: ['@ MX 10 mx', 'mx A 192.0.2.25'] },
    },
    expected: { status: 'deferred', because: '' },
  },
];

const cleanup: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of cleanup.splice(0).reverse()) await end();
});

async function lab(options: InternetOptions = {}): Promise<Internet> {
  const internet = await startInternet(SCENARIOS, options);
  cleanup.push(() => internet.close());
  return internet;
}

/** A resolv.conf that names these resolvers. */
async function resolvConf(...resolvers: readonly Endpoint[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'ways-out-'));
  cleanup.push(() => rm(folder, { recursive: true }));
  const path = join(folder, 'resolv.conf');
  await name(path, ...resolvers);
  return path;
}

async function name(path: string, ...resolvers: readonly Endpoint[]): Promise<void> {
  await writeFile(path, resolvers.map(({ address, port }) => `nameserver [${address}]:${port}\n`).join(''));
}

type Target = Parameters<Transport['exchange']>[1];

interface Blocking extends Transport {
  blocked: (server: Target) => boolean;
}

/** The network of this machine with a firewall that drops without a word. */
function firewalled(blocked: (server: Target) => boolean): Blocking {
  const network = createNetworkTransport();
  cleanup.push(() => network.close());
  return {
    blocked,
    exchange(query, server, signal) {
      if (!this.blocked(server)) return network.exchange(query, server, signal);
      return new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)));
    },
  };
}

/** DNS over TLS in front of a resolver: what is framed for TCP is framed for TLS. */
async function overTls(resolver: Endpoint): Promise<string> {
  const day = 86_400_000;
  const validity = { notBefore: new Date(Date.now() - day), notAfter: new Date(Date.now() + day) };
  const { pem: cert, keyPem: key } = selfSigned({ names: ['dns.example'], validity });
  const server = createServer({ cert, key }, (client) => {
    const plain = connect(resolver.port, resolver.address);
    client.on('error', () => plain.destroy()).on('close', () => plain.destroy());
    plain.on('error', () => client.destroy());
    client.pipe(plain).pipe(client);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanup.push(async () => server.close());
  const bound = server.address();
  if (bound === null || typeof bound === 'string') throw new Error('no port');
  return `tls://127.0.0.1#${bound.port}`;
}

function open(internet: Internet, options: ResolverOptions) {
  const notices: Notice[] = [];
  const resolver = createResolver({
    upstream: 'system',
    trustAnchors: internet.trustAnchors,
    rootHints: internet.rootHints,
    port: internet.dnsPort,
    onNotice: (notice) => notices.push(notice),
    ...options,
  });
  cleanup.push(() => resolver.close());
  return { resolver, notices, said: () => notices.map(({ code }) => code) };
}

describe('a resolver is probed', () => {
  const upstream = ({ resolver }: Internet) => `${resolver.address}#${resolver.port}`;

  it('and found fit, in words and with its round trip', async () => {
    const internet = await lab();
    const probed = await probeUpstream(upstream(internet), { trustAnchors: internet.trustAnchors });
    expect(probed).toMatchObject({ kind: 'fit', server: internet.resolver });
    if (probed.kind === 'fit') expect(probed.roundTrip).toBeGreaterThan(0);
    const asked = internet.questions().filter(({ server }) => server === 'resolver');
    expect(asked.map(({ type, protocol }) => `${type} ${protocol}`).sort()).toEqual([
      'A udp',
      'DNSKEY tcp',
      'DNSKEY udp',
      'DS udp',
    ]);
  });

  const madeUp: readonly string[] = ['@ A 192.0.2.66'];
  it.each<[what: string, options: InternetOptions, fault: string, words: RegExp]>([
    ['strips all signatures', { stripSignatures: true }, 'strips-signatures', /leaves DNSSEC signatures out/],
    [
      'strips those of keys',
      habits({ type: 'DNSKEY', does: 'strip-signatures' }),
      'strips-signatures',
      /signatures/,
    ],
    [
      'strips those of DS',
      habits({ type: 'DS', does: 'strip-signatures' }),
      'strips-signatures',
      /signatures/,
    ],
    ['strips proofs of absence', habits({ type: 'A', does: 'strip-signatures' }), 'strips-denials', /NSEC/],
    ['knows no DNSKEY', habits({ type: 'DNSKEY', does: { forge: [] } }), 'strips-keys', /keys of the root/],
    ['knows no DS', habits({ type: 'DS', does: { forge: [] } }), 'strips-keys', /DS records/],
    ['is dead', habits({ does: 'silence' }), 'no-answer', /no answer in time/],
    ['refuses', habits({ does: 'REFUSED' }), 'no-answer', /REFUSED/],
    ['fails for DNSSEC types', habits({ type: 'DNSKEY', does: 'SERVFAIL' }), 'no-answer', /SERVFAIL/],
    ['mumbles', habits({ does: 'malformed' }), 'no-answer', /does not answer/],
    ['has no TCP', habits({ protocol: 'tcp', does: 'silence' }), 'no-tcp', /over TCP/],
    ['invents names', habits({ type: 'A', does: { forge: madeUp } }), 'altered', /does not exist/],
    [
      'invents names with the signatures of others',
      habits({ type: 'A', does: { forge: madeUp, keepSignatures: true } }),
      'altered',
      /does not exist/,
    ],
  ])('and found unfit where it %s', async (_what, options, fault, words) => {
    const internet = await lab(options);
    const probed = await probeUpstream(upstream(internet), { trustAnchors: internet.trustAnchors });
    expect(probed).toMatchObject({ kind: 'unfit', fault, reason: expect.stringMatching(words) });
  });

  it('and found fit over TCP where UDP does not reach it', async () => {
    const internet = await lab(habits({ protocol: 'udp', does: 'silence' }));
    const probed = await probeUpstream(upstream(internet), { trustAnchors: internet.trustAnchors });
    expect(probed).toMatchObject({ kind: 'fit', server: { ...internet.resolver, tcpOnly: true } });
  });

  it('and found to be of another root', async () => {
    const [internet, other] = [await lab(), await lab()];
    const probed = await probeUpstream(upstream(internet), { trustAnchors: other.trustAnchors });
    expect(probed).toMatchObject({
      kind: 'unfit',
      fault: 'other-keys',
      reason: expect.stringMatching(/tampered/),
    });
  });

  it('and found to answer from another time', async () => {
    const internet = await lab();
    const clock = () => Date.now() + 400 * 86_400_000;
    const probed = await probeUpstream(upstream(internet), { trustAnchors: internet.trustAnchors, clock });
    expect(probed).toMatchObject({
      kind: 'unfit',
      fault: 'other-time',
      reason: expect.stringMatching(/clock/),
    });
  });

  it('until the signal says enough', async () => {
    const internet = await lab(habits({ does: 'silence' }));
    const signal = AbortSignal.timeout(50);
    const { trustAnchors } = internet;
    await expect(probeUpstream(upstream(internet), { trustAnchors, signal })).rejects.toThrow(/timeout/);
  });
});

describe("upstream 'system'", () => {
  it("forwards to the system's resolver where DNSSEC survives it, and says nothing", async () => {
    const internet = await lab();
    const { resolver, said } = open(internet, { resolvConf: await resolvConf(internet.resolver) });
    expect((await resolver.resolve('mail.example', 'MX')).status).toBe('secure');
    expect((await resolver.resolve('mail.unsigned', 'MX')).status).toBe('insecure');
    expect(said()).toEqual([]);
  });

  it('passes over the ones that are dead or strip signatures', async () => {
    const internet = await lab();
    const stripping = await lab({ stripSignatures: true });
    const dead: Endpoint = { address: '127.53.255.254', port: internet.dnsPort };
    const { resolver, said } = open(internet, {
      resolvConf: await resolvConf(dead, stripping.resolver, internet.resolver),
    });
    for (const domain of ['mail.example', 'mx.mail.example']) {
      expect((await resolver.resolve(domain, 'A')).status).toBe('secure');
    }
    expect(said()).toEqual([]);
    const used = stripping
      .questions()
      .filter(({ server, name: asked }) => server === 'resolver' && asked.startsWith('mx.'));
    expect(used).toEqual([]);
  });

  it.each<[what: string, options: InternetOptions]>([
    ['strip signatures', { stripSignatures: true }],
    ['refuse', habits({ does: 'REFUSED' })],
    ['keep silent', habits({ does: 'silence' })],
  ])('asks from the root down where they all %s, and says so once', async (_what, options) => {
    const internet = await lab(options);
    const { resolver, notices } = open(internet, { resolvConf: await resolvConf(internet.resolver) });
    const names = ['mail.example', 'mx.mail.example', 'nothing.example'];
    const lookups = await Promise.all(names.map((each) => resolver.resolve(each, 'MX')));
    expect(lookups.map(({ status }) => status)).toEqual(['secure', 'secure', 'secure']);
    expect((await resolver.resolve('mail.unsigned', 'MX')).status).toBe('insecure');
    expect(notices.map(({ code }) => code)).toEqual(['iterating']);
    expect(notices[0]?.text).toContain(`127.0.0.1#${internet.resolver.port}`);
  });

  it('uses DNS over TLS where port 53 leads nowhere', async () => {
    const internet = await lab();
    const transport = firewalled(({ protocol }) => protocol !== 'tls');
    const fallback = [await overTls(internet.resolver)];
    const { resolver, notices } = open(internet, {
      resolvConf: await resolvConf(internet.resolver),
      transport,
      fallback,
    });
    expect((await resolver.resolve('mail.example', 'MX')).status).toBe('secure');
    expect(notices).toMatchObject([{ code: 'fallback', text: expect.stringContaining(fallback[0] ?? '-') }]);
  });

  it.each<[what: string, options: InternetOptions]>([
    ['strips signatures', habits({ does: 'strip-signatures' })],
    ['lies', habits({ does: { forge: ['@ A 192.0.2.66'], keepSignatures: true } })],
    ['says that nothing exists', habits({ does: { forge: [] } })],
  ])('is not fooled where all of port 53 leads to someone who %s', async (_what, options) => {
    const internet = await lab();
    const captor = await lab(options);
    const { resolver, said } = open(internet, {
      resolvConf: await resolvConf(internet.resolver),
      transport: intercepted(captor.resolver),
    });
    for (const domain of ['mail.example', 'mail.unsigned', 'nothing.example']) {
      const lookup = await resolver.resolve(domain, 'A');
      expect(lookup).toMatchObject({ status: 'indeterminate', reason: expect.stringMatching(/Ways out/) });
    }
    expect(said()).toEqual(['no-way-out']);
  });

  it('says what was tried where nothing works, and finds the way when there is one again', async () => {
    const internet = await lab();
    const transport = firewalled(() => true);
    const fallback = [await overTls(internet.resolver)];
    let now = Date.now();
    const { resolver, notices } = open(internet, {
      resolvConf: await resolvConf(internet.resolver),
      transport,
      fallback,
      clock: () => now,
    });
    const lookup = await resolver.resolve('mail.example', 'MX');
    expect(lookup.status).toBe('indeterminate');
    for (const words of ["system's resolvers", 'From the root', 'DNS over TLS', 'Ways out']) {
      expect(notices[0]?.text).toContain(words);
    }
    if (lookup.status === 'indeterminate') expect(lookup.reason).toContain('Ways out');
    // At once, and without a packet: it was tried just now.
    expect((await resolver.resolve('mail.example', 'MX')).status).toBe('indeterminate');
    transport.blocked = () => false;
    now += 3_000;
    expect((await resolver.resolve('mail.example', 'MX')).status).toBe('secure');
    expect(notices.map(({ code }) => code)).toEqual(['no-way-out', 'forwarding']);
  });

  it('looks for another way after a failure, since the network may have changed', async () => {
    const internet = await lab();
    const stripping = await lab({ stripSignatures: true });
    const path = await resolvConf(internet.resolver);
    let now = Date.now();
    let captor: Endpoint | undefined;
    const network = createNetworkTransport();
    cleanup.push(() => network.close());
    const transport: Transport = {
      exchange: (query, server, signal) =>
        network.exchange(
          query,
          captor !== undefined && server.port === internet.resolver.port ? { ...server, ...captor } : server,
          signal,
        ),
    };
    const { resolver, said } = open(internet, { resolvConf: path, transport, clock: () => now });
    expect((await resolver.resolve('mail.example', 'MX')).status).toBe('secure');
    captor = stripping.resolver;
    // Too soon for another probe; the failure stands.
    expect((await resolver.resolve('mx.mail.example', 'A')).status).toBe('bogus');
    now += 10_000;
    expect((await resolver.resolve('mx.mail.example', 'A')).status).toBe('secure');
    expect(said()).toEqual(['iterating']);
    // The next network has a resolver of another address.
    await name(path, internet.resolver);
    captor = undefined;
    now += 300_000;
    expect((await resolver.resolve('mx.mail.example', 'AAAA')).status).toBe('secure');
    await expect.poll(said).toEqual(['iterating', 'forwarding']);
  });

  it('a bogus name costs no new probe where one was made just now, and stays bogus', async () => {
    const internet = await lab();
    const { resolver } = open(internet, {
      resolvConf: await resolvConf(internet.resolver),
      trustAnchors: internet.trustAnchors,
    });
    await resolver.resolve('mail.example', 'MX');
    const probes = () => internet.questions().filter(({ name: asked }) => asked.startsWith('probe-')).length;
    expect(probes()).toBeGreaterThan(0);
    const before = probes();
    await resolver.resolve('nothing.nowhere.example', 'MX');
    expect(probes()).toBe(before);
  });

  it('ends at once when it is closed in the middle of looking', async () => {
    const internet = await lab(habits({ does: 'silence' }));
    const { resolver } = open(internet, {
      resolvConf: await resolvConf(internet.resolver),
      transport: firewalled(() => true),
    });
    const lookup = resolver.resolve('mail.example', 'MX');
    await resolver.close();
    expect((await lookup).status).toBe('indeterminate');
  });

  it("with trust 'ad' believes a resolver on this machine as it is, and no other", async () => {
    const internet = await lab();
    const validating = await internet.startValidatingResolver();
    const { resolver } = open(internet, { trust: 'ad', resolvConf: await resolvConf(validating) });
    expect((await resolver.resolve('mail.example', 'MX')).status).toBe('secure');
    const far = open(internet, {
      trust: 'ad',
      resolvConf: await resolvConf({ address: '192.0.2.1', port: 53 }),
    });
    expect(await far.resolver.resolve('mail.example', 'MX')).toMatchObject({
      status: 'indeterminate',
      reason: expect.stringMatching(/not this machine/),
    });
  });
});

describe('options that would not do what they say are refused', () => {
  it.each<[what: string, options: ResolverOptions, words: RegExp]>([
    [
      'a fallback where nothing falls back',
      { upstream: '127.0.0.1', fallback: ['tls://192.0.2.1'] },
      /fallback/,
    ],
    ['a fallback that is no address', { upstream: 'system', fallback: ['dns.example'] }, /not the address/],
    ["trust 'ad' in a server elsewhere", { upstream: '192.0.2.1', trust: 'ad' }, /not this machine/],
    [
      "trust 'ad' over TLS without being told",
      { upstream: 'tls://192.0.2.1/dns.example', trust: 'ad' },
      /TLS/,
    ],
  ])('%s', (_what, options, words) => {
    expect(() => createResolver(options)).toThrow(words);
  });
});

function habits(...resolverHabits: readonly Habit[]): InternetOptions {
  return { resolverHabits };
}

/** A network in which every query, to whomever, ends at one server. */
function intercepted(captor: Endpoint): Transport {
  const network = createNetworkTransport();
  cleanup.push(() => network.close());
  return {
    exchange: (query, { protocol }, signal) => network.exchange(query, { ...captor, protocol }, signal),
  };
}
