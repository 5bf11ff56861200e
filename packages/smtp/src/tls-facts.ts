/**
 * What a TLS session is, and what one destination may say of it.
 *
 * `Secured` is what the handshake left: facts about the connection, whoever asks. `verdictOn` judges it by
 * one policy, now. The two are apart because a connection may carry messages for several destinations: each
 * brings its policy, TLSA records and reference names, and gets a verdict - and `TlsFacts` - of its own.
 */
import type { Roots } from '@danelaw/dane';
import { SmtpFault } from './fault.js';
import { type Authenticated, type JudgedFailure, judge, type Verify } from './judge.js';
import type { StartTlsPolicy } from './policy.js';

/** What the handshake left. No verdict is in it. */
export interface Secured {
  /** `TLSv1.3` */
  readonly protocol: string;
  /** `TLS_AES_256_GCM_SHA384` */
  readonly cipher: string;
  /** The name sent as SNI; null for an address literal. */
  readonly serverName: string | null;
  /** DER, as the server sent it in its full handshake, its own certificate first. */
  readonly chain: readonly Uint8Array[];
}

/**
 * Whether two handshakes showed the same certificates: then every verdict on one holds for the other, too.
 */
export function isSameChain(one: Secured['chain'], other: Secured['chain']): boolean {
  if (one === other) return true;
  const isEqual = (der: Uint8Array, index: number): boolean =>
    Buffer.compare(der, other[index] ?? NOTHING) === 0;
  return one.length === other.length && one.every(isEqual);
}

const NOTHING = new Uint8Array(0);

/** What is known about a TLS session. JSON-ready. */
export interface TlsFacts {
  /** `TLSv1.3` */
  readonly protocol: string;
  /** `TLS_AES_256_GCM_SHA384` */
  readonly cipher: string;
  /** The name sent as SNI; null for an address literal. */
  readonly serverName: string | null;
  /** Null where the session is encrypted and nothing more. */
  readonly authenticated: Authenticated | null;
  /** The verifier's words: why it matched, or did not, or was not asked. */
  readonly reason: string;
}

/** Who verifies, whom we trust, and what time it is. */
export interface VerdictOptions {
  readonly verify: Verify;
  readonly roots?: Roots | undefined;
  /** Milliseconds since the epoch: when certificates must be valid. */
  readonly clock: () => number;
}

/** One destination's word on a TLS session. `rejected` is a fault where its policy forbids to go on. */
export interface TlsVerdict {
  readonly tls: TlsFacts;
  readonly rejected: SmtpFault | undefined;
  /** What failed and does not stop the delivery. */
  readonly overlooked: readonly JudgedFailure[];
  /** Both: everything that failed. */
  readonly failures: readonly JudgedFailure[];
}

export function verdictOn(
  { protocol, cipher, serverName, chain }: Secured,
  policy: StartTlsPolicy,
  { verify, roots, clock }: VerdictOptions,
): TlsVerdict {
  const { authenticated, reason, failures } = judge(policy, chain, {
    verify,
    roots,
    time: new Date(clock()),
  });
  const refusal = failures.find(({ binding }) => binding);
  return {
    // Whoever was refused is nobody, whatever else was proved about him.
    tls: {
      protocol,
      cipher,
      serverName,
      authenticated: refusal === undefined ? authenticated : null,
      reason,
    },
    rejected:
      refusal &&
      new SmtpFault('unauthenticated', 'handshake', refusal.reason, { failureType: refusal.failureType }),
    overlooked: failures.filter(({ binding }) => !binding),
    failures,
  };
}
