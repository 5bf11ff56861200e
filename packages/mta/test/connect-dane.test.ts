/** Verified connections of any Node.js program (RFC 7673), to servers and zones of the lab. */
import { once } from 'node:events';
import {
  type AgentOptions,
  createServer as createHttpsServer,
  type RequestOptions,
  request,
} from 'node:https';
import {
  type AddressInfo,
  createServer as createTcpServer,
  type Server,
  type Socket,
  connect as tcpConnect,
} from 'node:net';
import type { Duplex } from 'node:stream';
import {
  type ConnectionOptions,
  createServer as createTlsServer,
  TLSSocket,
  type TlsOptions,
  connect as tlsConnect,
} from 'node:tls';
import {
  type ConnectOptions,
  connectDane,
  connectDaneService,
  DaneConnectError,
  type DaneConnection,
  daneAgent,
  daneConnector,
  daneTlsOptions,
  formatTlsa,
  Roots,
  type ServiceOptions,
  type TlsaRecord,
} from '@danelaw/dane';
import { createResolver, type Resolver } from '@danelaw/dns';
import {
  type Certificate,
  type Internet,
  issue,
  type LeafRequest,
  makeAuthority,
  type Scenario,
  selfSigned,
  startInternet,
  tlsaFor,
} from '@danelaw/lab';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

const DAY = 24 * 60 * 60 * 1000;
const validity = { notBefore: new Date(Date.now() - DAY), notAfter: new Date(Date.now() + DAY) };
const root = makeAuthority({ name: 'Root', validity });
const leaf = (...names: string[]): LeafRequest => ({ names, validity });
const plain = selfSigned(leaf('tls.example'));
const trusted = issue(root, leaf('pkix.example', 'insecure.unsigned'));
const roots = new Roots([root.pem]);

/** What servers said to us inside TLS, and whether they saw a resumed session. */
const seen: { text: string; resumed: boolean }[] = [];

function tlsOptions({ chain, keyPem }: Certificate): TlsOptions {
  return { cert: chain.map(({ pem }) => pem).join(''), key: keyPem };
}

function conversation(socket: TLSSocket): void {
  const record = { text: '', resumed: socket.isSessionReused() };
  seen.push(record);
  socket
    .on('error', () => {})
    .on('data', (octets: Buffer) => {
      record.text += octets.toString();
      socket.write(`echo ${octets.toString()}`);
    });
}

/** Speaks in clear what `dialogue` says, line by line, and then TLS. */
function startTlsServer(dialogue: readonly (readonly [asked: RegExp | undefined, reply: string])[]): Server {
  return createTcpServer((socket) => void talk(socket, dialogue));
}

async function talk(
  socket: Socket,
  dialogue: readonly (readonly [asked: RegExp | undefined, reply: string])[],
): Promise<void> {
  socket.on('error', () => {});
  for (const [asked, reply] of dialogue) {
    if (asked !== undefined) {
      const [octets] = await once(socket, 'data');
      if (!asked.test(String(octets))) return void socket.destroy();
    }
    socket.write(reply);
  }
  socket.removeAllListeners('data');
  const secure = new TLSSocket(socket, { isServer: true, ...tlsOptions(plain) });
  secure.on('error', () => {}).once('secure', () => conversation(secure));
}

const servers = {
  tls: createTlsServer(tlsOptions(plain), conversation),
  old: createTlsServer({ ...tlsOptions(plain), maxVersion: 'TLSv1.2' }, conversation),
  pkix: createTlsServer(tlsOptions(trusted), conversation),
  https: createHttpsServer(
    tlsOptions(plain),
    ({ headers }, response) => void response.end(`over DANE to ${headers.host}`),
  ),
  imap: startTlsServer([
    [undefined, '* OK [CAPABILITY IMAP4rev1 STARTTLS] ready\r\n'],
    [/^a1 STARTTLS\r\n$/u, '* an untagged line\r\na1 OK begin\r\n'],
  ]),
  pop3: startTlsServer([
    [undefined, '+OK ready\r\n'],
    [/^STLS\r\n$/u, '+OK begin\r\n'],
  ]),
  refusing: startTlsServer([
    [undefined, '+OK ready\r\n'],
    [/^STLS\r\n$/u, '-ERR no\r\n'],
  ]),
  injected: startTlsServer([
    [undefined, '+OK ready\r\n'],
    [/^STLS\r\n$/u, '+OK begin\r\n+OK logged in\r\n'],
  ]),
  silent: createTcpServer((socket) => void socket.on('error', () => {})),
};

