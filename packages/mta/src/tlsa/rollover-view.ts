/** What one look at DNS and at the server says of a roll-over: which name server has which records, which address shows which. */
import { formatTlsa, type TlsaRecord, verifyCertificate } from '@danelaw/dane';
import { type Gathered, tlsaOf } from './gather.js';

/** What was seen, as far as it matters. */
export interface RolloverView {
  /** Records of each name server; null for one that could not be asked. Empty where none could be found. */
  readonly servers: readonly { readonly name: string; readonly records: readonly string[] | null }[];
  /** Our own resolver validated the records. */
  readonly secure: boolean;
  /** What each address shows to clients that name the host: records that match, of those asked about. */
  readonly shown: readonly { readonly address: string; readonly matched: readonly string[] | null }[];
  readonly ttl: number;
}

/** What a look at DNS and the server says about these records. */
export function viewOf(gathered: Gathered, about: readonly TlsaRecord[], now: number): RolloverView {
  const { authorities, served, lookup, baseDomain } = gathered;
  const servers =
    authorities.status === 'failed'
      ? []
      : authorities.servers.map(({ server, address, said }) => ({
          name: address === null ? server : `${server} [${address}]`,
          records:
            said.status === 'failed'
              ? null
              : said.records.flatMap(({ data }) => tlsaOf(data).map(formatTlsa)),
        }));
  const ttls =
    authorities.status === 'failed'
      ? []
      : authorities.servers.flatMap(({ said }) =>
          said.status === 'failed' ? [] : said.records.map(({ ttl }) => ttl),
        );
  const time = new Date(now);
  const shown = served.map(({ address, asked }) => {
    const chains = asked.flatMap((each) =>
      each.status === 'shown' && each.offer.serverName !== null ? [each.chain] : [],
    );
    const matched = about.filter((record) =>
      chains.some((chain) => verifyCertificate({ chain, tlsa: [record], baseDomain, time }).authenticated),
    );
    return { address, matched: chains.length === 0 ? null : matched.map(formatTlsa) };
  });
  return { servers, shown, secure: lookup.status === 'secure', ttl: Math.max(0, ...ttls) };
}
