import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { MAX_CHAIN_CERTIFICATES, takeChain } from './chain.js';
import { ca, der, leaf, leafKey, other } from './testing/certificates.js';

/**
 * The chain as the client takes it from a server that sends exactly `certificates`, and what a second call
 * finds.
 */
async function sent(certificates: readonly string[], version: 'TLSv1.2' | 'TLSv1.3') {
  const server = createServer({ cert: certificates.join(''), key: leafKey, maxVersion: version, ca: [] });
  server.on('tlsClientError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect({
    port: (server.address() as AddressInfo).port,
    host: '127.0.0.1',
    rejectUnauthorized: false,
    ca: [],
  });
  try {
    await once(socket, 'secureConnect');
    const first = takeChain(socket);
    return { first, second: takeChain(socket) };
  } finally {
    socket.destroy();
    server.close();
  }
}

function ders(chain: readonly Uint8Array[]): string[] {
  return chain.map((octets) => Buffer.from(octets).toString('base64'));
}

const base64 = (pems: readonly string[]): string[] =>
  pems.map((pem) => Buffer.from(der(pem)).toString('base64'));

describe.each(['TLSv1.2', 'TLSv1.3'] as const)('the chain as it was sent, over %s', (version) => {
  it.each<[string, string[]]>([
    ['a leaf alone', [leaf]],
    ['a leaf and its issuer', [leaf, ca]],
    ['a stranger between leaf and issuer', [leaf, other, ca]],
    ['a stranger at the end', [leaf, ca, other]],
    ['the issuer twice', [leaf, ca, ca]],
    ['the leaf twice, the second one out of order', [leaf, ca, leaf]],
    ['strangers only', [leaf, other, other]],
  ])('has %s', async (_, chain) => {
    const { first } = await sent(chain, version);
    expect(ders(first)).toEqual(base64(chain));
  });

  it('can be taken once only, which is why its DER is copied', async () => {
    const { first, second } = await sent([leaf, ca, other], version);
    expect(ders(first)).toHaveLength(3);
    expect(ders(second).length).toBeLessThan(3);
  });

  it('is read up to a bound, more than anybody needs', async () => {
    const { first } = await sent(
      [leaf, ...Array.from({ length: MAX_CHAIN_CERTIFICATES }, () => other)],
      version,
    );
    const read = [leaf, ...Array.from({ length: MAX_CHAIN_CERTIFICATES - 1 }, () => other)];
    expect(ders(first)).toEqual(base64(read));
  });
});
