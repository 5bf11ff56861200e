import { afterEach, describe, expect, it } from 'vitest';
import type { ClientOptions } from './client.js';
import { connectTcp } from './connection.js';
import { deliver } from './deliver.js';
import { checkMessage, type Message } from './message.js';
import { leaf, other, tlsaFor } from './testing/certificates.js';
import { a, type Fixed, fixedResolver, mx } from './testing/fixed-resolver.js';
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

describe('deliver', () => {
  it('delivers under DANE-EE and says which record matched', async () => {
    const { connect, heard } = await network({ '192.0.2.1': {} });
    const result = await deliver({ ...base, resolver: fixedResolver(SIGNED), connect, message: message() });
    expect(result.recipients).toMatchObject([
      {
        recipient: 'b@example.org',
        status: 'delivered',
        reply: '250 2.0.0 taken',
        host: 'mx.example.org',
        address: '192.0.2.1',
        mx: 'secure',
        tls: { protocol: 'TLSv1.3', authenticated: { usage: 3, baseDomain: 'mx.example.org', name: null } },
      },
    ]);
    expect(heard('192.0.2.1')[0]?.data).toEqual(['Subject: hello\r\n\r\nworld\r\n.\r\n']);
  });

  it('does not deliver where the certificate does not match (RFC 7672 section 3.2)', async () => {
    const { connect, heard } = await network({ '192.0.2.1': {} });
    const resolver = fixedResolver({
      ...SIGNED,
      '_25._tcp.mx.example.org TLSA': { records: [tlsa(other, 3)] },
    });
    const result = await deliver({ ...base, resolver, connect, message: message() });
    expect(result.recipients).toMatchObject([{ status: 'deferred', enhancedStatus: '4.7.5' }]);
    expect(heard('192.0.2.1').flatMap(({ commands }) => commands)).not.toContain('DATA');
  });
});
