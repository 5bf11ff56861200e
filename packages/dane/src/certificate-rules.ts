/**
 * What a certificate must fulfil to stand in a path from a DANE-TA anchor to the server (RFC 5280 section 6.1).
 *
 * The anchor itself. RFC 5280 takes a trust anchor as a name and a key, and asks nothing else of it. RFC 7671
 * section 5.2.1 asks clients to "apply any relevant constraints from the TA certificate, such as, for example, path
 * length constraints", and OpenSSL holds it to all that it asks of any other CA. So do we: where the anchor is a
 * certificate (sent by the server or given in DNS), it must be a CA, within its dates, allowed to sign, and its path
 * length, key usage, extended key usage, name constraints and critical extensions bind. Two things it need not have: a
 * signature that anyone trusts, and - if it is self-signed, of version 1 - the extensions that version 1 does not know.
 * Where the anchor is a bare key (2 1 0 and no such certificate sent), there is nothing to ask of it.
 */
import type { Certificate } from './certificate.js';
import { DerError } from './der.js';
import type { Extensions } from './extensions.js';
import { constrainedNames, constraintViolation } from './name-constraints.js';
import { weakKey } from './strength.js';

/** Why a certificate can't stand where it would stand. */
export interface Fault {
  readonly kind: 'expired' | 'invalid';
  /** Continues "certificate N ...". */
  readonly text: string;
}

/** A certificate of the path, with what was read of it. Index 0 is the server's own. */
export interface PathMember {
  readonly certificate: Certificate;
  readonly extensions: Extensions;
  readonly selfIssued: boolean;
}

const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';
const ANY_PURPOSE = '2.5.29.37.0';
/** A TLS server's key signs, is encrypted to, or agrees (RFC 5280 section 4.2.1.12, for serverAuth). */
const SERVER_KEY_USAGES = ['digitalSignature', 'keyEncipherment', 'keyAgreement'];

/** The server's own certificate, before any path. */
export function admitLeaf(certificate: Certificate, time: Date): PathMember | Fault {
  return guard(() => {
    const extensions = certificate.extensions;
    const fault = commonFault(certificate, extensions, time);
    if (fault) return fault;
    const { keyUsage } = extensions;
    if (keyUsage && !SERVER_KEY_USAGES.some((usage) => keyUsage.has(usage))) {
      return invalid('may not be used for TLS (keyUsage)');
    }
    return { certificate, extensions, selfIssued: certificate.selfIssued };
  });
}

/** A certificate that is to stand above `below` as issuer, be it the anchor or not. */
export function admitIssuer(
  certificate: Certificate,
  below: readonly PathMember[],
  time: Date,
): PathMember | Fault {
  return guard(() => {
    const extensions = certificate.extensions;
    const member = { certificate, extensions, selfIssued: certificate.selfIssued };
    return (
      commonFault(certificate, extensions, time) ??
      issuerFault(certificate, member, below) ??
      constraintFault(extensions, below) ??
      member
    );
  });
}

/** True where the certificate may stand at the top of a path only: it says nothing of being a CA. */
export function isAnchorOnly({ certificate }: PathMember): boolean {
  return certificate.layout.version !== 3;
}

/** What is asked of every certificate. */
function commonFault(certificate: Certificate, extensions: Extensions, time: Date): Fault | undefined {
  // RFC 5280 section 6.1.3 (a)(2).
  const { notBefore, notAfter } = certificate.validity;
  if (time < notBefore) return expired(`is not valid before ${isoSeconds(notBefore)}`);
  if (time > notAfter) return expired(`expired on ${isoSeconds(notAfter)}`);
  // Section 4.2: a critical extension that is not recognised or can't be processed.
  const [unhandled] = extensions.unhandledCritical;
  if (unhandled)
    return invalid(`has the critical extension ${unhandled}, which is not known or not evaluated here`);
  // Section 4.2.1.12: if present, "the certificate MUST only be used for one of the purposes indicated".
  const purposes = extensions.extendedKeyUsage;
  if (purposes && !purposes.has(SERVER_AUTH) && !purposes.has(ANY_PURPOSE)) {
    return invalid('may not be used for TLS servers (extKeyUsage)');
  }
  const weak = weakKey(certificate.publicKey);
  return weak === undefined ? undefined : invalid(weak);
}

/** RFC 5280 section 6.1.4 (k) to (n). */
function issuerFault(
  certificate: Certificate,
  { extensions, selfIssued }: PathMember,
  below: readonly PathMember[],
): Fault | undefined {
  const { basicConstraints, keyUsage } = extensions;
  if (certificate.layout.version !== 3) {
    // "If version 1 or 2, then the application MUST either verify that it is a CA through out-of-band means or reject":
    // a TLSA record can say so of the certificate it matches. As OpenSSL, for self-issued ones only.
    return selfIssued ? undefined : invalid('is not a CA (it is not of version 3)');
  }
  if (!basicConstraints?.ca) return invalid('is not a CA (basicConstraints)');
  if (keyUsage && !keyUsage.has('keyCertSign')) return invalid('may not sign certificates (keyUsage)');
  const { pathLength } = basicConstraints;
  // Section 4.2.1.9: CAs below it that are not self-issued; the last certificate, the server's, does not count.
  const intermediates = below.slice(1).filter((member) => !member.selfIssued).length;
  if (pathLength !== undefined && intermediates > pathLength) {
    return invalid(`allows ${pathLength} CAs below it, and there are ${intermediates} (pathLenConstraint)`);
  }
  return undefined;
}

/** RFC 5280 section 6.1.3 (b) and (c): self-issued CAs below are exempt, the server's certificate never is. */
function constraintFault({ nameConstraints }: Extensions, below: readonly PathMember[]): Fault | undefined {
  if (!nameConstraints) return undefined;
  for (const [index, member] of below.entries()) {
    if (index > 0 && member.selfIssued) continue;
    const names = constrainedNames(member.certificate, member.extensions, index === 0);
    const violation = constraintViolation(names, nameConstraints);
    if (violation) return invalid(`does not let a certificate below it have ${violation} (nameConstraints)`);
  }
  return undefined;
}

/** A malformed certificate is a fault of that certificate and of nothing else. */
function guard(admit: () => PathMember | Fault): PathMember | Fault {
  try {
    return admit();
  } catch (error) {
    if (error instanceof DerError) return invalid(`is malformed: ${error.message}`);
    throw error;
  }
}

const invalid = (text: string): Fault => ({ kind: 'invalid', text });
const expired = (text: string): Fault => ({ kind: 'expired', text });
const isoSeconds = (time: Date): string => time.toISOString().replace('.000Z', 'Z');
