/**
 * From the server's certificate up to a trust anchor that a DANE-TA(2) record names.
 *
 * What a server sends is a bag, not a chain: certificates may be out of order, doubled, of another chain, two CAs may have
 * one name, and one CA two certificates. So the path is searched, depth first, and every alternative is tried: next
 * above a certificate may stand each one that has the name of its issuer and whose key verifies its signature. Key
 * identifiers (authorityKeyIdentifier) are hints and decide nothing. "Self-issued" ends nothing either.
 *
 * The search ends at the first certificate that a record matches: what lies above an anchor does not matter (RFC 7671
 * section 5.2; the Web's root store plays no part). A Full(0) record supplies its anchor itself: the certificate joins
 * the bag (section 5.2.2, a MUST for 2 0 0), and the bare key may have signed the topmost certificate (section 5.2.3).
 *
 * The server's own certificate is no anchor for itself, as in OpenSSL, even if it is a self-signed CA: a record
 * that means it is DANE-EE(3). One case remains by the letter of section 5.2.3: a bare key that signed it.
 *
 * Work is bounded, whoever made the certificates, and equal work is done once.
 */
import type { KeyObject } from 'node:crypto';
import { Certificate } from './certificate.js';
import { admitIssuer, admitLeaf, type Fault, isAnchorOnly, type PathMember } from './certificate-rules.js';
import { DerError } from './der.js';
import { weakKey, weakSignature } from './strength.js';
import type { TrustAnchorRecord, UsableRecord } from './usable.js';

/** Certificates in one path, the server's and the anchor included. Real ones have two to five. */
export const MAX_PATH_CERTIFICATES = 10;
/** Certificates of the server's message that are looked at. Real messages have up to six. */
export const MAX_SENT_CERTIFICATES = 32;
/** Signatures checked in one verification: at about 0.2 ms each, some ten milliseconds at worst. */
export const MAX_SIGNATURE_CHECKS = 64;
/** Certificates put on top of a path, over the whole search. */
export const MAX_PATH_STEPS = 256;

/** The path that was found, and what it hangs from. */
export interface AnchoredPath {
  readonly status: 'anchored';
  readonly record: TrustAnchorRecord;
  /** From the server's certificate up; the last is the anchor, or was signed by the anchor's bare key. */
  readonly path: readonly PathMember[];
  readonly anchor: 'certificate' | 'key';
}

/** No path, and why each one that was tried ended. */
export interface NoPath {
  readonly status: 'none';
  readonly faults: readonly Fault[];
}

/**
 * @param chain as sent, the server's certificate first
 * @param records the usable DANE-TA(2) records, or a store's roots in their form
 * @param suppliedBy what faults call a certificate that a record supplies
 */
export function findPath(
  chain: readonly Certificate[],
  records: readonly TrustAnchorRecord[],
  time: Date,
  suppliedBy = 'the certificate in DNS',
): AnchoredPath | NoPath {
  const [leaf] = chain;
  if (!leaf) return { status: 'none', faults: [] };
  return new PathSearch(leaf, chain, records, time, suppliedBy).run();
}

class PathSearch {
  readonly #leaf: Certificate;
  readonly #candidates: readonly Candidate[];
  readonly #records: readonly TrustAnchorRecord[];
  readonly #time: Date;
  readonly #faults = new Map<string, Fault>();
  readonly #verified = new Map<Certificate, Map<Certificate | KeyObject, boolean>>();
  #signatureChecks = 0;
  #steps = 0;

  constructor(
    leaf: Certificate,
    chain: readonly Certificate[],
    records: readonly TrustAnchorRecord[],
    time: Date,
    suppliedBy: string,
  ) {
    this.#leaf = leaf;
    this.#records = records;
    this.#time = time;
    this.#candidates = this.#collect(chain, records, suppliedBy);
  }

