/**
 * Which level of Postfix's TLS policy is right for a destination (TLS_README, postconf(5) `smtp_tls_policy_maps`).
 *
 * Postfix does DANE itself, host by host; the table only says how much of it to insist on, for a whole destination:
 *
 * - `dane-only` where the MX records are secure and every server that can be reached has usable TLSA records. Then
 *   nothing less is ever right, and Postfix defers even if its own resolver should lose the signatures.
 * - `dane` where some server has TLSA records but not all do, or some can't be used, or the MX records are insecure.
 *   `dane-only` would leave out servers that the owner wants to be used, or - insecure MX - defer for ever.
 * - `secure` with the names of an MTA-STS policy in mode `enforce`, where no server with a secure MX record has TLSA
 *   records. With insecure MX records it goes before DANE: who forges them can name a server of his own, with
 *   correct TLSA records. Postfix can do the one or the other, not both.
 * - nothing, where there is nothing to insist on: `smtp_tls_security_level` decides.
 * - a temporary failure where it can't be said (RFC 7672 section 2.1.2): the mail waits.
 *
 * One failed server does not stop the others: Postfix asks again, and passes over it. But what was decided without it
 * is not kept.
 */
import { discover, type HostFinding } from '@danelaw/dane';
import { isAnswered, type Resolver } from '@danelaw/dns';
import { type HostsRoute, type RouteHost, relayRoute, route, type StsSource } from '@danelaw/smtp';
import type { NextHopKey } from './next-hop-key.js';

export type Answer =
  | {
      readonly status: 'policy';
      /** `local`: a rule of the policy table. */
      readonly level: 'dane' | 'dane-only' | 'secure' | 'local';
      /** As Postfix reads it: the level and its attributes. */
      readonly policy: string;
      /** Attributes for TLS reports (Postfix 3.10 and later); empty where there are none. */
      readonly report: string;
      /** Seconds; 0 where it is not to be kept. */
      readonly ttl: number;
      readonly reason: string;
    }
  | { readonly status: 'none'; readonly ttl: number; readonly reason: string }
  | { readonly status: 'temporary'; readonly reason: string };

export interface Sources {
  readonly resolver: Resolver;
  /** MTA-STS is left out where this is. */
  readonly sts?: StsSource;
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
}

/** What MTA-STS alone asks of a destination, whatever DANE would. */
export async function decideSts(key: NextHopKey, sources: Sources, signal: AbortSignal): Promise<Answer> {
  const none = { status: 'none', ttl: 0, reason: 'there is no MTA-STS policy in mode enforce' } as const;
  if (key.kind === 'host') return none;
  const meter = new TtlMeter(sources.resolver);
  return (await stsLevel(key.domain, sources, Number.POSITIVE_INFINITY, meter, signal)) ?? none;
}

/** Looks everything up and decides. Rejects only when `signal` aborts. */
export async function decideLevel(key: NextHopKey, sources: Sources, signal: AbortSignal): Promise<Answer> {
  const meter = new TtlMeter(sources.resolver);
  const found =
    key.kind === 'host'
      ? relayRoute(key.host, key.port)
      : await route(meter, key.domain, { port: key.port, signal });
  switch (found.status) {
    case 'failed':
      return { status: 'temporary', reason: found.reason };
    case 'invalid-domain':
    case 'null-mx':
    case 'no-such-domain':
    case 'no-usable-host':
    case 'loop':
      // Postfix finds that out by itself, and bounces.
      return { status: 'none', ttl: meter.ttl, reason: found.reason };
    case 'hosts':
      return await decideHosts(key, found, { ...sources, resolver: meter }, meter, signal);
    default: {
      const never: never = found;
      return never;
    }
  }
}

async function decideHosts(
  key: NextHopKey,
  found: HostsRoute,
  sources: Sources,
  meter: TtlMeter,
  signal: AbortSignal,
): Promise<Answer> {
  const findings = await Promise.all(found.hosts.map((host) => findingOf(host, meter, signal)));
  const tally = count(findings);
  const dane = daneLevel(found, tally, meter);
  if (dane.status === 'temporary' || (dane.status === 'policy' && found.mx === 'secure')) return dane;
  const sts =
    key.kind === 'domain' ? await stsLevel(key.domain, sources, dane.ttl, meter, signal) : undefined;
  return sts ?? dane;
}

/** An address among the MX records has no TLSA records (RFC 7672 section 2.2). */
async function findingOf(
  host: RouteHost,
  resolver: Resolver,
  signal: AbortSignal,
): Promise<HostFinding | 'address'> {
  return host.kind === 'address'
    ? 'address'
    : await discover(resolver, { host: host.host, port: host.port, signal });
}

