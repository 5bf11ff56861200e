/** The policy server at the level of its protocol, over zones of the lab; and the program that runs it. */
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createResolver, type Resolver } from '@danelaw/dns';
import { type HostSpec, type Internet, type Scenario, startInternet, type ZoneSpec } from '@danelaw/lab';
import { MtaSts, parsePolicyTable, StsCache, type StsSource } from '@danelaw/smtp';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { netstring } from '../src/postfix/netstring.js';
import { type Listen, PolicyServer, type ServerOptions } from '../src/postfix/policy-server.js';
import { PolicyService } from '../src/postfix/policy-service.js';
import { dnsOptions, run, start } from './program.js';

function domain(name: string, zone: ZoneSpec, hosts: Readonly<Record<string, HostSpec>> = {}): Scenario {
  const expected = { status: 'deferred', because: 'each test says for itself what it expects' } as const;
  return { domain: name, shows: '', rule: 'RFC 7672', zones: { [name]: zone }, hosts, expected };
}

const GOOD: HostSpec = { tlsa: ['3 1 1'] };
const TWO = { records: ['@ MX 10 mx1', '@ MX 20 mx2'] };

const SCENARIOS: readonly Scenario[] = [
  domain('all.example', TWO, { 'mx1.all.example': GOOD, 'mx2.all.example': GOOD }),
  domain('some.example', TWO, { 'mx1.some.example': GOOD, 'mx2.some.example': {} }),
  domain('unusable.example', TWO, {
    'mx1.unusable.example': GOOD,
    'mx2.unusable.example': { tlsa: ['1 1 1'] },
  }),
  domain('none.example', TWO, { 'mx1.none.example': {}, 'mx2.none.example': {} }),
  domain('implicit.example', { records: [] }, { 'implicit.example': GOOD }),
  domain('null.example', { records: ['@ MX 0 .'] }),
  domain('gone.example', { records: ['@ MX 10 mx1', '@ MX 20 absent'] }, { 'mx1.gone.example': GOOD }),
  domain('insecure.unsigned', { records: ['@ MX 10 mx1.all.example.'], signing: 'unsigned' }),
  domain('mx-fails.example', { ...TWO, habits: [{ name: '@', type: 'MX', does: 'SERVFAIL' }] }),
  domain(
    'tlsa-fails.example',
    { records: ['@ MX 10 mx1'], habits: [{ name: '_{port}._tcp.mx1', type: 'TLSA', does: 'SERVFAIL' }] },
    { 'mx1.tlsa-fails.example': GOOD },
  ),
  domain(
    'one-fails.example',
    { ...TWO, habits: [{ name: '_{port}._tcp.mx2', type: 'TLSA', does: 'SERVFAIL' }] },
    { 'mx1.one-fails.example': GOOD, 'mx2.one-fails.example': GOOD },
  ),
];

let internet: Internet;
let resolver: Resolver;
let folder: string;
const running: PolicyServer[] = [];

beforeAll(async () => {
  internet = await startInternet(SCENARIOS);
  folder = await mkdtemp(join(tmpdir(), 'danelaw-policy-'));
  resolver = createResolver({
    upstream: `${internet.resolver.address}#${internet.resolver.port}`,
    trustAnchors: [...internet.trustAnchors],
  });
});

afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.close()));
});

afterAll(async () => {
  await resolver?.close();
  await internet?.close();
  if (folder !== undefined) await rm(folder, { recursive: true });
});

interface Wish {
  readonly sts?: StsSource;
  readonly clock?: () => number;
  readonly listen?: Listen;
  readonly server?: ServerOptions;
  readonly rules?: unknown;
}

async function policyServer({ sts, clock = Date.now, listen, server: options, rules = [] }: Wish = {}) {
  const service = new PolicyService({
    resolver,
    clock,
    smtpPort: internet.smtpPort,
    policyTable: parsePolicyTable(rules),
    ...(sts === undefined ? {} : { sts }),
  });
  const server = new PolicyServer(service, options);
  running.push(server);
  const where = await server.listen(listen ?? { kind: 'tcp', address: '127.0.0.1', port: 0 });
  return { service, server, where };
}

