/**
 * What the administrator decides for single destinations: a table of rules, of which the first that matches
 * counts.
 *
 * A rule matches a destination domain (`example.org`), everything below one (`.example.org`), all (`*`) - or
 * the name of a mail host (`mx = ".provider.example"`), for a provider whose hosts serve thousands of
 * domains. It says which level holds, and where the mail goes if not to the domain's own MX hosts.
 *
 * Two kinds of rule end by themselves, because a weakness that was meant for a week is found after years (RFC
 * 7672 section 9.1: "should not be made lightly"):
 *  - an *exception* says why it is made and when it expires; from then on the rule is passed over;
 *  - an *audit* verifies, reports and delivers anyway; from its end on the level binds.
 *
 * Host rules and forged MX records. Where the MX records of a domain are not signed, whoever forges them
 * chooses the host, and so the host rule. Rules for domains that must not be weakened stand before host
 * rules; and a domain's `enforce` policy of MTA-STS binds at such hosts whatever a host rule says
 * (`tls-policy.ts`).
 */
import type { SourceAddresses } from './connect-from.js';
import { isHostName } from './mailbox.js';
import type { Audit, InsecureMx, MinTls, PolicyLevel } from './policy.js';
import type { NextHop } from './route.js';

/** Rules in one table: each delivery walks through them. */
export const MAX_RULES = 10_000;

export interface PolicyTable {
  readonly rules: readonly PolicyRule[];
}

export type RuleMatch =
  | { readonly kind: 'all' }
  /** The domain itself. */
  | { readonly kind: 'domain'; readonly name: string }
  /** Every domain below it, not itself. */
  | { readonly kind: 'below'; readonly name: string }
  | { readonly kind: 'host'; readonly name: string }
  | { readonly kind: 'hosts-below'; readonly name: string };

/** What a rule asks for, and what a destination gets by it. */
interface PolicyTerms {
  readonly level: PolicyLevel;
  /** `verify`: the names that the certificate may bear; where it is left out, the names of the route. */
  readonly names: readonly string[] | undefined;
  /** `fingerprint`: SHA2-256 digests of certificates or public keys. */
  readonly fingerprints: readonly string[];
  readonly minTls: MinTls | undefined;
  readonly insecureMx: InsecureMx;
  /** Where mail for the domain goes instead of to its own MX hosts. */
  readonly nextHop: NextHop | undefined;
  /** What the configuration calls the login at the relay. */
  readonly credentials: string | undefined;
  /** Which of our addresses to connect from; the program's own choice where it is left out. */
  readonly source: SourceAddresses | undefined;
  /** In a resolved policy only while it lasts. */
  readonly audit: Audit | undefined;
}

export interface PolicyRule extends PolicyTerms {
  /** Its place in the table, from 1. */
  readonly number: number;
  readonly match: RuleMatch;
  readonly exception: Exception | undefined;
}

/** A rule that is there for a reason, and for a time. */
export interface Exception {
  readonly reason: string;
  /** Milliseconds since the epoch; the rule does not apply from then on. */
  readonly expires: number;
}

/** What the table says of one destination, or of one mail host of it. */
export interface ResolvedPolicy extends PolicyTerms {
  /** The rule that counts; undefined where none matches. */
  readonly rule: PolicyRule | undefined;
  /** Which rule, and why: `rule 3 (.example.org), an exception until ...`. */
  readonly why: string;
  /** What did not count and might have been expected to: expired exceptions and audits, rules for hosts. */
  readonly notes: readonly string[];
}

/** The policy of a destination that no rule is about. */
export function defaultPolicy(level: PolicyLevel, why = 'no rule matches'): ResolvedPolicy {
  return { ...NOTHING_ELSE, rule: undefined, level, why, notes: [] };
}

const NOTHING_ELSE = {
  names: undefined,
  fingerprints: [],
  minTls: undefined,
  insecureMx: 'dane',
  nextHop: undefined,
  credentials: undefined,
  source: undefined,
  audit: undefined,
} as const;

/**
 * The first rule that matches.
 *
 * @param domain in A-labels and lower case, or an address literal
 * @param now milliseconds since the epoch
 * @param options.host a mail host of the domain; without one, rules for hosts are passed over, with a note
 * @param options.level where no rule matches; `dane`
 */
