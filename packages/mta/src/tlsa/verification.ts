/**
 * What is published against what is shown, and against what is about to be deployed.
 *
 * Two rules decide. A sender needs one usable record that matches (RFC 7672 section 3.2). A publisher has to do more: *each*
 * combination of usage, selector and matching type that it publishes must match the current chain, as not every client knows
 * every combination (RFC 7671 section 8).
 */
import { X509Certificate } from 'node:crypto';
import {
  formatTlsa,
  type TlsaRecord,
  tlsaRecordForKey,
  type Verdict,
  verifyCertificate,
} from '@danelaw/dane';
import { titleOf } from './advice.js';
import type { BareKey } from './material.js';
import { type DistinctChain, kindOf } from './served.js';

export interface Publication {
  readonly records: readonly TlsaRecord[];
  /** Where the records are: the first reference name for DANE-TA. */
  readonly baseDomain: string;
  readonly host: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** One chain, and what comes of it. */
export interface JudgedChain {
  readonly chain: readonly Uint8Array[];
  readonly title: string;
  readonly kind: ReturnType<typeof kindOf>;
  /** Milliseconds since the epoch. */
  readonly validTo: number;
  readonly verdict: Verdict;
  /** Combinations, as `2 1 1`, that are published and match nothing in this chain. */
  readonly unmatched: readonly string[];
  /** Published records that match it. */
  readonly matched: readonly TlsaRecord[];
}

export interface JudgedServed extends JudgedChain, DistinctChain {}

export function judgeServed(
  chains: readonly DistinctChain[],
  publication: Publication,
): readonly JudgedServed[] {
  return chains.map((each) => ({ ...each, ...judgeChain(each.chain, publication) }));
}

export function judgeChain(chain: readonly Uint8Array[], publication: Publication): JudgedChain {
  const { records } = publication;
  const verdict = verdictOn(chain, records, publication);
  const combinations = [...new Set(records.filter(isForMail).map(combinationOf))];
  const unmatched = combinations.filter((combination) => {
    const some = records.filter((record) => combinationOf(record) === combination);
    return !verdictOn(chain, some, publication).authenticated;
  });
  const matched = records.filter((record) => verdictOn(chain, [record], publication).authenticated);
  const [own] = chain;
  const x509 = own === undefined ? undefined : new X509Certificate(own);
  return {
    chain,
    title: x509 === undefined ? 'no certificate' : titleOf(x509),
    kind: kindOf(own),
    validTo: x509 === undefined ? 0 : Date.parse(x509.validTo),
    verdict,
    unmatched,
    matched,
  };
}

function verdictOn(
  chain: readonly Uint8Array[],
  tlsa: readonly TlsaRecord[],
  { baseDomain, host, now }: Publication,
): Verdict {
  return verifyCertificate({ chain, tlsa, baseDomain, otherNames: [host], time: new Date(now) });
}

/** Usages 0 and 1 are told about on their own: they match nothing, ever. */
const isForMail = ({ usage }: TlsaRecord): boolean => usage === 2 || usage === 3;
export const combinationOf = ({ usage, selector, matchingType }: TlsaRecord): string =>
  `${usage} ${selector} ${matchingType}`;

/** Records that match none of the chains: of a key that is to come, or of one that is gone. */
export function unmatchedRecords(
  records: readonly TlsaRecord[],
  judged: readonly JudgedChain[],
): readonly TlsaRecord[] {
  const matched = new Set(judged.flatMap((each) => each.matched.map(formatTlsa)));
  return records.filter((record) => isForMail(record) && !matched.has(formatTlsa(record)));
}

/** The records that name a key which has no certificate yet; with them it may be used, once the server has it. */
export function recordsForKey({ spki }: BareKey, records: readonly TlsaRecord[]): readonly TlsaRecord[] {
  return records.filter((record) => {
    const { usage, selector, matchingType } = record;
    if (usage !== 3 || selector !== 1) return false;
    if (matchingType !== 0 && matchingType !== 1 && matchingType !== 2) return false;
    return formatTlsa(tlsaRecordForKey(spki, { usage, matchingType })) === formatTlsa(record);
  });
}

/** How two publications of one RRset differ. */
export interface RrsetDifference {
  readonly missing: readonly TlsaRecord[];
  readonly extra: readonly TlsaRecord[];
}

export function difference(expected: readonly TlsaRecord[], found: readonly TlsaRecord[]): RrsetDifference {
  const without = (all: readonly TlsaRecord[], others: readonly TlsaRecord[]): readonly TlsaRecord[] => {
    const texts = new Set(others.map(formatTlsa));
    return all.filter((record) => !texts.has(formatTlsa(record)));
  };
  return { missing: without(expected, found), extra: without(found, expected) };
}