async function open(where: Listen): Promise<Socket> {
  const socket = where.kind === 'unix' ? connect(where.path) : connect(where.port, where.address);
  await once(socket, 'connect');
  return socket;
}

/** Sends octets and gives everything that comes until the server closes. */
async function exchange(where: Listen, octets: string | Uint8Array): Promise<string> {
  const socket = await open(where);
  socket.write(octets);
  let text = '';
  for await (const chunk of socket) text += String(chunk);
  return text;
}

/** One question over a connection of its own. PURGE makes the server close it. */
async function ask(where: Listen, question: string): Promise<string> {
  const socket = await open(where);
  socket.write(netstring(question));
  const [octets] = await once(socket, 'data');
  socket.destroy();
  return String(octets);
}

const reply = (text: string): string => netstring(text).toString();

describe('the level', () => {
  it.each([
    ['all.example', 'OK dane-only'],
    ['gone.example', 'OK dane-only'],
    ['implicit.example', 'OK dane-only'],
    ['some.example', 'OK dane'],
    ['unusable.example', 'OK dane'],
    ['insecure.unsigned', 'OK dane'],
    ['one-fails.example', 'OK dane'],
    ['[mx1.all.example]', 'OK dane-only'],
    ['[mx2.some.example]', 'NOTFOUND '],
    ['none.example', 'NOTFOUND '],
    ['null.example', 'NOTFOUND '],
    ['nowhere.example', 'NOTFOUND '],
    ['.all.example', 'NOTFOUND '],
    ['[127.0.0.1]', 'NOTFOUND '],
    ['all.example:1', 'NOTFOUND '],
  ])('of %s: %s', async (key, expected) => {
    const { where } = await policyServer();
    expect(await ask(where, `danelaw ${key}`)).toBe(reply(expected));
  });

  it.each(['mx-fails.example', 'tlsa-fails.example'])('of %s can not be said: TEMP', async (key) => {
    const { where } = await policyServer();
    expect(await ask(where, `danelaw ${key}`)).toMatch(/^[0-9]+:TEMP .*look-up/u);
  });
});

const knownPolicies = (mode: 'enforce' | 'testing'): string => {
  const domains = ['all', 'some', 'none', 'tlsa-fails'].map((label) => `${label}.example`);
  const mx = ['mx.example.net', '*.example.org'];
  const policy = { id: '1', fetched: Date.now(), mode, maxAge: 86_400, mx };
  const lines = [...domains, 'insecure.unsigned'].map((domain) => ({ domain, ...policy }));
  return [{ format: 'danelaw-mta-sts-1' }, ...lines].map((line) => JSON.stringify(line)).join('\n');
};

describe('MTA-STS', () => {
  /** `MtaSts` itself, which knows a policy and finds no record: it goes by what it knows (RFC 8461 section 3.1). */
  const policies = (mode: 'enforce' | 'testing'): StsSource => {
    const cache = new StsCache();
    cache.load(knownPolicies(mode), Date.now());
    return new MtaSts({ cache });
  };
  const SECURE = 'OK secure match=mx.example.net:.example.org servername=hostname';

  it('holds where DANE does not apply, and where insecure MX records could be forged', async () => {
    const { where } = await policyServer({ sts: policies('enforce') });
    for (const key of ['none.example', 'insecure.unsigned']) {
      expect(await ask(where, `QUERY ${key}`)).toBe(reply(SECURE));
    }
  });

  it('never goes before DANE with secure MX records, and never mends a failed look-up', async () => {
    const { where } = await policyServer({ sts: policies('enforce') });
    expect(await ask(where, 'QUERY all.example')).toBe(reply('OK dane-only'));
    expect(await ask(where, 'QUERY some.example')).toBe(reply('OK dane'));
    expect(await ask(where, 'QUERY tlsa-fails.example')).toContain(':TEMP ');
  });

  it('binds nobody in mode testing, nor those who go to a named host', async () => {
    const testing = await policyServer({ sts: policies('testing') });
    expect(await ask(testing.where, 'QUERY none.example')).toBe(reply('NOTFOUND '));
    const enforce = await policyServer({ sts: policies('enforce') });
    expect(await ask(enforce.where, 'QUERY [mx1.none.example]')).toBe(reply('NOTFOUND '));
  });

  it('comes with the attributes of TLS reports where they are asked for', async () => {
    const { where } = await policyServer({ sts: policies('enforce') });
    expect(await ask(where, 'QUERYwithTLSRPT none.example')).toBe(
      reply(
        `${SECURE} policy_type=sts policy_domain=none.example mx_host_pattern=mx.example.net ` +
          'mx_host_pattern=*.example.org { policy_string = version: STSv1 } { policy_string = mode: enforce } ' +
          '{ policy_string = mx: mx.example.net } { policy_string = mx: *.example.org } ' +
          '{ policy_string = max_age: 86400 }',
      ),
    );
    expect(await ask(where, 'QUERYwithTLSRPT all.example')).toBe(reply('OK dane-only'));
  });
});

