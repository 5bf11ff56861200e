/** The minimum version of TLS, on a machine whose administrator lets Node.js speak older ones. */
import tls from 'node:tls';
import { verifyCertificate } from '@danelaw/dane';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { connectTcp } from './connection.js';
import type { TlsPolicy } from './policy.js';
import { openSession } from './session.js';
import { leaf, tlsaFor } from './testing/certificates.js';
import { type Script, type ScriptedServer, startServer } from './testing/scripted-server.js';
import { DEFAULT_TIMEOUTS } from './timeouts.js';

beforeAll(() => {
  tls.DEFAULT_MIN_VERSION = 'TLSv1';
  tls.DEFAULT_CIPHERS = 'ALL:@SECLEVEL=0';
});

let server: ScriptedServer | undefined;
afterEach(async () => await server?.close());

const OLD: Script = { minTls: 'TLSv1', maxTls: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' };
const serverName = 'mx.example.org';
const names = {
  serverName,
  baseDomain: serverName,
  otherNames: [],
  tlsa: [tlsaFor(leaf, 3)],
  source: 'test',
};

async function open(policy: TlsPolicy) {
  server = await startServer(OLD);
  return await openSession({
    target: { address: '127.0.0.1', family: 4, port: server.port },
    policy,
    heloName: 'client.example',
    connect: connectTcp,
    verify: verifyCertificate,
    timeouts: DEFAULT_TIMEOUTS,
    clock: Date.now,
  });
}

describe('TLS older than 1.2', () => {
  it.each<TlsPolicy>([
    { level: 'encrypt', serverName, source: 'test' },
    { level: 'dane', ...names },
    { level: 'dane-only', ...names },
  ])('is no TLS under "$level" (RFC 8996)', async (policy) => {
    expect(await open(policy)).toMatchObject({ status: 'failed', fault: { kind: 'handshake' } });
  });

  it('is better than clear text under "may", where Node.js allows it (RFC 7435)', async () => {
    const opened = await open({ level: 'may', serverName, source: 'test' });
    expect(opened).toMatchObject({ session: { tls: { protocol: 'TLSv1.1' } } });
  });
});
