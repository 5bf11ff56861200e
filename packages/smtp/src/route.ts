/**
 * Which servers take mail for a destination, in which order, and how far that can be trusted
 * (RFC 5321 section 5.1, RFC 7505, RFC 7672 section 2.2.1).
 *
 * The answers are kept apart by type. A look-up that failed is neither "no MX records" nor "no such domain":
 * it defers (RFC 7672 section 2.1.2). Whether the list was learned securely stays with the list, as it
 * decides what may be said about a delivery over it, and which names a certificate may bear (section 3.2.2).
 */
import { isIP, isIPv4, isIPv6 } from 'node:net';
import { type Answered, isAnswered, type Resolver, type ZoneFault } from '@danelaw/dns';
import { isHostName, parseDomain } from './mailbox.js';

/**
 * Hosts that are kept of an MX RRset, best first. A mail system with more than that does not gain by them,
 * and a hostile zone could list thousands. RFC 5321 section 5.1 allows a limit and asks for two addresses at
 * least.
 */
export const MAX_MX_HOSTS = 10;

export type Route =
  | HostsRoute
  | NullMx
  | NoSuchDomain
  | NoUsableHost
  | MailLoop
  | InvalidDomain
  | FailedRoute;

/** There are servers to try. */
export interface HostsRoute {
  readonly status: 'hosts';
  /** The next-hop domain, or the relay's name, as given (A-labels, lower case). */
  readonly domain: string;
  /** The name at the end of the domain's CNAMEs; `domain` where it is no alias (RFC 7672 section 2.2.1). */
  readonly expandedDomain: string;
  /**
   * `mx`: by MX records; `implicit-mx`: there are none, the domain is its own server; `relay`: the
   * administrator named one host for it; `hosts`: the administrator listed its hosts; `literal`: the address
   * itself was given.
   */
  readonly via: 'mx' | 'implicit-mx' | 'relay' | 'hosts' | 'literal';
  /**
   * How the list was learned. What the administrator or the sender gave is secure a priori: no look-up was
   * needed.
   */
  readonly mx: 'secure' | 'insecure';
  /** Best first; never empty. */
  readonly hosts: readonly [RouteHost, ...RouteHost[]];
  /** What was passed over, for people. */
  readonly notes: readonly string[];
}

/** A server to try. `address`: DANE does not apply to it (RFC 7672 section 2.2). */
export interface RouteHost {
  readonly kind: 'name' | 'address';
  /**
   * As the MX record or the administrator gave it, never expanded: what logs show (RFC 7672 section 2.2.1).
   */
  readonly host: string;
  readonly port: number;
  /** Undefined where there was no MX record. */
  readonly preference: number | undefined;
}

/** The domain says that it takes no mail (RFC 7505): permanent, 5.1.10. */
export interface NullMx {
  readonly status: 'null-mx';
  readonly domain: string;
  readonly mx: 'secure' | 'insecure';
  readonly reason: string;
}

/** The domain does not exist (RFC 5321 section 5.1: "MUST be reported as an error"): permanent, 5.1.2. */
export interface NoSuchDomain {
  readonly status: 'no-such-domain';
  readonly domain: string;
  readonly mx: 'secure' | 'insecure';
  readonly reason: string;
}

/**
 * There are MX records and none names a host (section 5.1: the addresses of the domain MUST NOT be used):
 * permanent.
 */
export interface NoUsableHost {
  readonly status: 'no-usable-host';
  readonly domain: string;
  readonly mx: 'secure' | 'insecure';
  readonly reason: string;
}

/** The domain's mail leads back to us (section 5.1, `own-host.ts`): permanent, 5.4.6. */
export interface MailLoop {
  readonly status: 'loop';
  readonly domain: string;
  readonly mx: 'secure' | 'insecure';
  readonly reason: string;
}

/** What was given is neither a domain nor an address literal: permanent, 5.1.2. */
export interface InvalidDomain {
  readonly status: 'invalid-domain';
  readonly domain: string;
  readonly reason: string;
}

/** It can't be said which servers there are (RFC 7672 section 2.1.2: "message delivery MUST be delayed"). */
export interface FailedRoute {
  readonly status: 'failed';
  readonly domain: string;
  /** `bogus` is what a forgery looks like, and what `dnssec-invalid` reports (RFC 8460 section 4.3.2.1). */
  readonly cause: 'bogus' | 'indeterminate';
  /** Where it is bogus: what is wrong with which zone, if that is known. */
  readonly fault?: ZoneFault;
  readonly reason: string;
}

