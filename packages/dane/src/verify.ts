/**
 * Is this the server that the TLSA records name? (RFC 7672 section 3.2, RFC 7671 sections 5.1 and 5.2)
 *
 * One match of any usable record suffices. DANE-EE(3) is asked first because it only costs a digest: the server's own
 * certificate has the key or the octets; its names, dates, issuer and key usage do not count. DANE-TA(2) costs a path: a
 * certificate above it (or a bare key) is named, the path from there down is valid as PKIX, and the certificate is for
 * one of the reference names.
 *
 * Synchronous and without any input but its arguments, so that it can be run anew for every message that is to share a
 * connection or a session: a verdict is never inherited.
 */
import { Certificate } from './certificate.js';
import type { Fault, PathMember } from './certificate-rules.js';
import { DerError } from './der.js';
import { commonNames } from './distinguished-name.js';
import { findPath, MAX_SENT_CERTIFICATES, matches, type NoPath } from './path.js';
import { matchNames, type PresentedNames, presentedIdentifiers } from './reference-identifier.js';
import { abbreviateTlsa, type TlsaRecord } from './tlsa.js';
import {
  type EndEntityRecord,
  judgeRecords,
  type RecordJudgement,
  type TrustAnchorRecord,
  type UsableRecord,
} from './usable.js';

export interface VerificationInput {
  /** DER, as the server sent it, the server's own certificate first. */
  readonly chain: readonly Uint8Array[];
  /** The TLSA RRset as published; unusable records and weaker digests are set aside here. */
  readonly tlsa: readonly TlsaRecord[];
  /** The TLSA base domain: the first reference name for DANE-TA (RFC 7672 section 3.2.2). */
  readonly baseDomain: string;
  /** Further reference names, see `referenceNames`. */
  readonly otherNames?: readonly string[];
  /** The instant for which certificates must be valid; now, where it is left out. */
  readonly time?: Date;
}

export type Verdict = Authenticated | NotAuthenticated | NothingUsable;

export interface Authenticated {
  readonly authenticated: true;
  readonly usable: true;
  readonly matched: MatchedTlsa;
  /** One sentence for people. */
  readonly reason: string;
}

/** There are usable records and none of them matches: no message may be sent here (RFC 7672 section 3.2). */
export interface NotAuthenticated {
  readonly authenticated: false;
  readonly usable: true;
  readonly reason: string;
  /** As TLSRPT would count it (RFC 8460 section 4.3). */
  readonly resultType: CertificateResult;
  /** Why not, for each record, in the order of publication. */
  readonly records: readonly { readonly record: TlsaRecord; readonly reason: string }[];
}

/** No record can be used: TLS is mandatory, authentication is not (RFC 7672 section 2.2). */
export interface NothingUsable {
  readonly authenticated: false;
  readonly usable: false;
  readonly reason: string;
}

export type CertificateResult =
  | 'certificate-host-mismatch'
  | 'certificate-expired'
  | 'certificate-not-trusted'
  | 'validation-failure';

/** Which record matched which certificate. */
export interface MatchedTlsa {
  readonly usage: 2 | 3;
  readonly selector: 0 | 1;
  readonly matchingType: 0 | 1 | 2;
  readonly record: TlsaRecord;
  /**
   * How far above the server's certificate (0) the matched one stands in the path. A bare key stands above the topmost.
   */
  readonly depth: number;
  /** DER of the matched certificate; absent where a bare key of DNS signed the topmost one. */
  readonly certificate?: Uint8Array;
  /** DANE-TA only: the reference name that the server's certificate is for, and the name in it that says so. */
  readonly referenceName?: string;
  readonly presentedName?: string;
}

/**
 * Verifies one server's chain against one TLSA RRset. Never throws for what a server or a zone sent.
 *
 * @throws TypeError where `time` is no date: every comparison with it would let a certificate pass
 */
