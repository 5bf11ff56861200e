/**
 * TLSA records into their zone and out of it, by updates that its primary server is sent (RFC 2136), signed
 * with a key that it knows (TSIG, RFC 8945).
 *
 * One message holds all of a step, so that it is carried out as a whole or not at all. Two things a server
 * would pass over in silence are asked for beforehand: that no alias stands where records are to be added;
 * and, where records are to go, that the primary has exactly the records that were just looked at, with those
 * among them that are to stay. Whoever else changes the zone then finds his change untouched, and the server
 * is never left without the record of the key that it shows.
 *
 * An answer may be lost. Nothing is made of that: whoever asked for the step looks at the zone anew before
 * the next one.
 */
import { formatTlsa, type TlsaRecord } from '@danelaw/dane';
import {
  type Change,
  compareBytes,
  concatBytes,
  encodeQuery,
  findPrimary,
  formatServer,
  Name,
  type Primary,
  parseMessage,
  RCODE,
  type Resolver,
  RRTYPE,
  rcodeName,
  type ServerAddress,
  sendUpdate,
  type Transport,
  type TsigKey,
  type Update,
  WireError,
} from '@danelaw/dns';
import { failureOf, type UpdateFailure, updateFailure } from './update-failure.js';

export interface UpdateJob {
  readonly action: 'publish' | 'retire';
  /** The owner of the records. */
  readonly name: string;
  /** Seconds; of what is published. */
  readonly ttl: number;
  readonly records: readonly TlsaRecord[];
  /** Nothing is retired where the primary lacks one of these. */
  readonly keep: readonly TlsaRecord[];
}

/** Where a primary server is said to be: by its address, or by a name that is looked up. */
export type UpdateServer = ServerAddress | { readonly host: string; readonly port?: number };

export interface UpdatePath {
  readonly resolver: Pick<Resolver, 'resolve'>;
  readonly transport: Transport;
  readonly key: TsigKey;
  /** The one that the zone's SOA record names, where it is absent. */
  readonly server?: UpdateServer;
  /** Where the server is given without one. */
  readonly port: number;
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
  readonly signal: AbortSignal;
}

export interface PlannedUpdate {
  readonly status: 'planned';
  readonly update: Update;
  /** For messages: the name that it goes by. */
  readonly server: string;
  /** Tried in this order. */
  readonly addresses: readonly ServerAddress[];
}

/** Says what would be sent, and to whom. Rejects only when the signal aborts. */
export async function planUpdate(job: UpdateJob, path: UpdatePath): Promise<PlannedUpdate | UpdateFailure> {
  const { resolver, signal } = path;
  const primary = await findPrimary({ resolver, name: job.name, signal });
  if (primary.status === 'failed') return updateFailure('temporary', primary.reason);
  const place = await placeOf(primary, path);
  if ('reason' in place) return place;
  const base = { status: 'planned', ...place } as const;
  if (job.action === 'publish') return { ...base, update: publication(job, primary.zone) };
  const seen = await firstAnswer(place.addresses, Name.parse(job.name), path);
  if ('reason' in seen) return updateFailure('temporary', `${place.server}: ${seen.reason}`);
  const missing = job.keep.filter((record) => !seen.rdatas.some((each) => isSame(each, rdataOf(record))));
  if (missing.length > 0) {
    return updateFailure(
      'temporary',
      `${place.server} has not the record that is to stay (${missing.map(formatTlsa).join(', ')}): ` +
        'nothing was removed',
    );
  }
  return { ...base, addresses: [seen.address], update: retirement(job, primary.zone, seen.rdatas) };
}

export type UpdateResult = { readonly status: 'done'; readonly server: string } | UpdateFailure;

/** Rejects only when the signal aborts. */
export async function carryOutUpdate(plan: PlannedUpdate, path: UpdatePath): Promise<UpdateResult> {
  const { transport, key, clock, signal } = path;
  let failure = updateFailure('temporary', `${plan.server} has no address`);
  for (const server of plan.addresses) {
    const outcome = await sendUpdate({ transport, server, key, update: plan.update, clock, signal });
    const at = `${plan.server} [${formatServer(server)}]`;
    if (outcome.status === 'done') return { status: 'done', server: at };
    failure = failureOf(outcome, { server: at, key, update: plan.update });
    // Sent twice it is carried out once; another address of the same server may be reachable (RFC 2136
    // section 4.6).
    if (outcome.status !== 'unanswered') return failure;
  }
  return failure;
}

type Place = Pick<PlannedUpdate, 'server' | 'addresses'>;

