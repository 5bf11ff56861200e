/** Certificates and keys that are about to be deployed, against what is published: may the server be switched to them? */
import { formatTlsa, type TlsaRecord, tlsaRecordFor, tlsaRecordForKey } from '@danelaw/dane';
import type { Authorities } from '@danelaw/dns';
import { tlsaOf } from '../tlsa/gather.js';
import type { Material } from '../tlsa/material.js';
import { zoneLine } from '../tlsa/record-text.js';
import { RECOMMENDED } from '../tlsa/records.js';
import { judgeChain, type Publication, recordsForKey } from '../tlsa/verification.js';
import { shortTlsa } from './delivery-report.js';
import { type Finding, finding } from './finding.js';
import { describeChain } from './tlsa-findings.js';

export interface Candidate {
  readonly from: string;
  readonly title: string;
  /** Every name server that was asked, and our resolver, has a record for it. */
  readonly ready: boolean;
  readonly matched: readonly TlsaRecord[];
  /** To be published, where it is not ready. */
  readonly wanted: TlsaRecord;
}

export interface CandidateContext {
  readonly publication: Publication;
  /** `_25._tcp.mx.example.org` */
  readonly name: string;
  readonly authorities: Authorities;
  /** Seconds for which resolvers may keep an older RRset; null where it is not known. */
  readonly ttl: number | null;
}

export function judgeCandidates(
  { servers, keys }: Material,
  context: CandidateContext,
): readonly Candidate[] {
  const everywhere = publicationsOf(context);
  return [
    ...servers.map(({ chain, from }) => {
      const judged = judgeChain(chain, context.publication);
      const ready = everywhere.every((each) => judgeChain(chain, each).verdict.authenticated);
      const [own = new Uint8Array()] = chain;
      const wanted = tlsaRecordFor(own, RECOMMENDED);
      return { from, title: describeChain(judged), ready, matched: judged.matched, wanted };
    }),
    ...keys.map((key) => {
      const matched = recordsForKey(key, context.publication.records);
      const ready = everywhere.every(({ records }) => recordsForKey(key, records).length > 0);
      return {
        from: key.from,
        title: `the ${key.kind}`,
        ready,
        matched,
        wanted: tlsaRecordForKey(key.spki, RECOMMENDED),
      };
    }),
  ];
}

/** The publication as our resolver has it, and as each name server has it. */
function publicationsOf({ publication, authorities }: CandidateContext): readonly Publication[] {
  if (authorities.status === 'failed') return [publication];
  return [
    publication,
    ...authorities.servers.flatMap(({ said }) =>
      said.status === 'answered'
        ? [{ ...publication, records: said.records.flatMap(({ data }) => tlsaOf(data)) }]
        : [],
    ),
  ];
}

export function candidateFindings(
  candidates: readonly Candidate[],
  { publication, name, ttl }: CandidateContext,
): Finding[] {
  const place = { host: publication.host, address: null };
  return candidates.map((each) => {
    if (each.ready) {
      const matched = each.matched.map((record) => shortTlsa(formatTlsa(record))).join(', ');
      const text = `${each.title} in ${each.from} may be deployed: every name server publishes ${matched}`;
      const wait = ttl === null ? 'twice the TTL' : `${2 * ttl} s (twice the TTL)`;
      const remedy = `Wait until ${wait} have gone by since the record was published everywhere: resolvers may have the former ones.`;
      return finding('note', 'deployable', place, 'RFC 7671 section 8.1', text, remedy);
    }
    const where =
      each.matched.length === 0
        ? 'no record that is published matches it'
        : 'not every name server publishes its record';
    const remedy = `Publish this first, wait for twice the TTL, and switch then: ${zoneLine({ name }, each.wanted)}`;
    const text = `${each.title} in ${each.from} must not be deployed: ${where}`;
    return finding('error', 'not-deployable', place, 'RFC 7671 section 8.1', text, remedy);
  });
}
