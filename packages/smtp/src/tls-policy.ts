/**
 * From what the administrator asks for, and from what DNS and MTA-STS said about a host, to the one TLS
 * policy for that host - or to the reason why it must not be used (RFC 7672 sections 2.2 and 6, RFC 8461
 * section 5). There is no default case: a finding that is not decided on does not compile.
 *
 * In four steps:
 *  1. the level with the host's TLSA records;
 *  2. what MTA-STS adds. For a host of a *secure* MX RRset with usable TLSA records DANE alone decides. At a
 *     host of an *insecure* one the `enforce` policy binds as well: TLSA proves that the host is who it says,
 *     and whoever forged the MX record can have a perfectly signed host of his own. A failed look-up is never
 *     rescued (section 2);
 *  3. what the message asks for: REQUIRETLS (RFC 8689) makes authentication a must;
 *  4. what is only to be reported: audits (RFC 7672 section 9.1), `TLS-Required: No` (RFC 8689 section 3).
 */
import {
  type HostFinding,
  type ReachableHost,
  referenceNames,
  type ServerOrigin,
  type UnreachableHost,
} from '@danelaw/dane';
import { connect, type Decision, type SkipDecision, skip } from './decision.js';
import { matchesMx } from './mta-sts-policy.js';
import type { Audit, InsecureMx, Lenience, MinTls, PolicyLevel, StsRequirement } from './policy.js';
import { asRequireTls } from './require-tls.js';
import type { HostsRoute, RouteHost } from './route.js';
import type { StsPolicyFinding } from './sts-finding.js';

/** What local policy says of a host: the parts of a `ResolvedPolicy` that matter here. */
export interface LocalPolicy {
  readonly level: PolicyLevel;
  /** Which rule said so. */
  readonly why?: string;
  readonly names?: readonly string[] | undefined;
  readonly fingerprints?: readonly string[];
  readonly minTls?: MinTls | undefined;
  readonly insecureMx?: InsecureMx;
  readonly audit?: Audit | undefined;
  /** The rule was chosen by the host's name, which an insecure MX RRset leaves to whoever forges it. */
  readonly byHost?: boolean;
}

export interface DecisionInput extends LocalPolicy {
  readonly route: Pick<HostsRoute, 'domain' | 'expandedDomain' | 'via' | 'mx'>;
  readonly host: RouteHost;
  readonly finding: HostFinding;
  /** The destination's MTA-STS policy, where `needsSts` says that it matters. */
  readonly sts?: StsPolicyFinding | undefined;
  /** RFC 8689: what the message asks for. */
  readonly tlsRequired?: 'yes' | 'no' | undefined;
}

export function decide(input: DecisionInput): Decision {
  const { finding } = input;
  switch (finding.status) {
    case 'failed':
      return addressesFailed(finding);
    case 'absent':
      return skip('absent', `${finding.host} has no address: ${finding.reason}`);
    case 'reachable': {
      const strict = withSts(input, decideLevel(input, finding));
      if (input.tlsRequired === 'yes') return asRequireTls(input, strict);
      return leniently(input, finding, strict);
    }
    default: {
      const never: never = finding;
      return never;
    }
  }
}

/** A look-up that is answered and does not validate is reported; one that nobody answers may be our own network. */
function addressesFailed({ host, reason, bogus }: UnreachableHost): SkipDecision {
  const words = `the addresses of ${host} could not be looked up: ${reason}`;
  return skip('look-up', words, bogus === true ? 'dnssec-invalid' : undefined);
}

function decideLevel(input: DecisionInput, finding: ReachableHost): Decision {
  const { level, minTls, names, fingerprints = [], route, host } = input;
  const serverName = host.kind === 'name' ? finding.host : null;
  const source = `the policy is "${level}"${input.why === undefined ? '' : ` by ${input.why}`}`;
  const common = { serverName, source, minTls };
  switch (level) {
    case 'none':
      return connect(finding, { level: 'none', source });
    case 'may':
    case 'sts': // what MTA-STS asks comes on top; without it "sts" is opportunistic
      return connect(finding, { level: 'may', ...common });
    case 'encrypt':
      return connect(finding, { level: 'encrypt', ...common });
    case 'dane':
      return decideDane(input, finding, serverName);
    case 'dane-only':
      return decideDaneOnly(route, finding, minTls);
    case 'verify':
      return connect(finding, { level: 'verify', ...common, names: names ?? routeNames(route, host) });
    case 'fingerprint':
      return connect(finding, { level: 'fingerprint', ...common, fingerprints });
    default: {
      const never: never = level;
      return never;
    }
  }
}

/**
 * The names that "verify" asks for where the rule has none: the host's, where it is known securely that the
 * host speaks for the domain, else the domain's own - anybody can get a certificate for a host of his.
 */