/** Where the administrator sends the mail of a domain, instead of to the domain's own MX hosts. */
export type NextHop =
  /** One host, as it is named: no MX look-up. */
  | { readonly kind: 'relay'; readonly host: string; readonly port: number | undefined }
  /** The MX hosts of another domain. */
  | { readonly kind: 'domain'; readonly domain: string; readonly port: number | undefined }
  /** These hosts, in this order. */
  | {
      readonly kind: 'hosts';
      readonly hosts: readonly { readonly host: string; readonly port: number | undefined }[];
    };

export interface RouteOptions {
  /** The SMTP port of every host; 25 unless told otherwise. */
  readonly port?: number;
  /** From 0 up to 1: mixes hosts of equal preference. */
  readonly random?: () => number;
  readonly signal?: AbortSignal | undefined;
}

/** Finds the servers of one next-hop domain or address literal. Rejects only when `signal` aborts. */
export async function route(resolver: Resolver, nextHop: string, options: RouteOptions = {}): Promise<Route> {
  const port = options.port ?? 25;
  const domain = parseDomain(nextHop);
  if (domain === undefined) {
    const reason = `"${nextHop}" is neither a domain name nor an address literal (RFC 5321 section 4.1.2)`;
    return { status: 'invalid-domain', domain: nextHop, reason };
  }
  if (domain.startsWith('[')) return literalRoute(domain, port);
  const lookup = await resolver.resolve(
    domain,
    'MX',
    options.signal === undefined ? {} : { signal: options.signal },
  );
  if (!isAnswered(lookup)) {
    const reason = `the MX look-up of ${domain} failed (${lookup.status}): ${lookup.reason}`;
    const fault = lookup.status === 'bogus' && lookup.fault !== undefined ? { fault: lookup.fault } : {};
    return { status: 'failed', domain, cause: lookup.status, ...fault, reason };
  }
  return answeredRoute(domain, lookup, port, options.random ?? Math.random);
}

/**
 * The route to a host that the administrator named. It is secure a priori: nobody was asked (RFC 7672 section
 * 2.2.2).
 *
 * @param host  a host name, or an address with or without brackets
 */
export function relayRoute(host: string, port: number): HostsRoute | InvalidDomain {
  if (isIP(host) !== 0) return addressRoute(host, host, port, 'relay');
  const domain = parseDomain(host);
  const address = domain === undefined ? undefined : literalAddress(domain);
  if (address !== undefined) return addressRoute(host, address, port, 'relay');
  if (domain === undefined || domain.startsWith('[')) {
    return {
      status: 'invalid-domain',
      domain: host,
      reason: `the relay "${host}" is neither a host name nor an address`,
    };
  }
  const hosts = [{ kind: 'name', host: domain, port, preference: undefined }] as const;
  return { status: 'hosts', domain, expandedDomain: domain, via: 'relay', mx: 'secure', hosts, notes: [] };
}

/**
 * The route to hosts that the administrator listed for a domain: like an MX RRset that is secure a priori
 * (RFC 7672 section 3.2.2 has the domain's own name on their certificates too).
 *
 * @param hosts host names or addresses, best first
 */
export function hostsRoute(
  nextHop: string,
  hosts: readonly { readonly host: string; readonly port: number }[],
): HostsRoute | InvalidDomain {
  const domain = parseDomain(nextHop);
  const [first, ...others] = hosts.map(
    ({ host, port }): RouteHost => ({
      kind: isIP(host) === 0 ? 'name' : 'address',
      host,
      port,
      preference: undefined,
    }),
  );
  if (domain === undefined || first === undefined) {
    return { status: 'invalid-domain', domain: nextHop, reason: `no hosts are listed for "${nextHop}"` };
  }
  const found = { domain, expandedDomain: domain, via: 'hosts', mx: 'secure', notes: [] } as const;
  return { status: 'hosts', ...found, hosts: [first, ...others] };
}

function literalRoute(literal: string, port: number): HostsRoute | InvalidDomain {
  const address = literalAddress(literal);
  if (address !== undefined) return addressRoute(literal, address, port, 'literal');
  const form = '[192.0.2.1] or [IPv6:2001:db8::1] (RFC 5321 section 4.1.3)';
  const reason = `"${literal}" is no address literal: ${form}`;
  return { status: 'invalid-domain', domain: literal, reason };
}

