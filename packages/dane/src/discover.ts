/**
 * What DNS says about one SMTP server: its addresses, and the TLSA records that bind whoever connects to it.
 *
 * The order of the questions is half of the protocol (RFC 7672 section 2.2.2). Addresses come first: unsigned zones
 * of large providers answer TLSA questions with errors, and every error defers mail; so TLSA is asked only where the
 * addresses - or the alias that leads to them - lie in a signed zone. Where the host is an alias, two names may hold
 * the records: the end of the alias, and failing that the host itself. Never one in between.
 *
 * Only two things mean "no DANE here": proof that there is no TLSA record, and proof that the zone is not signed. All
 * else is a failure, and a server with a failed look-up is not used (section 2.1.2).
 *
 * One address family that fails. Some zones prove their A records and flunk the denial of AAAA. If one family is
 * answered, it is used, and the other is left out with a note. Postfix does the same ("As long as we are able to look up
 * any host address, we ignore problems with DNS lookups", smtp_addr.c). Section 2.2.2 speaks of errors in "any query in
 * the process"; why this is safe: an address authenticates nobody, TLSA does. Whether TLSA is asked for follows from
 * an answer that was validated as secure or insecure; who breaks the other family can only do what he could do by
 * dropping packets to those addresses. He gains neither another server nor a weaker policy.
 */
import { type Alias, type AnswerRecord, type Lookup, Name, type Resolver, WireError } from '@danelaw/dns';
import type { HostAddress, HostFinding, ReachableHost, TlsaFinding, UnreachableHost } from './finding.js';
import type { TlsaRecord } from './tlsa.js';
import { judgeTlsa } from './usable.js';

/** Addresses of one server that are tried at most; half of them for each family where both have that many. */
export const MAX_ADDRESSES = 10;

export interface DiscoverOptions {
  /** The MX host, the next-hop domain without MX records, or the relay that the administrator named. */
  readonly host: string;
  /** The TCP port that will be connected to: TLSA records are per port (section 2.2.3). */
  readonly port: number;
  readonly signal?: AbortSignal;
}

/**
 * Finds the addresses and the TLSA records of one server.
 *
 * @throws (rejects) only when `signal` aborts, or for an invalid host name (`TypeError`)
 * @see RFC 7672 sections 2.2.2 and 2.2.3
 */
export async function discover(
  resolver: Pick<Resolver, 'resolve'>,
  { host, port, signal }: DiscoverOptions,
): Promise<HostFinding> {
  const ask = asker(resolver, signal);
  const located = await findAddresses(ask, host, port);
  if (located.status !== 'located') return located;
  const { leading, ...where } = located;
  return { ...where, status: 'reachable', tlsa: await discoverTlsa(ask, host, port, leading) };
}

/** A server whose TLSA records are not asked for: DANE does not apply to it, whatever they say. */
export type LocatedHost = Pick<
  ReachableHost,
  'host' | 'port' | 'expandedHost' | 'addresses' | 'addressNotes'
> & {
  readonly status: 'located';
};

/**
 * Finds the addresses alone.
 *
 * @throws (rejects) only when `signal` aborts, or for an invalid host name (`TypeError`)
 */
export async function discoverAddresses(
  resolver: Pick<Resolver, 'resolve'>,
  { host, port, signal }: DiscoverOptions,
): Promise<LocatedHost | UnreachableHost> {
  return await findAddresses(asker(resolver, signal), host, port);
}

async function findAddresses(
  ask: Ask,
  host: string,
  port: number,
): Promise<(LocatedHost & { readonly leading: FoundFamily }) | UnreachableHost> {
  const [v4, v6] = await Promise.all([ask(host, 'A'), ask(host, 'AAAA')]);
  const families = [readFamily(v6, 6), readFamily(v4, 4)] as const;
  const notes: string[] = [];
  let leading: FoundFamily | undefined;
  for (const family of families) {
    if (family.status !== 'found') notes.push(family.note);
    // Where both families were found, a secure one says more about the host: its zone is signed.
    else if (leading?.security !== 'secure')
      leading = family.security === 'secure' ? family : (leading ?? family);
  }
  if (!leading) {
    const failed = families.some(({ status }) => status === 'failed');
    const bogus = v4.status === 'bogus' || v6.status === 'bogus' ? { bogus: true as const } : {};
    return { status: failed ? 'failed' : 'absent', ...bogus, host, port, reason: notes.join('; ') };
  }
  return {
    status: 'located',
    host,
    port,
    expandedHost: leading.canonicalName,
    addresses: inTurn(...families),
    addressNotes: notes,
    leading,
  };
}