async function placeOf(
  primary: Extract<Primary, { status: 'found' }>,
  { resolver, server, port, signal }: UpdatePath,
): Promise<Place | UpdateFailure> {
  if (server === undefined) {
    if (primary.addresses.length > 0) {
      return { server: primary.server, addresses: primary.addresses.map((address) => ({ address, port })) };
    }
    return updateFailure(
      'temporary',
      `the primary server ${primary.server} of ${primary.zone} can't be used: ` +
        `${primary.reason ?? 'it has no address'}; give the server with --update-server`,
    );
  }
  if ('address' in server) return { server: server.address, addresses: [server] };
  const { host } = server;
  const lookups = await Promise.all(['A', 'AAAA'].map((type) => resolver.resolve(host, type, { signal })));
  const addresses = lookups.flatMap((lookup) =>
    lookup.status === 'secure' || lookup.status === 'insecure'
      ? lookup.records.flatMap(({ data }) =>
          data.type === 'A' || data.type === 'AAAA' ? [data.address] : [],
        )
      : [],
  );
  if (addresses.length === 0)
    return updateFailure('temporary', `no address of ${host} (--update-server) could be found`);
  return { server: host, addresses: addresses.map((address) => ({ address, port: server.port ?? port })) };
}

function publication({ name, ttl, records }: UpdateJob, zone: Name): Update {
  const owner = Name.parse(name);
  return {
    zone,
    // RFC 2136 section 3.4.2.2: what is added beside an alias is left out without a word.
    prerequisites: [{ kind: 'rrset-absent', name: owner, type: RRTYPE.CNAME }],
    changes: records.map((record): Change => {
      return { kind: 'add', name: owner, type: RRTYPE.TLSA, ttl, rdata: rdataOf(record) };
    }),
  };
}

function retirement({ name, records }: UpdateJob, zone: Name, seen: readonly Uint8Array[]): Update {
  const owner = Name.parse(name);
  return {
    zone,
    prerequisites: [{ kind: 'rrset-is', name: owner, type: RRTYPE.TLSA, rdatas: seen }],
    changes: records.map((record): Change => {
      return { kind: 'delete', name: owner, type: RRTYPE.TLSA, rdata: rdataOf(record) };
    }),
  };
}

const rdataOf = ({ usage, selector, matchingType, data }: TlsaRecord): Uint8Array =>
  concatBytes([Uint8Array.of(usage, selector, matchingType), data]);
const isSame = (a: Uint8Array, b: Uint8Array): boolean => compareBytes(a, b) === 0;

interface Seen {
  readonly address: ServerAddress;
  readonly rdatas: readonly Uint8Array[];
}

/** The TLSA records that the primary has, by the first of its addresses that says so. */
async function firstAnswer(
  addresses: readonly ServerAddress[],
  name: Name,
  path: UpdatePath,
): Promise<Seen | { readonly reason: string }> {
  let reason = 'it has no address';
  for (const address of addresses) {
    const answer = await recordsAt(address, name, path);
    if (typeof answer !== 'string') return { address, rdatas: answer };
    reason = `${formatServer(address)} could not be asked for the records that it has: ${answer}`;
  }
  return { reason };
}

/** Any; nothing here can be answered by a forger who is not on the path, which TCP has to be. */
const QUERY_ID = 0x2136;
/** Milliseconds. */
const ASK_WITHIN = 5_000;

/** @returns why not, where it can't be asked */
async function recordsAt(
  server: ServerAddress,
  name: Name,
  { transport, signal }: UpdatePath,
): Promise<readonly Uint8Array[] | string> {
  const protocol = server.tls === undefined ? 'tcp' : 'tls';
  const query = encodeQuery({ id: QUERY_ID, name, type: RRTYPE.TLSA });
  const end = AbortSignal.any([signal, AbortSignal.timeout(ASK_WITHIN)]);
  try {
    const message = parseMessage(await transport.exchange(query, { ...server, protocol }, end));
    if (!message.flags.aa) return 'its answer is without authority';
    if (message.rcode !== RCODE.NOERROR && message.rcode !== RCODE.NXDOMAIN) return rcodeName(message.rcode);
    return message.answer
      .filter((record) => record.type === RRTYPE.TLSA && record.name.equals(name))
      .map(({ rdata }) => rdata);
  } catch (error) {
    signal.throwIfAborted();
    if (end.aborted) return `no answer in ${ASK_WITHIN} ms`;
    if (error instanceof WireError) return `malformed answer: ${error.message}`;
    return error instanceof Error ? error.message : String(error);
  }
}
