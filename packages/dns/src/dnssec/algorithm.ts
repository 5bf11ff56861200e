/**
 * The signature algorithms of DNSSEC and how their keys and signatures are written on the wire.
 *
 * Which ones a validator implements is RFC 8624 section 3.1: RSASHA1 variants still MUST be validated; RSAMD5, DSA and
 * GOST are not implemented. A zone signed only with algorithms that are missing here is insecure (RFC 4035 section 5.2).
 */
import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import type { DnskeyData } from '../record.js';
import { concatBytes } from '../wire.js';
import { MAX_RSA_BITS, MAX_RSA_EXPONENT_OCTETS, MIN_RSA_BITS } from './bounds.js';

interface Algorithm {
  readonly mnemonic: string;
  /** Digest that `verify` applies; null where the algorithm has its own. */
  readonly digest: string | null;
  /** The key as node:crypto takes it; undefined where the octets are no such key. */
  readonly importKey: (publicKey: Uint8Array) => KeyObject | undefined;
  /** Octets of a signature, where they are fixed. */
  readonly signatureOctets?: number;
  /** The signature as node:crypto takes it, where that is not as it is on the wire. */
  readonly forVerify?: (signature: Uint8Array) => Uint8Array;
}

const rsa = (mnemonic: string, digest: string): Algorithm => ({ mnemonic, digest, importKey: importRsa });

/** By number (RFC 8624 section 3.1 and IANA's registry). */
const ALGORITHMS: ReadonlyMap<number, Algorithm> = new Map<number, Algorithm>([
  [5, rsa('RSASHA1', 'sha1')],
  [7, rsa('RSASHA1-NSEC3-SHA1', 'sha1')],
  [8, rsa('RSASHA256', 'sha256')],
  [10, rsa('RSASHA512', 'sha512')],
  [
    13,
    {
      mnemonic: 'ECDSAP256SHA256',
      digest: 'sha256',
      importKey: ecImporter('P-256', 32),
      signatureOctets: 64,
      forVerify: ecdsaSignature,
    },
  ],
  [
    14,
    {
      mnemonic: 'ECDSAP384SHA384',
      digest: 'sha384',
      importKey: ecImporter('P-384', 48),
      signatureOctets: 96,
      forVerify: ecdsaSignature,
    },
  ],
  [15, { mnemonic: 'ED25519', digest: null, importKey: edwardsImporter('Ed25519', 32), signatureOctets: 64 }],
  [16, { mnemonic: 'ED448', digest: null, importKey: edwardsImporter('Ed448', 57), signatureOctets: 114 }],
]);

export function isSupportedAlgorithm(number: number): boolean {
  return ALGORITHMS.has(number);
}

export function algorithmName(number: number): string {
  return ALGORITHMS.get(number)?.mnemonic ?? `algorithm ${number}`;
}

/** A DNSKEY's key, ready to verify with; undefined where it is of an unknown algorithm or malformed. */
export function importDnskey(key: DnskeyData): KeyObject | undefined {
  try {
    return ALGORITHMS.get(key.algorithm)?.importKey(key.publicKey);
  } catch {
    // OpenSSL does not take it (a point that is not on its curve).
    return undefined;
  }
}

/**
 * True where `signature` over `data` was made with the private half of `key`. Never rejects. Computed beside the event loop, in
 * a thread of libuv's pool: this is what a validator mostly does, and other look-ups go on meanwhile.
 */
export function verifySignature(
  number: number,
  key: KeyObject,
  data: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> {
  const algorithm = ALGORITHMS.get(number);
  if (algorithm === undefined) return Promise.resolve(false);
  const { digest, signatureOctets, forVerify } = algorithm;
  if (signatureOctets !== undefined && signature.length !== signatureOctets) return Promise.resolve(false);
  return new Promise((resolve) => {
    const done = (error: Error | null, holds: boolean) => resolve(error === null && holds);
    try {
      // The key as it is: an object with the key and `dsaEncoding` in it, which would take r and s as they come, Node.js 24 first
      // takes for a key, and throws, in 50 us of the main thread.
      verify(digest, data, key, forVerify === undefined ? signature : forVerify(signature), done);
    } catch {
      resolve(false);
    }
  });
}

/** RFC 3110 section 2: exponent with its length in front, then the modulus. */
function importRsa(publicKey: Uint8Array): KeyObject | undefined {
  let at = 1;
  let exponentOctets = publicKey[0] ?? 0;
  if (exponentOctets === 0) {
    exponentOctets = ((publicKey[1] ?? 0) << 8) | (publicKey[2] ?? 0);
    at = 3;
  }
  const exponent = publicKey.subarray(at, at + exponentOctets);
  const modulus = publicKey.subarray(at + exponentOctets);
  if (exponentOctets === 0 || exponentOctets > MAX_RSA_EXPONENT_OCTETS || modulus.length === 0)
    return undefined;
  const bits = modulus.length * 8 - Math.clz32(modulus[0] ?? 0) + 24;
  if (modulus[0] === 0 || bits < MIN_RSA_BITS || bits > MAX_RSA_BITS) return undefined;
  return createPublicKey({
    format: 'jwk',
    key: { kty: 'RSA', e: base64url(exponent), n: base64url(modulus) },
  });
}

/** RFC 6605 section 4: the two coordinates side by side. */
function ecImporter(crv: string, octets: number): Algorithm['importKey'] {
  return (publicKey) => {
    if (publicKey.length !== 2 * octets) return undefined;
    const x = base64url(publicKey.subarray(0, octets));
    const y = base64url(publicKey.subarray(octets));
    return createPublicKey({ format: 'jwk', key: { kty: 'EC', crv, x, y } });
  };
}

/** RFC 6605 section 4 writes r and s side by side; OpenSSL takes a SEQUENCE of two INTEGERs in DER (RFC 3279 section 2.2.3). */
function ecdsaSignature(signature: Uint8Array): Uint8Array {
  const half = signature.length / 2;
  const r = derInteger(signature.subarray(0, half));
  const s = derInteger(signature.subarray(half));
  return concatBytes([Uint8Array.of(0x30, r.length + s.length), r, s]);
}

/** Without zeros in front, but for one where the number would be negative. */
function derInteger(octets: Uint8Array): Uint8Array {
  let from = 0;
  while (from < octets.length - 1 && octets[from] === 0) from++;
  const number = octets.subarray(from);
  const isNegative = (number[0] ?? 0) >= 0x80;
  return isNegative
    ? concatBytes([Uint8Array.of(0x02, number.length + 1, 0), number])
    : concatBytes([Uint8Array.of(0x02, number.length), number]);
}

/** RFC 8080 section 3: the key itself. */
function edwardsImporter(crv: string, octets: number): Algorithm['importKey'] {
  return (publicKey) => {
    if (publicKey.length !== octets) return undefined;
    return createPublicKey({ format: 'jwk', key: { kty: 'OKP', crv, x: base64url(publicKey) } });
  };
}

function base64url(octets: Uint8Array): string {
  return Buffer.from(octets.buffer, octets.byteOffset, octets.length).toString('base64url');
}
