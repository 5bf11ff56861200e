/**
 * Where a host is, and what its TLSA records say - or only where it is, when nobody asks what they say.
 *
 * TLSA records are looked up for names, and where the policy wants them. An address in a literal or, against the
 * rules, in an MX record has none: "DANE TLS does not apply" (RFC 7672 section 2.2).
 */

import { isIPv6 } from 'node:net';
import type { HostAddress, HostFinding, TlsaFinding } from '@danelaw/dane';
import { isAnswered, type Lookup, type Resolver } from '@danelaw/dns';
import type { RouteHost } from './route.js';

/** `discover` of @danelaw/dane: addresses first, then TLSA where RFC 7672 section 2.2.2 says so. */
export type Discover = (
  resolver: Resolver,
  server: { host: string; port: number; signal?: AbortSignal },
) => Promise<HostFinding>;

/** Addresses of one host that are kept; a hostile zone could list thousands. */
const MAX_ADDRESSES = 10;

export interface LocateOptions {
  readonly resolver: Resolver;
  /** Whether the policy wants to know what TLSA records say. */
  readonly tlsa: boolean;
  readonly discover: Discover;
  readonly signal?: AbortSignal | undefined;
}

/** Looks a host up as its policy needs it. */
export async function locate(host: RouteHost, options: LocateOptions): Promise<HostFinding> {
  if (host.kind === 'address') return addressFinding(host);
  const signal = options.signal === undefined ? {} : { signal: options.signal };
  if (!options.tlsa) return await addressesOnly(options.resolver, host, signal);
  return await options.discover(options.resolver, { host: host.host, port: host.port, ...signal });
}

const NOT_ASKED: TlsaFinding = { status: 'none', reason: 'the policy does not ask for DANE' };

function addressFinding({ host, port }: RouteHost): HostFinding {
  const address = host.replace(/^\[(?:IPv6:)?/iu, '').replace(/\]$/u, '');
  return {
    status: 'reachable',
    host,
    port,
    expandedHost: host,
    addresses: [{ address, family: isIPv6(address) ? 6 : 4, status: 'secure' }],
    addressNotes: [],
    tlsa: { status: 'none', reason: 'DANE does not apply to a network address (RFC 7672 section 2.2)' },
  };
}

async function addressesOnly(
  resolver: Resolver,
  { host, port }: RouteHost,
  signal: { signal?: AbortSignal },
): Promise<HostFinding> {
  const lookups = await Promise.all([
    resolver.resolve(host, 'AAAA', signal),
    resolver.resolve(host, 'A', signal),
  ]);
  const addresses = inTurn(lookups.map(addressesOf)).slice(0, MAX_ADDRESSES);
  const addressNotes = lookups.flatMap(noteOf);
  const canonical = lookups.filter(isAnswered).map(({ canonicalName }) => canonicalName)[0] ?? host;
  if (addresses.length > 0) {
    return {
      status: 'reachable',
      host,
      port,
      expandedHost: canonical,
      addresses,
      addressNotes,
      tlsa: NOT_ASKED,
    };
  }
  const status = lookups.every(isAnswered) ? 'absent' : 'failed';
  const bogus = lookups.some((lookup) => lookup.status === 'bogus') ? { bogus: true as const } : {};
  return { status, ...bogus, host, port, reason: addressNotes.join('; ') };
}

/** Families alternate, so that one that is broken does not take all the tries. */
function inTurn(families: readonly (readonly HostAddress[])[]): HostAddress[] {
  const rounds = Math.max(...families.map(({ length }) => length));
  return Array.from({ length: rounds }, (_, round) =>
    families.flatMap((family) => family[round] ?? []),
  ).flat();
}

function addressesOf(lookup: Lookup): HostAddress[] {
  if (!isAnswered(lookup)) return [];
  const { status } = lookup;
  return lookup.records.flatMap(({ data }) => {
    if (data.type !== 'A' && data.type !== 'AAAA') return [];
    return [{ address: data.address, family: data.type === 'A' ? 4 : 6, status } as const];
  });
}

function noteOf(lookup: Lookup): string[] {
  if (!isAnswered(lookup)) return [`${lookup.type} look-up ${lookup.status}: ${lookup.reason}`];
  return lookup.records.some(({ type }) => type === lookup.type) ? [] : [`no ${lookup.type} records`];
}