export function verifyCertificate(input: VerificationInput): Verdict {
  if (input.time && Number.isNaN(input.time.getTime())) throw new TypeError('time is not a valid date');
  const judged = judgeRecords(input.tlsa);
  const usable = judged.flatMap((judgement) => ('usable' in judgement ? [judgement.usable] : []));
  if (usable.length === 0) return { authenticated: false, usable: false, reason: nothingUsable(judged) };
  const chain = input.chain.map((der) => Certificate.of(der));
  const [leaf] = chain;
  if (!leaf) {
    const reason = 'the server sent no certificate';
    const records = usable.map(({ record }) => ({ record, reason }));
    return { authenticated: false, usable: true, reason, resultType: 'validation-failure', records };
  }
  const endEntity = matchEndEntity(leaf, usable);
  if (endEntity) return endEntity;
  const anchors = usable.filter((record) => record.usage === 2);
  const anchored = anchors.length > 0 ? matchAnchor(chain, leaf, anchors, input) : undefined;
  if (anchored?.status === 'authenticated') return anchored.verdict;
  return refusal(judged, chain, leaf, anchored);
}

/** RFC 7671 section 5.1: the match is all; names and dates MUST be ignored. */
function matchEndEntity(leaf: Certificate, usable: readonly UsableRecord[]): Authenticated | undefined {
  const match = usable.find(
    (record): record is EndEntityRecord => record.usage === 3 && matches(record, leaf),
  );
  if (!match) return undefined;
  const what = match.selector === 0 ? 'certificate' : 'key';
  return {
    authenticated: true,
    usable: true,
    matched: { ...parameters(match), depth: 0, certificate: leaf.der },
    reason: `the server's ${what} is the one that TLSA ${abbreviateTlsa(match.record)} names`,
  };
}

type AnchorMatch =
  | { readonly status: 'authenticated'; readonly verdict: Authenticated }
  | { readonly status: 'wrong-name'; readonly reason: string }
  | NoPath;

function matchAnchor(
  chain: readonly Certificate[],
  leaf: Certificate,
  anchors: readonly TrustAnchorRecord[],
  { baseDomain, otherNames = [], time = new Date() }: VerificationInput,
): AnchorMatch {
  const found = findPath(chain, anchors, time);
  if (found.status === 'none') return found;
  const [server] = found.path;
  if (!server) return { status: 'none', faults: [] };
  // RFC 7672 section 3.2.2: the base domain is the primary reference identifier.
  const references = [baseDomain, ...otherNames];
  const presented = namesOf(leaf, server);
  const match = matchNames(references, presented);
  if (!match) return { status: 'wrong-name', reason: wrongName(references, presented) };
  const anchor = found.anchor === 'certificate' ? found.path.at(-1)?.certificate : undefined;
  const depth = anchor ? found.path.length - 1 : found.path.length;
  const who = anchor ? `certificate ${depth} of its path (${anchor.title})` : 'the key in DNS';
  return {
    status: 'authenticated',
    verdict: {
      authenticated: true,
      usable: true,
      matched: {
        ...parameters(found.record),
        depth,
        ...(anchor && { certificate: anchor.der }),
        referenceName: match.reference,
        presentedName: match.presented,
      },
      reason:
        `the server's certificate is for ${match.reference} and is issued under the trust anchor that TLSA ` +
        `${abbreviateTlsa(found.record.record)} names, ${who}`,
    },
  };
}

const parameters = ({ usage, selector, matchingType, record }: UsableRecord) => ({
  usage,
  selector,
  matchingType,
  record,
});

function namesOf(leaf: Certificate, { extensions }: PathMember): PresentedNames {
  return { dnsIds: extensions.subjectAltName?.dns ?? [], commonNames: commonNames(leaf.layout.subject) };
}

/** Reasons and names that one sentence lists before it only counts: a zone may publish a thousand records. */
const MAX_LISTED = 5;

function wrongName(references: readonly string[], presented: PresentedNames): string {
  const names = presentedIdentifiers(presented).map(printable);
  const offered = names.length === 0 ? 'no DNS name at all' : list(names, ', ');
  return `the server's certificate is for ${offered}, not for ${list([...new Set(references)], ' or ')} (RFC 7672 section 3.2.2)`;
}

function nothingUsable(judged: readonly RecordJudgement[]): string {
  if (judged.length === 0) return 'there is no TLSA record';
  const reasons = judged.map((judgement) => {
    const why = 'setAside' in judgement ? judgement.setAside : 'usable';
    return `TLSA ${abbreviateTlsa(judgement.record)}: ${why}`;
  });
  return `no TLSA record can be used: ${list(reasons, '; ')}`;
}