  run(): AnchoredPath | NoPath {
    const leaf = admitLeaf(this.#leaf, this.#time);
    if (isFault(leaf)) this.#note("the server's certificate", leaf);
    const found = isFault(leaf) ? undefined : this.#climb([leaf]);
    return found ?? { status: 'none', faults: [...this.#faults.values()] };
  }

  /** Every certificate that could be an issuer, once each. */
  #collect(
    chain: readonly Certificate[],
    records: readonly TrustAnchorRecord[],
    suppliedBy: string,
  ): Candidate[] {
    const seen = new Set<string>();
    const candidates: Candidate[] = [];
    const add = (certificate: Certificate, where: string): void => {
      const key = octetsKey(certificate.der);
      if (seen.has(key)) return;
      seen.add(key);
      const title = `${where} (${certificate.title})`;
      try {
        candidates.push({
          certificate,
          title,
          subject: certificate.subjectKey,
          identity: certificate.identity,
        });
      } catch (error) {
        this.#note(title, malformed(error));
      }
    };
    for (const [index, certificate] of chain.slice(1, MAX_SENT_CERTIFICATES).entries()) {
      add(certificate, `certificate ${index + 1}`);
    }
    for (const { certificate } of records) if (certificate) add(certificate, suppliedBy);
    return candidates;
  }

  /** Tries everything that may stand above the top of this path. */
  #climb(path: readonly PathMember[]): AnchoredPath | undefined {
    const top = path.at(-1);
    if (!top || path.length >= MAX_PATH_CERTIFICATES)
      return this.#giveUp(`a path of ${path.length} certificates`);
    if (!this.#isSignatureStrong(top)) return undefined;
    for (const candidate of this.#issuersOf(top.certificate, path)) {
      const found = this.#tryIssuer(candidate, path);
      if (found) return found;
    }
    return this.#tryBareKeys(top, path);
  }

  #tryIssuer(candidate: Candidate, path: readonly PathMember[]): AnchoredPath | undefined {
    const top = path.at(-1);
    if (!top || !this.#isSignedBy(top.certificate, candidate.certificate)) return undefined;
    this.#steps += 1;
    if (this.#steps > MAX_PATH_STEPS) return this.#giveUp(`${MAX_PATH_STEPS} steps`);
    const member = admitIssuer(candidate.certificate, path, this.#time);
    if (isFault(member)) {
      this.#note(candidate.title, member);
      return undefined;
    }
    const extended = [...path, member];
    const record = this.#records.find((each) => matches(each, candidate.certificate));
    if (record) return { status: 'anchored', record, path: extended, anchor: 'certificate' };
    if (isAnchorOnly(member)) return undefined;
    return this.#climb(extended);
  }

  /** RFC 7671 section 5.2.3: is the topmost certificate signed by a key that DNS gives? */
  #tryBareKeys(top: PathMember, path: readonly PathMember[]): AnchoredPath | undefined {
    for (const record of this.#records) {
      if (!record.key || weakKey(record.key) !== undefined) continue;
      if (this.#isSignedBy(top.certificate, record.key))
        return { status: 'anchored', record, path, anchor: 'key' };
    }
    return undefined;
  }

  /** By name (RFC 5280 section 6.1.3 (a)(4)); none that is in the path already, under this or another certificate. */
  #issuersOf(certificate: Certificate, path: readonly PathMember[]): Candidate[] {
    const issuer = certificate.issuerKey;
    const present = new Set(path.map((member) => member.certificate.identity));
    return this.#candidates.filter(({ subject, identity }) => subject === issuer && !present.has(identity));
  }

  #isSignatureStrong({ certificate }: PathMember): boolean {
    try {
      const weak = weakSignature(certificate);
      if (weak === undefined) return true;
      this.#note(this.#titleOf(certificate), { kind: 'invalid', text: weak });
    } catch (error) {
      this.#note(this.#titleOf(certificate), malformed(error));
    }
    return false;
  }

  #isSignedBy(certificate: Certificate, issuer: Certificate | KeyObject): boolean {
    const known = this.#verified.get(certificate) ?? new Map<Certificate | KeyObject, boolean>();
    this.#verified.set(certificate, known);
    const before = known.get(issuer);
    if (before !== undefined) return before;
    if (this.#signatureChecks >= MAX_SIGNATURE_CHECKS) {
      this.#giveUp(`${MAX_SIGNATURE_CHECKS} signature checks`);
      return false;
    }
    this.#signatureChecks += 1;
    const verdict = verifySignature(certificate, issuer);
    known.set(issuer, verdict);
    return verdict;
  }

  #giveUp(after: string): undefined {
    this.#note('the search for a path', { kind: 'invalid', text: `was given up after ${after}` });
    return undefined;
  }

  #note(who: string, fault: Fault): void {
    const text = `${who} ${fault.text}`;
    this.#faults.set(text, { kind: fault.kind, text });
  }

  #titleOf(certificate: Certificate): string {
    if (certificate === this.#leaf) return "the server's certificate";
    return this.#candidates.find((each) => each.certificate === certificate)?.title ?? 'a certificate';
  }
}

interface Candidate {
  readonly certificate: Certificate;
  readonly title: string;
  readonly subject: string;
  /**
   * Subject and key. A path that held one twice would only be a detour of a shorter one; and the server's own
   * certificate, being in the path, is not found above itself.
   */
  readonly identity: string;
}

/** Does this certificate have what the record names? @throws never: a malformed certificate matches nothing by key */
export function matches({ record, selector, matchingType }: UsableRecord, certificate: Certificate): boolean {
  try {
    return Buffer.from(certificate.association(selector, matchingType)).equals(record.data);
  } catch (error) {
    if (error instanceof DerError) return false;
    throw error;
  }
}

function verifySignature(certificate: Certificate, issuer: Certificate | KeyObject): boolean {
  try {
    return certificate.x509.verify(issuer instanceof Certificate ? issuer.publicKey : issuer);
  } catch {
    // OpenSSL throws for a key of another kind than the signature, or one it can't use: not signed by it.
    return false;
  }
}

function malformed(error: unknown): Fault {
  if (error instanceof DerError) return { kind: 'invalid', text: `is malformed: ${error.message}` };
  throw error;
}

const isFault = (admitted: PathMember | Fault): admitted is Fault => 'kind' in admitted;

const octetsKey = (octets: Uint8Array): string => Buffer.from(octets).toString('latin1');