function smtpHost(
  domain: string,
  host: NonNullable<Scenario['hosts']>[string],
  records: string[] = [],
): Scenario {
  const authorities = { Root: {}, Issuer: { parent: 'Root' } } as const;
  return { ...zone(domain, records), hosts: { [`mx.${domain}`]: host }, authorities };
}

function zone(domain: string, records: readonly string[], more: object = {}): Scenario {
  const expected = { status: 'deferred', because: 'each test says for itself what it expects' } as const;
  return { domain, shows: '', rule: 'RFC 7673', zones: { [domain]: { records, ...more } }, expected };
}

let internet: Internet;
let resolver: Resolver;
const open: DaneConnection[] = [];

const portOf = (server: { address(): AddressInfo | string | null }): number => {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server does not listen');
  return address.port;
};

beforeAll(async () => {
  for (const server of Object.values(servers)) await once(server.listen(0, '127.0.0.1'), 'listening');
  const { silent, pkix, tls } = servers;
  const ports = Object.values(servers).filter((server) => server !== silent && server !== pkix);
  const tlsa = formatTlsa(tlsaFor(plain, 3, 1, 1));
  internet = await startInternet([
    zone('tls.example', [
      '@ A 127.0.0.1',
      ...ports.map((server) => `_${portOf(server)}._tcp TLSA ${tlsa}`),
      `_${portOf(pkix)}._tcp TLSA 1 1 1 ${'00'.repeat(32)}`,
    ]),
    zone('pkix.example', ['@ A 127.0.0.1']),
    zone('broken.example', ['@ A 127.0.0.1', `_${portOf(tls)}._tcp TLSA ${tlsa}`], {
      habits: [{ name: `_${portOf(tls)}._tcp`, type: 'TLSA', does: 'SERVFAIL' }],
    }),
    zone('service.example', [
      `_imaps._tcp SRV 20 0 ${portOf(tls)} tls.example.`,
      `_imaps._tcp SRV 10 0 ${portOf(silent)} nowhere.service.example.`,
      '_pop3s._tcp SRV 0 0 0 .',
      `_authority._tcp SRV 0 0 ${portOf(pkix)} pkix.example.`,
    ]),
    zone('bogus.example', [`_imaps._tcp SRV 0 0 ${portOf(tls)} tls.example.`], {
      signing: { faults: [{ fault: 'damaged', name: '_imaps._tcp', type: 'SRV' }] },
    }),
    zone(
      'insecure.unsigned',
      [
        `_attacked._tcp SRV 0 0 ${portOf(tls)} tls.example.`,
        `_honest._tcp SRV 0 0 ${portOf(pkix)} pkix.example.`,
      ],
      { signing: 'unsigned' },
    ),
    smtpHost('good.example', { tlsa: ['3 1 1'] }, ['_submission._tcp SRV 0 0 {port} mx']),
    smtpHost('authority.example', { certificate: { issuer: 'Issuer' }, tlsa: ['2 0 1'] }),
    smtpHost('wrong-name.example', {
      certificate: { issuer: 'Issuer', names: ['elsewhere.example'] },
      tlsa: ['2 0 1'],
    }),
    smtpHost(
      'named-by-domain.example',
      {
        certificate: { issuer: 'Issuer', names: ['named-by-domain.example'] },
        tlsa: ['2 0 1'],
      },
      ['_submission._tcp SRV 0 0 {port} mx'],
    ),
    smtpHost('swapped.example', { tlsa: ['3 1 1'], habits: { presents: {} } }),
    smtpHost('stripped.example', { tlsa: ['3 1 1'], habits: { starttls: 'stripped' } }),
    smtpHost('no-tlsa.example', {}),
  ]);
  resolver = createResolver({
    upstream: `${internet.resolver.address}#${internet.resolver.port}`,
    trustAnchors: [...internet.trustAnchors],
  });
});

afterEach(() => {
  for (const { socket } of open.splice(0)) socket.on('error', () => {}).destroy();
});

afterAll(async () => {
  for (const server of Object.values(servers)) server.close();
  await resolver?.close();
  await internet?.close();
});

type Wish = Partial<Omit<ConnectOptions, 'resolver'>>;

async function to(host: string, server: { address(): AddressInfo | string | null }, wish: Wish = {}) {
  const connection = await connectDane(host, portOf(server), { resolver, ...wish });
  open.push(connection);
  return connection;
}

