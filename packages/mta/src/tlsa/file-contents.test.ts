import { createHash, createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ContentsError, type Item, readContents } from './file-contents.js';

const file = (name: string): Buffer => readFileSync(new URL(`./testing/fixtures/${name}`, import.meta.url));
const text = (name: string): string => file(name).toString();
const certificate = new X509Certificate(file('server.pem'));
const key = createPrivateKey(file('server.key'));
const der = (type: 'pkcs8' | 'sec1'): Buffer => key.export({ format: 'der', type });
const base64 = (pem: string): Buffer => Buffer.from(pem.replace(/-----[^-]+-----|\s/gu, ''), 'base64');

const nobody = async (): Promise<string> => {
  throw new Error('no password is needed');
};
const secret = async (): Promise<string> => 'secret';

/** What OpenSSL's command line made of the same key (`testing/fixtures/make.sh`). */
const spkiDigest = text('spki.sha256').trim();
const digestOf = (item: Item): string => {
  const octets = item.kind === 'certificate' ? new X509Certificate(item.der).publicKey : undefined;
  const spki = item.kind === 'certificate' ? octets?.export({ format: 'der', type: 'spki' }) : item.spki;
  return createHash('sha256')
    .update(spki ?? '')
    .digest('hex');
};

describe('what a file holds', () => {
  const rows: [what: string, octets: Buffer, kinds: Item['kind'][]][] = [
    ['a certificate in PEM', file('server.pem'), ['certificate']],
    ['a certificate in DER', certificate.raw, ['certificate']],
    [
      'with text around it and Windows lines',
      Buffer.from(`Bag\r\n${text('server.pem').replace(/\n/gu, '\r\n')}`),
      ['certificate'],
    ],
    [
      'in UTF-16, as Windows editors write',
      Buffer.from(`\ufeff${text('server.pem')}`, 'utf16le'),
      ['certificate'],
    ],
    ['a certification request in PEM', file('server.csr'), ['certification request']],
    ['a certification request in DER', base64(text('server.csr')), ['certification request']],
    ['a private key in PEM', file('server.key'), ['private key']],
    ['a private key in PKCS #8 DER', der('pkcs8'), ['private key']],
    ['a private key in SEC 1 DER', der('sec1'), ['private key']],
    ['a private key in SEC 1 PEM', Buffer.from(key.export({ format: 'pem', type: 'sec1' })), ['private key']],
    [
      'a public key in PEM',
      Buffer.from(createPublicKey(key).export({ format: 'pem', type: 'spki' })),
      ['public key'],
    ],
    ['a public key in DER', createPublicKey(key).export({ format: 'der', type: 'spki' }), ['public key']],
    [
      'key and certificate in one',
      Buffer.from(text('server.key') + text('server.pem')),
      ['private key', 'certificate'],
    ],
    [
      'curve parameters in front of a key',
      Buffer.from(
        `-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n${text('server.key')}`,
      ),
      ['private key'],
    ],
  ];
  it.each(rows)('%s', async (_, octets, kinds) => {
    const items = await readContents(octets, nobody);
    expect(items.map(({ kind }) => kind)).toEqual(kinds);
    for (const item of items) expect(digestOf(item)).toBe(spkiDigest);
  });

  it.each([
    ['PKCS #8', file('encrypted.key')],
    ['PKCS #8 in DER', base64(text('encrypted.key'))],
    ['the older form of PEM', file('encrypted-sec1.key')],
  ])('an encrypted key in %s, with its password', async (_, octets) => {
    const items = await readContents(octets, secret);
    expect(items.map((item) => [item.kind, digestOf(item)])).toEqual([['private key', spkiDigest]]);
    await expect(readContents(octets, async () => 'wrong')).rejects.toThrow(/password does not open/);
  });

  it.each([
    ['with a password', 'password.p12', secret],
    ['without one, and nobody is asked', 'open.p12', nobody],
  ])('PKCS #12 %s', async (_, name, password) => {
    const items = await readContents(file(name), password);
    expect(items.map(({ kind }) => kind)).toEqual(['certificate', 'certificate', 'private key']);
    const ders = items.flatMap((item) => (item.kind === 'certificate' ? [Buffer.from(item.der)] : []));
    expect(ders).toEqual([certificate.raw, new X509Certificate(file('ca.pem')).raw]);
  });

  const pem = text('server.pem');
  const damaged: [what: string, octets: Buffer, reason: RegExp][] = [
    ['an empty file', Buffer.alloc(0), /is empty/],
    ['a file that is too long', Buffer.alloc(1_048_577), /more than 1048576/],
    ['text', Buffer.from('hello'), /neither PEM nor DER nor PKCS #12/],
    ['a sequence that is nothing', Buffer.from('30030101ff', 'hex'), /nor PKCS #12/],
    ['a block that is cut off', Buffer.from(pem.slice(0, 300)), /cut off/],
    [
      'a block without its last lines',
      Buffer.from(pem.replace(/\n[^\n]+\n-----END/u, '\n-----END')),
      /can't be read|damaged/,
    ],
    ['a block that is no base64', Buffer.from(pem.replace(/\n.{8}/u, '\n!!!!!!!!')), /not base64/],
    ['one good and one damaged certificate', Buffer.from(pem + pem.replace(/MII/u, 'MIX')), /can't be read/],
    ['octets behind a certificate', Buffer.concat([certificate.raw, Buffer.of(0)]), /nor PKCS #12/],
    ['PKCS #7', file('server.p7'), /openssl pkcs7/],
    ['PKCS #7 in DER', base64(text('server.p7')), /openssl pkcs7/],
    ['a key store of Java', Buffer.from('feedfeed00000002', 'hex'), /keytool/],
    [
      "OpenSSH's key",
      Buffer.from('-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n'),
      /OpenSSH/,
    ],
    [
      'a PGP message',
      Buffer.from('-----BEGIN PGP MESSAGE-----\nAAAA\n-----END PGP MESSAGE-----\n'),
      /PGP MESSAGE/,
    ],
  ];
  it.each(damaged)('is refused: %s', async (_, octets, reason) => {
    const reading = readContents(octets, nobody);
    await expect(reading).rejects.toThrow(ContentsError);
    await expect(reading).rejects.toThrow(reason);
  });

  it.each([
    ['another password', 'password.p12', 'wrong', /password does not open/],
    ['old encryption', 'legacy.p12', 'secret', /openssl pkcs12 -legacy/],
    ['certificates alone', 'no-key.p12', 'secret', /openssl pkcs12 -nokeys/],
  ])('is refused: PKCS #12 with %s', async (_, name, password, reason) => {
    await expect(readContents(file(name), async () => password)).rejects.toThrow(reason);
  });
});
