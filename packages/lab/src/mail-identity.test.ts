import type { TLSSocket } from 'node:tls';
import { describe, expect, test } from 'vitest';
import { authorities, chainOf, HOST, NOW, RawClient, start } from '../test/raw-mail-client.js';
import { tlsaFor } from './certificate.js';
import type { MailHostSpec } from './mail-habits.js';
import { makeAuthorities } from './mail-identity.js';

describe('certificates', () => {
  const chain = (spec: MailHostSpec['certificate'], expected: string[]): [string, MailHostSpec, string[]] => [
    JSON.stringify(spec),
    { certificate: { issuer: 'Issuing', ...spec } },
    expected,
  ];
  test.each([
    chain({}, ['leaf', 'Issuing', 'Root']),
    chain({ chain: 'without-root' }, ['leaf', 'Issuing']),
    chain({ chain: 'leaf-only' }, ['leaf']),
    chain({ chain: ['Root'] }, ['leaf', 'Root']),
    chain({ chain: ['Root', 'Issuing'] }, ['leaf', 'Root', 'Issuing']),
    chain({ chain: ['Attacker', 'Issuing', 'leaf', 'Issuing', 'Cross', 'Root', 'Root'] }, [
      'leaf',
      'Attacker',
      'Issuing',
      'leaf',
      'Issuing',
      'Cross',
      'Root',
      'Root',
    ]),
    chain({ key: 'rsa2048', signatureHash: 'sha1' }, ['leaf', 'Issuing', 'Root']),
    chain({ key: 'ed25519', validity: 'expired', chain: ['stranger'] }, ['leaf', 'a stranger']),
  ])('the chain goes out just as described: %s', async (_name, spec, expected) => {
    const server = await start(spec);
    const client = await RawClient.to(server);
    await client.dialogue();
    const secured = await client.starttls();
    const named = (der: Buffer) => {
      if (der.equals(server.certificate.der)) return 'leaf';
      return [...authorities].find(([, authority]) => der.equals(authority.der))?.[0] ?? 'a stranger';
    };
    expect(chainOf(secured.socket).map(named)).toEqual(expected);
  });

  test('the certificate is chosen by SNI', async () => {
    const server = await start({
      certificate: { issuer: 'Root', commonName: 'own' },
      certificatesByName: { 'Old.example': { commonName: 'old' }, 'new.example': { commonName: 'new' } },
    });
    const presented: unknown[] = [];
    for (const servername of [HOST, 'old.example', 'new.example', 'x.example', '']) {
      const client = await RawClient.to(server);
      await client.dialogue();
      const secured = await client.starttls({ servername });
      presented.push((secured.socket as TLSSocket).getPeerX509Certificate()?.subject);
    }
    expect(presented).toEqual(['CN=own', 'CN=old', 'CN=new', 'CN=own', 'CN=own']);
    expect(server.received.connections.at(-1)?.clientHello).not.toHaveProperty('serverName');
  });

  test('a swapped certificate is not the one that was published', async () => {
    const server = await start({ tlsa: ['3 0 0'], habits: { presents: { issuer: 'Attacker' } } });
    const client = await RawClient.to(server);
    await client.dialogue();
    const [leaf, issuer] = chainOf((await client.starttls()).socket);
    expect(leaf?.equals(server.tlsa[0]?.data ?? new Uint8Array())).toBe(false);
    expect(issuer?.equals(authorities.get('Attacker')?.der ?? new Uint8Array())).toBe(true);
  });

  test('TLSA records of leaf, issuer, root, a stranger, and as given', async () => {
    const server = await start({
      certificate: { issuer: 'Issuing' },
      tlsa: [
        '3 1 1',
        '2 1 1',
        { parameters: '2 0 2', of: 'Root' },
        { parameters: '2 1 1', of: 'leaf' },
        { parameters: '3 1 1', hex: 'abcd' },
        { usage: 255, selector: 3, matchingType: 4, data: Uint8Array.of(1) },
        { parameters: '3 1 1', of: 'stranger' },
      ],
    });
    const [issuing, root] = [authorities.get('Issuing'), authorities.get('Root')];
    if (issuing === undefined || root === undefined) throw new Error('The authorities of this test are gone');
    expect(server.tlsa.slice(0, 6)).toEqual([
      tlsaFor(server.certificate, 3, 1, 1),
      tlsaFor(issuing, 2, 1, 1),
      tlsaFor(root, 2, 0, 2),
      tlsaFor(server.certificate, 2, 1, 1),
      { usage: 3, selector: 1, matchingType: 1, data: Buffer.from('abcd', 'hex') },
      { usage: 255, selector: 3, matchingType: 4, data: Uint8Array.of(1) },
    ]);
    expect(server.tlsa[6]?.data).toHaveLength(32);
    expect(server.tlsa[6]?.data).not.toEqual(server.tlsa[0]?.data);
  });

  test.each<[string, MailHostSpec, string]>([
    [
      'an issuer',
      { certificate: { issuer: 'Nobody' } },
      'No authority is called Nobody; there are: Root, Issuing, Attacker, Cross',
    ],
    ['a certificate of the chain', { certificate: { chain: ['Nobody'] } }, 'No authority is called Nobody'],
    ['a TLSA record', { tlsa: [{ parameters: '2 1 1', of: 'Nobody' }] }, 'No authority is called Nobody'],
  ])('%s that is not there is an error', async (_name, spec, message) => {
    await expect(start(spec)).rejects.toThrow(message);
  });

  test('authorities that are their own parents, or have none of that name, are an error', () => {
    expect(() => makeAuthorities({ A: { parent: 'B' }, B: { parent: 'A' } }, NOW)).toThrow(
      'A would be its own parent',
    );
    expect(() => makeAuthorities({ A: { parent: 'toString' } }, NOW)).toThrow(
      'No authority is called toString, wanted by A',
    );
  });
});
