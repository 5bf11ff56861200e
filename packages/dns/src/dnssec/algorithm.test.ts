import { generateKeyPairSync, sign } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { verifySignature } from './algorithm.js';

describe.each([
  { algorithm: 13, namedCurve: 'P-256', hash: 'sha256' },
  { algorithm: 14, namedCurve: 'P-384', hash: 'sha384' },
])('a signature of algorithm $algorithm, r and s side by side (RFC 6605 section 4)', (row) => {
  const { algorithm, namedCurve, hash } = row;
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve });
  const make = (data: Uint8Array): Uint8Array =>
    sign(hash, data, { key: privateKey, dsaEncoding: 'ieee-p1363' });

  it.each([
    ['has a zero in front of r', (r: Uint8Array) => r[0] === 0],
    ['has a zero in front of s', (_: Uint8Array, s: Uint8Array) => s[0] === 0],
    ['has an r that would be negative in DER', (r: Uint8Array) => (r[0] ?? 0) >= 0x80],
    ['has an s that would be negative in DER', (_: Uint8Array, s: Uint8Array) => (s[0] ?? 0) >= 0x80],
    ['needs nothing in front', (r: Uint8Array, s: Uint8Array) => (r[0] ?? 0) < 0x80 && (s[0] ?? 0) < 0x80],
  ])('holds where it %s, and for no other data', async (_, isWanted) => {
    for (let i = 0; ; i++) {
      const data = Uint8Array.of(i, i >> 8, i >> 16);
      const signature = make(data);
      const half = signature.length / 2;
      if (!isWanted(signature.subarray(0, half), signature.subarray(half))) continue;
      expect(await verifySignature(algorithm, publicKey, data, signature)).toBe(true);
      expect(await verifySignature(algorithm, publicKey, Uint8Array.of(1), signature)).toBe(false);
      return;
    }
  });

  it.each([
    ['of zeros', (good: Uint8Array) => good.map(() => 0)],
    ['of ones', (good: Uint8Array) => good.map(() => 0xff)],
    ['with an octet too few', (good: Uint8Array) => good.slice(1)],
    ['with an octet too many', (good: Uint8Array) => Uint8Array.of(0, ...good)],
    ['with r and s in each other’s place', (good: Uint8Array) => swapped(good)],
  ])('does not hold %s', async (_, change) => {
    const data = Uint8Array.of(1, 2, 3);
    expect(await verifySignature(algorithm, publicKey, data, change(make(data)))).toBe(false);
  });
});

function swapped(signature: Uint8Array): Uint8Array {
  const half = signature.length / 2;
  return Uint8Array.of(...signature.subarray(half), ...signature.subarray(0, half));
}
