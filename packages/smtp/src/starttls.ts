/**
 * From clear text to TLS (RFC 3207), and from a TLS session to a verdict about who is at its other end.
 *
 * `upgrade` runs between the server's 220 and our second EHLO: everything that came in clear after the 220
 * is thrown away (RFC 3207 section 4.2), the handshake runs with the policy's server name and minimum
 * version, and the chain that the server sent is taken and judged. Not one octet of SMTP is sent over the
 * session before that judgement stands (RFC 3207 section 4.1).
 *
 * OpenSSL verifies nothing for us (`rejectUnauthorized: false`, no root store): whom to trust is what the
 * policy says, and `judge.ts` asks it.
 *
 * Sessions are not resumed: a resumed session shows no certificate, so its verdict would be inherited from a
 * handshake that was judged by another policy. Each connection makes a full handshake.
 */
import { constants } from 'node:crypto';
import { isIP } from 'node:net';
import { createSecureContext, type SecureContext, type TLSSocket, connect as tlsConnect } from 'node:tls';
import type { Roots } from '@danelaw/dane';
import { takeChain } from './chain.js';
import { type Bounds, bounded, type Connection } from './connection.js';
import { SmtpFault } from './fault.js';
import { type Authenticated, type JudgedFailure, type Judgement, judge, type Verify } from './judge.js';
import type { StartTlsPolicy } from './policy.js';
import type { Timeouts } from './timeouts.js';

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

export interface UpgradeOptions {
  readonly policy: StartTlsPolicy;
  readonly verify: Verify;
  readonly roots?: Roots | undefined;
  readonly timeouts: Timeouts;
  /** Milliseconds since the epoch: when certificates must be valid. */
  readonly clock: () => number;
  readonly signal?: AbortSignal | undefined;
  readonly deadline?: AbortSignal | undefined;
}

/** A handshake that stands. `rejected` is a fault where the policy forbids to go on. */
export interface Upgraded {
  readonly tls: TlsFacts;
  readonly rejected: SmtpFault | undefined;
  /** What failed and does not stop the delivery. */
  readonly overlooked: readonly JudgedFailure[];
  /** Both: everything that failed. */
  readonly failures: readonly JudgedFailure[];
}

/**
 * Negotiates TLS on a connection whose STARTTLS was answered with 220.
 *
 * @throws SmtpFault `handshake`, `timeout`, `deadline`
 */
export async function upgrade(connection: Connection, options: UpgradeOptions): Promise<Upgraded> {
  const { policy } = options;
  const plain = connection.detach();
  const socket = tlsConnect({
    socket: plain,
    secureContext: secureContext(policy),
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
    // RFC 7672 section 8.1: SNI is the TLSA base domain. RFC 6066 section 3: never an address.
    ...(policy.serverName !== null && isIP(policy.serverName) === 0 ? { servername: policy.serverName } : {}),
  });
  socket.on('error', () => {}); // heard by `handshake` while it lasts, by the connection afterwards
  await handshake(socket, {
    timeouts: options.timeouts,
    socket,
    signal: options.signal,
    deadline: options.deadline,
  });
  // No await between here and the chain: it is taken once, and at once.
  const chain = takeChain(socket);
  const judgement = judge(policy, chain, { ...options, time: new Date(options.clock()) });
  const upgraded = factsOf(socket, policy, judgement);
  connection.attach(socket);
  return upgraded;
}

function factsOf(socket: TLSSocket, { serverName }: StartTlsPolicy, judgement: Judgement): Upgraded {
  const { authenticated, reason, failures } = judgement;
  const refusal = failures.find(({ binding }) => binding);
  return {
    tls: {
      protocol: socket.getProtocol() ?? 'unknown',
      cipher: socket.getCipher().standardName ?? socket.getCipher().name,
      serverName,
      // Whoever was refused is nobody, whatever else was proved about him.
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

async function handshake(socket: TLSSocket, bounds: Bounds): Promise<void> {
  const fail = (words: string): SmtpFault =>
    new SmtpFault('handshake', 'handshake', `the TLS handshake failed: ${words}`, {
      failureType: 'validation-failure',
    });
  const undo: (() => void)[] = [];
  try {
    await bounded<void>('handshake', bounds, (resolve, reject) => {
      const onError = (error: Error): void => reject(fail(tlsErrorWords(error)));
      const onClose = (): void => reject(fail('the server ended the connection'));
      socket.once('secureConnect', resolve).once('error', onError).once('close', onClose);
      undo.push(() => socket.off('secureConnect', resolve).off('error', onError).off('close', onClose));
    });
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    for (const step of undo) step();
  }
}

/** OpenSSL's errors carry a thread id, a source file and a line; the reason is what a person needs. */
function tlsErrorWords(error: Error & { reason?: string; code?: string }): string {
  return error.reason ?? error.message;
}

const contexts = new Map<string, SecureContext>();

/**
 * TLS 1.2 or later where TLS is a must (RFC 8996 has retired what was before it). Opportunistic TLS takes
 * whatever Node.js allows by default, and as its last step before clear text TLS 1.0 with whatever ciphers
 * there are: any encryption is better than none (RFC 7435). OpenSSL allows that at security level 0 alone.
 *
 * `ca: []` keeps the Web's root store out: it plays no part, and loading it costs several milliseconds.
 */
function secureContext(policy: StartTlsPolicy): SecureContext {
  const legacy = policy.level === 'may' && policy.legacy === true;
  const minimum = policy.minTls ?? (policy.level === 'may' ? undefined : 'TLSv1.2');
  const key = legacy ? 'legacy' : (minimum ?? 'default');
  const known = contexts.get(key);
  if (known !== undefined) return known;
  const made = createSecureContext({
    ca: [],
    // A TLS 1.2 server could renegotiate with another certificate after the verdict on this one.
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
    ...(minimum === undefined ? {} : { minVersion: minimum }),
    ...(legacy ? { minVersion: 'TLSv1', ciphers: 'DEFAULT:@SECLEVEL=0' } : {}),
  });
  contexts.set(key, made);
  return made;
}
