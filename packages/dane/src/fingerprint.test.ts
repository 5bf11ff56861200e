import { createHash, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseFingerprint, verifyFingerprint } from './fingerprint.js';

const file: { readonly certificates: Readonly<Record<string, string>> } = JSON.parse(
  readFileSync(new URL('../vectors/vectors.json', import.meta.url), 'utf8'),
);
const server = new X509Certificate(Buffer.from(file.certificates['c4'] ?? '', 'base64'));
const digest = (octets: Uint8Array): string => createHash('sha256').update(octets).digest('hex');
const key = digest(server.publicKey.export({ type: 'spki', format: 'der' }));
const chain = [server.raw, Buffer.from(file.certificates['c3'] ?? '', 'base64')];

describe('verifyFingerprint', () => {
  it('matches the certificate or its key, expired or not', () => {
    const certificate = digest(server.raw);
    expect(verifyFingerprint({ chain, fingerprints: ['00'.repeat(32), certificate] })).toMatchObject({
      authenticated: true,
      of: 'certificate',
      fingerprint: certificate,
    });
    expect(verifyFingerprint({ chain, fingerprints: [key] })).toMatchObject({
      authenticated: true,
      of: 'public key',
    });
  });

  it("does not match an issuer's, and says what the server has", () => {
    const issuer = digest(chain[1] ?? new Uint8Array());
    const verdict = verifyFingerprint({ chain, fingerprints: [issuer] });
    expect(verdict.authenticated).toBe(false);
    expect(verdict.reason).toContain(key);
  });

  it('does not match where there is no certificate, or one that is malformed', () => {
    expect(verifyFingerprint({ chain: [], fingerprints: [key] }).authenticated).toBe(false);
    const malformed = [Buffer.from('30820001', 'hex')];
    expect(verifyFingerprint({ chain: malformed, fingerprints: [key] }).reason).toContain('malformed');
  });
});

describe('parseFingerprint', () => {
  it('reads what tools print', () => {
    const colons = key.toUpperCase().replace(/..(?=.)/g, '$&:');
    expect(parseFingerprint(colons)).toBe(key);
    expect(parseFingerprint(key)).toBe(key);
  });

  it.each([[''], ['ab'], [`${key}00`], [`sha256:${key}`], [key.replace(/./, 'g')], [`${key.slice(2)}:ab`]])(
    'refuses %j',
    (text) => {
      expect(parseFingerprint(text)).toBeUndefined();
    },
  );
});
