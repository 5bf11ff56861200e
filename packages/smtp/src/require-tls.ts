/**
 * REQUIRETLS and `TLS-Required: No` (RFC 8689): what a sender asks for a single message.
 *
 * REQUIRETLS. The message goes only to a server whose name is validated (by DNSSEC, or by an MTA-STS policy),
 * that is authenticated (by DANE, or by a root that we trust), and that promises to treat the message
 * likewise (it offers REQUIRETLS). Otherwise it comes back: 5.7.30 where the promise was missing, 5.7.10
 * where TLS or authentication was. Local policy may ask for more, never for less.
 *
 * `TLS-Required: No`. The message is to arrive rather than to be protected, for instance because it tells a
 * postmaster that his certificate has expired. What the recipient's domain publishes is verified, reported
 * and not insisted on.
 */
import type { Capabilities } from './capabilities.js';
import { connect, type Decision, skip } from './decision.js';
import { SmtpFault } from './fault.js';
import { matchesMx } from './mta-sts-policy.js';
import type { TlsFacts } from './tls-facts.js';
import type { DecisionInput } from './tls-policy.js';

/** RFC 8689 section 4.2.1: "5.7.30 REQUIRETLS support required", "5.7.10 Encryption needed". */
export const NOT_SUPPORTED = '5.7.30';
export const NOT_ESTABLISHED = '5.7.10';

/**
 * Section 4.2.1, steps 2 and 4: turns what was decided into something that authenticates the server, or into
 * no.
 */
export function asRequireTls(input: DecisionInput, decision: Decision): Decision {
  if (decision.action === 'skip') return decision;
  const { route, host, sts } = input;
  const { policy, finding } = decision;
  const words = 'the message asks for REQUIRETLS (RFC 8689 section 4.2.1)';
  if (!isNameValidated(input)) {
    const known = sts === undefined ? 'no MTA-STS policy' : 'an MTA-STS policy that does not name it';
    const reason = `the MX records of ${route.domain} are insecure, and there is ${known} for ${host.host}`;
    return skip('policy', `${reason}; ${words}`, 'validation-failure', 'local');
  }
  switch (policy.level) {
    case 'dane':
    case 'dane-only':
    case 'verify':
    case 'fingerprint':
      return decision;
    case 'none':
    case 'may':
    case 'encrypt':
    case 'sts': {
      // "The hostname from the MX record lookup (or the domain name in the absence of an MX record ...) MUST
      // match".
      const tls = policy.level === 'none' ? {} : { minTls: policy.minTls, sts: policy.sts };
      const serverName = host.kind === 'name' ? finding.host : null;
      return connect(finding, { level: 'verify', serverName, names: [host.host], source: words, ...tls });
    }
    default: {
      const never: never = policy;
      return never;
    }
  }
}

/**
 * Section 2: a server that was "identified through an MX record lookup" needs DNSSEC, or MTA-STS, to say so.
 * Without MX records the server is the domain itself, and its certificate says that.
 */
export function isNameValidated({
  route,
  host,
  sts,
}: Pick<DecisionInput, 'route' | 'host' | 'sts'>): boolean {
  if (route.mx === 'secure' || route.via !== 'mx') return true;
  return sts !== undefined && matchesMx(sts.policy, host.host);
}

/** Section 4.2.1, steps 4 and 5: what is missing in a session for a message with REQUIRETLS. */
export function requireTlsFault(
  { authenticated, reason }: TlsFacts,
  { keywords }: Capabilities,
): SmtpFault | undefined {
  if (authenticated === null) {
    const words = `the message must not go to a server that nobody authenticated (RFC 8689 section 4.2.1): ${reason}`;
    return new SmtpFault('unauthenticated', 'ehlo', words);
  }
  if (keywords.includes('REQUIRETLS')) return undefined;
  const words = 'the message must not go to a server that does not offer REQUIRETLS (RFC 8689 section 4.2.1)';
  return new SmtpFault('requiretls-not-offered', 'ehlo', words);
}