async function toMail(domain: string, wish: Wish = {}) {
  const options = { resolver, starttls: 'smtp', ...wish } as const;
  const connection = await connectDane(`mx.${domain}`, internet.smtpPort, options);
  open.push(connection);
  return connection;
}

async function toService(service: string, domain: string, wish: Partial<ServiceOptions> = {}) {
  const connection = await connectDaneService(service, domain, { resolver, ...wish });
  open.push(connection);
  return connection;
}

const failure = async (work: Promise<unknown>): Promise<DaneConnectError> =>
  await work.then(
    () => expect.unreachable('there is a connection'),
    (error: unknown) => {
      if (!(error instanceof DaneConnectError)) throw error;
      return error;
    },
  );

async function echo({ socket }: DaneConnection): Promise<string> {
  socket.write('hello');
  const [octets] = await once(socket, 'data');
  return String(octets);
}

describe('TLS from the first octet on', () => {
  it('is authenticated by TLSA, with no authority near', async () => {
    const connection = await to('tls.example', servers.tls);
    expect(connection).toMatchObject({
      host: 'tls.example',
      address: '127.0.0.1',
      authenticated: { by: 'dane' },
    });
    expect(await echo(connection)).toBe('echo hello');
  });

  it('carries HTTPS', async () => {
    const response = await new Promise<string>((resolve, reject) => {
      const asked = request(
        {
          host: 'tls.example',
          createConnection: (_, callback) => {
            to('tls.example', servers.https).then(({ socket }) => callback(null, socket), reject);
            return undefined;
          },
        },
        (answer) => {
          let text = '';
          answer.on('data', (octets) => (text += octets)).on('end', () => resolve(text));
        },
      );
      asked.on('error', reject).end();
    });
    expect(response).toContain('over DANE');
  });

  it('never resumes a session: each connection shows its certificates', async () => {
    for (let time = 0; time < 2; time += 1) await echo(await to('tls.example', servers.tls));
    expect(seen.slice(-2)).toEqual([
      { text: 'hello', resumed: false },
      { text: 'hello', resumed: false },
    ]);
  });

  it('is not renegotiated: another certificate could come with it', async () => {
    const reached = once(servers.old, 'secureConnection');
    const connection = await to('tls.example', servers.old);
    const [server] = await reached;
    const failed = once(server, 'error');
    server.renegotiate({}, () => {});
    connection.socket.resume().on('error', () => {});
    connection.socket.write('hello');
    expect(await failed).toMatchObject([{ code: expect.stringContaining('RENEGOTIATION') }]);
  });
});

/** GET / by the options that a request takes. */
const get = (options: RequestOptions): Promise<string> =>
  new Promise((resolve, reject) => {
    const asked = request(options, (answer) => {
      let text = '';
      answer.on('data', (octets) => (text += octets)).on('end', () => resolve(text));
    });
    asked.on('error', reject).end();
  });

/** Connects by options and waits for the verdict. */
async function connectBy(options: ConnectionOptions): Promise<TLSSocket> {
  const socket = tlsConnect(options);
  try {
    await once(socket, 'secureConnect');
    return socket;
  } catch (error) {
    expect(socket.destroyed).toBe(true);
    throw error;
  }
}

