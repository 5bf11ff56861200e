/**
 * The other direction: from a certificate or a key to the TLSA record that names it, for those who publish.
 *
 * Octets are taken as they stand in the certificate (RFC 6698 section 2.1.2), never encoded again. What is read here comes
 * from an administrator's files, so what can't be read is an error with a reason, and never a record that matches nothing.
 */
import { createHash } from 'node:crypto';
import { Certificate, checkSpki } from './certificate.js';
import { DerError, DerReader, readWhole, TAG } from './der.js';
import { commonNames } from './distinguished-name.js';
import type { TlsaRecord } from './tlsa.js';

/** The values that RFC 6698 and RFC 7218 name. */
export interface TlsaParameters {
  readonly usage: 0 | 1 | 2 | 3;
  readonly selector: 0 | 1;
  readonly matchingType: 0 | 1 | 2;
}

/**
 * The record that names this certificate (selector 0) or its public key (selector 1).
 *
 * @param certificate DER; for usages 0 and 2 an authority's, for 1 and 3 the server's own
 * @throws TypeError where it is no certificate
 */
export function tlsaRecordFor(certificate: Uint8Array, parameters: TlsaParameters): TlsaRecord {
  return readable('a certificate', () => {
    const parsed = new Certificate(certificate);
    // What lies outside of the selected octets has to make sense too: this is to be published.
    void parsed.publicKey;
    const { selector, matchingType } = parameters;
    return { ...parameters, data: Uint8Array.from(parsed.association(selector, matchingType)) };
  });
}

/**
 * The record that names a bare public key, which may have no certificate yet: always selector 1.
 *
 * @param spki SubjectPublicKeyInfo in DER (RFC 5280 section 4.1)
 * @throws TypeError where it is none
 */
export function tlsaRecordForKey(
  spki: Uint8Array,
  { usage, matchingType }: Omit<TlsaParameters, 'selector'>,
): TlsaRecord {
  return readable('a public key', () => {
    checkSpki(spki);
    const data =
      matchingType === 0
        ? Uint8Array.from(spki)
        : createHash(matchingType === 1 ? 'sha256' : 'sha512')
            .update(spki)
            .digest();
    return { usage, selector: 1, matchingType, data: Uint8Array.from(data) };
  });
}

/** What a certification request (PKCS #10, RFC 2986) says: the key that the certificate will have. */
export interface CertificationRequest {
  /** SubjectPublicKeyInfo in DER. */
  readonly spki: Uint8Array;
  /** Common names of the subject; few requests have one. */
  readonly commonNames: readonly string[];
}

/**
 * Reads a certification request. Its signature is for the authority to check and not looked at.
 *
 * @param request DER
 * @throws TypeError where it is none
 */
export function readCertificationRequest(request: Uint8Array): CertificationRequest {
  return readable('a certification request', () => {
    const outer = readWhole(request, TAG.sequence, 'CertificationRequest');
    const info = new DerReader(outer.expect(TAG.sequence, 'certificationRequestInfo').content);
    outer.expect(TAG.sequence, 'signatureAlgorithm');
    outer.expect(TAG.bitString, 'signature');
    outer.end('CertificationRequest');
    info.expect(TAG.integer, 'version');
    const subject = info.expect(TAG.sequence, 'subject').encoded;
    const spki = info.expect(TAG.sequence, 'subjectPKInfo').encoded;
    checkSpki(spki);
    return { spki: Uint8Array.from(spki), commonNames: commonNames(subject) };
  });
}

/**
 * SubjectPublicKeyInfo of a certificate, the octets as they stand in it.
 *
 * @param certificate DER
 * @throws TypeError where it is no certificate
 */
export function publicKeyOf(certificate: Uint8Array): Uint8Array {
  return readable('a certificate', () => Uint8Array.from(new Certificate(certificate).spki));
}

function readable<T>(what: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof DerError) throw new TypeError(`not ${what}: ${error.message}`);
    throw error;
  }
}
