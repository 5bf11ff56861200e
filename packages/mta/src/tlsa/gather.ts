/**
 * Everything there is to see of one server's TLSA records: what our own validating resolver finds, what each authoritative
 * server says, and what each address shows.
 */
import { discover, type HostFinding, type TlsaRecord } from '@danelaw/dane';
import {
  type Authorities,
  askAuthorities,
  type Lookup,
  type RecordData,
  type Resolver,
  type Transport,
} from '@danelaw/dns';
import { tlsaName } from './record-text.js';
import { type Ask, type AskedServer, askAddress, type ServedAddress } from './served.js';

export interface GatherOptions {
  readonly resolver: Pick<Resolver, 'resolve'>;
  /** To authoritative servers. */
  readonly transport: Transport;
  /** Of authoritative servers. */
  readonly dnsPort?: number;
  readonly host: string;
  readonly server: Omit<AskedServer, 'serverName'>;
  /** False: DNS alone. */
  readonly askServer: boolean;
  readonly signal: AbortSignal;
  readonly ask?: Ask;
  /** Called with what is looked at now, for people. */
  readonly onStep?: (what: string) => void;
}

export interface Gathered {
  readonly finding: HostFinding;
  /** Of the name that holds the records, or would hold them. */
  readonly baseDomain: string;
  /** The same with `_25._tcp.` in front. */
  readonly name: string;
  readonly lookup: Lookup;
  /** As the resolver has them; empty where there are none, or where they can't be had. */
  readonly records: readonly TlsaRecord[];
  /** Who has the records: at the end of the aliases of `name`. */
  readonly authorities: Authorities;
  readonly served: readonly ServedAddress[];
}

/** Rejects only when `signal` aborts. */
export async function gather(options: GatherOptions): Promise<Gathered> {
  const { resolver, host, server, signal, onStep = () => {} } = options;
  const { port } = server;
  onStep(`looking up ${host}`);
  const finding = await discover(resolver, { host, port, signal });
  const baseDomain = baseDomainOf(finding) ?? host;
  const name = tlsaName(baseDomain, port);
  const lookup = await resolver.resolve(name, 'TLSA', { signal });
  const isAnswer = lookup.status === 'secure' || lookup.status === 'insecure';
  const owner = isAnswer ? lookup.canonicalName : name;
  onStep(`asking the name servers of ${owner}`);
  const authorities = await askAuthorities({
    resolver,
    transport: options.transport,
    name: owner,
    type: 'TLSA',
    signal,
    ...(options.dnsPort === undefined ? {} : { port: options.dnsPort }),
  });
  const served: ServedAddress[] = [];
  if (options.askServer && finding.status === 'reachable') {
    for (const { address } of finding.addresses) {
      onStep(`asking ${host} [${address}]`);
      served.push(await askAddress(address, { ...server, serverName: baseDomain }, signal, options.ask));
    }
  }
  const records = isAnswer ? lookup.records.flatMap(({ data }) => tlsaOf(data)) : [];
  return { finding, baseDomain, name, lookup, records, authorities, served };
}

function baseDomainOf(finding: HostFinding): string | undefined {
  if (finding.status !== 'reachable') return undefined;
  const { tlsa } = finding;
  return tlsa.status === 'usable' || tlsa.status === 'unusable' ? tlsa.baseDomain : undefined;
}

/** The record in RDATA, if it is one. */
export function tlsaOf(rdata: RecordData): TlsaRecord[] {
  if (rdata.type !== 'TLSA') return [];
  const { usage, selector, matchingType, data } = rdata;
  return [{ usage, selector, matchingType, data }];
}
