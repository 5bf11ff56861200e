import { afterEach, describe, expect, it } from 'vitest';
import { connectTcp } from './connection.js';
import { type ProbeOptions, probe } from './probe.js';
import { leaf, other, tlsaFor } from './testing/certificates.js';
import { a, type Fixed, fixedResolver, mx } from './testing/fixed-resolver.js';
import { type Script, type ScriptedServer, startServer } from './testing/scripted-server.js';

let server: ScriptedServer | undefined;
afterEach(async () => await server?.close());

const tlsa = (pem: string) => ({ type: 'TLSA', ...tlsaFor(pem, 3) }) as const;

const ZONE: Readonly<Record<string, Fixed>> = {
  'example.org MX': {
    records: [mx(10, 'mx1.example.org'), mx(20, 'mx2.example.org'), mx(30, 'mx3.example.org')],
  },
  'mx1.example.org A': { records: [a('192.0.2.1'), a('192.0.2.2')] },
  'mx2.example.org A': { records: [a('192.0.2.3')] },
  'mx3.example.org A': { records: [a('192.0.2.4')] },
  '_25._tcp.mx1.example.org TLSA': { records: [tlsa(leaf)] },
  '_25._tcp.mx2.example.org TLSA': { records: [tlsa(other)] },
  '_25._tcp.mx3.example.org TLSA': { status: 'bogus' },
};

async function probed(script: Script = {}, zone = ZONE, more: Partial<ProbeOptions> = {}) {
  server = await startServer(script);
  const { port } = server;
  const connect: ProbeOptions['connect'] = () => connectTcp({ address: '127.0.0.1', family: 4, port });
  const resolver = fixedResolver(zone);
  return await probe({ resolver, domain: 'example.org', heloName: 'client.example', connect, ...more });
}

describe('probe', () => {
  it('goes to every address of every host and says what was proved', async () => {
    const report = await probed();
    expect(
      report.hosts.map(({ host, decision, addresses }) => [
        host.host,
        decision.action,
        addresses.map(({ ok }) => ok),
      ]),
    ).toEqual([
      ['mx1.example.org', 'connect', [true, true]],
      ['mx2.example.org', 'connect', [false]],
      ['mx3.example.org', 'skip', []],
    ]);
    expect(report.hosts[0]?.addresses[0]).toMatchObject({
      tls: { authenticated: { usage: 3 } },
      capabilities: ['PIPELINING', 'SIZE', '8BITMIME', 'SMTPUTF8', 'ENHANCEDSTATUSCODES'],
    });
    expect(report.hosts[1]?.addresses[0]).toMatchObject({
      failureType: 'validation-failure',
      tls: { authenticated: null },
    });
  });

  it('never says MAIL FROM', async () => {
    await probed();
    await Promise.all(server?.connections.map(({ closed }) => closed) ?? []);
    const heard = server?.connections.flatMap(({ commands }) => commands) ?? [];
    expect(new Set(heard)).toEqual(new Set(['EHLO client.example', 'STARTTLS', 'QUIT']));
  });

  it('tells of a server without STARTTLS whether a sender may deliver there', async () => {
    const report = await probed({ offers: ['PIPELINING'] }, { ...ZONE, '_25._tcp.mx2.example.org TLSA': {} });
    const found = report.hosts.map(({ addresses }) =>
      addresses.map(({ ok, tls, failureType }) => ({ ok, tls, failureType })),
    );
    const refused = { ok: false, tls: null, failureType: 'starttls-not-supported' };
    expect(found).toEqual([[refused, refused], [{ ok: true, tls: null, failureType: null }], []]);
  });

  it('has no hosts where the route has none', async () => {
    const report = await probed({}, { 'example.org MX': { records: [mx(0, '.')] } });
    expect(report).toMatchObject({ route: { status: 'null-mx' }, hosts: [] });
  });
});
