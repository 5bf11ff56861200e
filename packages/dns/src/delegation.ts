/**
 * Zone cuts as iteration learns them: which servers a parent names for a zone, and where they are (RFC 1034 section 4.3).
 */
import { inProportion } from './cache-size.js';
import type { Message, ResourceRecord } from './message.js';
import { Name } from './name.js';
import { parseRdata, parseTarget } from './record.js';
import { RRTYPE } from './rrtype.js';
import { SieveMap } from './sieve-map.js';
import { WireError } from './wire.js';

/** Zone cuts remembered. */
const MAX_DELEGATIONS = 20_000;
/** Name servers taken of one zone; more than 13 are rare. */
const MAX_SERVERS = 20;
/** Addresses taken of one name server. */
const MAX_ADDRESSES = 8;
/** Seconds for which a delegation is believed at most. */
const MAX_TTL = 86_400;

export interface NameServer {
  readonly name: Name;
  /** Known from glue; empty where they have to be looked up. */
  readonly addresses: readonly string[];
}

export interface Delegation {
  readonly zone: Name;
  readonly servers: readonly NameServer[];
  /** Seconds. */
  readonly ttl: number;
}

/** The cuts that are known, each until its TTL is over. */
export class Delegations {
  readonly #clock: () => number;
  readonly #cuts: SieveMap<{ readonly delegation: Delegation; readonly expires: number }>;

  /** @param maxCacheOctets of the answers beside it */
  constructor(clock: () => number, maxCacheOctets?: number) {
    this.#clock = clock;
    this.#cuts = new SieveMap(inProportion(MAX_DELEGATIONS, maxCacheOctets));
  }

  /** The lowest known cut at or above the name. */
  closest(name: Name): Delegation | undefined {
    for (let labels = name.labelCount; labels >= 0; labels--) {
      const key = name.suffix(labels).key;
      const cut = this.#cuts.get(key);
      if (cut === undefined) continue;
      if (cut.expires > this.#clock()) return cut.delegation;
      this.#cuts.delete(key);
    }
    return undefined;
  }

  learn(delegation: Delegation): void {
    const expires = this.#clock() + Math.min(delegation.ttl, MAX_TTL) * 1000;
    this.#cuts.set(delegation.zone.key, { delegation, expires });
  }

  forget(): void {
    this.#cuts.clear();
  }
}

/**
 * What a message from a server of `zone` says of who serves a zone further down, on the way to `name`; undefined where it
 * is no referral. Upwards and sideways ones are not believed: they are none.
 */
export function readReferral(message: Message, zone: Name, name: Name): Delegation | undefined {
  const isAnswer =
    message.answer.length > 0 || message.authority.some((record) => record.type === RRTYPE.SOA);
  if (isAnswer) return undefined;
  const ns = message.authority.filter(
    (record) => record.type === RRTYPE.NS && record.name.isBelow(zone) && name.isAtOrBelow(record.name),
  );
  return delegationOf(ns, message.additional, zone);
}

/** The answer of a root server to the priming query (RFC 8109 section 3). */
export function readPriming(message: Message): Delegation | undefined {
  const ns = message.answer.filter((record) => record.type === RRTYPE.NS && record.name.isRoot);
  return delegationOf(ns, message.additional, Name.root);
}

/** Glue is believed only for names that the zone of the server that sent it holds (RFC 5452 section 6). */
function delegationOf(
  ns: readonly ResourceRecord[],
  additional: readonly ResourceRecord[],
  bailiwick: Name,
): Delegation | undefined {
  const [first] = ns;
  if (first === undefined) return undefined;
  const servers: NameServer[] = [];
  for (const record of ns.filter((other) => other.name.equals(first.name)).slice(0, MAX_SERVERS)) {
    const name = readTarget(record);
    if (name === undefined) continue;
    const addresses = name.isAtOrBelow(bailiwick) ? addressesOf(additional, name) : [];
    servers.push({ name, addresses });
  }
  return servers.length === 0 ? undefined : { zone: first.name, servers, ttl: first.ttl };
}

function readTarget(record: ResourceRecord): Name | undefined {
  try {
    return parseTarget(record.rdata);
  } catch (error) {
    if (error instanceof WireError) return undefined;
    throw error;
  }
}

/** A and AAAA records of a name, as text; malformed ones are left out. */
export function addressesOf(records: readonly ResourceRecord[], name: Name): string[] {
  const addresses: string[] = [];
  for (const record of records) {
    const isAddress = record.type === RRTYPE.A || record.type === RRTYPE.AAAA;
    if (!isAddress || addresses.length >= MAX_ADDRESSES || !record.name.equals(name)) continue;
    const octets = record.type === RRTYPE.A ? 4 : 16;
    if (record.rdata.length !== octets) continue;
    const data = parseRdata(record.type, record.rdata);
    if (data.type === 'A' || data.type === 'AAAA') addresses.push(data.address);
  }
  return addresses;
}
