import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Certificate, MAX_CERTIFICATE_OCTETS } from './certificate.js';
import { DerError } from './der.js';

const file: { readonly certificates: Readonly<Record<string, string>> } = JSON.parse(
  readFileSync(new URL('../vectors/vectors.json', import.meta.url), 'utf8'),
);
const all = Object.values(file.certificates).map((base64) => Buffer.from(base64, 'base64'));
const [sample = Buffer.alloc(0)] = all;
const tbs = '3003020101'; // too short for a tbsCertificate, long enough for a SEQUENCE

describe('a certificate as sent', () => {
  it('its key is sliced from the octets sent, and is what OpenSSL reads as key', () => {
    for (const der of all) {
      const certificate = new Certificate(der);
      const expected = certificate.publicKey.export({ type: 'spki', format: 'der' });
      expect(Buffer.from(certificate.spki).equals(expected)).toBe(true);
      expect(certificate.spki.buffer).toBe(der.buffer);
    }
  });

  it('its dates are those that OpenSSL reads', () => {
    for (const der of all) {
      const certificate = new Certificate(der);
      expect(certificate.validity.notBefore).toEqual(new Date(certificate.x509.validFrom));
      expect(certificate.validity.notAfter).toEqual(new Date(certificate.x509.validTo));
    }
  });

  it.each([
    [0, 1, 'sha256'],
    [1, 1, 'sha256'],
    [0, 2, 'sha512'],
    [1, 2, 'sha512'],
  ] as const)(
    'selector %i and matching type %i are a digest of the selected octets',
    (selector, matchingType, hash) => {
      const certificate = new Certificate(sample);
      const selected = selector === 0 ? sample : certificate.spki;
      expect(certificate.association(selector, matchingType)).toEqual(
        createHash(hash).update(selected).digest(),
      );
      expect(certificate.association(selector, 0)).toEqual(selected);
    },
  );

  it.each<[string, Buffer]>([
    ['nothing', Buffer.alloc(0)],
    ['PEM', Buffer.from('-----BEGIN CERTIFICATE-----\n')],
    ['an octet behind the end', Buffer.concat([sample, Buffer.from([0])])],
    ['an octet too few', sample.subarray(0, -1)],
    ['something that is no certificate', Buffer.from(`3005${tbs}`.slice(0, 14), 'hex')],
    ['more octets than any certificate has', Buffer.alloc(MAX_CERTIFICATE_OCTETS + 1, 0x30)],
  ])('%s is refused', (_, der) => {
    const certificate = new Certificate(der);
    expect(() => certificate.spki).toThrow(DerError);
    expect(() => certificate.x509).toThrow(DerError);
    expect(() => certificate.association(1, 1)).toThrow(DerError);
  });

  it('a fourth element in the certificate is refused', () => {
    const body = Buffer.concat([sample.subarray(4), Buffer.from([0x05, 0x00])]);
    const der = Buffer.concat([Buffer.from([0x30, 0x82, body.length >> 8, body.length & 0xff]), body]);
    expect(() => new Certificate(der).spki).toThrow('after the end of Certificate');
  });

  it('extensions in a certificate of version 1 are refused', () => {
    const at = sample.indexOf(Buffer.from('a003020102', 'hex'));
    const der = Buffer.from(sample);
    der[at + 4] = 0;
    expect(() => new Certificate(der).extensions).toThrow('version 1 certificate has extensions');
  });
});