function routeNames({ mx, domain }: DecisionInput['route'], host: RouteHost): readonly string[] {
  return mx === 'secure' ? [host.host] : [domain];
}

/** Opportunistic DANE: the four actions of RFC 7672 section 2.2. */
function decideDane(input: DecisionInput, finding: ReachableHost, serverName: string | null): Decision {
  const { route, minTls, insecureMx = 'dane' } = input;
  const { tlsa } = finding;
  if (ignoresTlsa(input)) {
    const source = `the MX records of ${route.domain} are insecure, and TLSA is worth "may" there`;
    return connect(finding, { level: 'may', serverName, source, minTls });
  }
  switch (tlsa.status) {
    case 'usable': {
      const { baseDomain, records } = tlsa;
      const source = `TLSA records of ${baseDomain}`;
      if (route.mx === 'insecure' && insecureMx === 'encrypt') {
        const words = `${source}; the MX records of ${route.domain} are insecure, and TLSA is worth "encrypt" there`;
        return connect(finding, { level: 'encrypt', serverName: baseDomain, source: words, minTls });
      }
      const otherNames = namesBeside(route, baseDomain);
      const names = { serverName: baseDomain, baseDomain, otherNames };
      return connect(finding, { level: 'dane', ...names, tlsa: records, source, minTls });
    }
    case 'unusable': {
      const source = `the TLSA records of ${tlsa.baseDomain} are all unusable (RFC 7672 section 2.2)`;
      return connect(finding, { level: 'encrypt', serverName: tlsa.baseDomain, source, minTls });
    }
    case 'none': {
      const source = `DANE does not apply: ${tlsa.reason}`;
      return connect(finding, { level: 'may', serverName, source, minTls });
    }
    case 'failed':
      return tlsaFailed(finding, tlsa.reason);
    default: {
      const never: never = tlsa;
      return never;
    }
  }
}

/** Local policy may have it that TLSA records at hosts of insecure MX records are worth nothing. */
function ignoresTlsa({
  level,
  insecureMx,
  route,
}: Pick<DecisionInput, 'level' | 'insecureMx' | 'route'>): boolean {
  return level === 'dane' && insecureMx === 'may' && route.mx === 'insecure';
}

/** Whether TLSA records are looked up at all. */
export function wantsTlsa(input: Pick<DecisionInput, 'level' | 'insecureMx' | 'route'>): boolean {
  return (input.level === 'dane' || input.level === 'dane-only') && !ignoresTlsa(input);
}

/** Mandatory DANE: nothing less will do (RFC 7672 section 6). */
function decideDaneOnly(
  route: DecisionInput['route'],
  finding: ReachableHost,
  minTls: MinTls | undefined,
): Decision {
  if (route.mx === 'insecure') {
    const words = `the MX records of ${route.domain} are insecure, and the policy "dane-only" asks for signed ones`;
    return skip('policy', `${words} (RFC 7672 section 2.2.1)`, 'dane-required');
  }
  const { tlsa } = finding;
  switch (tlsa.status) {
    case 'usable': {
      const { baseDomain, records } = tlsa;
      const source = `the policy is "dane-only"; TLSA records of ${baseDomain}`;
      const names = { serverName: baseDomain, baseDomain, otherNames: namesBeside(route, baseDomain) };
      return connect(finding, { level: 'dane-only', ...names, tlsa: records, source, minTls });
    }
    case 'unusable': {
      const words = `the TLSA records of ${tlsa.baseDomain} are all unusable, and the policy is "dane-only"`;
      return skip('policy', `${words} (RFC 7672 section 6)`, 'tlsa-invalid');
    }
    case 'none': {
      const words = `${finding.host} can't be authenticated (${tlsa.reason}), and the policy is "dane-only"`;
      return skip('policy', `${words} (RFC 7672 section 6)`, 'dane-required');
    }
    case 'failed':
      return tlsaFailed(finding, tlsa.reason);
    default: {
      const never: never = tlsa;
      return never;
    }
  }
}

/**
 * RFC 7672 section 2.1.2: "MUST treat that server as unreachable and MUST NOT deliver the message via that
 * server".
 */
function tlsaFailed(finding: ReachableHost, reason: string): SkipDecision {
  const words = `the TLSA records of ${finding.host} could not be looked up, so it must not be used`;
  return skip('look-up', `${words} (RFC 7672 section 2.1.2): ${reason}`, 'dnssec-invalid');
}

/**
 * Does the destination's MTA-STS policy matter for this host? Asked before it is fetched: where all hosts
 * have DANE, nobody's web server is troubled.
 */
