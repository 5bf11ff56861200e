/**
 * Which signatures and keys are strong enough to carry trust from a DANE-TA anchor to the server's certificate.
 *
 * It matters for DANE-TA only: with DANE-EE nobody's signature is relied on but the zone's (RFC 7671 section 5.1). The
 * anchor's own signature is not relied on either; TLSA vouches for it. The measure is OpenSSL's security level 1, which is
 * what its DANE users run with: SHA-2 or better, RSA from 1024 bits. DSA is refused: TLS has no use for it.
 */
import type { KeyObject } from 'node:crypto';
import type { Certificate } from './certificate.js';
import { contextTag, DerReader, readObjectIdentifier, readWhole, TAG } from './der.js';

/** Bits. Below, factoring is within reach of the determined. */
const MIN_RSA_BITS = 1024;

const STRONG_SIGNATURES: ReadonlySet<string> = new Set([
  '1.2.840.113549.1.1.14', // sha224WithRSAEncryption
  '1.2.840.113549.1.1.11', // sha256WithRSAEncryption
  '1.2.840.113549.1.1.12', // sha384WithRSAEncryption
  '1.2.840.113549.1.1.13', // sha512WithRSAEncryption
  '1.2.840.10045.4.3.1', // ecdsa-with-SHA224
  '1.2.840.10045.4.3.2', // ecdsa-with-SHA256
  '1.2.840.10045.4.3.3', // ecdsa-with-SHA384
  '1.2.840.10045.4.3.4', // ecdsa-with-SHA512
  '1.3.101.112', // Ed25519
  '1.3.101.113', // Ed448
]);
const RSASSA_PSS = '1.2.840.113549.1.1.10';
const SHA2: ReadonlySet<string> = new Set([
  '2.16.840.1.101.3.4.2.4', // SHA-224
  '2.16.840.1.101.3.4.2.1', // SHA-256
  '2.16.840.1.101.3.4.2.2', // SHA-384
  '2.16.840.1.101.3.4.2.3', // SHA-512
]);
/** As OpenSSL names them. */
const STRONG_CURVES: ReadonlySet<string> = new Set([
  'prime256v1',
  'secp384r1',
  'secp521r1',
  'secp224r1',
  'secp256k1',
  'brainpoolP256r1',
  'brainpoolP384r1',
  'brainpoolP512r1',
]);
const NAMES = new Map([
  ['1.2.840.113549.1.1.4', 'MD5 with RSA'],
  ['1.2.840.113549.1.1.5', 'SHA-1 with RSA'],
  ['1.2.840.10045.4.1', 'ECDSA with SHA-1'],
]);

/** Why the signature on this certificate can't be relied on; `undefined` where it can. @throws DerError */
export function weakSignature(certificate: Certificate): string | undefined {
  const { signatureAlgorithm, innerSignatureAlgorithm } = certificate.layout;
  // RFC 5280 section 4.1.1.2: both fields MUST be the same.
  if (!Buffer.from(signatureAlgorithm).equals(innerSignatureAlgorithm))
    return 'names two signature algorithms';
  const algorithm = readWhole(signatureAlgorithm, TAG.sequence, 'signatureAlgorithm');
  const oid = readObjectIdentifier(algorithm.expect(TAG.objectIdentifier, 'signature algorithm').content);
  if (STRONG_SIGNATURES.has(oid)) return undefined;
  if (oid === RSASSA_PSS && SHA2.has(pssHash(algorithm))) return undefined;
  return `is signed with ${NAMES.get(oid) ?? `the algorithm ${oid}`}, which is not relied on`;
}

/** RFC 4055 section 3.1: hashAlgorithm is `[0]`, SHA-1 where it is absent. */
function pssHash(algorithm: DerReader): string {
  const parameters = new DerReader(algorithm.expect(TAG.sequence, 'RSASSA-PSS parameters').content);
  const hash = parameters.optional(contextTag(0));
  if (!hash) return 'SHA-1';
  const identifier = readWhole(hash.content, TAG.sequence, 'hashAlgorithm');
  return readObjectIdentifier(identifier.expect(TAG.objectIdentifier, 'hashAlgorithm').content);
}

/** Why the key can't be relied on; `undefined` where it can. */
export function weakKey(key: KeyObject): string | undefined {
  const type = key.asymmetricKeyType;
  const details = key.asymmetricKeyDetails;
  switch (type) {
    case 'rsa':
    case 'rsa-pss': {
      const bits = details?.modulusLength ?? 0;
      return bits < MIN_RSA_BITS ? `has an RSA key of ${bits} bits, fewer than ${MIN_RSA_BITS}` : undefined;
    }
    case 'ec': {
      const curve = details?.namedCurve ?? 'without a name';
      return STRONG_CURVES.has(curve) ? undefined : `has a key on the curve ${curve}, which is not relied on`;
    }
    case 'ed25519':
    case 'ed448':
      return undefined;
    default:
      return `has a key of the kind ${type ?? 'unknown'}, which is not relied on`;
  }
}
