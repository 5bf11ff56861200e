/**
 * From clear text to TLS (RFC 3207), and from a TLS session to a verdict about who is at its other end.
 *
 * `upgrade` runs between the server's 220 and our second EHLO: everything that came in clear after the 220
 * is thrown away (RFC 3207 section 4.2), the handshake runs with the policy's server name and minimum
 * version, and the chain that the server sent is taken and judged. Not one octet of SMTP is sent over the
 * session before that judgement stands (RFC 3207 section 4.1).
 *
 * OpenSSL verifies nothing for us (`rejectUnauthorized: false`, no root store): whom to trust is what the
 * TLSA records say, and `verifyCertificate` of @danelaw/dane reads them.
 *
 * Sessions are not resumed: a resumed session shows no certificate, so its verdict would be inherited from a
 * handshake that was judged by another policy. Each connection makes a full handshake.
 */
import { isIP } from 'node:net';
import { createSecureContext, type SecureContext, type TLSSocket, connect as tlsConnect } from 'node:tls';
import { formatTlsa, type TlsaRecord } from '@danelaw/dane';
import { takeChain } from './chain.js';
import { type Bounds, bounded, type Connection } from './connection.js';
import { type FailureType, SmtpFault } from './fault.js';
import type { DanePolicy, EncryptPolicy, OpportunisticPolicy } from './policy.js';
import type { Timeouts } from './timeouts.js';

/**
 * The verifier's contract: does this chain match these records. `verifyCertificate` of @danelaw/dane keeps
 * it.
 */
export type Verify = (input: {
  chain: readonly Uint8Array[];
  tlsa: readonly TlsaRecord[];
  baseDomain: string;
  otherNames?: readonly string[];
  time?: Date;
}) => Verification;

export interface Verification {
  readonly authenticated: boolean;
  /** False where none of the records can be used: TLS without authentication (RFC 7672 section 2.2). */
  readonly usable: boolean;
  readonly matched?: { readonly record: TlsaRecord; readonly referenceName?: string };
  readonly reason: string;
  /** Why not, as a TLS report counts it. */
  readonly resultType?: FailureType;
}

/** By what a server was authenticated. JSON-ready. */
export interface Authenticated {
  /** 2 DANE-TA, 3 DANE-EE. */
  readonly usage: number;
  /** The TLSA record that matched, in presentation form. */
  readonly record: string;
  readonly baseDomain: string;
  /** The reference identifier that the certificate bears; null with DANE-EE, where names do not count. */
  readonly name: string | null;
}

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

export type StartTlsPolicy = OpportunisticPolicy | EncryptPolicy | DanePolicy;

export interface UpgradeOptions {
  readonly policy: StartTlsPolicy;
  readonly verify: Verify;
  readonly timeouts: Timeouts;
  /** Milliseconds since the epoch: when certificates must be valid. */
  readonly clock: () => number;
  readonly signal?: AbortSignal | undefined;
  readonly deadline?: AbortSignal | undefined;
}

/** A handshake that stands. `verdict` is a fault where the policy forbids to go on. */
export interface Upgraded {
  readonly tls: TlsFacts;
  readonly rejected: SmtpFault | undefined;
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
  const upgraded = judge(socket, chain, options);
  connection.attach(socket);
  return upgraded;
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

function judge(socket: TLSSocket, chain: readonly Uint8Array[], options: UpgradeOptions): Upgraded {
  const { policy } = options;
  const facts = (authenticated: Authenticated | null, reason: string): TlsFacts => ({
    protocol: socket.getProtocol() ?? 'unknown',
    cipher: socket.getCipher().standardName ?? socket.getCipher().name,
    serverName: policy.serverName,
    authenticated,
    reason,
  });
  switch (policy.level) {
    case 'may':
    case 'encrypt':
      return { tls: facts(null, `not authenticated: ${policy.source}`), rejected: undefined };
    case 'dane':
    case 'dane-only': {
      const verdict = options.verify({
        chain,
        tlsa: policy.tlsa,
        baseDomain: policy.baseDomain,
        otherNames: policy.otherNames,
        time: new Date(options.clock()),
      });
      if (verdict.authenticated) {
        return { tls: facts(authenticatedBy(verdict, policy), verdict.reason), rejected: undefined };
      }
      // RFC 7672 section 2.2: where nothing is usable, TLS is mandatory and authentication is not; section 6:
      // unless DANE itself is what the administrator demands.
      if (!verdict.usable && policy.level === 'dane')
        return { tls: facts(null, verdict.reason), rejected: undefined };
      return reject(facts(null, verdict.reason), verdict.reason, failureType(verdict));
    }
    default: {
      const never: never = policy;
      return never;
    }
  }
}

function authenticatedBy(verdict: Verification, policy: DanePolicy): Authenticated | null {
  const matched = verdict.matched;
  if (matched === undefined) return null;
  return {
    usage: matched.record.usage,
    record: formatTlsa(matched.record),
    baseDomain: policy.baseDomain,
    name: matched.referenceName ?? null,
  };
}

function reject(tls: TlsFacts, reason: string, type: FailureType): Upgraded {
  const words = `the server's certificate does not match its TLSA records (RFC 7672 section 3.2): ${reason}`;
  return { tls, rejected: new SmtpFault('unauthenticated', 'handshake', words, { failureType: type }) };
}

function failureType(verdict: Verification): FailureType {
  return verdict.resultType ?? (verdict.usable ? 'validation-failure' : 'tlsa-invalid');
}

const contexts = new Map<string, SecureContext>();

/**
 * TLS 1.2 or later where TLS is a must (RFC 8996 has retired what was before it). Opportunistic TLS takes
 * whatever Node.js allows by default: any encryption is better than the clear text it falls back to (RFC
 * 7435).
 *
 * `ca: []` keeps the Web's root store out: it plays no part, and loading it costs several milliseconds.
 */
function secureContext(policy: StartTlsPolicy): SecureContext {
  const key = policy.level === 'may' ? 'default' : 'TLSv1.2';
  const known = contexts.get(key);
  if (known !== undefined) return known;
  const made = createSecureContext({ ca: [], ...(key === 'TLSv1.2' ? { minVersion: 'TLSv1.2' } : {}) });
  contexts.set(key, made);
  return made;
}
