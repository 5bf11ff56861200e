/**
 * What comes after a handshake that failed where encryption is only hoped for: older TLS, then clear text.
 *
 * RFC 7672 section 2.2, pre-DANE rules: "The MTA MAY retry in cleartext when delivery via TLS fails during
 * the handshake". Some servers break off at the word STARTTLS already; under TLS 1.3 others do when our side
 * of the handshake has ended, which shows at EHLO.
 *
 * A server that TLS 1.2 and up can't be agreed on with is given one more chance, down to TLS 1.0: weak
 * encryption keeps out more listeners than none (RFC 7435). It is the last step and never the first, so
 * nobody gets weaker TLS who could have had better; and an attacker who forces it could as well have taken
 * STARTTLS away.
 */
import type { SmtpFault } from './fault.js';
import type { StartTlsPolicy, TlsPolicy } from './policy.js';
import { isClearAllowed } from './session.js';
import type { TlsFacts } from './tls-facts.js';

/**
 * The policy of the next connection to the same address; undefined where there is to be none.
 *
 * @param source where the first connection's policy came from
 */
export function clearInstead(
  policy: TlsPolicy,
  { fault, tls }: { readonly fault: SmtpFault; readonly tls: TlsFacts | null },
  source: string,
): TlsPolicy | undefined {
  if (policy.level === 'none' || !isClearAllowed(policy)) return undefined;
  const inHandshake = fault.stage === 'handshake' && (fault.kind === 'handshake' || fault.kind === 'timeout');
  const rightAfter = tls !== null && fault.stage === 'ehlo' && fault.kind === 'closed';
  const rightBefore = fault.stage === 'starttls' && fault.kind === 'closed';
  if (!inHandshake && !rightAfter && !rightBefore) return undefined;
  if (fault.kind === 'handshake' && maySpeakLegacy(policy)) {
    return {
      level: 'may',
      legacy: true,
      serverName: policy.serverName,
      source: `TLS 1.2 failed, and any encryption is better than none (RFC 7435): ${source}`,
    };
  }
  return {
    level: 'none',
    source: `TLS failed, and clear text is allowed (RFC 7672 section 2.2): ${source}`,
  };
}

/** Once, and not where a minimum version is asked for. */
function maySpeakLegacy(policy: StartTlsPolicy): boolean {
  return policy.minTls === undefined && !(policy.level === 'may' && policy.legacy === true);
}
