/**
 * May a server be given this certificate now? (RFC 7671 section 8.1)
 *
 * Programs that renew certificates put the new one into the server at once. Where they kept the key nothing is wrong with that: a record
 * that names the key matches the new certificate as it matched the old. Where they made a new key, every sender with DANE would
 * refuse the server until the records follow. So the new certificate waits until each authoritative name server publishes a record
 * that matches it, and then for twice the TTL, after which no resolver can have an RRset without that record.
 *
 * A record that also matches what the server shows now needs no waiting: a sender whose resolver does not have it refuses the server
 * today, so nothing gets worse.
 */
import { X509Certificate } from 'node:crypto';
import { formatTlsa, publicKeyOf, type TlsaRecord, tlsaRecordFor } from '@danelaw/dane';
import { type Gathered, tlsaOf } from './gather.js';
import { RECOMMENDED } from './records.js';
import { distinctChains } from './served.js';
import { clockMoved, type Moment, type Steady } from './steady-clock.js';
import { combinationOf, type JudgedChain, judgeChain, type Publication } from './verification.js';

/** What is kept between two runs. */
export interface DeployState {
  /** The certificate (by the name of its folder) that `completeSince` is about; null where none waits. */
  readonly candidate: string | null;
  /** Milliseconds since the epoch: since when each look has found a record for it everywhere; null where the last one did not. */
  readonly completeSince: number | null;
  /** The other clock at that moment. */
  readonly steady: Steady | null;
  /** Seconds: the longest that was ever seen. */
  readonly ttl: number;
  /** Installed, but the server was not yet told, or did not yet show it. */
  readonly unfinished: string | null;
}

export const NEW_STATE: DeployState = {
  candidate: null,
  completeSince: null,
  steady: null,
  ttl: 0,
  unfinished: null,
};

/** What was seen, as far as it matters. */
export interface DeployView {
  /**
   * `some`: senders with DANE match the server against records. `none`: there is proof that they have nothing to match.
   * `unknown`: that can't be said.
   */
  readonly published: 'some' | 'none' | 'unknown';
  readonly reason: string;
  /** Whether each name server has a record that matches; null for one that could not be asked. */
  readonly servers: readonly { readonly name: string; readonly matches: boolean | null }[];
  /** Our own resolver has one. */
  readonly resolverMatches: boolean;
  /** The key is the one in use, and a record names just that key: whatever else is published matches as it did. */
  readonly keyKept: boolean;
  /** One of the records that match also matches what is in use. */
  readonly sharesRecord: boolean;
  readonly ttl: number;
}

export type DeployDecision =
  | { readonly action: 'deploy'; readonly because: 'key-kept' | 'same-record' | 'published' | 'no-records' }
  /** A record is missing. */
  | { readonly action: 'publish'; readonly reason: string }
  /** Too early, or not all could be asked. `until`: milliseconds since the epoch, where that is known. */
  | { readonly action: 'wait'; readonly reason: string; readonly until: number | null };

/** RFC 7671 section 8.1: "at least two TTLs or longer". */
const TTLS = 2;

/** What is known after a look. */
export function rememberLook(
  state: DeployState,
  candidate: string,
  view: DeployView,
  moment: Moment,
): DeployState {
  const { now } = moment;
  const before = state.candidate === candidate ? state.completeSince : null;
  const isSame = before !== null && before <= now && !wasSet({ now: before, steady: state.steady }, moment);
  const since = isSame
    ? { completeSince: before, steady: state.steady }
    : { completeSince: now, steady: moment.steady };
  return {
    ...state,
    candidate,
    ...(isEverywhere(view) ? since : { completeSince: null, steady: null }),
    // Some resolver may still go by a longer one.
    ttl: Math.max(state.ttl, view.ttl),
  };
}

/** A clock that was set has told nothing: the wait begins anew. */
function wasSet(before: Moment, after: Moment): boolean {
  const moved = clockMoved(before, after);
  return moved !== undefined && moved !== 0;
}