function asker(resolver: Pick<Resolver, 'resolve'>, signal: AbortSignal | undefined): Ask {
  const options = signal ? { signal } : {};
  return (name, type) => resolver.resolve(name, type, options);
}

type Ask = (name: string, type: string) => Promise<Lookup>;

type Family = FoundFamily | MissingFamily;

interface FoundFamily {
  readonly status: 'found';
  readonly addresses: readonly HostAddress[];
  readonly security: 'secure' | 'insecure';
  readonly canonicalName: string;
  readonly aliases: readonly Alias[];
}

interface MissingFamily {
  readonly status: 'empty' | 'failed';
  readonly note: string;
}

function readFamily(lookup: Lookup, family: 4 | 6): Family {
  const type = family === 4 ? 'A' : 'AAAA';
  switch (lookup.status) {
    case 'secure':
    case 'insecure': {
      const { status: security, canonicalName, aliases } = lookup;
      const addresses = addressesOf(lookup.records, type, family, security);
      if (addresses.length === 0) {
        return {
          status: 'empty',
          note: `${lookup.name} has no ${type} record (${lookup.rcode}, ${lookup.status})`,
        };
      }
      return { status: 'found', addresses, security, canonicalName, aliases };
    }
    case 'bogus':
    case 'indeterminate':
      return { status: 'failed', note: `the ${type} look-up of ${lookup.name} failed: ${failure(lookup)}` };
    default: {
      const never: never = lookup;
      return never;
    }
  }
}

/** Each once, and no more than could be tried if the other family had none. */
function addressesOf(
  records: readonly AnswerRecord[],
  type: 'A' | 'AAAA',
  family: 4 | 6,
  status: 'secure' | 'insecure',
): HostAddress[] {
  const addresses: HostAddress[] = [];
  for (const { data } of records) {
    if (data.type !== type || addresses.length >= MAX_ADDRESSES) continue;
    const { address } = data;
    if (!addresses.some((known) => known.address === address)) addresses.push({ address, family, status });
  }
  return addresses;
}

/** Families alternate, so that one that is broken does not take all the tries; IPv6 first (RFC 6724). */
function inTurn(v6: Family, v4: Family): readonly HostAddress[] {
  const first = v6.status === 'found' ? v6.addresses : NO_ADDRESSES;
  const second = v4.status === 'found' ? v4.addresses : NO_ADDRESSES;
  if (first.length === 0) return second;
  if (second.length === 0) return first;
  const order: HostAddress[] = [];
  for (let round = 0; round < MAX_ADDRESSES; round += 1) {
    for (const address of [first[round], second[round]]) if (address) order.push(address);
  }
  return order.slice(0, MAX_ADDRESSES);
}

const NO_ADDRESSES: readonly HostAddress[] = [];

/** The four cases of section 2.2.2, for a host that has addresses. */
async function discoverTlsa(ask: Ask, host: string, port: number, found: FoundFamily): Promise<TlsaFinding> {
  const isAlias = found.aliases.length > 0;
  if (found.security === 'secure') {
    // "Non-CNAME", and "Secure CNAME": the fully expanded name and, failing that, the initial name.
    const candidates = isAlias && !sameName(found.canonicalName, host) ? [found.canonicalName, host] : [host];
    return searchTlsa(ask, candidates, port);
  }
  // Insecure without alias: "SHOULD NOT proceed to search for any associated TLSA records".
  if (!isAlias)
    return none(`the addresses of ${host} are not signed, so TLSA does not apply (RFC 7672 section 2.2.2)`);
  // "Insecure CNAME": what counts is whether the alias itself is secure.
  const alias = await aliasSecurity(ask, host, found.aliases);
  switch (alias.status) {
    case 'secure':
      return searchTlsa(ask, [host], port);
    case 'insecure':
      return none(`${host} is an alias and not signed, so TLSA does not apply (RFC 7672 section 2.2.2)`);
    case 'failed':
      return alias;
    default: {
      const never: never = alias;
      return never;
    }
  }
}