interface Tally {
  /** Servers that there are addresses for, by what their TLSA records ask. */
  readonly usable: number;
  readonly unusable: number;
  readonly none: number;
  /** The first reason why TLSA records could not be looked up, or addresses. */
  readonly tlsaFailure: string | undefined;
  readonly addressFailure: string | undefined;
}

function count(findings: readonly (HostFinding | 'address')[]): Tally {
  let [usable, unusable, none] = [0, 0, 0];
  let tlsaFailure: string | undefined;
  let addressFailure: string | undefined;
  for (const finding of findings) {
    if (finding === 'address') none += 1;
    else if (finding.status === 'failed') addressFailure ??= `${finding.host}: ${finding.reason}`;
    else if (finding.status === 'reachable') {
      if (finding.tlsa.status === 'usable') usable += 1;
      else if (finding.tlsa.status === 'unusable') unusable += 1;
      else if (finding.tlsa.status === 'none') none += 1;
      else tlsaFailure ??= `${finding.host}: ${finding.tlsa.reason}`;
    }
  }
  return { usable, unusable, none, tlsaFailure, addressFailure };
}

function daneLevel({ mx, domain }: HostsRoute, tally: Tally, meter: TtlMeter): Answer {
  const { usable, unusable, none, tlsaFailure, addressFailure } = tally;
  const failure = tlsaFailure ?? addressFailure;
  const reached = usable + unusable + none;
  const ttl = failure === undefined ? meter.ttl : 0;
  if (usable + unusable === 0) {
    // No server is known to have TLSA records; and one that may have them could not be asked, or there is none at all.
    if (tlsaFailure !== undefined || (reached === 0 && failure !== undefined)) {
      return { status: 'temporary', reason: failure ?? '' };
    }
    return { status: 'none', ttl, reason: `no server of ${domain} has TLSA records` };
  }
  const policy = (level: 'dane' | 'dane-only', reason: string): Answer => ({
    status: 'policy',
    level,
    policy: level,
    report: '',
    ttl,
    reason,
  });
  if (mx === 'insecure')
    return policy('dane', `servers have TLSA records, the MX records of ${domain} are not signed`);
  if (failure !== undefined) return policy('dane', `a server could not be looked up: ${failure}`);
  if (none + unusable > 0) return policy('dane', `${usable} of ${reached} servers have usable TLSA records`);
  return policy('dane-only', `all servers (${usable}) have usable TLSA records`);
}

/** @param ttl of what was found out about DANE: when that is asked anew, so is this */
async function stsLevel(
  domain: string,
  { sts, resolver, clock }: Sources,
  ttl: number,
  meter: TtlMeter,
  signal: AbortSignal,
): Promise<Answer | undefined> {
  const now = clock();
  const found = await sts?.policyFor(domain, { resolver, now, signal });
  if (found === undefined || found.status === 'none' || found.policy.mode !== 'enforce') return undefined;
  const { mx, maxAge } = found.policy;
  if (mx.length === 0) return undefined;
  // A leading dot stands for any subdomain: for more than the one label of RFC 8461 section 4.1. Postfix has no
  // narrower pattern before 3.10, where `mx_host_pattern` below binds too (smtp_tls_enforce_sts_mx_patterns).
  const match = mx.map((pattern) => pattern.replace(/^\*/u, '')).join(':');
  return {
    status: 'policy',
    level: 'secure',
    policy: `secure match=${match} servername=hostname`,
    report: stsReport(domain, { mx, maxAge }),
    ttl: Math.min(ttl, meter.ttl, Math.max(0, Math.floor((found.expires - now) / 1000))),
    reason: `MTA-STS policy of ${domain} in mode enforce`,
  };
}

function stsReport(domain: string, { mx, maxAge }: { mx: readonly string[]; maxAge: number }): string {
  const lines = [
    'version: STSv1',
    'mode: enforce',
    ...mx.map((pattern) => `mx: ${pattern}`),
    `max_age: ${maxAge}`,
  ];
  return [
    'policy_type=sts',
    `policy_domain=${domain}`,
    ...mx.map((pattern) => `mx_host_pattern=${pattern}`),
    ...lines.map((line) => `{ policy_string = ${line} }`),
  ].join(' ');
}

/** Notes for how long all answers together may be used: as long as the shortest-lived. */
class TtlMeter implements Resolver {
  readonly #resolver: Resolver;
  ttl = Number.POSITIVE_INFINITY;

  constructor(resolver: Resolver) {
    this.#resolver = resolver;
  }

  async resolve(...question: Parameters<Resolver['resolve']>): ReturnType<Resolver['resolve']> {
    const lookup = await this.#resolver.resolve(...question);
    this.ttl = Math.min(this.ttl, isAnswered(lookup) ? lookup.ttl : 0);
    return lookup;
  }

  async close(): Promise<void> {}
}