describe('options for tls.connect', () => {
  const optionsFor = async (host: string, server: Server, wish: Wish = {}) =>
    (await daneTlsOptions(host, portOf(server), { resolver, ...wish })).options;

  it.each(['tls', 'old'] as const)('connect to the server that was verified: %s', async (which) => {
    const socket = await connectBy(await optionsFor('tls.example', servers[which]));
    expect(socket.authorized).toBe(true);
    socket.write('hello');
    expect(String((await once(socket, 'data'))[0])).toBe('echo hello');
    socket.destroy();
  });

  it('say by what it was verified', async () => {
    const { authenticated } = await daneTlsOptions('tls.example', portOf(servers.tls), { resolver });
    expect(authenticated).toMatchObject({ by: 'dane', matched: { usage: 3 } });
  });

  it('go with https.request, which sends the name of the server', async () => {
    expect(await get(await optionsFor('tls.example', servers.https))).toBe(
      `over DANE to tls.example:${portOf(servers.https)}`,
    );
  });

  it('go with a certificate that an authority has issued, without the authority', async () => {
    const { options, authenticated } = await daneTlsOptions('mx.authority.example', internet.smtpPort, {
      resolver,
      starttls: 'smtp',
    });
    expect(authenticated).toMatchObject({ by: 'dane', matched: { usage: 2 } });
    const plain = await startTlsByHand('mx.authority.example');
    const socket = await connectBy({ ...options, socket: plain });
    expect(socket.authorized).toBe(true);
    socket.destroy();
  });

  /** To where TLS begins, with nothing of ours. */
  async function startTlsByHand(host: string): Promise<Socket> {
    const address = internet.mailServers.get(host)?.addresses[0] ?? '';
    const socket = tcpConnect(internet.smtpPort, address);
    for (const line of ['EHLO client.example', 'STARTTLS']) {
      await once(socket, 'data');
      socket.write(`${line}\r\n`);
    }
    await once(socket, 'data');
    return socket;
  }

  it('refuse another certificate before a word is said: self-signed', async () => {
    const options = await optionsFor('tls.example', servers.tls);
    const said = seen.length;
    await expect(connectBy({ ...options, port: portOf(servers.pkix) })).rejects.toThrow();
    expect(seen.slice(said).filter(({ text }) => text !== '')).toEqual([]);
  });

  it('refuse whom the pinned certificate vouches for: it is no authority here', async () => {
    // An authority's certificate is served, and a certificate that it issued.
    const authority = await serve(root);
    const child = await serve(issue(root, leaf('tls.example')));
    const { options } = await authority.verified();
    await expect(connectBy({ ...options, port: portOf(child.server) })).rejects.toThrow(
      /another certificate/u,
    );
  });

  it('refuse an expired certificate, which connectDane takes (RFC 7671 section 5.1)', async () => {
    const past = { notBefore: new Date(Date.now() - 2 * DAY), notAfter: new Date(Date.now() - DAY) };
    const { verified } = await serve(selfSigned({ names: ['tls.example'], validity: past }));
    const { options, authenticated } = await verified();
    expect(authenticated.by).toBe('dane');
    await expect(connectBy(options)).rejects.toMatchObject({ code: 'CERT_HAS_EXPIRED' });
  });

  it('are not made where the server is not verified', async () => {
    const { fault } = await failure(optionsFor('broken.example', servers.tls));
    expect(fault).toBe('look-up');
  });

  const started: Server[] = [];
  afterEach(() => {
    for (const server of started.splice(0)) server.close();
  });

  /** A server that started when the zones stood already: its record is added to what the resolver says. */
  async function serve(certificate: Certificate) {
    const server = createTlsServer(tlsOptions(certificate), conversation);
    started.push(server);
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const record = tlsaFor(certificate, 3, 1, 1);
    return {
      server,
      verified: () => daneTlsOptions('tls.example', portOf(server), { resolver: adding(record) }),
    };
  }

  const adding = (record: TlsaRecord): Pick<Resolver, 'resolve'> => ({
    resolve: async (name, type, options) => {
      const lookup = await resolver.resolve(name, type, options);
      if (type !== 'TLSA' || lookup.status !== 'secure') return lookup;
      const added = {
        name,
        type,
        ttl: 300,
        data: { type: 'TLSA', ...record } as const,
        rdata: new Uint8Array(0),
      };
      return { ...lookup, rcode: 'NOERROR', records: [added] };
    },
  });
});

describe('an agent and a connector', () => {
  const agentOf = (wish: Wish = {}, more: AgentOptions = {}) => daneAgent({ resolver, ...wish }, more);

  it('verify each connection of https.request', async () => {
    const agent = agentOf();
    const port = portOf(servers.https);
    expect(await get({ agent, host: 'tls.example', port })).toBe(`over DANE to tls.example:${port}`);
    agent.destroy();
  });

  it('keep a connection for the next request to the same server', async () => {
    const agent = agentOf({}, { keepAlive: true });
    const port = portOf(servers.https);
    const reached: unknown[] = [];
    const note = (socket: unknown): void => void reached.push(socket);
    servers.https.on('secureConnection', note);
    for (let time = 0; time < 2; time += 1) await get({ agent, host: 'tls.example', port });
    servers.https.off('secureConnection', note);
    agent.destroy();
    expect(reached).toHaveLength(1);
  });

  it.each<[string, RequestOptions, object]>([
    ['is not who it should be', { host: 'pkix.example' }, { fault: 'unauthenticated' }],
    ['could not be looked up', { host: 'broken.example', port: -1 }, { fault: 'look-up' }],
    ['is an address', { host: '127.0.0.1' }, { message: expect.stringContaining('127.0.0.1') }],
  ])(
    'give an error to the request where a server %s, and say nothing to it',
    async (_, destination, error) => {
      const agent = agentOf({ roots: new Roots([]) });
      const port = destination.port === -1 ? portOf(servers.tls) : portOf(servers.https);
      await expect(get({ ...destination, port, agent })).rejects.toMatchObject(error);
      agent.destroy();
    },
  );

  it('are called as undici calls its option "connect"', async () => {
    const connect = daneConnector({ resolver });
    const port = String(portOf(servers.https));
    const socket = await new Promise<Duplex | null>((resolve, reject) =>
      connect({ hostname: 'tls.example', host: `tls.example:${port}`, port }, (error, made) =>
        error === null ? resolve(made) : reject(error),
      ),
    );
    expect(socket).toBeInstanceOf(TLSSocket);
    socket?.destroy();
  });
});