type AliasSecurity =
  | { readonly status: 'secure' | 'insecure' }
  | { readonly status: 'failed'; readonly reason: string };

/**
 * Section 2.1.3: of an insecure answer it can't always be said which step is insecure (a resolver that is trusted
 * for its AD bit gives one verdict for all of them), so the first is asked for by itself, with a CNAME query.
 */
async function aliasSecurity(ask: Ask, host: string, aliases: readonly Alias[]): Promise<AliasSecurity> {
  if (aliases[0]?.status === 'secure') return { status: 'secure' };
  const lookup = await ask(host, 'CNAME');
  switch (lookup.status) {
    case 'secure':
    case 'insecure':
      return { status: lookup.status };
    case 'bogus':
    case 'indeterminate':
      return { status: 'failed', reason: `the CNAME look-up of ${host} failed: ${failure(lookup)}` };
    default: {
      const never: never = lookup;
      return never;
    }
  }
}

/**
 * Section 2.2.3: the first candidate with a secure TLSA RRset is the TLSA base domain.
 *
 * The TLSA name may itself be an alias. A look-up is `secure` only if every step of it is, and the base domain remains
 * the candidate wherever the alias leads.
 */
async function searchTlsa(ask: Ask, candidates: readonly string[], port: number): Promise<TlsaFinding> {
  const notes: string[] = [];
  for (const baseDomain of candidates) {
    const name = tlsaName(baseDomain, port);
    if (name === undefined) {
      notes.push(`${baseDomain} is too long to have TLSA records (RFC 1035 section 2.3.4)`);
      continue;
    }
    const lookup = await ask(name, 'TLSA');
    switch (lookup.status) {
      case 'secure': {
        const records = tlsaOf(lookup.records);
        if (records.length > 0) return judge(baseDomain, records);
        notes.push(`${name} has no TLSA record (${lookup.rcode}, secure)`);
        break;
      }
      case 'insecure':
        notes.push(`the TLSA answer for ${name} is insecure (${lookup.reason})`);
        break;
      case 'bogus':
      case 'indeterminate':
        // Section 2.1.2: never the next candidate, never pre-DANE delivery.
        return { status: 'failed', reason: `the TLSA look-up of ${name} failed: ${failure(lookup)}` };
      default: {
        const never: never = lookup;
        return never;
      }
    }
  }
  return none(notes.join('; '));
}

/** Section 2.2: secure and usable, or secure and not empty with nothing in it that can be used. */
function judge(baseDomain: string, records: readonly TlsaRecord[]): TlsaFinding {
  const published = judgeTlsa(records);
  const inForce = published.flatMap(({ record, setAside }) => (setAside === undefined ? [record] : []));
  return inForce.length > 0
    ? { status: 'usable', baseDomain, records: inForce, published }
    : { status: 'unusable', baseDomain, published };
}

function tlsaOf(records: readonly AnswerRecord[]): TlsaRecord[] {
  return records.flatMap(({ data: rdata }) => {
    if (rdata.type !== 'TLSA') return [];
    const { usage, selector, matchingType, data } = rdata;
    return [{ usage, selector, matchingType, data }];
  });
}

const none = (reason: string): TlsaFinding => ({ status: 'none', reason });

function failure(lookup: Extract<Lookup, { status: 'bogus' | 'indeterminate' }>): string {
  return `${lookup.status}, ${lookup.reason}`;
}

/** `_25._tcp.` and the base domain; `undefined` where that would be longer than a name can be. */
function tlsaName(baseDomain: string, port: number): string | undefined {
  try {
    return Name.parse(`_${port}._tcp.${baseDomain}`).toString();
  } catch (error) {
    // The base domain was looked up before, so it is a name; only the length can be wrong now.
    if (error instanceof WireError) return undefined;
    throw error;
  }
}

const sameName = (a: string, b: string): boolean => Name.parse(a).equals(Name.parse(b));
