/**
 * The key pairs behind the lab's certificates, and how each kind signs.
 *
 * ECDSA P-256 is the default because a pair costs a tenth of a millisecond, so that a whole Internet of mail
 * hosts is made at start and no key is ever kept in a file. The other kinds are there because servers have
 * them.
 */
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';

export type KeyKind = 'p256' | 'p384' | 'rsa2048' | 'rsa1024' | 'ed25519';

export interface CertificateKey {
  readonly kind: KeyKind;
  readonly privateKey: KeyObject;
  /** The SubjectPublicKeyInfo in DER: what TLSA selector 1 is about (RFC 6698 section 2.1.2). */
  readonly spki: Uint8Array;
}

export function makeCertificateKey(kind: KeyKind = 'p256'): CertificateKey {
  const { privateKey, publicKey } = generate(kind);
  return { kind, privateKey, spki: publicKey.export({ format: 'der', type: 'spki' }) };
}

function generate(kind: KeyKind): { privateKey: KeyObject; publicKey: KeyObject } {
  switch (kind) {
    case 'p256':
      return generateKeyPairSync('ec', { namedCurve: 'P-256' });
    case 'p384':
      return generateKeyPairSync('ec', { namedCurve: 'P-384' });
    case 'rsa2048':
      return generateKeyPairSync('rsa', { modulusLength: 2048 });
    case 'rsa1024':
      return generateKeyPairSync('rsa', { modulusLength: 1024 });
    case 'ed25519':
      return generateKeyPairSync('ed25519');
    default: {
      const never: never = kind;
      return never;
    }
  }
}

/** `sha1` is for certificates that a verifier should find too weak. */
export type SignatureHash = 'sha1' | 'sha256' | 'sha384';

/** An AlgorithmIdentifier's two parts; RSA has NULL parameters, the others none (RFC 3279, 5758 and 8410). */
export interface SignatureAlgorithm {
  readonly oid: string;
  readonly nullParameters: boolean;
}

const ECDSA_OIDS = {
  sha1: '1.2.840.10045.4.1',
  sha256: '1.2.840.10045.4.3.2',
  sha384: '1.2.840.10045.4.3.3',
};
const RSA_OIDS = {
  sha1: '1.2.840.113549.1.1.5',
  sha256: '1.2.840.113549.1.1.11',
  sha384: '1.2.840.113549.1.1.12',
};
const ED25519_OID = '1.3.101.112';

export function signatureAlgorithm(kind: KeyKind, hash: SignatureHash): SignatureAlgorithm {
  switch (kind) {
    case 'p256':
    case 'p384':
      return { oid: ECDSA_OIDS[hash], nullParameters: false };
    case 'rsa2048':
    case 'rsa1024':
      return { oid: RSA_OIDS[hash], nullParameters: true };
    case 'ed25519':
      return { oid: ED25519_OID, nullParameters: false };
    default: {
      const never: never = kind;
      return never;
    }
  }
}

/** Ed25519 hashes inside and takes no name of a hash (RFC 8032). */
export function signWith(key: CertificateKey, hash: SignatureHash, data: Uint8Array): Uint8Array {
  return sign(key.kind === 'ed25519' ? null : hash, data, key.privateKey);
}