describe('STARTTLS', () => {
  it.each(['imap', 'pop3'] as const)('of %s', async (protocol) => {
    expect(await echo(await to('tls.example', servers[protocol], { starttls: protocol }))).toBe('echo hello');
  });

  it('of SMTP, authenticated by DANE-EE', async () => {
    const { authenticated, socket } = await toMail('good.example');
    expect(authenticated).toMatchObject({ by: 'dane', matched: { usage: 3 } });
    expect(socket.encrypted).toBe(true);
  });

  it('in a function of your own', async () => {
    const { authenticated } = await to('tls.example', servers.pop3, {
      starttls: async (socket) => {
        await once(socket, 'data');
        socket.write('STLS\r\n');
        await once(socket, 'data');
        socket.removeAllListeners('data').pause();
      },
    });
    expect(authenticated.by).toBe('dane');
  });

  it('that is refused, or not offered, is no connection', async () => {
    const refused = await failure(to('tls.example', servers.refusing, { starttls: 'pop3' }));
    expect(refused).toMatchObject({ fault: 'starttls', message: expect.stringContaining('-ERR no') });
    expect(await failure(toMail('stripped.example'))).toMatchObject({ fault: 'starttls' });
  });

  it('with more in clear behind the last word is given up', async () => {
    const error = await failure(to('tls.example', servers.injected, { starttls: 'pop3' }));
    expect(error).toMatchObject({ fault: 'starttls', message: expect.stringContaining('more in clear') });
  });
});

describe('who the server is', () => {
  it('is asked of the chain and the names, with DANE-TA', async () => {
    expect(await toMail('authority.example')).toMatchObject({ authenticated: { matched: { usage: 2 } } });
    const error = await failure(toMail('wrong-name.example'));
    expect(error).toMatchObject({
      fault: 'unauthenticated',
      message: expect.stringContaining('elsewhere.example'),
    });
  });

  it('decides before a word is said', async () => {
    expect(await failure(toMail('swapped.example'))).toMatchObject({ fault: 'unauthenticated' });
    const server = internet.mailServers.get('mx.swapped.example');
    await server?.whenIdle();
    const [connection] = server?.received.connections ?? [];
    expect(connection?.commands.filter(({ inTls }) => inTls)).toEqual([]);
  });

  it('is not asked where the look-up of TLSA records fails', async () => {
    expect(await failure(to('broken.example', servers.tls))).toMatchObject({ fault: 'look-up' });
  });

  it('is said by authorities where there are no TLSA records, or none that can be used', async () => {
    const { authenticated } = await to('pkix.example', servers.pkix, { roots });
    expect(authenticated).toEqual({ by: 'pkix', name: 'pkix.example' });
    const unknown = await failure(to('pkix.example', servers.pkix));
    expect(unknown).toMatchObject({ fault: 'unauthenticated' });
    const wrongName = await failure(to('tls.example', servers.pkix, { roots }));
    expect(wrongName).toMatchObject({
      fault: 'unauthenticated',
      message: expect.stringContaining('pkix.example'),
    });
    expect(await failure(toMail('no-tlsa.example'))).toMatchObject({ fault: 'unauthenticated' });
  });

  it('is nobody where DANE alone will do and does not apply', async () => {
    const error = await failure(to('pkix.example', servers.pkix, { roots, withoutDane: 'refuse' }));
    expect(error.fault).toBe('no-dane');
  });
});

