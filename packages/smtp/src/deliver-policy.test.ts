/** Deliveries under everything but plain DANE: the policy table, MTA-STS, REQUIRETLS, audits. */
import { createHash, X509Certificate } from 'node:crypto';
import { Roots } from '@danelaw/dane';
import { afterEach, describe, expect, it } from 'vitest';
import type { ClientOptions } from './client.js';
import { connectTcp, type Target } from './connection.js';
import { type DeliverOptions, deliver } from './deliver.js';
import { checkMessage, type Message } from './message.js';
import { parsePolicyTable } from './policy-table-parser.js';
import { probe } from './probe.js';
import type { StsPolicyFinding, StsSource } from './sts-finding.js';
import { ca, leaf, other, tlsaFor } from './testing/certificates.js';
import { a, type Fixed, fixedResolver, mx } from './testing/fixed-resolver.js';
import { type Script, type ScriptedServer, startServer } from './testing/scripted-server.js';

const servers: ScriptedServer[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

function message(header = ''): Message {
  const checked = checkMessage(Buffer.from(`Subject: hello\r\n${header}\r\nworld\r\n`));
  if (checked.status !== 'ok') throw new Error(checked.reason);
  return checked.message;
}

/** The fixture CA, which issued the server's certificate for mx.example.org and example.org. */
const roots = new Roots([ca]);
const tlsa = (pem: string) => ({ type: 'TLSA', ...tlsaFor(pem, 3) }) as const;

/** example.org with one MX host, secure or not, with TLSA records or not. */
function zone(mxStatus: 'secure' | 'insecure', tlsaRecord?: string): Readonly<Record<string, Fixed>> {
  return {
    'example.org MX': { status: mxStatus, records: [mx(10, 'mx.example.org')] },
    'mx.example.org A': { records: [a('192.0.2.1')] },
    ...(tlsaRecord === undefined ? {} : { '_25._tcp.mx.example.org TLSA': { records: [tlsa(tlsaRecord)] } }),
  };
}

function policy(mode: 'enforce' | 'testing', host = 'mx.example.org'): StsSource & { asked: string[] } {
  const asked: string[] = [];
  const found: StsPolicyFinding = {
    status: 'policy',
    domain: 'example.org',
    id: '1',
    policy: { mode, maxAge: 86_400, mx: [host] },
    from: 'cache',
    expires: 0,
    problems: [],
  };
  return {
    asked,
    policyFor: async (domain) => {
      asked.push(domain);
      return found;
    },
  };
}

/** Delivers to example.org, where one server plays all hosts. */
async function send(
  script: Script,
  answers: Readonly<Record<string, Fixed>>,
  more: Partial<DeliverOptions> = {},
) {
  const server = await startServer(script);
  servers.push(server);
  const dialled: Target[] = [];
  const connect: NonNullable<ClientOptions['connect']> = (target) => {
    dialled.push(target);
    return connectTcp({ address: '127.0.0.1', family: 4, port: server.port });
  };
  const result = await deliver({
    heloName: 'client.example',
    envelope: { from: 'a@client.example', to: ['b@example.org'] },
    message: message(),
    resolver: fixedResolver(answers),
    connect,
    roots,
    ...more,
  });
  const [outcome] = result.recipients;
  const commands = server.connections.flatMap((each) => each.commands);
  const mail = commands.find((command) => command.startsWith('MAIL'));
  return { result, outcome, attempts: result.attempts, dialled, mail, connections: server.connections };
}

/** The chain is what the fixture has; what is published is of another certificate. */
const MISMATCH = zone('secure', other);

describe('local policy', () => {
  const table = (...rules: object[]) => parsePolicyTable(rules);

  it('"verify": a trusted root and the right name, or no delivery', async () => {
    const verify = (rule: object, more: Partial<DeliverOptions> = {}) =>
      send({}, zone('secure'), {
        policyTable: table({ domain: 'example.org', level: 'verify', ...rule }),
        ...more,
      });
    const { outcome } = await verify({});
    expect(outcome).toMatchObject({
      status: 'delivered',
      tls: { authenticated: { by: 'pkix', root: 'CN=Fixture CA', name: 'mx.example.org' } },
    });
    expect((await verify({ names: ['example.org'] })).outcome).toMatchObject({ status: 'delivered' });
    const refused = await verify({ names: ['mx.example.net'] });
    expect(refused.outcome).toMatchObject({ status: 'deferred', tls: { authenticated: null } });
    expect(refused.attempts).toMatchObject([{ failureType: 'certificate-host-mismatch' }]);
    expect(refused.mail).toBeUndefined();
    const stranger = await verify({}, { roots: new Roots([]) });
    expect(stranger.attempts).toMatchObject([{ failureType: 'certificate-not-trusted' }]);
    expect(stranger.mail).toBeUndefined();
  });

  it('"fingerprint": the certificate or the key that is pinned, or no delivery', async () => {
    const digest = createHash('sha256').update(new X509Certificate(leaf).raw).digest('hex');
    const pinned = (fingerprint: string) =>
      send({}, zone('insecure'), {
        policyTable: table({ domain: '*', level: 'fingerprint', fingerprints: [fingerprint] }),
      });
    expect((await pinned(digest)).outcome).toMatchObject({
      status: 'delivered',
      tls: { authenticated: { by: 'fingerprint', fingerprint: digest } },
    });
    const refused = await pinned('ab'.repeat(32));
    expect(refused.outcome?.status).toBe('deferred');
    expect(refused.mail).toBeUndefined();
  });

  it('an exception lets mail through to a domain with broken DANE, until it expires (RFC 7672 section 9.1)', async () => {
    const exception = { reason: 'ticket 4711', expires: '2026-06-15' };
    const policyTable = table({ domain: 'example.org', level: 'encrypt', exception });
    const at = (time: string) => send({}, MISMATCH, { policyTable, clock: () => Date.parse(time) });
    const before = await at('2026-06-14T23:59:59Z');
    expect(before.outcome).toMatchObject({ status: 'delivered', tls: { authenticated: null } });
    expect(before.attempts[0]?.policy?.source).toContain('an exception until 2026-06-15: ticket 4711');
    expect((await at('2026-06-15T00:00:00Z')).outcome?.status).toBe('deferred');
  });

  it('a rule for a mail host applies to the host alone', async () => {
    const policyTable = table({ mx: 'mx.example.org', level: 'none' });
    expect((await send({}, zone('secure', leaf), { policyTable })).outcome).toMatchObject({ tls: null });
  });

  it('the minimum TLS version binds', async () => {
    const policyTable = table({ domain: '*', level: 'encrypt', min_tls: 'TLSv1.3' });
    const to = (maxTls: 'TLSv1.2' | 'TLSv1.3') => send({ maxTls }, zone('secure'), { policyTable });
    expect((await to('TLSv1.3')).outcome?.status).toBe('delivered');
    expect((await to('TLSv1.2')).outcome?.status).toBe('deferred');
  });

  it('a relay with its port takes the place of the MX hosts, and its TLSA records are its port’s', async () => {
    const policyTable = table({ domain: '.org', level: 'dane-only', relay: '[mx.example.org]:587' });
    const answers = {
      'mx.example.org A': { records: [a('192.0.2.9')] },
      '_587._tcp.mx.example.org TLSA': { records: [tlsa(leaf)] },
    };
    const { outcome, dialled } = await send({}, answers, { policyTable });
    expect(outcome).toMatchObject({ status: 'delivered', host: 'mx.example.org', mx: 'secure' });
    expect(dialled).toEqual([{ address: '192.0.2.9', family: 4, port: 587 }]);
  });

  it('a relay without brackets is a domain with MX hosts', async () => {
    const policyTable = table({ domain: 'example.net', level: 'dane', relay: 'example.org' });
    const envelope = { from: '', to: ['b@example.net'] };
    const { attempts } = await send({}, zone('secure', leaf), { policyTable, envelope });
    expect(attempts).toMatchObject([{ domain: 'example.org', host: 'mx.example.org', status: 'completed' }]);
  });

  it('listed hosts are secure a priori, and tried in their order', async () => {
    const hosts = ['none.example.org', 'mx.example.org:2525'];
    const policyTable = table({ domain: 'example.org', level: 'dane-only', hosts });
    const answers = {
      'mx.example.org A': { records: [a('192.0.2.1')] },
      '_2525._tcp.mx.example.org TLSA': { records: [tlsa(leaf)] },
    };
    const { outcome, attempts } = await send({}, answers, { policyTable });
    expect(attempts.map(({ host, status }) => `${host} ${status}`)).toEqual([
      'none.example.org skipped',
      'mx.example.org completed',
    ]);
    expect(outcome).toMatchObject({ mx: 'secure' });
  });

  it.each([
    ['dane', 'deferred'],
    ['encrypt', 'delivered'],
    ['may', 'delivered'],
  ] as const)(
    'TLSA that does not match at a host of insecure MX records, worth "%s": %s',
    async (worth, status) => {
      const policyTable = table({ domain: '*', level: 'dane', insecure_mx: worth });
      expect((await send({}, zone('insecure', other), { policyTable })).outcome?.status).toBe(status);
      expect((await send({}, MISMATCH, { policyTable })).outcome?.status).toBe('deferred');
    },
  );
});

describe('logging in at a relay (RFC 4954)', () => {
  const policyTable = (level: string) =>
    parsePolicyTable([{ domain: '*', level, relay: '[mx.example.org]:587', credentials: 'smarthost' }]);
  const answers = { 'mx.example.org A': { records: [a('192.0.2.9')] } };
  const credentials = (name: string) =>
    name === 'smarthost' ? { username: 'me', password: 'p\u00e4ss' } : undefined;
  const AUTH: Script = {
    offersUnderTls: ['PIPELINING', 'AUTH LOGIN PLAIN'],
    replies: { AUTH: '235 2.7.0 ok' },
  };
  const relay = (script: Script, level = 'encrypt', more: Partial<DeliverOptions> = {}) =>
    send(script, answers, { policyTable: policyTable(level), credentials, ...more });

  it('says PLAIN under TLS, and then the message', async () => {
    const { outcome, connections } = await relay(AUTH);
    expect(outcome?.status).toBe('delivered');
    const plain = Buffer.from('\0me\0p\u00e4ss').toString('base64');
    expect(connections[0]?.commands.slice(1, 5)).toEqual([
      'STARTTLS',
      'EHLO client.example',
      `AUTH PLAIN ${plain}`,
      'MAIL FROM:<a@client.example>',
    ]);
  });

  it('says LOGIN where there is no PLAIN', async () => {
    const name = Buffer.from('me').toString('base64');
    const password = Buffer.from('p\u00e4ss').toString('base64');
    const replies = {
      'AUTH LOGIN': '334 VXNlcm5hbWU6',
      [name]: '334 UGFzc3dvcmQ6',
      [password]: '235 2.7.0 ok',
    };
    const { outcome, connections } = await relay({ offersUnderTls: ['AUTH LOGIN'], replies });
    expect(outcome?.status).toBe('delivered');
    expect(connections[0]?.commands.slice(3, 6)).toEqual(['AUTH LOGIN', name, password]);
  });

  it.each<[string, Script, string, Partial<DeliverOptions>, RegExp]>([
    ['in clear text', { offers: ['AUTH PLAIN'] }, 'may', {}, /said under TLS only/],
    [
      'to a server that refuses it',
      { ...AUTH, replies: { AUTH: '535 5.7.8 no' } },
      'encrypt',
      {},
      /535 5\.7\.8/,
    ],
    [
      'by other means',
      { offersUnderTls: ['AUTH GSSAPI'] },
      'encrypt',
      {},
      /neither PLAIN nor LOGIN .*GSSAPI/,
    ],
    ['nor without being offered', { offersUnderTls: [] }, 'encrypt', {}, /it offers none/],
    ['as nobody', AUTH, 'encrypt', { credentials: () => undefined }, /no login called "smarthost"/],
    ['before the server is who it should be', AUTH, 'verify', { roots: new Roots([]) }, /leads to no root/],
  ])('is not done %s: the mail waits', async (_, script, level, more, reason) => {
    const { outcome, mail, connections } = await relay(script, level, more);
    expect(outcome).toMatchObject({ status: 'deferred', reason: expect.stringMatching(reason) });
    expect(mail).toBeUndefined();
    const said = connections.flatMap(({ commands }) => commands).filter((line) => line.startsWith('AUTH'));
    expect(said).toHaveLength(reason.source.startsWith('535') ? 1 : 0);
  });

  it('is not done at any other host', async () => {
    const { connections } = await relay(AUTH, 'encrypt', { relay: { host: 'mx.example.org' } });
    expect(connections.flatMap(({ commands }) => commands).join()).not.toContain('AUTH');
  });
});

describe('audit only (RFC 7672 section 9.1)', () => {
  const audited = (level: string, script: Script, answers: Readonly<Record<string, Fixed>>) =>
    send(script, answers, {
      policyTable: parsePolicyTable([
        { domain: '*', level, audit: { reason: 'first look', expires: '2026-06-15' } },
      ]),
      clock: () => Date.parse('2026-06-14'),
    });

  it.each<[string, string, Script, Readonly<Record<string, Fixed>>, string]>([
    ['a certificate that does not match', 'dane', {}, MISMATCH, 'validation-failure'],
    ['no STARTTLS', 'dane', { offers: [] }, zone('secure', leaf), 'starttls-not-supported'],
    [
      'STARTTLS refused',
      'encrypt',
      { replies: { STARTTLS: '454 no' } },
      zone('secure'),
      'starttls-not-supported',
    ],
    [
      'a failed TLSA look-up',
      'dane',
      {},
      { ...zone('secure'), '_25._tcp.mx.example.org TLSA': { status: 'bogus' } },
      'dnssec-invalid',
    ],
    ['no DANE where it is demanded', 'dane-only', {}, zone('secure'), 'dane-required'],
  ])('delivers all the same, and reports it: %s', async (_, level, script, answers, failureType) => {
    const { outcome, attempts } = await audited(level, script, answers);
    expect(outcome).toMatchObject({ status: 'delivered' });
    expect(outcome?.tls?.authenticated ?? null).toBeNull();
    expect(attempts).toMatchObject([{ status: 'completed', overlooked: [{ failureType }] }]);
  });

  it('goes clear where the handshake fails, as a last resort', async () => {
    const { outcome, attempts } = await audited('dane', { handshake: 'close' }, zone('secure', leaf));
    expect(outcome).toMatchObject({ status: 'delivered', tls: null });
    expect(attempts.map(({ status }) => status)).toEqual(['failed', 'failed', 'completed']);
  });

  it('overlooks nothing where nothing fails', async () => {
    const { outcome, attempts } = await audited('dane', {}, zone('secure', leaf));
    expect(outcome).toMatchObject({ tls: { authenticated: { by: 'dane' } } });
    expect(attempts).toMatchObject([{ overlooked: [] }]);
  });
});

describe('rules for a time (RFC 7672 section 9.1)', () => {
  const ends = { expires: '2026-06-15' } as const;
  const by = (rules: unknown, answers: Readonly<Record<string, Fixed>> = MISMATCH, script: Script = {}) =>
    send(script, answers, {
      policyTable: parsePolicyTable(rules),
      clock: () => Date.parse('2026-06-14'),
    });
  const use = { rule: 1, expires: '2026-06-15T00:00:00.000Z' };

  it('each use of an exception is told as data, with the attempt and the outcome', async () => {
    const exception = { reason: 'ticket 4711', ...ends };
    const { outcome, attempts } = await by([{ domain: 'example.org', level: 'encrypt', exception }]);
    const told = [{ ...use, kind: 'exception', pattern: 'example.org', reason: 'ticket 4711' }];
    expect(outcome).toMatchObject({ status: 'delivered', exceptions: told });
    expect(attempts).toMatchObject([{ exceptions: told }]);
  });

  it('each use of an audit, whether it had to overlook something or not', async () => {
    const rules = [{ mx: '.example.org', level: 'dane', audit: { reason: 'first look', ...ends } }];
    const told = [{ ...use, kind: 'audit', pattern: 'mx .example.org', reason: 'first look' }];
    for (const answers of [MISMATCH, zone('secure', leaf)]) {
      expect((await by(rules, answers)).outcome).toMatchObject({ status: 'delivered', exceptions: told });
    }
  });

  it('where the mail waits all the same', async () => {
    const rules = [{ domain: '*', level: 'encrypt', exception: { reason: 'x', ...ends } }];
    const { outcome } = await by(rules, MISMATCH, { offers: [] });
    expect(outcome).toMatchObject({ status: 'deferred', exceptions: [{ kind: 'exception', rule: 1 }] });
  });

  it.each([
    [
      'that has expired',
      { domain: 'example.org', level: 'encrypt', exception: { reason: 'x', expires: '2026-06-14' } },
    ],
    ['for somebody else', { domain: 'a.example', level: 'encrypt', exception: { reason: 'x', ...ends } }],
    ['that has no end', { domain: 'example.org', level: 'dane' }],
  ])('nothing is told of a rule %s', async (_, rule) => {
    const { outcome } = await by([rule], zone('secure', leaf));
    expect(outcome).toMatchObject({ status: 'delivered', exceptions: [] });
  });
});

describe('MTA-STS and DANE, host by host', () => {
  it('an attacker’s signed DANE host, named by a forged MX record, is not the domain’s under "enforce"', async () => {
    const answers = {
      'example.org MX': { status: 'insecure', records: [mx(10, 'mx.evil.example')] },
      'mx.evil.example A': { records: [a('192.0.2.66')] },
      '_25._tcp.mx.evil.example TLSA': { records: [tlsa(leaf)] },
    } as const;
    const { outcome, attempts, connections } = await send({}, answers, { sts: policy('enforce') });
    expect(outcome?.status).toBe('deferred');
    expect(attempts).toMatchObject([{ status: 'skipped', failureType: 'validation-failure' }]);
    expect(connections).toHaveLength(0);
    // Without the policy nobody could have told.
    expect((await send({}, answers)).outcome?.status).toBe('delivered');
  });

  it('at a host of insecure MX records the certificate must match TLSA and the Web’s roots', async () => {
    const to = (record: string, trusted: Roots) =>
      send({}, zone('insecure', record), { sts: policy('enforce'), roots: trusted });
    const both = await to(leaf, roots);
    expect(both.outcome).toMatchObject({ status: 'delivered', tls: { authenticated: { by: 'dane' } } });
    expect(both.attempts).toMatchObject([{ sts: { domain: 'example.org', mode: 'enforce', id: '1' } }]);
    const noRoot = await to(leaf, new Roots([]));
    expect(noRoot.outcome).toMatchObject({ status: 'deferred', tls: { authenticated: null } });
    expect(noRoot.attempts).toMatchObject([{ failureType: 'certificate-not-trusted' }]);
    expect(noRoot.mail).toBeUndefined();
    // A mismatch is not rescued by a certificate that every root likes.
    const noMatch = await to(other, roots);
    expect(noMatch.attempts).toMatchObject([{ failureType: 'validation-failure' }]);
    expect(noMatch.mail).toBeUndefined();
  });

  it('at a host of secure MX records with TLSA nobody is asked', async () => {
    const sts = policy('enforce', 'elsewhere.example');
    const { outcome } = await send({}, zone('secure', leaf), { sts, roots: new Roots([]) });
    expect(outcome?.status).toBe('delivered');
    expect(sts.asked).toEqual([]);
    const mismatch = await send({}, MISMATCH, { sts: policy('enforce') });
    expect(mismatch.outcome?.status).toBe('deferred');
  });

  it('hosts without TLSA follow the policy', async () => {
    const sts = policy('enforce');
    const { outcome } = await send({}, zone('secure'), { sts });
    expect(outcome).toMatchObject({ status: 'delivered', tls: { authenticated: { by: 'pkix' } } });
    expect(sts.asked).toEqual(['example.org']);
    for (const script of [{ offers: [] }, { handshake: 'close' }] as const) {
      expect((await send(script, zone('secure'), { sts })).outcome?.status).toBe('deferred');
    }
    const wrong = await send({}, zone('secure'), { sts, roots: new Roots([]) });
    expect(wrong.outcome?.status).toBe('deferred');
    expect(wrong.mail).toBeUndefined();
  });

  it('a failed TLSA look-up is not rescued', async () => {
    const answers = { ...zone('insecure'), '_25._tcp.mx.example.org TLSA': { status: 'bogus' } } as const;
    expect((await send({}, answers, { sts: policy('enforce') })).outcome?.status).toBe('deferred');
  });

  it.each<[string, Script, string, string, string]>([
    ['a host that is not in it', {}, 'elsewhere.example', 'mx.example.org', 'validation-failure'],
    ['no STARTTLS', { offers: [] }, 'mx.example.org', 'mx.example.org', 'starttls-not-supported'],
  ])('"testing" stops nothing and reports: %s', async (_, script, host, expected, failureType) => {
    const { outcome, attempts } = await send(script, zone('insecure'), { sts: policy('testing', host) });
    expect(outcome).toMatchObject({ status: 'delivered', host: expected });
    expect(attempts).toMatchObject([{ overlooked: [{ failureType }], sts: { mode: 'testing' } }]);
  });

  it('"testing" does not soften DANE', async () => {
    const sts = policy('testing');
    expect((await send({}, zone('insecure', other), { sts })).outcome?.status).toBe('deferred');
    const reported = await send({}, zone('insecure', leaf), { sts, roots: new Roots([]) });
    expect(reported.outcome).toMatchObject({ status: 'delivered', tls: { authenticated: { by: 'dane' } } });
    expect(reported.attempts).toMatchObject([{ overlooked: [{ failureType: 'certificate-not-trusted' }] }]);
  });

  it('"sts" looks no TLSA records up', async () => {
    const resolver = fixedResolver(MISMATCH);
    const { outcome } = await send({}, {}, { level: 'sts', sts: policy('enforce'), resolver });
    expect(outcome).toMatchObject({ status: 'delivered', tls: { authenticated: { by: 'pkix' } } });
    expect(resolver.asked.filter((question) => question.endsWith('TLSA'))).toEqual([]);
  });

  it('probe says what the policy is and what comes of it', async () => {
    const server = await startServer({});
    servers.push(server);
    const report = await probe({
      domain: 'example.org',
      heloName: 'client.example',
      resolver: fixedResolver(zone('insecure')),
      connect: () => connectTcp({ address: '127.0.0.1', family: 4, port: server.port }),
      sts: policy('enforce'),
      roots,
    });
    expect(report.sts).toMatchObject({ status: 'policy', policy: { mode: 'enforce' } });
    expect(report.hosts).toMatchObject([{ addresses: [{ ok: true, policy: { level: 'sts' } }] }]);
  });
});

describe('REQUIRETLS (RFC 8689)', () => {
  const OFFERED: Script = { offersUnderTls: ['PIPELINING', 'REQUIRETLS'] };
  const envelope = { from: 'a@client.example', to: ['b@example.org'], requireTls: true };

  it.each<[string, Readonly<Record<string, Fixed>>, Partial<DeliverOptions>]>([
    ['DANE', zone('secure', leaf), {}],
    ['a root, at a host of secure MX records', zone('secure'), {}],
    ['a root, at a host that MTA-STS names', zone('insecure'), { sts: policy('enforce') }],
    ['DANE, at a host that MTA-STS names', zone('insecure', leaf), { sts: policy('testing') }],
  ])('goes to a server that is authenticated by %s and offers it, and says so', async (_, answers, more) => {
    const { outcome, mail } = await send(OFFERED, answers, { envelope, ...more });
    expect(outcome).toMatchObject({ status: 'delivered', tls: { authenticated: {} } });
    expect(mail).toBe('MAIL FROM:<a@client.example> REQUIRETLS');
  });

  it.each<[string, Script, Readonly<Record<string, Fixed>>, Partial<DeliverOptions>, string]>([
    ['does not offer it', {}, zone('secure', leaf), {}, '5.7.30'],
    ['has no STARTTLS', { ...OFFERED, offers: [] }, zone('secure'), {}, '5.7.10'],
    ['breaks the handshake', { ...OFFERED, handshake: 'close' }, zone('secure'), {}, '5.7.10'],
    ['is not trusted', OFFERED, zone('secure'), { roots: new Roots([]) }, '5.7.10'],
    ['does not match its TLSA records', OFFERED, MISMATCH, {}, '5.7.10'],
    ['was found through insecure MX records', OFFERED, zone('insecure', leaf), {}, '5.7.10'],
    ['is not in the policy', OFFERED, zone('insecure'), { sts: policy('testing', 'x.example') }, '5.7.10'],
  ])('comes back from a server that %s', async (_, script, answers, more, enhancedStatus) => {
    const { outcome, mail } = await send(script, answers, { envelope, ...more });
    expect(outcome).toMatchObject({ status: 'failed', enhancedStatus });
    expect(outcome?.reason).toContain('RFC 8689');
    expect(mail).toBeUndefined();
  });

  it('waits where it can’t be said: look-ups and connections that fail', async () => {
    const bogus = { ...zone('secure'), '_25._tcp.mx.example.org TLSA': { status: 'bogus' } } as const;
    expect((await send(OFFERED, bogus, { envelope })).outcome?.status).toBe('deferred');
    const busy = { greeting: '421 4.3.2 not now' };
    expect((await send(busy, zone('secure', leaf), { envelope })).outcome?.status).toBe('deferred');
  });

  it('a bounce is not lost for it, and says it where it may (section 5)', async () => {
    const bounce = { ...envelope, from: '' };
    const without = await send({}, zone('insecure', leaf), { envelope: bounce });
    expect(without.outcome?.status).toBe('delivered');
    expect(without.mail).not.toContain('REQUIRETLS');
    const named = await send(OFFERED, zone('secure', leaf), { envelope: bounce });
    expect(named.mail).toContain('REQUIRETLS');
    const unnamed = await send(OFFERED, zone('insecure', leaf), { envelope: bounce });
    expect(unnamed.mail).not.toContain('REQUIRETLS');
  });
});

describe('TLS-Required: No (RFC 8689 section 3)', () => {
  const no = message('TLS-Required: No\r\n');

  it.each<[string, Script, Readonly<Record<string, Fixed>>]>([
    ['a certificate that does not match', {}, MISMATCH],
    ['no STARTTLS', { offers: [] }, zone('secure', leaf)],
    ['a broken handshake', { handshake: 'close' }, zone('secure', leaf)],
  ])('arrives in spite of %s', async (_, script, answers) => {
    expect((await send(script, answers, { message: no })).outcome?.status).toBe('delivered');
    expect((await send(script, answers)).outcome?.status).toBe('deferred');
  });

  it('arrives in spite of an "enforce" policy', async () => {
    const sts = policy('enforce', 'elsewhere.example');
    const { outcome, attempts } = await send({}, zone('insecure'), { sts, message: no });
    expect(outcome?.status).toBe('delivered');
    expect(attempts).toMatchObject([{ overlooked: [{ failureType: 'validation-failure' }] }]);
  });

  it('still uses TLS, and verifies, where it can', async () => {
    const { outcome } = await send({}, zone('secure', leaf), { message: no });
    expect(outcome).toMatchObject({ tls: { authenticated: { by: 'dane' } } });
  });

  it('does not set aside what our own administrator asks for', async () => {
    const policyTable = parsePolicyTable([{ domain: '*', level: 'dane-only' }]);
    expect((await send({}, MISMATCH, { policyTable, message: no })).outcome?.status).toBe('deferred');
  });

  it('is ignored beside REQUIRETLS (section 4.1)', async () => {
    const envelope = { from: 'a@client.example', to: ['b@example.org'], requireTls: true };
    expect((await send({}, MISMATCH, { envelope, message: no })).outcome?.status).toBe('failed');
  });

  it.each<[string, boolean]>([
    ['TLS-Required: No\r\n', true],
    ['tls-required:no\r\n', true],
    ['TLS-Required:\r\n No \r\n', true],
    ['', false],
    ['TLS-Required: Yes\r\n', false],
    ['TLS-Required: No, really\r\n', false],
    ['TLS-Required: No\r\nTLS-Required: No\r\n', false],
    ['X-TLS-Required: No\r\n', false],
    ['X-Long: a\r\n TLS-Required: No\r\n', false],
    ['\r\nTLS-Required: No\r\n', false],
  ])('%j says so: %s', (header, expected) => {
    expect(message(header).tlsRequiredNo).toBe(expected);
  });
});