function addressRoute(domain: string, address: string, port: number, via: 'relay' | 'literal'): HostsRoute {
  const hosts = [{ kind: 'address', host: address, port, preference: undefined }] as const;
  return { status: 'hosts', domain, expandedDomain: domain, via, mx: 'secure', hosts, notes: [] };
}

/** RFC 5321 section 4.1.3. */
function literalAddress(literal: string): string | undefined {
  const inside = /^\[(.+)\]$/u.exec(literal)?.[1];
  if (inside === undefined) return undefined;
  const v6 = /^IPv6:(.+)$/iu.exec(inside)?.[1];
  if (v6 !== undefined) return isIPv6(v6) ? v6.toLowerCase() : undefined;
  return isIPv4(inside) ? inside : undefined;
}

interface Exchange {
  readonly preference: number;
  readonly host: string;
}

function answeredRoute(domain: string, lookup: Answered, port: number, random: () => number): Route {
  const mx = lookup.status;
  if (lookup.rcode === 'NXDOMAIN') {
    return { status: 'no-such-domain', domain, mx, reason: `the domain ${domain} does not exist (NXDOMAIN)` };
  }
  const expandedDomain = withoutDot(lookup.canonicalName);
  const exchanges: Exchange[] = [];
  for (const { data } of lookup.records) {
    if (data.type === 'MX')
      exchanges.push({ preference: data.preference, host: withoutDot(data.exchange.toString()) });
  }
  if (exchanges.length === 0) {
    // RFC 5321 section 5.1: an implicit MX of preference 0, for the name as it was given: its CNAMEs are
    // followed, and their steps judged, when the host's addresses are looked up (RFC 7672 section 2.2.2).
    const hosts = [{ kind: 'name', host: domain, port, preference: undefined }] as const;
    return { status: 'hosts', domain, expandedDomain, via: 'implicit-mx', mx, hosts, notes: [] };
  }
  if (exchanges.every(({ host }) => host === '')) {
    const reason = `the domain ${domain} accepts no mail: it has a null MX record (RFC 7505)`;
    return { status: 'null-mx', domain, mx, reason };
  }
  const { usable, notes } = pickHosts(inOrder(exchanges, random), port);
  const [first, ...others] = usable;
  if (first === undefined) {
    const reason = `no MX record of ${domain} names a host (RFC 5321 section 5.1): ${notes.join('; ')}`;
    return { status: 'no-usable-host', domain, mx, reason };
  }
  return { status: 'hosts', domain, expandedDomain, via: 'mx', mx, hosts: [first, ...others], notes };
}

/** By preference, in random order where it is equal (RFC 5321 section 5.1: "MUST randomize"). */
function inOrder(exchanges: readonly Exchange[], random: () => number): Exchange[] {
  const mixed = [...exchanges];
  for (let i = mixed.length - 1; i > 0; i--) {
    const j = Math.min(i, Math.floor(random() * (i + 1)));
    const [a, b] = [mixed[i], mixed[j]];
    if (a !== undefined && b !== undefined) [mixed[i], mixed[j]] = [b, a];
  }
  return mixed.sort((a, b) => a.preference - b.preference);
}

function pickHosts(exchanges: readonly Exchange[], port: number): { usable: RouteHost[]; notes: string[] } {
  const usable: RouteHost[] = [];
  const notes: string[] = [];
  const seen = new Set<string>();
  for (const { host: given, preference } of exchanges) {
    const host = given.toLowerCase();
    if (seen.has(host)) continue; // the better preference has been taken already
    seen.add(host);
    if (host === '') {
      notes.push('an MX record with the host "." stands beside others (RFC 7505 section 3 forbids it)');
    } else if (!isHostName(host)) {
      notes.push(`the MX record names "${host}", which is no host name`);
    } else if (usable.length === MAX_MX_HOSTS) {
      notes.push(`there are more than ${MAX_MX_HOSTS} MX hosts; those of worst preference are left out`);
      break;
    } else {
      // RFC 7672 section 2.2: a network address in lieu of a name may be used, without DANE.
      usable.push({ kind: isIP(host) === 0 ? 'name' : 'address', host, port, preference });
    }
  }
  return { usable, notes };
}

/**
 * The resolver gives names without the trailing dot, and the root as `.`; here the root is the empty string.
 */
function withoutDot(name: string): string {
  return name.replace(/\.$/u, '');
}