describe('services (RFC 7673)', () => {
  it('are reached at the first target that will do, by priority', async () => {
    const connection = await toService('imaps', 'service.example');
    expect(connection).toMatchObject({ host: 'tls.example', authenticated: { by: 'dane' } });
  });

  it('may have certificates for the domain, where the SRV records are secure (sections 4.1 and 4.2)', async () => {
    const wish = { starttls: 'smtp' } as const;
    expect(await toService('submission', 'named-by-domain.example', wish)).toMatchObject({
      authenticated: { matched: { usage: 2, referenceName: 'named-by-domain.example' } },
    });
    expect(await toService('authority', 'service.example', { roots })).toMatchObject({
      authenticated: { by: 'pkix', name: 'pkix.example' },
    });
    expect(await failure(toMail('named-by-domain.example'))).toMatchObject({ fault: 'unauthenticated' });
  });

  it('are authenticated by the domain alone where the SRV records are insecure (section 4.1)', async () => {
    // The target's own TLSA records would match; who forged the SRV record would have chosen it for that.
    const attacked = await failure(toService('attacked', 'insecure.unsigned', { roots }));
    expect(attacked).toMatchObject({ fault: 'unauthenticated' });
    expect(await toService('honest', 'insecure.unsigned', { roots })).toMatchObject({
      authenticated: { by: 'pkix', name: 'insecure.unsigned' },
    });
    const refused = await failure(toService('honest', 'insecure.unsigned', { roots, withoutDane: 'refuse' }));
    expect(refused.fault).toBe('no-dane');
  });

  it('are not reached by a guess', async () => {
    expect(await failure(toService('imaps', 'bogus.example'))).toMatchObject({ fault: 'look-up' });
    expect(await failure(toService('sieve', 'service.example'))).toMatchObject({ fault: 'absent' });
    expect(await failure(toService('pop3s', 'service.example'))).toMatchObject({ fault: 'absent' });
  });

  it('choose by weight among equals (RFC 2782)', async () => {
    const first = await failure(
      toService('imaps', 'service.example', { withoutDane: 'refuse', random: () => 0 }).then(() => {
        throw new DaneConnectError('absent', 'reached');
      }),
    );
    expect(first.message).toBe('reached');
  });
});

describe('the end', () => {
  it('comes with the signal', async () => {
    const stop = new AbortController();
    const reached = once(servers.silent, 'connection');
    const going = connectDane('tls.example', portOf(servers.silent), {
      resolver,
      signal: stop.signal,
      starttls: 'imap',
      withoutDane: 'pkix',
    });
    await reached;
    stop.abort(new Error('enough'));
    await expect(going).rejects.toThrow('enough');
  });

  it('comes with the time: a silent server costs no more', async () => {
    const imap = await failure(to('tls.example', servers.silent, { starttls: 'imap', timeout: 50 }));
    expect(imap.fault).toBe('timeout');
    expect(await failure(to('tls.example', servers.silent, { timeout: 50 }))).toMatchObject({
      fault: 'timeout',
    });
  });

  it('comes at once where nobody listens', async () => {
    const gone = createTcpServer().listen(0, '127.0.0.1');
    await once(gone, 'listening');
    const port = portOf(gone);
    gone.close();
    await once(gone, 'close');
    expect(await failure(connectDane('pkix.example', port, { resolver }))).toMatchObject({
      fault: 'connect',
    });
  });
});

/** Why there is a function and no set of options for `tls.connect`: see `secure-socket.ts` of @danelaw/dane. */
describe('Node.js asks checkServerIdentity', () => {
  async function asked(options: object): Promise<number> {
    let calls = 0;
    const socket = tlsConnect({
      host: '127.0.0.1',
      port: portOf(servers.tls),
      servername: 'tls.example',
      ...options,
      checkServerIdentity: () => {
        calls += 1;
        return new Error('no');
      },
    });
    socket.on('error', () => {});
    await new Promise<void>((resolve) =>
      socket.once('secureConnect', resolve).once('close', () => resolve()),
    );
    socket.destroy();
    return calls;
  }

  it('never about a certificate that no authority has issued', async () => {
    expect(await asked({ rejectUnauthorized: true, ca: [] })).toBe(0);
    expect(await asked({ rejectUnauthorized: false, ca: [] })).toBe(0);
  });

  it('otherwise', async () => {
    expect(await asked({ rejectUnauthorized: true, ca: [plain.pem] })).toBe(1);
  });
});
