/**
 * What one look at DNS, at the server and at the certificate that is to come says of a roll-over: which name server has which
 * records, which address shows what, and which records would match.
 */
import { formatTlsa, type TlsaRecord, verifyCertificate } from '@danelaw/dane';
import { type Gathered, tlsaOf } from './gather.js';
import { combinationsIn, recordOf } from './record-text.js';

export interface RolloverView {
  /** Records of each name server; null for one that could not be asked, with the reason. Empty where none could be found. */
  readonly servers: readonly {
    readonly name: string;
    readonly records: readonly string[] | null;
    readonly why?: string;
  }[];
  /** Our own resolver validated the records. */
  readonly secure: boolean;
  /** Why not, where it knows. */
  readonly doubt?: string;
  /** Where it found them; null where it could not validate that. */
  readonly name: string | null;
  /** What each address shows to clients that name the host. */
  readonly shown: readonly {
    readonly address: string;
    /** Records that match, of those published and those of the roll-over; null where it could not be asked. */
    readonly matched: readonly string[] | null;
    /** Combinations of parameters among them that a certificate of it matches nothing of. */
    readonly unmatched: readonly string[];
  }[];
  readonly prepared: Prepared;
  /** Seconds. */
  readonly ttl: number;
}

/** The certificates that the server is to be switched to. */
export type Prepared =
  | { readonly status: 'absent' }
  /** They can't be used, whatever is published. */
  | { readonly status: 'unfit'; readonly reason: string }
  | { readonly status: 'given'; readonly chains: readonly JudgedChain[] };

/** A chain, and each record by itself: a sender may know one kind of them and not another. */
export interface JudgedChain {
  readonly matched: readonly string[];
  readonly refused: readonly { readonly record: string; readonly reason: string }[];
}

/** DER, the server's own first. */
export type Chain = readonly Uint8Array[];

export interface ViewOptions {
  /** Records of the roll-over, as text. */
  readonly about: readonly string[];
  /** `undefined`: none yet. A string is why they can't be used. */
  readonly prepared: readonly Chain[] | string | undefined;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

export function viewOf(gathered: Gathered, { about, prepared, now }: ViewOptions): RolloverView {
  const { authorities, served, lookup, baseDomain } = gathered;
  const answers = authorities.status === 'failed' ? [] : authorities.servers;
  const isSecure = lookup.status === 'secure';
  const servers = answers.map(({ server, address, said }) => {
    const name = address === null ? server : `${server} [${address}]`;
    if (said.status === 'failed') return { name, records: null, why: said.reason };
    // Whoever asks this one can validate nothing: for him there are no records.
    if (isSecure && !said.signed) return { name, records: null, why: 'it answers without signatures' };
    return { name, records: said.records.flatMap(({ data }) => tlsaOf(data).map(formatTlsa)) };
  });
  const ttls = answers.flatMap(({ said }) =>
    said.status === 'failed' ? [] : said.records.map(({ ttl }) => ttl),
  );
  const all = [...new Set([...servers.flatMap(({ records }) => records ?? []), ...about])];
  const time = new Date(now);
  const judge = (chain: Chain) => judgedBy(chain, all.map(recordOf), baseDomain, time);
  const shown = served.map(({ address, asked }) => {
    const chains = asked.flatMap((each) =>
      each.status === 'shown' && each.offer.serverName !== null ? [each.chain] : [],
    );
    const judged = chains.map((chain) => judge(chain).matched);
    return {
      address,
      matched: chains.length === 0 ? null : [...new Set(judged.flat())],
      unmatched: [
        ...new Set(judged.flatMap((matched) => without(combinationsIn(all), combinationsIn(matched)))),
      ],
    };
  });
  return {
    ...{ servers, shown, secure: isSecure, name: isSecure ? lookup.canonicalName : null },
    ...{ prepared: preparedOf(prepared, judge), ttl: Math.max(0, ...ttls) },
    ...('reason' in lookup ? { doubt: lookup.reason } : {}),
  };
}

function judgedBy(chain: Chain, records: readonly TlsaRecord[], baseDomain: string, time: Date): JudgedChain {
  const verdicts = records.map((tlsa) => {
    const { authenticated, reason } = verifyCertificate({ chain, tlsa: [tlsa], baseDomain, time });
    return { record: formatTlsa(tlsa), authenticated, reason };
  });
  const [matched, refused] = [true, false].map((wanted) =>
    verdicts.filter(({ authenticated }) => authenticated === wanted),
  );
  return {
    matched: (matched ?? []).map(({ record }) => record),
    refused: (refused ?? []).map(({ record, reason }) => ({ record, reason })),
  };
}

function preparedOf(prepared: ViewOptions['prepared'], judge: (chain: Chain) => JudgedChain): Prepared {
  if (prepared === undefined || prepared.length === 0) return { status: 'absent' };
  if (typeof prepared === 'string') return { status: 'unfit', reason: prepared };
  return { status: 'given', chains: prepared.map(judge) };
}

const without = (all: readonly string[], others: readonly string[]): readonly string[] =>
  all.filter((each) => !others.includes(each));
