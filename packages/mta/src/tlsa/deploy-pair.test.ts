import { generateKeyPairSync } from 'node:crypto';
import { issue, makeAuthority, selfSigned } from '@danelaw/lab';
import { describe, expect, it } from 'vitest';
import { readPair } from './deploy-pair.js';

const validity = { notBefore: new Date(0), notAfter: new Date(4e12) };
const authority = makeAuthority({ name: 'CA', validity });
const own = issue(authority, { names: ['mx.example'], validity });
const other = selfSigned({ names: ['mx.example'], validity });
const chain = own.pem + authority.pem;
const encrypted = generateKeyPairSync('ec', {
  namedCurve: 'P-256',
  privateKeyEncoding: { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'secret' },
  publicKeyEncoding: { type: 'spki', format: 'pem' },
}).privateKey;
const read = (key: string | Uint8Array, certificates: string | Uint8Array) =>
  readPair(
    { key: Buffer.from(key), chain: Buffer.from(certificates) },
    { key: 'privkey.pem', chain: 'fullchain.pem' },
  );

describe('readPair', () => {
  it('takes a key and the chain behind its certificate as they are', async () => {
    const { pair, chain: der } = await read(own.keyPem, chain);
    expect([pair.key.toString(), pair.chain.toString()]).toEqual([own.keyPem, chain]);
    expect(der.map((each) => Buffer.from(each))).toEqual(
      [own.der, authority.der].map((each) => Buffer.from(each)),
    );
  });

  it.each<[string, string | Uint8Array, string | Uint8Array, string]>([
    [
      'the key of another certificate',
      other.keyPem,
      chain,
      'does not belong to the first certificate in fullchain.pem',
    ],
    [
      "the authority's certificate in front of the server's",
      own.keyPem,
      authority.pem + own.pem,
      'does not belong',
    ],
    ["the authority's key", authority.keyPem, chain, 'does not belong'],
    ['a key that is locked', encrypted, chain, 'privkey.pem: its key is encrypted'],
    [
      'two keys',
      own.keyPem + other.keyPem,
      chain,
      'privkey.pem: there must be one private key in it, and there are 2',
    ],
    ['no key', own.pem, chain, 'privkey.pem: there must be one private key in it, and there are 0'],
    ['no certificate', own.keyPem, own.keyPem, 'fullchain.pem: there is no certificate in it'],
    ['a file that was cut off', own.keyPem, chain.slice(0, -30), 'fullchain.pem: the block'],
    ['an empty file', own.keyPem, '', 'fullchain.pem: it is not PEM'],
    ['DER', own.keyPem, own.der, 'fullchain.pem: it is not PEM'],
  ])('refuses %s', async (_, key, certificates, words) => {
    await expect(read(key, certificates)).rejects.toThrow(words);
  });
});