describe('the policy table', () => {
  const digest = 'ab'.repeat(32);
  const AUDIT = { reason: 'first weeks', expires: '2026-06-15' };

  it.each<[string, object, string, string]>([
    ['no TLS', { level: 'none' }, 'all.example', 'OK none'],
    ['opportunistic TLS', { level: 'may' }, 'all.example', 'OK may'],
    ['TLS', { level: 'encrypt', min_tls: 'TLSv1.3' }, 'all.example', 'OK encrypt protocols=>=TLSv1.3'],
    ['DANE', { level: 'dane' }, 'all.example', 'OK dane-only'],
    ['DANE or nothing', { level: 'dane-only' }, 'none.example', 'OK dane-only'],
    [
      'MTA-STS',
      { level: 'sts' },
      'all.example',
      'OK secure match=mx.example.net:.example.org servername=hostname',
    ],
    [
      'names',
      { level: 'verify', names: ['a.example', 'b.example'] },
      'x.example',
      'OK secure match=a.example:b.example',
    ],
    ['a certificate', { level: 'verify' }, 'x.example', 'OK secure match=nexthop'],
    [
      'a key',
      { level: 'fingerprint', fingerprints: [digest] },
      'x.example',
      `OK fingerprint match=${'AB:'.repeat(31)}AB`,
    ],
    ['an audit', { level: 'dane-only', audit: AUDIT }, 'all.example', 'OK may'],
    [
      'an audit that has ended',
      { level: 'dane-only', audit: { ...AUDIT, expires: '2026-06-01' } },
      'all.example',
      'OK dane-only',
    ],
  ])('goes before what is looked up: %s', async (_, terms, key, expected) => {
    const cache = new StsCache();
    cache.load(knownPolicies('enforce'), Date.now());
    const clock = () => Date.parse('2026-06-14');
    const sts: StsSource = {
      policyFor: (domain, ask) => new MtaSts({ cache }).policyFor(domain, { ...ask, now: Date.now() }),
    };
    const { where } = await policyServer({ rules: [{ domain: '*', ...terms }], clock, sts });
    expect(await ask(where, `QUERY ${key}`)).toBe(reply(expected));
  });

  it('holds for the destinations of its rules only, and for named hosts', async () => {
    const rules = [
      { domain: 'none.example', level: 'encrypt' },
      { domain: 'mx2.some.example', level: 'may' },
    ];
    const { where } = await policyServer({ rules });
    expect(await ask(where, 'QUERY none.example')).toBe(reply('OK encrypt'));
    expect(await ask(where, 'QUERY [mx2.some.example]:25')).toBe(reply('OK may'));
    expect(await ask(where, 'QUERY all.example')).toBe(reply('OK dane-only'));
  });

  it('has each use of an exception counted, until it expires (RFC 7672 section 9.1)', async () => {
    let now = Date.parse('2026-06-14');
    const exception = { reason: 'ticket 4711', expires: '2026-06-15' };
    const rules = [{ domain: 'all.example', level: 'encrypt', exception }];
    const { where, service } = await policyServer({ rules, clock: () => now });
    for (const expected of ['OK encrypt', 'OK encrypt']) {
      expect(await ask(where, 'QUERY all.example')).toBe(reply(expected));
    }
    now = Date.parse('2026-06-15');
    expect(await ask(where, 'QUERY all.example')).toBe(reply('OK dane-only'));
    expect(service.counters.exceptions).toMatchObject([
      { count: 2, use: { rule: 1, reason: 'ticket 4711' } },
    ]);
    const metrics = await exchange(where, 'GET /metrics HTTP/1.1\r\n\r\n');
    expect(metrics).toContain(
      'danelaw_policy_exception_uses_total{kind="exception",rule="1",pattern="all.example"} 2\n',
    );
    expect(metrics).toContain('danelaw_policy_answers_total{policy="local"} 2\n');
  });
});