export function needsSts(input: Omit<DecisionInput, 'sts'>): boolean {
  const { level, route, host, finding, byHost = false, tlsRequired } = input;
  if (finding.status !== 'reachable' || route.via === 'literal') return false;
  // A relay that is named by its address has no domain that could have a policy (RFC 8461 section 3.4).
  if (route.via === 'relay' && host.kind === 'address') return false;
  const insecure = route.mx === 'insecure';
  // RFC 8689 section 2: the host's name must be validated by DNSSEC or by MTA-STS.
  if (tlsRequired === 'yes' && insecure) return true;
  switch (level) {
    case 'sts':
      return true;
    case 'dane':
      return finding.tlsa.status !== 'failed' && (insecure || finding.tlsa.status !== 'usable');
    case 'none':
    case 'may':
    case 'encrypt':
    case 'verify':
    case 'fingerprint':
      // What the administrator says of a domain goes before what the domain says; what he says of a host does
      // so only where nobody can choose the host by forging an MX record.
      return byHost && insecure;
    case 'dane-only':
      return false;
    default: {
      const never: never = level;
      return never;
    }
  }
}

function withSts(input: DecisionInput, decision: Decision): Decision {
  if (input.sts === undefined || decision.action === 'skip' || !needsSts(input)) return decision;
  const sts = requirementOf(input, input.sts);
  const words = `the MTA-STS policy of ${sts.domain} (mode ${sts.mode})`;
  if (sts.mode === 'enforce' && !sts.hostMatches) {
    const reason = `${sts.name} is none of the hosts in ${words} (RFC 8461 section 4.1)`;
    return skip('policy', reason, 'validation-failure', 'sts');
  }
  const { policy, finding } = decision;
  switch (policy.level) {
    case 'none':
    case 'may': {
      if (policy.level === 'none' && sts.mode === 'testing') return decision;
      const minTls = policy.level === 'may' ? policy.minTls : undefined;
      const serverName = input.host.kind === 'name' ? finding.host : null;
      return connect(finding, { level: 'sts', serverName, source: words, minTls, sts });
    }
    case 'encrypt':
    case 'dane':
    case 'dane-only':
    case 'sts':
    case 'verify':
    case 'fingerprint':
      return connect(finding, { ...policy, sts });
    default: {
      const never: never = policy;
      return never;
    }
  }
}

function requirementOf(
  { route, host }: DecisionInput,
  { domain, id, policy }: StsPolicyFinding,
): StsRequirement {
  // Hosts that the administrator listed were not found through MX records, so there is nothing to validate.
  const hostMatches = route.via === 'hosts' || matchesMx(policy, host.host);
  return { domain, id, mode: policy.mode, name: host.host, hostMatches };
}

/** Has everything verified and reported, and nothing refused. */
function leniently(input: DecisionInput, finding: ReachableHost, decision: Decision): Decision {
  const { audit, level, tlsRequired, host } = input;
  const isPublished = level === 'dane' || level === 'sts';
  // RFC 8689 section 3: "ignoring policy-based mechanisms ... asserted by the recipient domain". What our own
  // administrator asks for is none of these.
  const kind: Lenience['kind'] | undefined =
    audit !== undefined ? 'audit' : tlsRequired === 'no' && isPublished ? 'tls-required-no' : undefined;
  if (kind === undefined) return decision;
  const reason =
    audit === undefined
      ? 'the sender asks for it (TLS-Required: No, RFC 8689)'
      : `audit only: ${audit.reason}`;
  const lenience: Lenience = { kind, reason };
  if (decision.action === 'connect') {
    const { policy } = decision;
    return policy.level === 'none' ? decision : { ...decision, policy: { ...policy, lenience } };
  }
  const failure = {
    binding: false,
    demand: decision.demand,
    failureType: decision.failureType ?? 'validation-failure',
    reason: `${decision.reason}; used all the same, as ${reason}`,
  } as const;
  const serverName = host.kind === 'name' ? finding.host : null;
  return connect(finding, { level: 'may', serverName, source: reason }, [failure]);
}

/** The names beside the base domain that a certificate may bear under DANE-TA (RFC 7672 section 3.2.2). */
function namesBeside(route: DecisionInput['route'], baseDomain: string): readonly string[] {
  const origin = originOf(route);
  return origin === undefined ? [] : referenceNames(origin, baseDomain);
}

function originOf({ via, domain, expandedDomain, mx }: DecisionInput['route']): ServerOrigin | undefined {
  switch (via) {
    case 'mx':
    case 'hosts':
      return { kind: 'mx', status: mx, nextHop: domain, expandedNextHop: expandedDomain };
    case 'implicit-mx':
      return { kind: 'implicit-mx', nextHop: domain };
    case 'relay':
      return { kind: 'relay', relay: domain };
    case 'literal':
      return undefined;
    default: {
      const never: never = via;
      return never;
    }
  }
}
