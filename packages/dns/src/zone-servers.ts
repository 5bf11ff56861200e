/**
 * Which zone holds a name, who its primary is, and at which addresses a name server is: asked of the
 * resolver.
 */
import { isAnswered, type Lookup, type Resolver } from './lookup.js';
import { Name } from './name.js';
import { WireError } from './wire.js';

export type Ask = (name: Name, type: string) => Promise<Lookup>;

export function asking(resolver: Pick<Resolver, 'resolve'>, signal: AbortSignal | undefined): Ask {
  return (name, type) => resolver.resolve(name.toString(), type, signal === undefined ? {} : { signal });
}

interface Failed {
  readonly status: 'failed';
  readonly reason: string;
}

const failed = (reason: string): Failed => ({ status: 'failed', reason });

export interface FoundZone {
  readonly status: 'found';
  readonly zone: Name;
  /** RFC 1035 section 3.3.13: MNAME, the server that the zone comes from. */
  readonly primary: Name;
}

/** The closest name at or above with an SOA record of its own. */
export async function findZone(name: Name, ask: Ask): Promise<FoundZone | Failed> {
  for (let at = name; ; at = at.parent()) {
    const lookup = await ask(at, 'SOA');
    if (!isAnswered(lookup)) return failed(`the zone of ${name} could not be found: ${lookup.reason}`);
    for (const record of lookup.records) {
      const { data } = record;
      if (data.type === 'SOA' && Name.parse(record.name).equals(at)) {
        return { status: 'found', zone: at, primary: data.mname };
      }
    }
    if (at.isRoot) return failed(`no zone holds ${name}`);
  }
}

/** @returns why not, where there is none */
export async function addressesOf(server: Name, ask: Ask): Promise<readonly string[] | string> {
  const lookups = await Promise.all([ask(server, 'A'), ask(server, 'AAAA')]);
  const addresses = lookups.flatMap((lookup) =>
    isAnswered(lookup)
      ? lookup.records.flatMap(({ data }) =>
          data.type === 'A' || data.type === 'AAAA' ? [data.address] : [],
        )
      : [],
  );
  if (addresses.length > 0) return [...new Set(addresses)];
  const reasons = lookups.flatMap((lookup) => (isAnswered(lookup) ? [] : [lookup.reason]));
  return reasons.length === 0
    ? 'it has no address'
    : `its address could not be looked up: ${reasons.join('; ')}`;
}

export interface PrimaryOptions {
  readonly resolver: Pick<Resolver, 'resolve'>;
  /** Of a record that is to be changed. */
  readonly name: string;
  readonly signal?: AbortSignal;
}

export type Primary =
  | {
      readonly status: 'found';
      readonly zone: Name;
      /** Its name, without a dot at the end. */
      readonly server: string;
      /** Empty where none could be found; `reason` says why. */
      readonly addresses: readonly string[];
      readonly reason?: string;
    }
  | Failed;

/**
 * The server that updates of a name are for: the one that the zone's SOA record names (RFC 2136 section 4.3).
 * Rejects only when `signal` aborts, or for an invalid name (TypeError).
 */
export async function findPrimary({ resolver, name, signal }: PrimaryOptions): Promise<Primary> {
  const ask = asking(resolver, signal);
  const found = await findZone(readName(name), ask);
  if (found.status === 'failed') return found;
  const { zone, primary } = found;
  const addresses = await addressesOf(primary, ask);
  const at = { status: 'found', zone, server: primary.toString() } as const;
  return typeof addresses === 'string' ? { ...at, addresses: [], reason: addresses } : { ...at, addresses };
}

function readName(text: string): Name {
  try {
    return Name.parse(text);
  } catch (error) {
    if (error instanceof WireError) throw new TypeError(error.message);
    throw error;
  }
}
