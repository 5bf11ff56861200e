/**
 * One destination's policy, host by host: local rules, DNS and MTA-STS brought together into a decision.
 *
 * What is asked of a host depends on how the host was found, so nothing that was decided for one destination
 * is kept for another. The MTA-STS policy belongs to the destination; it is asked for once, at the first host
 * for which it matters.
 */
import type { HostFinding } from '@danelaw/dane';
import type { Client } from './client.js';
import type { Connect } from './connection.js';
import type { Decision } from './decision.js';
import { locate } from './locate.js';
import type { WantedLogin } from './login.js';
import { withoutOurselves } from './own-host.js';
import { type ResolvedPolicy, resolvePolicy } from './policy-table.js';
import { isNameValidated } from './require-tls.js';
import { type HostsRoute, hostsRoute, type Route, type RouteHost, relayRoute, route } from './route.js';
import type { StsFinding } from './sts-finding.js';
import { type DecisionInput, decide, type LocalPolicy, needsSts, wantsTlsa } from './tls-policy.js';

/** What was found out about one host, and what comes of it. */
export interface Assessed {
  readonly finding: HostFinding;
  readonly decision: Decision;
  /** What the policy table says of it. */
  readonly local: ResolvedPolicy;
  /** Whether DNSSEC or MTA-STS says that the host speaks for the domain (RFC 8689 section 2). */
  readonly nameValidated: boolean;
  /** What MTA-STS says of the destination; undefined where it does not matter for this host. */
  readonly sts: StsFinding | undefined;
}

export class Assessor {
  readonly #client: Client;
  readonly #domain: string;
  readonly #tlsRequired: 'yes' | 'no' | undefined;
  #sts: Promise<StsFinding> | undefined;

  /** @param nextHop the destination as the rules of the policy table know it */
  constructor(client: Client, nextHop: string, tlsRequired?: 'yes' | 'no') {
    this.#client = client;
    this.#domain = client.relay?.host.toLowerCase() ?? nextHop;
    this.#tlsRequired = tlsRequired;
  }

  /** The route: the relay's, what the policy table says, or the domain's own. */
  async route(signal: AbortSignal | undefined): Promise<Route> {
    const { relay, resolver, port, random } = this.#client;
    if (relay !== undefined) return relayRoute(relay.host, relay.port);
    const { nextHop } = this.#resolve(undefined);
    switch (nextHop?.kind) {
      case undefined:
        return withoutOurselves(
          await route(resolver, this.#domain, { port, random, signal }),
          this.#client.ownNames,
        );
      case 'domain':
        return withoutOurselves(
          await route(resolver, nextHop.domain, { port: nextHop.port ?? port, random, signal }),
          this.#client.ownNames,
        );
      case 'relay':
        return relayRoute(nextHop.host, nextHop.port ?? port);
      case 'hosts':
        return hostsRoute(
          this.#domain,
          nextHop.hosts.map((each) => ({ host: each.host, port: each.port ?? port })),
        );
      default: {
        const never: never = nextHop;
        return never;
      }
    }
  }

  /** The login at the relay that the policy table names; undefined where there is none to be done. */
  get login(): WantedLogin | undefined {
    const { relay, credentials } = this.#client;
    const { nextHop, credentials: name } = this.#resolve(undefined);
    if (relay !== undefined || nextHop?.kind !== 'relay' || name === undefined) return undefined;
    return { name, login: credentials(name) };
  }

  /** How to connect: from the addresses that the policy table names, or as ever. */
  get connect(): Connect {
    const { relay, connect, connectFrom } = this.#client;
    const { source } = this.#resolve(undefined);
    return relay !== undefined || source === undefined ? connect : connectFrom(source);
  }

  /** Looks one host up and decides about it. Rejects only when `signal` aborts. */
  async assess(found: HostsRoute, host: RouteHost, signal: AbortSignal | undefined): Promise<Assessed> {
    const { resolver, discover } = this.#client;
    const resolved = this.#resolve(host.host);
    const local = localPolicy(resolved);
    const tlsa = wantsTlsa({ ...local, route: found });
    const finding = await locate(host, { resolver, discover, tlsa, signal });
    const input: DecisionInput = { ...local, route: found, host, finding, tlsRequired: this.#tlsRequired };
    const sts = needsSts(input) ? await this.sts(found, signal) : undefined;
    const whole = { ...input, sts: sts?.status === 'policy' ? sts : undefined };
    return { finding, decision: decide(whole), local: resolved, nameValidated: isNameValidated(whole), sts };
  }

  #resolve(host: string | undefined): ResolvedPolicy {
    const { policyTable, level, clock } = this.#client;
    return resolvePolicy(policyTable, this.#domain, clock(), {
      level,
      ...(host === undefined ? {} : { host }),
    });
  }

  /**
   * What MTA-STS says of the destination; undefined where there is nobody to ask. RFC 8461 section 3.4: the
   * next-hop domain's policy, or the smart host's, and never a parent's.
   */
  async sts({ domain }: HostsRoute, signal: AbortSignal | undefined): Promise<StsFinding | undefined> {
    const { sts, resolver, clock } = this.#client;
    if (sts === undefined) return undefined;
    this.#sts ??= sts.policyFor(domain, { resolver, now: clock(), signal });
    return await this.#sts;
  }
}

function localPolicy({
  rule,
  level,
  names,
  fingerprints,
  minTls,
  insecureMx,
  audit,
  why,
}: ResolvedPolicy): LocalPolicy {
  const byHost = rule !== undefined && (rule.match.kind === 'host' || rule.match.kind === 'hosts-below');
  const decided = { level, names, fingerprints, minTls, insecureMx, audit, byHost };
  return rule === undefined ? decided : { ...decided, why };
}