function isEverywhere({ published, servers, resolverMatches }: DeployView): boolean {
  return (
    published === 'some' && resolverMatches && servers.length > 0 && servers.every(({ matches }) => matches)
  );
}

/** @param state as `rememberLook` gave it */
export function decideDeploy(
  { completeSince, ttl }: DeployState,
  view: DeployView,
  now: number,
): DeployDecision {
  const namesOf = (matches: boolean | null): readonly string[] => [
    ...new Set(view.servers.filter((each) => each.matches === matches).map(({ name }) => name)),
  ];
  const lacking = namesOf(false);
  const silent = namesOf(null);
  switch (view.published) {
    case 'unknown':
      return { action: 'wait', reason: view.reason, until: null };
    case 'none':
      return lacking.length === 0
        ? { action: 'deploy', because: 'no-records' }
        : {
            action: 'publish',
            reason: `the records of ${lacking.join(', ')}, new there, do not match it`,
          };
    case 'some':
      break;
    default: {
      const never: never = view.published;
      return never;
    }
  }
  if (view.keyKept) return { action: 'deploy', because: 'key-kept' };
  if (lacking.length > 0) {
    const who = lacking.length === view.servers.length ? 'no name server has a' : hasNo(lacking);
    return { action: 'publish', reason: `${who} record that matches it` };
  }
  if (silent.length > 0) {
    const reason = `these name servers could not be asked: ${silent.join(', ')}`;
    return { action: 'wait', reason, until: null };
  }
  if (completeSince === null) {
    const reason =
      view.servers.length === 0
        ? 'no authoritative name server could be asked'
        : 'every name server has a record that matches it, but our resolver does not yet';
    return { action: 'wait', reason, until: null };
  }
  if (view.sharesRecord) return { action: 'deploy', because: 'same-record' };
  const until = completeSince + TTLS * ttl * 1000;
  if (now >= until) return { action: 'deploy', because: 'published' };
  const reason = `every name server has a record that matches it; resolvers may have the former ones for twice the TTL (${TTLS * ttl} s)`;
  return { action: 'wait', reason, until };
}

const hasNo = (names: readonly string[]): string =>
  `${names.join(', ')} ${names.length === 1 ? 'has' : 'have'} no`;

/** Senders can match nothing with usages 0 and 1 (RFC 7672 section 3.1.3). */
const isForMail = ({ usage }: TlsaRecord): boolean => usage === 2 || usage === 3;

export interface LookedAt {
  readonly view: DeployView;
  /** To be published, where it does not match. */
  readonly wanted: readonly TlsaRecord[];
  /** Combinations, as `2 1 1`, that are published too and match nothing in the new chain (RFC 7671 section 8). */
  readonly unmatched: readonly string[];
  /** The key is the one in use. Null where it is not known which that is. */
  readonly sameKey: boolean | null;
}

/**
 * @param chain DER, the certificate that is about to be deployed first
 * @param installed the chain that was deployed last, for when the server could not be asked
 */
