/**
 * What senders with DANE will do with mail to a domain: the conclusion of a check, in one word and in one
 * sentence.
 */
import type { HostProbe, ProbeReport } from '@danelaw/smtp';
import type { Finding } from './finding.js';

/**
 * `fine`: every server takes mail. `refused`: a server, or the mail, is refused. `unclear`: it can't be said
 * now.
 */
export type CheckStatus = 'fine' | 'refused' | 'unclear';

export function statusOf(findings: readonly Finding[]): CheckStatus {
  if (findings.some(({ severity }) => severity === 'error')) return 'refused';
  return findings.some(({ severity }) => severity === 'unclear') ? 'unclear' : 'fine';
}

/** How one server stands with a sender under the policy that was checked. */
export type HostStanding = 'authenticated' | 'encrypted' | 'clear' | 'refused' | 'unclear';

/** A server stands as its worst address does: which one a sender gets is chance. */
export function standingOf(probe: HostProbe, findings: readonly Finding[]): HostStanding {
  const own = findings.filter(({ host }) => host === probe.host.host);
  const status = statusOf(own);
  if (status !== 'fine') return status;
  if (probe.addresses.some(({ tls }) => tls === null)) return 'clear';
  return probe.addresses.every(({ tls }) => tls?.authenticated) ? 'authenticated' : 'encrypted';
}

export function verdictOf({ route, hosts }: ProbeReport, findings: readonly Finding[]): string {
  switch (route.status) {
    case 'failed':
      return 'Senders with DANE keep mail to this domain back and try again later.';
    case 'null-mx':
    case 'no-such-domain':
    case 'no-usable-host':
    case 'loop':
    case 'invalid-domain':
      return 'Every sender returns mail to this domain as undeliverable.';
    case 'hosts':
      return hostsVerdict(hosts, route.mx, findings);
    default: {
      const never: never = route;
      return never;
    }
  }
}

function hostsVerdict(
  hosts: readonly HostProbe[],
  mx: 'secure' | 'insecure',
  findings: readonly Finding[],
): string {
  const standings = hosts.map((probe) => ({ name: probe.host.host, standing: standingOf(probe, findings) }));
  const out = standings.filter(({ standing }) => standing === 'refused' || standing === 'unclear');
  const inUse = standings.filter(({ standing }) => standing !== 'refused' && standing !== 'unclear');
  if (inUse.length === 0) {
    const all = out.every(({ standing }) => standing === 'unclear');
    return all
      ? 'No server could be asked; a sender would try again later.'
      : 'Senders with DANE use none of the servers: they keep the mail back, and return it when their ' +
          'patience ends.';
  }
  const passed = out.length === 0 ? '' : ` They pass over ${out.map(({ name }) => name).join(', ')}.`;
  return `${howDelivered(
    inUse.map(({ standing }) => standing),
    mx,
  )}${passed}`;
}

function howDelivered(standings: readonly HostStanding[], mx: 'secure' | 'insecure'): string {
  if (standings.every((standing) => standing === 'authenticated')) {
    return mx === 'secure'
      ? 'Senders with DANE deliver to servers that DNSSEC names and DANE authenticates, and to no others.'
      : 'Senders with DANE authenticate the servers; that these are the servers of the domain is not proved.';
  }
  if (standings.includes('authenticated')) {
    return (
      'Senders with DANE deliver, to some of the servers authenticated, to others not: an attacker ' +
      'chooses.'
    );
  }
  return standings.includes('clear')
    ? 'Senders deliver without proof of whose server it is, and in clear text where there is no TLS.'
    : 'Senders deliver under TLS, without proof of whose server it is.';
}