describe('the protocol', () => {
  it('answers one request after the other, in order, however they are cut', async () => {
    const { where } = await policyServer();
    const socket = await open(where);
    const requests = ['all.example', 'none.example', 'some.example'].map((key) =>
      netstring(`danelaw ${key}`),
    );
    for (const octet of Buffer.concat(requests)) socket.write(Uint8Array.of(octet));
    const expected = ['OK dane-only', 'NOTFOUND ', 'OK dane'].map(reply).join('');
    let text = '';
    for await (const chunk of socket) {
      text += String(chunk);
      if (text.length >= expected.length) break;
    }
    expect(text).toBe(expected);
  });

  it.each([
    ['an unknown table', netstring('elsewhere all.example')],
    ['no netstring', 'hello'],
    ['too long a request', `5000:${'x'.repeat(5000)},`],
    ['a netstring without its comma', '5:hello;'],
  ])('refuses %s, and closes', async (_, octets) => {
    const { where } = await policyServer();
    expect(await exchange(where, octets)).toMatch(/^[0-9]+:PERM /u);
  });

  it('ends connections that say nothing, and takes no more than it can serve', async () => {
    const silent = await policyServer({ server: { idle: 20 } });
    expect(await exchange(silent.where, '')).toBe('');
    const full = await policyServer({ server: { maxConnections: 1 } });
    const first = await open(full.where);
    expect(await exchange(full.where, '')).toBe('');
    first.destroy();
  });

  it('looks up once for all who ask at the same time, and then from the cache until it runs out', async () => {
    let now = Date.now();
    const { where, service } = await policyServer({ clock: () => now });
    await Promise.all([1, 2, 3].map(() => service.answer('all.example')));
    await ask(where, 'danelaw ALL.example.');
    expect(service.counters).toMatchObject({ questions: 4, lookedUp: 1, fromCache: 1 });
    now += 25 * 60 * 60 * 1000;
    await ask(where, 'danelaw all.example');
    expect(service.counters.lookedUp).toBe(2);
  });

  it('looks up ahead of time what is in use', async () => {
    let now = Date.now();
    const { where, service } = await policyServer({ clock: () => now });
    for (const key of ['all.example', 'all.example', 'none.example']) await ask(where, `danelaw ${key}`);
    const [entry] = service.entries();
    now = (entry?.expires ?? 0) - 1000;
    await service.prefetch();
    expect(service.counters).toMatchObject({ prefetched: 1, lookedUp: 3 });
    now += 5000;
    await ask(where, 'danelaw all.example');
    expect(service.counters.lookedUp).toBe(3);
  });

  it('does not keep what was decided without one of the servers', async () => {
    const { where, service } = await policyServer();
    await ask(where, 'danelaw one-fails.example');
    await ask(where, 'danelaw tlsa-fails.example');
    expect(service.entries()).toEqual([]);
  });
});

