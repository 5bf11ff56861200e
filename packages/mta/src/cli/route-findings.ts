/**
 * What is worth telling about the way to a domain's mail servers: its MX records, and how far they can be
 * trusted.
 */
import type { Route } from '@danelaw/smtp';
import { DOMAIN, type Finding, finding, REPAIR_DNSSEC } from './finding.js';
import { zoneFaultFinding } from './zone-fault-findings.js';

export function routeFindings(route: Route): Finding[] {
  switch (route.status) {
    case 'null-mx':
      return [
        finding(
          'error',
          'null-mx',
          DOMAIN,
          'RFC 7505 section 4.1',
          route.reason,
          'Nothing, if the domain is to have no mail; otherwise replace the null MX record by those of its ' +
            'mail servers.',
        ),
      ];
    case 'no-such-domain':
      return [
        finding(
          'error',
          'no-such-domain',
          DOMAIN,
          'RFC 5321 section 5.1',
          route.reason,
          'Check how the name is spelt.',
        ),
      ];
    case 'no-usable-host':
      return [
        finding(
          'error',
          'no-usable-host',
          DOMAIN,
          'RFC 5321 section 5.1',
          route.reason,
          'Let each MX record name a host that has address records.',
        ),
      ];
    case 'loop':
      return [
        finding(
          'error',
          'mail-loop',
          DOMAIN,
          'RFC 5321 section 5.1',
          route.reason,
          'Let the MX records name another host than the one that sends.',
        ),
      ];
    case 'invalid-domain':
      return [
        finding(
          'error',
          'invalid-domain',
          DOMAIN,
          'RFC 5321 section 4.1.2',
          route.reason,
          'Check how the name is spelt.',
        ),
      ];
    case 'failed':
      if (route.fault !== undefined)
        return [zoneFaultFinding(route.fault, DOMAIN, 'mail to the domain waits')];
      return [
        finding(
          route.cause === 'bogus' ? 'error' : 'unclear',
          `mx-${route.cause}`,
          DOMAIN,
          'RFC 7672 section 2.1.2',
          `${route.reason}; mail to the domain waits`,
          route.cause === 'bogus'
            ? REPAIR_DNSSEC
            : "Try again; if it stays so, look after the zone's name servers.",
        ),
      ];
    case 'hosts':
      return hostsRouteFindings(route);
    default: {
      const never: never = route;
      return never;
    }
  }
}

function hostsRouteFindings(route: Extract<Route, { status: 'hosts' }>): Finding[] {
  const findings: Finding[] = [];
  if (route.mx === 'insecure') {
    findings.push(
      finding(
        'warning',
        'mx-insecure',
        DOMAIN,
        'RFC 7672 section 2.2.1',
        `the MX records of ${route.domain} are not signed: whoever can forge them can name servers of ` +
          'their own',
        'Sign the zone with DNSSEC and have its DS record published by the parent.',
      ),
    );
  }
  if (route.via === 'implicit-mx') {
    findings.push(
      finding(
        'note',
        'implicit-mx',
        DOMAIN,
        'RFC 5321 section 5.1',
        `${route.domain} has no MX record, so it is taken for its own mail server`,
        'Publish an MX record if that is not meant, or a null MX record if there is to be no mail.',
      ),
    );
  }
  for (const note of route.notes) {
    findings.push(
      finding(
        'warning',
        'mx-record',
        DOMAIN,
        'RFC 5321 section 5.1',
        note,
        'Correct or remove that MX record.',
      ),
    );
  }
  return findings;
}
