/**
 * What a scenario is: one domain that mail goes to, the zones and mail hosts around it, and what RFC 7672
 * asks of a sender.
 *
 * All of it is data. `{port}` in a line stands for the SMTP port of the lab, which is known only when it
 * runs: TLSA records lie at `_{port}._tcp.` the host (RFC 7672 section 2.2.3). `{address mx.a.example}`
 * stands for the address of that mail host.
 */
import type { Habit } from './habit.js';
import type { AuthoritySpec, MailHostSpec } from './mail-habits.js';
import type { Signing } from './sign.js';

export interface Scenario {
  /** The domain part of the recipient's address (but for `literal`); the scenario's name too. */
  readonly domain: string;
  /** One sentence: what is there, and what comes of it. */
  readonly shows: string;
  /** `RFC 7672 section 2.2` */
  readonly rule: string;
  /** Zones by their origin. Each must lie below `example`, `optout` or `unsigned`, or below another one. */
  readonly zones: Readonly<Record<string, ZoneSpec>>;
  /**
   * Mail hosts by their name. Each gets an address of its own, and an A record in the zone that holds its
   * name.
   */
  readonly hosts?: Readonly<Record<string, HostSpec>>;
  /** Certification authorities for these hosts, by name. */
  readonly authorities?: Readonly<Record<string, AuthoritySpec>>;
  /** The domain's MTA-STS policy (RFC 8461). */
  readonly sts?: StsSpec;
  /** Names of web hosts that take TLS reports by HTTPS (RFC 8460 section 5.4); each gets an A record. */
  readonly reportHosts?: readonly string[];
  /** Mail goes to `you@[127.0.0.1]`, the address of this host, and not to a domain. */
  readonly literal?: string;
  /** What the sender's administrator decided about this domain. */
  readonly local?: LocalRule;
  readonly expected: Expected;
  /** Under the policy `dane-only`; by default what follows from `expected`, see `expectedUnder`. */
  readonly expectedDaneOnly?: Expected;
}

/** A rule of the sender's policy table for the scenario's domain. */
export interface LocalRule {
  /** In place of the policy of the whole run. */
  readonly level?: 'may' | 'dane' | 'dane-only';
  /** Failures are reported and stop nothing (RFC 7672 section 9.1); why. */
  readonly audit?: string;
  /** Where mail for the domain goes, best first; secure a priori. */
  readonly hosts?: readonly string[];
}

export interface StsSpec {
  /** What the web server has at `/.well-known/mta-sts.txt`. */
  readonly policy: string;
  /** The version that the TXT record says. */
  readonly id: string;
  /** Somebody keeps the TXT record back. */
  readonly record?: 'suppressed';
  /** The sender had fetched the policy before. */
  readonly known?: true;
}

export interface ZoneSpec {
  /**
   * Lines as in a zone file, relative to the zone; SOA, NS, glue, hosts' A and TLSA records are added to
   * them.
   */
  readonly records?: readonly string[];
  /** `unsigned`, or how it is signed; by default ECDSA P-256 with NSEC. */
  readonly signing?: Signing | 'unsigned';
  /** The parent has no DS for it though it is signed: an island, insecure (RFC 4035 section 4.3). */
  readonly withoutDs?: boolean;
  /** What its name server does instead of answering. Names are relative to the zone. */
  readonly habits?: readonly Habit[];
}

export interface HostSpec extends MailHostSpec {
  /** Names that get its TLSA records; by default `_{port}._tcp.` the host. Absolute, without a last dot. */
  readonly tlsaAt?: readonly string[];
  /** No A record is made for it. */
  readonly withoutAddress?: boolean;
}

/** What `danelaw send` must come to, under the policy `dane`. */
export type Expected = ExpectedDelivery | ExpectedRefusal;

export interface ExpectedDelivery {
  readonly status: 'delivered';
  /** The MX host that takes the message, as its MX record has it; or `{address mx.a.example}`. */
  readonly host: string;
  /** How that host was learned. */
  readonly mx: 'secure' | 'insecure';
  /** `trusted`: authenticated by a public authority. */
  readonly tls: 'none' | 'unauthenticated' | 'trusted' | Authenticated;
}

export interface Authenticated {
  /** Usage, selector and matching type of the record that matched. */
  readonly by: string;
  readonly baseDomain: string;
}

export interface ExpectedRefusal {
  readonly status: 'deferred' | 'failed';
  /** Which rule stops it, for people. */
  readonly because: string;
  /** How a sender that obeys that rule tells of it; not looked at where it is left out. */
  readonly evidence?: Evidence;
}

/** What a sender says of a message that it did not deliver. */
export interface Evidence {
  /** RFC 3463. */
  readonly enhancedStatus: string;
  /** The result type of RFC 8460 section 4.3; null where a TLS report would not mention it. */
  readonly failure: string | null;
  /** The step of the session that failed; null where there was no session, or nothing of it failed. */
  readonly stage: string | null;
}

/**
 * What a sender must come to under this policy. `dane-only` delivers only what `dane` authenticates, at hosts
 * that secure MX records name (RFC 7672 sections 2.2.1 and 6), unless a local rule says another level.
 */
export function expectedUnder(scenario: Scenario, level: 'dane' | 'dane-only'): Expected {
  const { expected, expectedDaneOnly, local } = scenario;
  if (level === 'dane') return expected;
  if (expectedDaneOnly !== undefined) return expectedDaneOnly;
  if (local?.level !== undefined) return expected;
  // It may be stopped before it comes to what stops it under `dane`.
  if (expected.status !== 'delivered') return withoutEvidence(expected);
  if (typeof expected.tls === 'object' && expected.mx === 'secure') return expected;
  return { status: 'deferred', because: 'only what DANE authenticates is delivered' };
}

/** The same, for one who can't be asked why. */
export function withoutEvidence(expected: Expected): Expected {
  if (expected.status === 'delivered') return expected;
  const { status, because } = expected;
  return { status, because };
}

/** The domain part of the recipient's address, or the address literal in its place. */
export function mailDomain(
  { domain, literal }: Scenario,
  servers: ReadonlyMap<string, { readonly addresses: readonly string[] }>,
): string {
  if (literal === undefined) return domain;
  const [address] = servers.get(literal)?.addresses ?? [];
  if (address === undefined) throw new RangeError(`${domain}: there is no mail host ${literal}`);
  return `[${address}]`;
}
