/**
 * A certificate or a public key that the administrator pinned: the local policy `fingerprint`.
 *
 * It is what DANE-EE(3) would be if DNS could not be asked: the server's own certificate, or its key, has
 * this SHA2-256 digest; names, dates and issuers do not count (RFC 7671 section 5.1 gives the reasons, and
 * they hold here too). One digest is compared with both, as Postfix does: whether it was taken of the
 * certificate or of the key need not be said.
 */
import { Certificate } from './certificate.js';
import { DerError } from './der.js';

/** A SHA2-256 digest in lower-case hexadecimal, 64 digits without separators. */
export type Fingerprint = string;

export type FingerprintVerdict =
  | {
      readonly authenticated: true;
      readonly fingerprint: Fingerprint;
      readonly of: 'certificate' | 'public key';
      readonly reason: string;
    }
  | { readonly authenticated: false; readonly reason: string };

/**
 * Reads a digest as tools print it: `openssl x509 -fingerprint -sha256` puts colons between the octets,
 * others don't. `undefined` where it is not 32 octets.
 */
export function parseFingerprint(text: string): Fingerprint | undefined {
  const digits = text.toLowerCase();
  if (/^[0-9a-f]{64}$/.test(digits)) return digits;
  return /^(?:[0-9a-f]{2}:){31}[0-9a-f]{2}$/.test(digits) ? digits.replaceAll(':', '') : undefined;
}

/**
 * Does the server's own certificate, or its key, have one of these digests? Never throws for what a server
 * sent.
 */
export function verifyFingerprint({
  chain: [leaf],
  fingerprints,
}: {
  /** DER, as the server sent it, the server's own certificate first. */
  readonly chain: readonly Uint8Array[];
  readonly fingerprints: readonly Fingerprint[];
}): FingerprintVerdict {
  if (!leaf) return { authenticated: false, reason: 'the server sent no certificate' };
  const digests = digestsOf(Certificate.of(leaf));
  if (typeof digests === 'string') return { authenticated: false, reason: digests };
  for (const of of ['certificate', 'public key'] as const) {
    const fingerprint = digests[of];
    if (!fingerprints.includes(fingerprint)) continue;
    const reason = `the server's ${of} has the fingerprint ${fingerprint.slice(0, 16)}..., which is pinned`;
    return { authenticated: true, fingerprint, of, reason };
  }
  const found = `certificate ${digests.certificate}, public key ${digests['public key']}`;
  return {
    authenticated: false,
    reason: `the server has none of the pinned fingerprints (SHA2-256: ${found})`,
  };
}

function digestsOf(leaf: Certificate): Readonly<Record<'certificate' | 'public key', Fingerprint>> | string {
  const hex = (selector: 0 | 1): string => Buffer.from(leaf.association(selector, 1)).toString('hex');
  try {
    return { certificate: hex(0), 'public key': hex(1) };
  } catch (error) {
    if (error instanceof DerError) return `the server's certificate is malformed: ${error.message}`;
    throw error;
  }
}
