/**
 * Is this the server that a certification authority of ours vouches for? (RFC 5280 section 6, RFC 6125
 * section 6)
 *
 * DANE has no use for it: a TLSA record brings its own anchor. MTA-STS (RFC 8461 section 4.2) and the local
 * policy `verify` do: the certificate must chain to a root that the sender trusts and be for the right name.
 * A store of roots is, for the search of a path, nothing but a set of trust anchors given in full, as TLSA `2
 * 0 0` records give them; so the search is the same (`path.ts`), with the same rules and the same bounds.
 *
 * Names are DNS-IDs alone. RFC 8461 section 4.2 asks for one ("MUST have a subject alternative name with a
 * DNS-ID"), RFC 6125 section 6.4.4 leaves the common name to clients' choice, and no public authority has
 * issued without a DNS-ID for years. Revocation is not checked: RFC 8461 leaves it open (MAY), and
 * soft-failing OCSP stops no attacker.
 *
 * Synchronous and without any input but its arguments, like `verifyCertificate`, and for the same reason: a
 * verdict is reached anew for every message, on the stored chain.
 */
import { rootCertificates } from 'node:tls';
import { Certificate } from './certificate.js';
import type { Fault } from './certificate-rules.js';
import { DerError } from './der.js';
import { findPath, MAX_SENT_CERTIFICATES } from './path.js';
import { matchNames } from './reference-identifier.js';
import type { TrustAnchorRecord } from './usable.js';
import type { CertificateResult } from './verify.js';

/**
 * Certification authorities that are trusted, found by their names. Made once, used for every verification.
 */
export class Roots {
  readonly #bySubject = new Map<string, TrustAnchorRecord[]>();

  /**
   * @param pems one certificate each
   * @throws TypeError for one that can't be read: a store with a hole in it would be found out much later
   */
  constructor(pems: Iterable<string>) {
    for (const pem of pems) {
      const certificate = readRoot(pem);
      const present = this.#bySubject.get(certificate.subjectKey) ?? [];
      this.#bySubject.set(certificate.subjectKey, [...present, anchorOf(certificate)]);
    }
  }

  /** Those that may have issued one of these certificates. */
  issuersOf(chain: readonly Certificate[]): readonly TrustAnchorRecord[] {
    return [...new Set(chain.flatMap((certificate) => this.#issuers(certificate)))];
  }

  #issuers(certificate: Certificate): readonly TrustAnchorRecord[] {
    try {
      return this.#bySubject.get(certificate.issuerKey) ?? [];
    } catch (error) {
      if (error instanceof DerError) return []; // the path search says what is wrong with it
      throw error;
    }
  }
}

let web: Roots | undefined;

/**
 * The Web's roots, as Mozilla chose them and Node.js carries them. Read at the first call: it takes some
 * milliseconds.
 */
export function webRoots(): Roots {
  web ??= new Roots(rootCertificates);
  return web;
}

export interface PkixInput {
  /** DER, as the server sent it, the server's own certificate first. */
  readonly chain: readonly Uint8Array[];
  /** Reference names, any of which will do. */
  readonly names: readonly string[];
  /** Who is trusted; the Web's roots, where it is left out. */
  readonly roots?: Roots;
  /** The instant for which certificates must be valid. */
  readonly time: Date;
}

export type PkixVerdict = PkixAuthenticated | PkixRefused;

export interface PkixAuthenticated {
  readonly authenticated: true;
  /** The reference name that the server's certificate is for, and the name in it that says so. */
  readonly referenceName: string;
  readonly presentedName: string;
  /** The root, for people: `CN=ISRG Root X1`. */
  readonly root: string;
  readonly reason: string;
}

export interface PkixRefused {
  readonly authenticated: false;
  /** As TLSRPT would count it (RFC 8460 section 4.3). */
  readonly resultType: CertificateResult;
  readonly reason: string;
}

/**
 * Verifies one server's chain against roots and names. Never throws for what a server sent.
 *
 * @throws TypeError where `time` is no date: every comparison with it would let a certificate pass
 */
export function verifyPkix({ chain: sent, names, roots = webRoots(), time }: PkixInput): PkixVerdict {
  if (Number.isNaN(time.getTime())) throw new TypeError('time is not a valid date');
  const chain = sent.slice(0, MAX_SENT_CERTIFICATES).map((der) => Certificate.of(der));
  if (chain.length === 0) return refused('validation-failure', 'the server sent no certificate');
  const found = findPath(chain, roots.issuersOf(chain), time, 'the root');
  if (found.status === 'none') return noPath(found.faults);
  const [server] = found.path;
  const presented = server?.extensions.subjectAltName?.dns ?? [];
  const match = matchNames(names, { dnsIds: presented, commonNames: [] });
  if (!match) {
    const offered = presented.length === 0 ? 'no DNS name at all' : list(presented.map(printable));
    const words = `the server's certificate is for ${offered}, not for ${names.join(' or ')} (RFC 6125 section 6)`;
    return refused('certificate-host-mismatch', words);
  }
  const root = found.path.at(-1)?.certificate.title ?? 'unknown';
  return {
    authenticated: true,
    referenceName: match.reference,
    presentedName: match.presented,
    root,
    reason: `the server's certificate is for ${match.reference} and is issued under the root ${root}`,
  };
}

function noPath(faults: readonly Fault[]): PkixRefused {
  if (faults.length === 0) {
    return refused(
      'certificate-not-trusted',
      "the server's certificate leads to no root that is trusted here",
    );
  }
  const expired = faults.some(({ kind }) => kind === 'expired');
  const words = `the server's certificate leads to no root that is trusted here: ${list(faults.map(({ text }) => text))}`;
  return refused(expired ? 'certificate-expired' : 'certificate-not-trusted', words);
}

const refused = (resultType: CertificateResult, reason: string): PkixRefused => ({
  authenticated: false,
  resultType,
  reason,
});

/** In the form of a TLSA record 2 0 0: the anchor itself, in full. */
function anchorOf(certificate: Certificate): TrustAnchorRecord {
  const fields = { usage: 2, selector: 0, matchingType: 0 } as const;
  return { ...fields, record: { ...fields, data: certificate.der }, certificate };
}

const PEM = /-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----/;

/**
 * Only the outer structure is read: OpenSSL, which reads the rest, is asked where a path leads to this root.
 */
function readRoot(pem: string): Certificate {
  const certificate = new Certificate(Buffer.from(PEM.exec(pem)?.[1] ?? '', 'base64'));
  try {
    void certificate.subjectKey;
    return certificate;
  } catch (error) {
    if (error instanceof DerError) throw new TypeError(`a root can't be read: ${error.message}`);
    throw error;
  }
}

/** Names or reasons that one sentence lists before it only counts. */
const MAX_LISTED = 5;

function list(items: readonly string[]): string {
  const shown = items.slice(0, MAX_LISTED).join(', ');
  return items.length > MAX_LISTED ? `${shown}, and ${items.length - MAX_LISTED} more` : shown;
}

const printable = (name: string): string => name.replace(/[^\x20-\x7e]/g, '?').slice(0, 100);
