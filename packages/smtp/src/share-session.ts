/**
 * May this message go over a connection that carried others?
 *
 * The key being equal (`session-key.ts`), everything is judged that would be judged on a connection of its
 * own: the stored chain by *this* destination's policy, TLSA records, reference names and MTA-STS policy, at
 * this moment; REQUIRETLS by that verdict and by what the server offers. What an earlier destination's policy
 * proved, or was lenient about, is not even kept.
 *
 * A channel in clear text is shared in two cases only. Under `none` - where TLS is not wanted, or has just
 * failed for this very delivery - any will do. Under `may`, with nothing that asks for more, one will do
 * whose server did not offer STARTTLS.
 */
import type { Channel } from './channel.js';
import type { TlsPolicy } from './policy.js';
import { requireTlsFault } from './require-tls.js';
import { NOT_OFFERED, type Session, sessionOn } from './session.js';
import { type VerdictOptions, verdictOn } from './tls-facts.js';

export interface ShareOptions extends VerdictOptions {
  readonly policy: TlsPolicy;
  readonly requireTls?: boolean | undefined;
}

/** The session that the channel is to this destination; undefined where it may not have its message. */
export function shareSession(channel: Channel, options: ShareOptions): Session | undefined {
  const { policy, requireTls = false } = options;
  const { secured, capabilities } = channel;
  const shared = { origin: 'shared', handshake: null } as const;
  if (secured === null) {
    if (requireTls || !isClearShareable(channel, policy)) return undefined;
    const notes = policy.level === 'may' ? [NOT_OFFERED] : [];
    return sessionOn(channel, { tls: null, notes, overlooked: [], ...shared });
  }
  if (policy.level === 'none') return undefined;
  const { tls, rejected, overlooked } = verdictOn(secured, policy, options);
  if (rejected !== undefined) return undefined;
  if (requireTls && requireTlsFault(tls, capabilities) !== undefined) return undefined;
  return sessionOn(channel, { tls, notes: [], overlooked, ...shared });
}

function isClearShareable({ clearCause }: Channel, policy: TlsPolicy): boolean {
  if (policy.level === 'none') return true;
  const asksForMore = policy.sts !== undefined || policy.lenience !== undefined;
  return policy.level === 'may' && !asksForMore && clearCause === 'not-offered';
}