describe('on the same socket', () => {
  it('one sees, exports and forgets what is kept', async () => {
    const { where } = await policyServer();
    const port = internet.smtpPort;
    for (const key of ['all.example', 'all.example', 'none.example']) await ask(where, `QUERY ${key}`);
    expect(await exchange(where, netstring('DUMP'))).toMatch(
      new RegExp(`^all\\.example:${port} +2  dane-only\nnone\\.example:${port} +1  -\n$`, 'u'),
    );
    expect(JSON.parse(await exchange(where, netstring('DUMP json')))).toMatchObject({
      entries: [
        { key: `all.example:${port}`, policy: 'dane-only', uses: 2 },
        { key: `none.example:${port}`, policy: null, uses: 1 },
      ],
    });
    expect(await exchange(where, netstring('EXPORT'))).toMatch(
      new RegExp(`^all\\.example:${port} +dane-only\n$`, 'u'),
    );
    expect(await exchange(where, netstring('PURGE'))).toBe('OK\n');
    expect(await exchange(where, netstring('DUMP'))).toBe('');
  });

  it('one is told the reason', async () => {
    const { where } = await policyServer();
    expect(JSON.parse(await exchange(where, netstring('JSON some.example')))).toMatchObject({
      status: 'policy',
      policy: 'dane',
      reason: '1 of 2 servers have usable TLSA records',
    });
  });

  it('Prometheus finds its counters', async () => {
    const { where } = await policyServer();
    await ask(where, 'QUERY all.example');
    const answer = await exchange(where, 'GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n');
    expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/u);
    expect(answer).toContain('danelaw_policy_answers_total{policy="dane-only"} 1\n');
    expect(await exchange(where, 'GET / HTTP/1.1\r\n\r\n')).toMatch(/^HTTP\/1\.1 404 /u);
    expect(await exchange(where, `GET /${'x'.repeat(9000)}`)).toBe('');
  });
});

describe('a Unix-domain socket', () => {
  it('has the mode that was asked for, and takes the place of one that nobody listens at', async () => {
    const listen = { kind: 'unix', path: join(folder, 'policy.sock'), mode: 0o600 } as const;
    const first = await policyServer({ listen });
    expect((await stat(listen.path)).mode & 0o777).toBe(0o600);
    expect(await ask(listen, 'danelaw all.example')).toBe(reply('OK dane-only'));
    await expect(policyServer({ listen })).rejects.toThrow(/another process/u);
    await first.server.close();
  });
});

describe('the program', () => {
  it('serves until it is told to end, and asks another one of its kind', async () => {
    const anchor = join(folder, 'anchor');
    await writeFile(anchor, internet.trustAnchors.join('\n'));
    const path = join(folder, 'program.sock');
    const listen = ['--listen', `unix:${path}`];
    const port = ['--smtp-port', String(internet.smtpPort)];
    const stsCache = join(folder, 'mta-sts');
    await writeFile(stsCache, knownPolicies('enforce'));
    const more = [...port, '--sts-cache', stsCache, ...dnsOptions(internet, anchor)];
    const child = start('policy-server', ...listen, ...more);
    let said = '';
    await new Promise<void>((resolve) => {
      child.stderr?.on('data', (octets) => {
        said += String(octets);
        if (said.includes('listening at')) resolve();
      });
    });
    const where = { kind: 'unix', path, mode: 0 } as const;
    expect(await ask(where, 'danelaw all.example')).toBe(reply('OK dane-only'));
    expect(await ask(where, 'danelaw none.example')).toMatch(/^[0-9]+:OK secure match=/u);
    const query = await run(['policy-server', ...listen, '--query', 'some.example']);
    expect(query).toMatchObject({ code: 0, out: 'dane\n  1 of 2 servers have usable TLSA records\n' });
    const dump = await run(['policy-server', ...listen, '--dump', '--json']);
    expect(JSON.parse(dump.out).entries).toHaveLength(3);
    child.kill('SIGTERM');
    const [code] = await once(child, 'close');
    expect(code).toBe(0);
    expect(await readFile(stsCache, 'utf8')).toContain('"domain":"none.example"');
    expect((await stat(stsCache)).mode & 0o777).toBe(0o600);
    expect(said).toContain(
      `all.example:${internet.smtpPort}: dane-only (all servers (2) have usable TLSA records)`,
    );
    expect(await run(['policy-server', ...listen, '--query', 'all.example'])).toMatchObject({ code: 69 });
  });

  it('says where it can not listen', async () => {
    const ended = await run(['policy-server', '--listen', `unix:${join(folder, 'no', 'such')}`]);
    expect(ended).toMatchObject({ code: 78, err: expect.stringContaining("can't listen") });
  });
});
