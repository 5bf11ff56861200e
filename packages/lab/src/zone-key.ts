/**
 * Keys that sign zones, and their public forms: DNSKEY and DS (RFC 4034 sections 2 and 5, appendix B).
 *
 * How the key and the signature look is each algorithm's own: RFC 3110 and 5702 (RSA), 6605 (ECDSA), 8080
 * (EdDSA).
 */
import {
  createHash,
  createPrivateKey,
  generateKeyPairSync,
  type KeyObject,
  sign as signBytes,
} from 'node:crypto';
import { concatBytes, type Name } from '@danelaw/dns';

/**
 * DNSSEC algorithm numbers. Others may be used too, for zones that no validator can check (RFC 4035 section
 * 5.2).
 */
export const ALGORITHM = {
  RSASHA1: 5,
  'RSASHA1-NSEC3-SHA1': 7,
  RSASHA256: 8,
  RSASHA512: 10,
  ECDSAP256SHA256: 13,
  ECDSAP384SHA384: 14,
  ED25519: 15,
  ED448: 16,
} as const;

/** DS digest types (RFC 4509, RFC 6605). */
export const DIGEST = { SHA1: 1, SHA256: 2, SHA384: 4 } as const;

/** DNSKEY flags (RFC 4034 section 2.1.1): a zone key, and one that is meant as secure entry point. */
export const ZSK_FLAGS = 0x0100;
export const KSK_FLAGS = 0x0101;
/** RFC 5011 section 3: revoked. */
export const REVOKE_FLAG = 0x0080;

/** What is usual; larger ones only cost time. */
const RSA_BITS = 2048;

type Scheme =
  | { readonly kind: 'rsa'; readonly hash: string }
  | { readonly kind: 'ec'; readonly hash: string; readonly curve: string }
  | { readonly kind: 'ed'; readonly curve: 'ed25519' | 'ed448' };

/** An unknown number gets a P-256 key: it must look like a key, nobody can check more. */
function schemeOf(algorithm: number): Scheme {
  switch (algorithm) {
    case ALGORITHM.RSASHA1:
    case ALGORITHM['RSASHA1-NSEC3-SHA1']:
      return { kind: 'rsa', hash: 'sha1' };
    case ALGORITHM.RSASHA256:
      return { kind: 'rsa', hash: 'sha256' };
    case ALGORITHM.RSASHA512:
      return { kind: 'rsa', hash: 'sha512' };
    case ALGORITHM.ECDSAP384SHA384:
      return { kind: 'ec', hash: 'sha384', curve: 'P-384' };
    case ALGORITHM.ED25519:
      return { kind: 'ed', curve: 'ed25519' };
    case ALGORITHM.ED448:
      return { kind: 'ed', curve: 'ed448' };
    default:
      return { kind: 'ec', hash: 'sha256', curve: 'P-256' };
  }
}

function generate(scheme: Scheme): KeyObject {
  switch (scheme.kind) {
    case 'rsa':
      return generateKeyPairSync('rsa', { modulusLength: RSA_BITS }).privateKey;
    case 'ec':
      return generateKeyPairSync('ec', { namedCurve: scheme.curve }).privateKey;
    case 'ed':
      return scheme.curve === 'ed25519'
        ? generateKeyPairSync('ed25519').privateKey
        : generateKeyPairSync('ed448').privateKey;
  }
}

export class ZoneKey {
  readonly algorithm: number;
  readonly flags: number;
  /** RDATA of the DNSKEY record. */
  readonly dnskey: Uint8Array;
  readonly tag: number;
  readonly #scheme: Scheme;
  readonly #privateKey: KeyObject;

  private constructor(algorithm: number, flags: number, privateKey: KeyObject, tag?: number) {
    this.algorithm = algorithm;
    this.flags = flags;
    this.#scheme = schemeOf(algorithm);
    this.#privateKey = privateKey;
    const fields = Uint8Array.of(flags >> 8, flags & 0xff, 3, algorithm);
    this.dnskey = concatBytes([fields, publicKeyField(privateKey)]);
    this.tag = tag ?? keyTag(this.dnskey);
  }

  static generate(algorithm: number, flags: number): ZoneKey {
    return new ZoneKey(algorithm, flags, generate(schemeOf(algorithm)));
  }

  /** From a PKCS #8 PEM, for keys that must stay the same from run to run. */
  static fromPem(pem: string, algorithm: number, flags: number): ZoneKey {
    return new ZoneKey(algorithm, flags, createPrivateKey(pem));
  }

  /** The same private key, but signatures will name another key as their maker. */
  disguisedAs(other: ZoneKey): ZoneKey {
    return new ZoneKey(this.algorithm, other.flags, this.#privateKey, other.tag);
  }

  /** The signature field of an RRSIG over these octets. */
  sign(octets: Uint8Array): Uint8Array {
    const scheme = this.#scheme;
    switch (scheme.kind) {
      case 'rsa':
        return signBytes(scheme.hash, octets, this.#privateKey);
      case 'ec':
        // RFC 6605 section 4: r and s side by side, not DER.
        return signBytes(scheme.hash, octets, { key: this.#privateKey, dsaEncoding: 'ieee-p1363' });
      case 'ed':
        return signBytes(null, octets, this.#privateKey);
    }
  }

  /**
   * RDATA of the DS record that points to this key. Digest types that do not exist get 32 octets of SHA-256.
   */
  ds(owner: Name, digestType: number): Uint8Array {
    const hash = digestType === DIGEST.SHA1 ? 'sha1' : digestType === DIGEST.SHA384 ? 'sha384' : 'sha256';
    const digest = createHash(hash).update(owner.canonical()).update(this.dnskey).digest();
    return concatBytes([Uint8Array.of(this.tag >> 8, this.tag & 0xff, this.algorithm, digestType), digest]);
  }
}

function publicKeyField(privateKey: KeyObject): Uint8Array {
  const { n, e, x, y } = privateKey.export({ format: 'jwk' });
  if (n !== undefined && e !== undefined) {
    const exponent = Buffer.from(e, 'base64url');
    // RFC 3110 section 2: exponents of up to 255 octets have one octet of length before them.
    return concatBytes([Uint8Array.of(exponent.length), exponent, Buffer.from(n, 'base64url')]);
  }
  return concatBytes([Buffer.from(x ?? '', 'base64url'), Buffer.from(y ?? '', 'base64url')]);
}

/** RFC 4034 appendix B. */
export function keyTag(dnskey: Uint8Array): number {
  let sum = 0;
  for (const [i, octet] of dnskey.entries()) sum += i % 2 === 0 ? octet << 8 : octet;
  return (sum + (sum >>> 16)) & 0xffff;
}
