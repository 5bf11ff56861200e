/**
 * What each authoritative server of a zone says, asked one by one.
 *
 * A resolver gives one answer and does not say which server it came from. Whoever changes a zone needs to know of every one:
 * whether all have the change, at which serial, and who lags behind (RFC 7671 section 8 has publishers wait until no old RRset
 * is served, and then for as long as one may be cached).
 *
 * Who the servers are is asked of the resolver. What they say is not validated here and proves nothing: the resolver's own answer
 * does. It is compared with that, and whether signatures came along is told.
 */
import { systemTimer, type Timer } from './abort.js';
import { askServer, describeTrouble, type Question } from './ask-server.js';
import { Deadline } from './deadline.js';
import { isAnswered, type Resolver } from './lookup.js';
import type { Message } from './message.js';
import { Name } from './name.js';
import { parseRdata, type RecordData, requireType } from './record.js';
import { RRTYPE } from './rrtype.js';
import type { Transport } from './transport.js';
import { WireError } from './wire.js';
import { addressesOf, asking, findZone } from './zone-servers.js';

export interface AuthoritiesOptions {
  /** Says which servers there are. */
  readonly resolver: Pick<Resolver, 'resolve'>;
  readonly transport: Transport;
  readonly name: string;
  /** Mnemonic or `TYPEnnn`. */
  readonly type: string;
  /** Of the authoritative servers; 53 by default. */
  readonly port?: number;
  readonly signal?: AbortSignal;
  readonly timer?: Timer;
}

export type Authorities =
  | {
      readonly status: 'asked';
      /** The zone that holds the name. */
      readonly zone: string;
      /** By server, in the order of the NS records; one with several addresses is there several times. */
      readonly servers: readonly Authority[];
    }
  | { readonly status: 'failed'; readonly reason: string };

export interface Authority {
  readonly server: string;
  /** Null where the server has none that could be found. */
  readonly address: string | null;
  readonly said: AuthorityAnswer;
}

export type AuthorityAnswer =
  | {
      readonly status: 'answered';
      /** Of the zone, as this server has it; null where it did not say. */
      readonly serial: number | null;
      readonly records: readonly AuthorityRecord[];
      /** Signatures came with the answer, or with the denial. */
      readonly signed: boolean;
    }
  | { readonly status: 'failed'; readonly reason: string };

export interface AuthorityRecord {
  /** Seconds. */
  readonly ttl: number;
  readonly data: RecordData;
  readonly rdata: Uint8Array;
}

const DNS_PORT = 53;
/** Name servers asked; more than 13 are rare. */
const MAX_SERVERS = 20;
/** Addresses of one name server that are asked. */
const MAX_ADDRESSES = 8;
/** Milliseconds for each try over UDP: a lost packet is no finding. */
const PATIENCE_MS: readonly number[] = [1_500, 3_000];
/** Of authoritative servers nothing is asked but what they have. */
const FLAGS = { rd: false, cd: false, do: true };

/** Rejects only when `signal` aborts, or for an invalid name or type (TypeError). */
export async function askAuthorities(options: AuthoritiesOptions): Promise<Authorities> {
  const { resolver, signal } = options;
  const question = readQuestion(options);
  const ask = asking(resolver, signal);
  const found = await findZone(question.name, ask);
  if (found.status === 'failed') return found;
  const { zone } = found;
  const lookup = await ask(zone, 'NS');
  if (!isAnswered(lookup))
    return failed(`the name servers of ${zone} could not be looked up: ${lookup.reason}`);
  const names = lookup.records.flatMap(({ data }) => (data.type === 'NS' ? [data.target] : []));
  if (names.length === 0) return failed(`${zone} has no name servers`);
  const servers = await Promise.all(
    names.slice(0, MAX_SERVERS).map(async (server) => {
      const addresses = await addressesOf(server, ask);
      if (typeof addresses === 'string') {
        return [{ server: server.toString(), address: null, said: failed(addresses) }];
      }
      return await Promise.all(
        addresses.slice(0, MAX_ADDRESSES).map(async (address) => {
          const said = await askAuthority(address, zone, question, options);
          return { server: server.toString(), address, said };
        }),
      );
    }),
  );
  signal?.throwIfAborted();
  return { status: 'asked', zone: zone.toString(), servers: servers.flat() };
}

function readQuestion({ name, type }: AuthoritiesOptions): Question {
  try {
    return { name: Name.parse(name), type: requireType(type) };
  } catch (error) {
    if (error instanceof WireError) throw new TypeError(error.message);
    throw error;
  }
}

const failed = (reason: string) => ({ status: 'failed', reason }) as const;

async function askAuthority(
  address: string,
  zone: Name,
  question: Question,
  options: AuthoritiesOptions,
): Promise<AuthorityAnswer> {
  const answer = await askOne(address, question, options);
  if (typeof answer === 'string') return failed(answer);
  const soa = await askOne(address, { name: zone, type: RRTYPE.SOA }, options);
  try {
    const records = answer.answer
      .filter(({ name, type }) => type === question.type && name.equals(question.name))
      .map(({ ttl, type, rdata }) => ({ ttl, rdata, data: parseRdata(type, rdata) }));
    const signed = [...answer.answer, ...answer.authority].some(({ type }) => type === RRTYPE.RRSIG);
    return {
      status: 'answered',
      serial: typeof soa === 'string' ? null : serialOf(soa, zone),
      records,
      signed,
    };
  } catch (error) {
    if (error instanceof WireError) return failed(`malformed answer: ${error.message}`);
    throw error;
  }
}

/** @returns why not, where there is no answer with authority */
async function askOne(
  address: string,
  question: Question,
  options: AuthoritiesOptions,
): Promise<Message | string> {
  const { transport, port = DNS_PORT, timer = systemTimer, signal } = options;
  const deadline = new Deadline(signal);
  let reason = 'it was not asked';
  try {
    for (const patience of PATIENCE_MS) {
      signal?.throwIfAborted();
      const server = { address, port };
      const tried = await askServer({ transport, timer }, server, question, FLAGS, () => patience, deadline);
      if (tried.kind === 'reply') {
        return tried.message.flags.aa
          ? tried.message
          : `it has not this zone (its answer is without authority)`;
      }
      reason = describeTrouble(tried);
      if (tried.kind !== 'silent') return reason;
    }
    return reason;
  } finally {
    deadline.release();
  }
}

function serialOf(message: Message, zone: Name): number | null {
  const record = message.answer.find(({ name, type }) => type === RRTYPE.SOA && name.equals(zone));
  if (record === undefined) return null;
  const data = parseRdata(record.type, record.rdata);
  return data.type === 'SOA' ? data.serial : null;
}
