/**
 * What a delivery or a probe needs from outside - network, DNS, clock, chance, limits - and what it takes by
 * default.
 */
import { discover, type Roots, verifyCertificate } from '@danelaw/dane';
import type { Resolver } from '@danelaw/dns';
import type { Admit } from './admission.js';
import { connectFrom, type SourceAddresses } from './connect-from.js';
import { type Connect, connectTcp } from './connection.js';
import type { Verify } from './judge.js';
import type { Discover } from './locate.js';
import type { Login } from './login.js';
import type { PolicyLevel } from './policy.js';
import type { PolicyTable } from './policy-table.js';
import type { SessionPool } from './session-pool.js';
import type { StsSource } from './sts-finding.js';
import { DEFAULT_TIMEOUTS, type Timeouts } from './timeouts.js';

export interface ClientOptions {
  readonly resolver: Resolver;
  /** The name that EHLO says: ours, fully qualified, or an address literal (RFC 5321 section 4.1.1.1). */
  readonly heloName: string;
  /** Names under which MX records may lead back to us; `heloName` where they are left out. */
  readonly ownNames?: readonly string[];
  /** Where no rule of the policy table matches; `dane` where it is left out. */
  readonly level?: PolicyLevel;
  /** What local policy says about single destinations and hosts. */
  readonly policyTable?: PolicyTable;
  /** Knows the logins at relays by the names that the policy table has for them. */
  readonly credentials?: (name: string) => Login | undefined;
  /** Who knows the MTA-STS policies of domains (RFC 8461); nobody is asked where it is left out. */
  readonly sts?: StsSource;
  /** Who is trusted where DANE has no part (MTA-STS, `verify`); the Web's roots where it is left out. */
  readonly roots?: Roots;
  /** The SMTP port; 25. TLSA records are looked up for this port too (RFC 7672 section 2.2.3). */
  readonly port?: number;
  /** Sends everything to this host instead of the domains' own: a name or an address. Secure a priori. */
  readonly relay?: { readonly host: string; readonly port?: number };
  /** Keeps connections and TLS sessions for later messages; each message has its own where it is left out. */
  readonly pool?: SessionPool | undefined;
  /** Asked before a new connection is opened, by whoever counts them. */
  readonly admit?: Admit;
  readonly connect?: Connect;
  /** Connects where the policy table names addresses of ours. */
  readonly connectFrom?: (source: SourceAddresses) => Connect;
  readonly discover?: Discover;
  readonly verify?: Verify;
  /** Milliseconds for each stage; RFC 5321 section 4.5.3.2 for those that are left out. */
  readonly timeouts?: Partial<Timeouts>;
  readonly limits?: Partial<Limits>;
  /** Milliseconds since the epoch: when certificates have to be valid. */
  readonly clock?: () => number;
  /** From 0 up to 1; mixes MX hosts of equal preference. */
  readonly random?: () => number;
  /** Stops everything at once; the promise rejects with its reason. */
  readonly signal?: AbortSignal;
}

/** Bounds on one destination. RFC 5321 section 5.1 allows them and asks for two addresses at least. */
export interface Limits {
  /** Addresses tried of one host. */
  readonly addressesPerHost: number;
  /** Connections made for one destination, over all hosts; a second one in clear text counts too. */
  readonly connections: number;
  /** Milliseconds for one destination. A message whose end has been sent is still waited for. */
  readonly totalTime: number;
}

export const DEFAULT_LIMITS: Limits = { addressesPerHost: 5, connections: 10, totalTime: 30 * 60 * 1000 };

/** `ClientOptions` with everything decided. */
export interface Client {
  readonly resolver: Resolver;
  readonly heloName: string;
  readonly ownNames: ReadonlySet<string>;
  readonly level: PolicyLevel;
  readonly policyTable: PolicyTable;
  readonly credentials: (name: string) => Login | undefined;
  readonly sts: StsSource | undefined;
  readonly roots: Roots | undefined;
  readonly port: number;
  readonly relay: { readonly host: string; readonly port: number } | undefined;
  readonly pool: SessionPool | undefined;
  readonly admit: Admit | undefined;
  readonly connect: Connect;
  readonly connectFrom: (source: SourceAddresses) => Connect;
  readonly discover: Discover;
  readonly verify: Verify;
  readonly timeouts: Timeouts;
  readonly limits: Limits;
  readonly clock: () => number;
  readonly random: () => number;
  readonly signal: AbortSignal | undefined;
}

/** @throws TypeError for a `heloName` that can't stand in a command line */
export function makeClient(options: ClientOptions): Client {
  if (!/^[A-Za-z0-9._[\]:-]{1,255}$/u.test(options.heloName)) {
    throw new TypeError(
      `"${options.heloName}" can't be said with EHLO: it must be a host name or an address literal`,
    );
  }
  const port = options.port ?? 25;
  return {
    resolver: options.resolver,
    heloName: options.heloName,
    ownNames: new Set((options.ownNames ?? [options.heloName]).map((name) => name.toLowerCase())),
    level: options.level ?? 'dane',
    policyTable: options.policyTable ?? { rules: [] },
    credentials: options.credentials ?? (() => undefined),
    sts: options.sts,
    roots: options.roots,
    port,
    relay:
      options.relay === undefined
        ? undefined
        : { host: options.relay.host, port: options.relay.port ?? port },
    pool: options.pool,
    admit: options.admit,
    connect: options.connect ?? connectTcp,
    connectFrom: options.connectFrom ?? connectFrom,
    discover: options.discover ?? discover,
    verify: options.verify ?? verifyCertificate,
    timeouts: { ...DEFAULT_TIMEOUTS, ...options.timeouts },
    limits: { ...DEFAULT_LIMITS, ...options.limits },
    clock: options.clock ?? Date.now,
    random: options.random ?? Math.random,
    signal: options.signal,
  };
}
