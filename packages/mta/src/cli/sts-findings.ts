/** What is worth telling about a domain's MTA-STS policy (RFC 8461). */
import { type HostProbe, matchesMx, type StsFinding, type StsProblem } from '@danelaw/smtp';
import { DOMAIN, type Finding, finding, type Place } from './finding.js';

export function stsFindings(sts: StsFinding | undefined, hosts: readonly HostProbe[]): Finding[] {
  if (sts === undefined) return [];
  return [
    ...sts.problems.map(problemFinding),
    ...(sts.status === 'policy' ? unlisted(sts.policy, hosts) : []),
  ];
}

function problemFinding({ failureType, reason }: StsProblem): Finding {
  const remedy = remedyFor(failureType);
  // Mail flows: without a policy as ever, and under one that is known as that says.
  return finding('warning', failureType, DOMAIN, 'RFC 8461 section 3.3', reason, remedy);
}

function remedyFor(failureType: StsProblem['failureType']): string {
  switch (failureType) {
    case 'sts-policy-fetch-error':
      return (
        'Serve the policy as text/plain at https://mta-sts.DOMAIN/.well-known/mta-sts.txt, without redirects, ' +
        'or take the _mta-sts record away.'
      );
    case 'sts-policy-invalid':
      return 'Correct the policy: version, mode, max_age and an mx line for every host.';
    case 'sts-webpki-invalid':
      return "Give the web server a certificate of a public authority that has the web server's name.";
    default: {
      const never: never = failureType;
      return never;
    }
  }
}

/** Where DANE decides, or the policy is only tried out, mail flows past it. */
function unlisted(
  policy: Parameters<typeof matchesMx>[0] & { readonly mode: 'enforce' | 'testing' },
  hosts: readonly HostProbe[],
): Finding[] {
  return hosts.flatMap(({ host, decision }): Finding[] => {
    if (decision.action === 'skip' || matchesMx(policy, host.host)) return [];
    const text = `no mx line of the MTA-STS policy (mode ${policy.mode}) matches this host`;
    return [unlistedHost({ host: host.host, address: null }, 'warning', text)];
  });
}

/** Senders with MTA-STS pass by an MX host that the policy does not list. */
export function unlistedHost(place: Place, severity: 'error' | 'warning', text: string): Finding {
  const remedy = 'Add the host to the policy and change the id of the _mta-sts record.';
  return finding(severity, 'sts-host-not-listed', place, 'RFC 8461 section 4.1', text, remedy);
}
