import { execFileSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { readCertificationRequest } from '@danelaw/dane';
import { describe, expect, it } from 'vitest';
import { certificationRequest } from './certification-request.js';

const KEYS = {
  'a P-256 key': () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  'an RSA key of 2048 bits': () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
};
const requestFor = (host: string, make: () => ReturnType<typeof generateKeyPairSync>) => {
  const { privateKey, publicKey } = make();
  const spki = publicKey.export({ format: 'der', type: 'spki' });
  return { spki, request: certificationRequest({ host, privateKey, spki }) };
};
const derOf = (request: string): Buffer => Buffer.from(request.replace(/-----[^-]+-----|\s/gu, ''), 'base64');
const openssl = (request: string): string =>
  execFileSync('openssl', ['req', '-noout', '-verify', '-text'], {
    input: request,
    stdio: 'pipe',
  }).toString();

describe('a certification request (RFC 2986)', () => {
  it.each(Object.entries(KEYS))('for %s verifies, and names the host twice and nothing else', (_, make) => {
    const { request, spki } = requestFor('mx.example.org', make);
    expect(readCertificationRequest(derOf(request))).toEqual({
      spki: new Uint8Array(spki),
      commonNames: ['mx.example.org'],
    });
    const said = openssl(request);
    expect(said).toMatch(/Subject: CN ?= ?mx\.example\.org\n/u);
    expect(said).toMatch(/Subject Alternative Name: *\n +DNS:mx\.example\.org\n/u);
  });

  it('has a name that is too long for a common name in subjectAltName alone, as critical', () => {
    const host = `${'a'.repeat(60)}.example.org`;
    const { request } = requestFor(host, KEYS['a P-256 key']);
    expect(readCertificationRequest(derOf(request)).commonNames).toEqual([]);
    expect(openssl(request)).toMatch(new RegExp(`Alternative Name: critical\\n +DNS:${host}\\n`, 'u'));
  });
});