export function resolvePolicy(
  table: PolicyTable,
  domain: string,
  now: number,
  options: { readonly host?: string; readonly level?: PolicyLevel } = {},
): ResolvedPolicy {
  const notes: string[] = [];
  for (const rule of table.rules) {
    const name = nameOf(rule);
    const isForHosts = rule.match.kind === 'host' || rule.match.kind === 'hosts-below';
    if (isForHosts && options.host === undefined) {
      notes.push(`${name} comes first for such hosts`);
      continue;
    }
    if (!matches(rule.match, domain, options.host)) continue;
    if (rule.exception !== undefined && rule.exception.expires <= now) {
      notes.push(`${name} is an exception that expired on ${day(rule.exception.expires)} and does not apply`);
      continue;
    }
    const ended = rule.audit !== undefined && rule.audit.expires <= now;
    if (rule.audit !== undefined && ended) {
      notes.push(`the audit of ${name} ended on ${day(rule.audit.expires)}: "${rule.level}" binds`);
    }
    const { level, names, fingerprints, minTls, insecureMx, nextHop, credentials, source } = rule;
    const audit = ended ? undefined : rule.audit;
    const terms = { level, names, fingerprints, minTls, insecureMx, nextHop, credentials, source };
    return { ...terms, audit, rule, why: whyOf(rule, audit), notes };
  }
  return { ...defaultPolicy(options.level ?? 'dane'), notes };
}

function matches(match: RuleMatch, domain: string, host: string | undefined): boolean {
  const below = (name: string, parent: string): boolean => name.endsWith(`.${parent}`);
  switch (match.kind) {
    case 'all':
      return true;
    case 'domain':
      return match.name === domain;
    case 'below':
      return below(domain, match.name);
    case 'host':
      return match.name === host;
    case 'hosts-below':
      return host !== undefined && below(host, match.name);
    default: {
      const never: never = match;
      return never;
    }
  }
}

/** `rule 3 (.example.org)` */
export function nameOf({ number, match }: Pick<PolicyRule, 'number' | 'match'>): string {
  return `rule ${number} (${matchText(match)})`;
}

/** `.example.org`, `mx mail.example.net` */
export const patternOf = ({ match }: Pick<PolicyRule, 'match'>): string => matchText(match);

function matchText(match: RuleMatch): string {
  switch (match.kind) {
    case 'all':
      return '*';
    case 'domain':
      return match.name;
    case 'below':
      return `.${match.name}`;
    case 'host':
      return `mx ${match.name}`;
    case 'hosts-below':
      return `mx .${match.name}`;
    default: {
      const never: never = match;
      return never;
    }
  }
}

function whyOf(rule: PolicyRule, audit: Audit | undefined): string {
  const { exception } = rule;
  const until = ({ reason, expires }: Exception): string => `until ${day(expires)}: ${reason}`;
  return [
    nameOf(rule),
    ...(exception === undefined ? [] : [`an exception ${until(exception)}`]),
    ...(audit === undefined ? [] : [`audit only (RFC 7672 section 9.1) ${until(audit)}`]),
  ].join(', ');
}

const day = (time: number): string =>
  new Date(time).toISOString().replace(/T00:00:00\.000Z$|\.\d+(?=Z)/u, '');

/** Lines for people: which rule decides about a domain, what it says, and why others do not. */
export function explainPolicy(domain: string, resolved: ResolvedPolicy): string[] {
  const { level, names, fingerprints, minTls, insecureMx, nextHop, credentials, source, why, notes } =
    resolved;
  return [
    `${domain}: ${level}`,
    `decided by: ${why}`,
    ...(names === undefined ? [] : [`certificate names: ${names.join(', ')}`]),
    ...fingerprints.map((fingerprint) => `fingerprint: ${fingerprint}`),
    ...(minTls === undefined ? [] : [`at least ${minTls}`]),
    ...(insecureMx === 'dane'
      ? []
      : [`TLSA records at hosts of unsigned MX records are worth: ${insecureMx}`]),
    ...(nextHop === undefined ? [] : [`goes to: ${nextHopText(nextHop)}`]),
    ...(credentials === undefined ? [] : [`logs in with: ${credentials}`]),
    ...(source === undefined
      ? []
      : [`connects from: ${[source.ipv4, source.ipv6].filter(Boolean).join(', ')}`]),
    ...notes.map((note) => `note: ${note}`),
  ];
}

function nextHopText(nextHop: NextHop): string {
  const withPort = (host: string, port: number | undefined): string =>
    port === undefined ? host : `${host}:${port}`;
  switch (nextHop.kind) {
    case 'relay':
      return withPort(`[${nextHop.host}]`, nextHop.port);
    case 'domain':
      return `the MX hosts of ${withPort(nextHop.domain, nextHop.port)}`;
    case 'hosts':
      return nextHop.hosts.map(({ host, port }) => withPort(host, port)).join(', ');
    default: {
      const never: never = nextHop;
      return never;
    }
  }
}

/** The form in which domains and hosts are compared; undefined where `text` is no host name. */
export function canonicalHost(text: string): string | undefined {
  const name = text.toLowerCase().replace(/\.$/u, '');
  return isHostName(name) ? name : undefined;
}
