/** Which TLS sessions carry mail, under each policy: with real handshakes, against servers of each kind. */
import { createHash, X509Certificate } from 'node:crypto';
import { Roots } from '@danelaw/dane';
import { afterEach, describe, expect, it } from 'vitest';
import { connectTcp } from './connection.js';
import { deliver } from './deliver.js';
import { parsePolicyTable } from './policy-table-parser.js';
import type { StsSource } from './sts-finding.js';
import { ca, leaf, tlsaFor } from './testing/certificates.js';
import { message } from './testing/delivery.js';
import { a, fixedResolver, mx } from './testing/fixed-resolver.js';
import { type Script, type ScriptedServer, startServer } from './testing/scripted-server.js';

const servers: ScriptedServer[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

const enforced: StsSource = {
  policyFor: async () => ({
    status: 'policy',
    domain: 'example.org',
    id: '1',
    policy: { mode: 'enforce', maxAge: 86_400, mx: ['mx.example.org'] },
    from: 'cache',
    expires: 0,
    problems: [],
  }),
};
const digest = createHash('sha256').update(new X509Certificate(leaf).raw).digest('hex');

/** What the rule of a level says besides, and whether there are TLSA records. */
const LEVELS = {
  dane: { rule: {}, tlsa: true },
  'dane-only': { rule: {}, tlsa: true },
  sts: { rule: {}, tlsa: false },
  verify: { rule: { names: ['mx.example.org'] }, tlsa: false },
  fingerprint: { rule: { fingerprints: [digest] }, tlsa: false },
  encrypt: { rule: {}, tlsa: false },
  may: { rule: {}, tlsa: false },
} as const;
type Level = keyof typeof LEVELS;

async function send(level: Level, script: Script) {
  const server = await startServer(script);
  servers.push(server);
  const { rule, tlsa } = LEVELS[level];
  const result = await deliver({
    heloName: 'client.example',
    envelope: { from: 'a@client.example', to: ['b@example.org'] },
    message: message(),
    resolver: fixedResolver({
      'example.org MX': { records: [mx(10, 'mx.example.org')] },
      'mx.example.org A': { records: [a('192.0.2.1')] },
      ...(tlsa
        ? { '_25._tcp.mx.example.org TLSA': { records: [{ type: 'TLSA', ...tlsaFor(leaf, 3) }] } }
        : {}),
    }),
    policyTable: parsePolicyTable([{ domain: '*', level, ...rule }]),
    roots: new Roots([ca]),
    sts: enforced,
    connect: () => connectTcp({ address: '127.0.0.1', family: 4, port: server.port }),
  });
  const [outcome] = result.recipients;
  return { outcome, attempts: result.attempts, heard: server.connections };
}

const AUTHENTICATING = ['dane', 'dane-only', 'sts', 'verify', 'fingerprint'] as const;
const OLD = 'ALL:@SECLEVEL=0';

describe.each(AUTHENTICATING)('under "%s", which authenticates,', (level) => {
  it.each(['TLSv1.2', 'TLSv1.3'] as const)('a session of %s carries mail', async (version) => {
    const { outcome, heard } = await send(level, { minTls: version, maxTls: version });
    expect(outcome).toMatchObject({ status: 'delivered', tls: { protocol: version } });
    expect(outcome?.tls?.authenticated).not.toBeNull();
    expect(heard.map(({ tls }) => tls?.serverName)).toEqual(['mx.example.org']);
  });

  it.each(['TLSv1', 'TLSv1.1'] as const)(
    'one of %s does not, and nothing is tried after it',
    async (version) => {
      const { outcome, attempts, heard } = await send(level, {
        minTls: 'TLSv1',
        maxTls: version,
        ciphers: OLD,
      });
      expect(outcome).toMatchObject({ status: 'deferred', tls: null });
      expect(attempts).toMatchObject([{ status: 'failed', stage: 'handshake' }]);
      expect(heard.flatMap(({ commands }) => commands.filter((line) => line.startsWith('MAIL')))).toEqual([]);
    },
  );

  it('a failed handshake is not followed by clear text (RFC 7672 section 2.2)', async () => {
    const { outcome, heard } = await send(level, { handshake: 'close' });
    expect(outcome?.status).toBe('deferred');
    expect(heard.map(({ commands }) => commands)).toEqual([['EHLO client.example', 'STARTTLS']]);
  });
});

describe('under "may" a session goes down to TLS 1.0 before it goes clear (RFC 7435)', () => {
  it.each(['TLSv1', 'TLSv1.1'] as const)('to a server that knows %s and nothing later', async (version) => {
    const { outcome, heard } = await send('may', { minTls: 'TLSv1', maxTls: version, ciphers: OLD });
    expect(outcome).toMatchObject({ status: 'delivered', tls: { protocol: version, authenticated: null } });
    // SNI is sent there too.
    expect(heard.map(({ tls }) => tls?.serverName)).toEqual([undefined, 'mx.example.org']);
  });

  it('but not under "encrypt" (RFC 8996)', async () => {
    const { outcome } = await send('encrypt', { minTls: 'TLSv1', maxTls: 'TLSv1', ciphers: OLD });
    expect(outcome).toMatchObject({ status: 'deferred', tls: null });
  });

  it('and is followed by clear text where the server breaks off each handshake (RFC 7672 section 2.2)', async () => {
    const { outcome, heard } = await send('may', { handshake: 'close' });
    expect(outcome).toMatchObject({ status: 'delivered', tls: null });
    expect(heard.map(({ commands }) => commands.includes('STARTTLS'))).toEqual([true, true, false]);
  });
});

describe('a client certificate', () => {
  const versions = ['TLSv1.2', 'TLSv1.3'] as const;
  const every: readonly (readonly [Level, (typeof versions)[number]])[] = (
    ['may', 'encrypt', ...AUTHENTICATING] as const
  ).flatMap((level) => versions.map((version) => [level, version] as const));

  it.each(every)('is not needed where the server asks for one: "%s", %s', async (level, version) => {
    const { outcome, heard } = await send(level, { maxTls: version, clientCertificate: 'asked' });
    expect(outcome).toMatchObject({ status: 'delivered', tls: { protocol: version } });
    expect(heard).toHaveLength(1);
  });

  it.each(versions)(
    'is not there for a server that insists, and the mail waits where TLS is a must: %s',
    async (version) => {
      const { outcome } = await send('dane', { maxTls: version, clientCertificate: 'demanded' });
      expect(outcome?.status).toBe('deferred');
    },
  );

  it.each(versions)('and else goes clear: %s', async (version) => {
    const { outcome } = await send('may', { maxTls: version, clientCertificate: 'demanded' });
    expect(outcome).toMatchObject({ status: 'delivered', tls: null });
  });
});
