/**
 * From what the administrator asks for, and from what DNS said about a host, to the one TLS policy for that
 * host - or to the reason why it must not be used (RFC 7672 sections 2.2 and 6). There is no default case: a
 * finding that is not decided on does not compile.
 */
import { type HostFinding, type ReachableHost, referenceNames, type ServerOrigin } from '@danelaw/dane';
import type { FailureType } from './fault.js';
import type { PolicyLevel, TlsPolicy } from './policy.js';
import type { HostsRoute, RouteHost } from './route.js';

export type Decision =
  | { readonly action: 'connect'; readonly finding: ReachableHost; readonly policy: TlsPolicy }
  | {
      readonly action: 'skip';
      /**
       * `absent`: there is nothing to connect to, and that is an answer; otherwise it may be another time.
       */
      readonly cause: 'absent' | 'look-up' | 'policy';
      readonly reason: string;
      readonly failureType: FailureType | undefined;
    };

export interface DecisionInput {
  readonly level: PolicyLevel;
  readonly route: Pick<HostsRoute, 'domain' | 'expandedDomain' | 'via' | 'mx'>;
  readonly host: RouteHost;
  readonly finding: HostFinding;
}

export function decide(input: DecisionInput): Decision {
  const { finding } = input;
  switch (finding.status) {
    case 'failed':
      return skip('look-up', `the addresses of ${finding.host} could not be looked up: ${finding.reason}`);
    case 'absent':
      return skip('absent', `${finding.host} has no address: ${finding.reason}`);
    case 'reachable':
      return decideReachable(input, finding);
    default: {
      const never: never = finding;
      return never;
    }
  }
}

function decideReachable({ level, route, host }: DecisionInput, finding: ReachableHost): Decision {
  const serverName = host.kind === 'name' ? finding.host : null;
  const connect = (policy: TlsPolicy): Decision => ({ action: 'connect', finding, policy });
  switch (level) {
    case 'none':
      return connect({ level: 'none', source: 'the policy is "none"' });
    case 'may':
      return connect({ level: 'may', serverName, source: 'the policy is "may"' });
    case 'encrypt':
      return connect({ level: 'encrypt', serverName, source: 'the policy is "encrypt"' });
    case 'dane':
      return decideDane(route, finding, serverName);
    case 'dane-only':
      return decideDaneOnly(route, finding);
    default: {
      const never: never = level;
      return never;
    }
  }
}

/** Opportunistic DANE: the four actions of RFC 7672 section 2.2. */
function decideDane(
  route: DecisionInput['route'],
  finding: ReachableHost,
  serverName: string | null,
): Decision {
  const { tlsa } = finding;
  const connect = (policy: TlsPolicy): Decision => ({ action: 'connect', finding, policy });
  switch (tlsa.status) {
    case 'usable': {
      const { baseDomain, records } = tlsa;
      const names = otherNames(route, baseDomain);
      const source = `TLSA records of ${baseDomain}`;
      return connect({
        level: 'dane',
        serverName: baseDomain,
        baseDomain,
        otherNames: names,
        tlsa: records,
        source,
      });
    }
    case 'unusable': {
      const source = `the TLSA records of ${tlsa.baseDomain} are all unusable (RFC 7672 section 2.2)`;
      return connect({ level: 'encrypt', serverName: tlsa.baseDomain, source });
    }
    case 'none':
      return connect({ level: 'may', serverName, source: `DANE does not apply: ${tlsa.reason}` });
    case 'failed':
      return tlsaFailed(finding, tlsa.reason);
    default: {
      const never: never = tlsa;
      return never;
    }
  }
}

/** Mandatory DANE (RFC 7672 section 6): authenticated, to a host that was found securely, or not at all. */
function decideDaneOnly(route: DecisionInput['route'], finding: ReachableHost): Decision {
  if (route.mx === 'insecure') {
    // Section 2.2.1: "delivery MUST be delayed".
    const words = `the MX records of ${route.domain} are not signed, and "dane-only" asks for signed ones`;
    return skip('policy', `${words} (RFC 7672 section 2.2.1)`, 'dane-required');
  }
  const { tlsa } = finding;
  switch (tlsa.status) {
    case 'usable': {
      const { baseDomain, records } = tlsa;
      const names = otherNames(route, baseDomain);
      const source = `the policy is "dane-only"; TLSA records of ${baseDomain}`;
      const policy = {
        level: 'dane-only',
        serverName: baseDomain,
        baseDomain,
        otherNames: names,
        tlsa: records,
        source,
      } as const;
      return { action: 'connect', finding, policy };
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
function tlsaFailed(finding: ReachableHost, reason: string): Decision {
  const words = `the TLSA records of ${finding.host} could not be looked up, so it must not be used`;
  return skip('look-up', `${words} (RFC 7672 section 2.1.2): ${reason}`, 'dnssec-invalid');
}

function skip(
  cause: 'absent' | 'look-up' | 'policy',
  reason: string,
  failureType: FailureType | undefined = undefined,
): Decision {
  return { action: 'skip', cause, reason, failureType };
}

/** The names beside the base domain that a certificate may bear under DANE-TA (RFC 7672 section 3.2.2). */
function otherNames(route: DecisionInput['route'], baseDomain: string): readonly string[] {
  const origin = originOf(route);
  return origin === undefined ? [] : referenceNames(origin, baseDomain);
}

function originOf({ via, domain, expandedDomain, mx }: DecisionInput['route']): ServerOrigin | undefined {
  switch (via) {
    case 'mx':
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