export function lookAtDeployment(
  gathered: Gathered,
  chain: readonly Uint8Array[],
  installed: readonly Uint8Array[] | undefined,
  host: string,
  now: number,
): LookedAt {
  const { lookup, authorities, baseDomain } = gathered;
  // What is not signed may not be used, whatever it says (RFC 7672 section 2.2).
  const isSecure = lookup.status === 'secure';
  const records = isSecure ? gathered.records.filter(isForMail) : [];
  const publication: Publication = { records, baseDomain, host, now };
  const judged = judgeChain(chain, publication);
  const matched = judged.matched.map(formatTlsa);
  const shown = distinctChains(gathered.served).map((each) => each.chain);
  const inUse = shown.length > 0 || installed === undefined ? shown : [installed];
  const shared = inUse.flatMap((each) =>
    judgeChain(each, publication).matched.filter((record) => matched.includes(formatTlsa(record))),
  );
  const sameKey = inUse.length === 0 ? null : inUse.some((each) => isSameKey(each[0], chain[0]));
  const asked = authorities.status === 'failed' ? [] : authorities.servers;
  const servers = asked.flatMap(({ server, said }): DeployView['servers'] => {
    if (said.status === 'failed') return [{ name: server, matches: null }];
    const own = said.records.flatMap(({ data }) => tlsaOf(data)).filter(isForMail);
    // A zone that is not signed binds nobody; and where there are no records there is nothing to match.
    if (records.length === 0 && (own.length === 0 || !said.signed)) return [];
    return [
      { name: server, matches: judgeChain(chain, { ...publication, records: own }).verdict.authenticated },
    ];
  });
  const ttls = asked.flatMap(({ said }) =>
    said.status === 'answered' ? said.records.map(({ ttl }) => ttl) : [],
  );
  const view: DeployView = {
    ...publishedOf(gathered, records),
    servers,
    resolverMatches: judged.verdict.authenticated,
    keyKept: sameKey === true && shared.some(({ usage, selector }) => usage === 3 && selector === 1),
    sharesRecord: shared.length > 0,
    ttl: Math.max(0, ...ttls),
  };
  const { unmatched } = judged;
  return { view, wanted: wantedFor(chain, inUse, records, judged), unmatched, sameKey };
}

function publishedOf(
  { finding, lookup }: Gathered,
  records: readonly TlsaRecord[],
): Pick<DeployView, 'published' | 'reason'> {
  if (finding.status !== 'reachable') return { published: 'unknown', reason: finding.reason };
  switch (lookup.status) {
    case 'secure':
      return records.length === 0
        ? { published: 'none', reason: 'there are none that senders of mail can use' }
        : { published: 'some', reason: '' };
    case 'insecure':
      return { published: 'none', reason: 'the zone is not signed' };
    case 'bogus':
    case 'indeterminate':
      return { published: 'unknown', reason: `the TLSA records can't be had: ${lookup.reason}` };
    default: {
      const never: never = lookup;
      return never;
    }
  }
}

function isSameKey(one: Uint8Array | undefined, other: Uint8Array | undefined): boolean {
  if (one === undefined || other === undefined) return false;
  return Buffer.compare(publicKeyOf(one), publicKeyOf(other)) === 0;
}

/**
 * A record for each combination that is published and matches nothing in the new chain. Where that gives none - senders know only an
 * authority that is gone - one of the combination that is recommended; and with it one for what is in use, since a combination
 * must not have future records alone (RFC 7671 section 8).
 */
function wantedFor(
  chain: readonly Uint8Array[],
  inUse: readonly (readonly Uint8Array[])[],
  records: readonly TlsaRecord[],
  { matched, unmatched }: JudgedChain,
): readonly TlsaRecord[] {
  const lacking = records.filter((record) => unmatched.includes(combinationOf(record)));
  const combinations = [...new Map(lacking.map((record) => [combinationOf(record), record])).values()];
  const wanted = combinations.flatMap((record) => recordLike(record, chain));
  if (wanted.length > 0) return wanted;
  // Published, but not everywhere.
  if (matched.length > 0) return matched;
  const made = [chain, ...inUse].flatMap(([own]) =>
    own === undefined ? [] : [tlsaRecordFor(own, RECOMMENDED)],
  );
  return [...new Map(made.map((record) => [formatTlsa(record), record])).values()];
}

/** The same of this chain: of the server's certificate, or of its issuer's. */
function recordLike(
  { usage, selector, matchingType }: TlsaRecord,
  [own, issuer]: readonly Uint8Array[],
): TlsaRecord[] {
  const named = usage === 3 ? own : issuer;
  if (named === undefined || (usage !== 3 && usage !== 2) || (selector !== 0 && selector !== 1)) return [];
  if (matchingType !== 0 && matchingType !== 1 && matchingType !== 2) return [];
  return [tlsaRecordFor(named, { usage, selector, matchingType })];
}

/** Milliseconds since the epoch. */
export function endOf(der: Uint8Array | undefined): number | null {
  return der === undefined ? null : Date.parse(new X509Certificate(der).validTo);
}