function refusal(
  judged: readonly RecordJudgement[],
  chain: readonly Certificate[],
  leaf: Certificate,
  anchored: Exclude<AnchorMatch, { status: 'authenticated' }> | undefined,
): NotAuthenticated {
  const records = judged.map((judgement) => {
    const { record } = judgement;
    if ('setAside' in judgement) return { record, reason: judgement.setAside };
    const { usable } = judgement;
    const reason =
      usable.usage === 3 ? whyNotEndEntity(usable, leaf) : whyNotAnchor(usable, chain, leaf, anchored);
    return { record, reason };
  });
  const sentences = records.map(({ record, reason }) => `TLSA ${abbreviateTlsa(record)}: ${reason}`);
  return {
    authenticated: false,
    usable: true,
    reason: `the server's certificate matches no TLSA record. ${list(sentences, '; ')}`,
    resultType: resultTypeOf(anchored),
    records,
  };
}

function whyNotEndEntity(usable: EndEntityRecord, leaf: Certificate): string {
  const what = usable.selector === 0 ? 'certificate' : 'key';
  try {
    const actual = Buffer.from(leaf.association(usable.selector, usable.matchingType)).toString('hex');
    const shown = actual.length > 16 ? `${actual.slice(0, 16)}...` : actual;
    return `the server's ${what} is another one (${usable.selector} ${usable.matchingType} ${shown})`;
  } catch (error) {
    if (error instanceof DerError) return `the server's certificate is malformed: ${error.message}`;
    throw error;
  }
}

function whyNotAnchor(
  usable: TrustAnchorRecord,
  chain: readonly Certificate[],
  leaf: Certificate,
  anchored: Exclude<AnchorMatch, { status: 'authenticated' }> | undefined,
): string {
  const isLeaf = (each: Certificate): boolean => Buffer.from(each.der).equals(leaf.der);
  const sent = chain.slice(1, MAX_SENT_CERTIFICATES).find((each) => matches(usable, each) && !isLeaf(each));
  const supplied =
    (usable.certificate !== undefined && !isLeaf(usable.certificate)) || usable.key !== undefined;
  if (!sent && !supplied) {
    const what = usable.selector === 0 ? 'is that certificate' : 'has that key';
    return matches(usable, leaf)
      ? "only the server's own certificate matches, which can't be its own trust anchor (publish usage 3 for it)"
      : `no certificate that the server sent as issuer ${what} (the server must send it: RFC 7671 section 5.2)`;
  }
  // The name is the server's own, so it is wrong under every anchor alike.
  if (anchored?.status === 'wrong-name') return anchored.reason;
  const faults = anchored?.status === 'none' ? anchored.faults : [];
  const which = sent ? `certificate ${chain.indexOf(sent)} (${sent.title}) matches` : 'the anchor is in DNS';
  if (faults.length === 0)
    return `${which}, but no path of signatures leads to it from the server's certificate`;
  return `${which}, but ${list(
    faults.map(({ text }) => text),
    ', ',
  )}`;
}

function resultTypeOf(anchored: AnchorMatch | undefined): CertificateResult {
  switch (anchored?.status) {
    case 'wrong-name':
      return 'certificate-host-mismatch';
    case 'none':
      if (anchored.faults.length === 0) return 'certificate-not-trusted';
      return anchored.faults.some(isExpired) ? 'certificate-expired' : 'certificate-not-trusted';
    case 'authenticated':
    case undefined:
      return 'validation-failure';
    default: {
      const never: never = anchored;
      return never;
    }
  }
}

const isExpired = ({ kind }: Fault): boolean => kind === 'expired';

function list(items: readonly string[], separator: string): string {
  const shown = items.slice(0, MAX_LISTED).join(separator);
  return items.length > MAX_LISTED ? `${shown}${separator}and ${items.length - MAX_LISTED} more` : shown;
}

const printable = (name: string): string => name.replace(/[^\x20-\x7e]/g, '?').slice(0, 100);
