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
 * A session is resumed only where the caller keeps sessions (`resumption`). A resumed session shows no
 * certificate, so what is judged then is the chain of its full handshake, which is kept with it - by this
 * policy, now. A server that declines to resume sends its chain again, and that one is judged.
 */
import { constants } from 'node:crypto';
import { isIP } from 'node:net';
import { createSecureContext, type SecureContext, type TLSSocket, connect as tlsConnect } from 'node:tls';
import { keepParsed, type Roots } from '@danelaw/dane';
import { takeChain } from './chain.js';
import type { Connection } from './connection.js';
import { SmtpFault } from './fault.js';
import type { Verify } from './judge.js';
import type { StartTlsPolicy } from './policy.js';
import { type HandshakeProfile, handshakeProfile } from './session-key.js';
import type { Resumption } from './ticket-store.js';
import { type Secured, type TlsVerdict, verdictOn } from './tls-facts.js';

export interface UpgradeOptions {
  readonly policy: StartTlsPolicy;
  readonly verify: Verify;
  readonly roots?: Roots | undefined;
  /**
   * Sessions of earlier connections with the same key; none is resumed and none kept where it is left out.
   */
  readonly resumption?: Resumption | undefined;
  /** Milliseconds since the epoch: when certificates must be valid. */
  readonly clock: () => number;
}

/** A handshake that stands. */
export interface Upgraded extends TlsVerdict {
  readonly secured: Secured;
  readonly resumed: boolean;
  /** Milliseconds from our first octet of TLS to the end of the handshake. */
  readonly handshake: number;
}

/**
 * Negotiates TLS on a connection whose STARTTLS was answered with 220.
 *
 * @throws SmtpFault `handshake`, `timeout`, `deadline`
 */
export async function upgrade(connection: Connection, options: UpgradeOptions): Promise<Upgraded> {
  const { policy, resumption } = options;
  // Not a chain that today's policy finds fault with: the server's certificate may be a new one by now.
  const ticket = resumption?.offer((kept) => {
    const { rejected, overlooked } = verdictOn(kept, policy, options);
    return rejected === undefined && overlooked.length === 0;
  });
  const plain = connection.detach();
  const begun = performance.now();
  const socket = tlsConnect({
    socket: plain,
    secureContext: secureContext(handshakeProfile(policy)),
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
    // RFC 7672 section 8.1: SNI is the TLSA base domain. RFC 6066 section 3: never an address.
    ...(policy.serverName !== null && isIP(policy.serverName) === 0 ? { servername: policy.serverName } : {}),
    ...(ticket === undefined ? {} : { session: ticket.session }),
  });
  socket.on('error', () => {}); // heard by `handshake` while it lasts, by the connection afterwards
  const issued = resumption === undefined ? undefined : new IssuedTickets(socket);
  await handshake(connection, socket);
  const took = performance.now() - begun;
  // No await between here and the chain: it is taken once, and at once.
  const resumed = ticket !== undefined && socket.isSessionReused();
  const chain = resumed ? ticket.secured.chain : takeChain(socket);
  keepParsed(chain);
  const secured: Secured = {
    protocol: socket.getProtocol() ?? 'unknown',
    cipher: socket.getCipher().standardName ?? socket.getCipher().name,
    serverName: policy.serverName,
    chain,
  };
  const verdict = verdictOn(secured, policy, options);
  if (verdict.rejected === undefined) {
    issued?.passOn((session) => resumption?.keep({ session, secured }, resumed ? ticket : undefined));
  }
  connection.attach(socket);
  return { ...verdict, secured, resumed, handshake: took };
}

/** Tickets come whenever the server likes, before the end of the handshake (TLS 1.2) or after it (1.3). */
class IssuedTickets {
  /** One is enough until there is a verdict. */
  #early: Buffer[] = [];
  #keep: ((session: Buffer) => void) | undefined;

  constructor(socket: TLSSocket) {
    socket.on('session', (session) => {
      if (this.#keep === undefined) this.#early = [session];
      else this.#keep(session);
    });
  }

  /** From now on, and what came by now. Without this call nothing is kept. */
  passOn(keep: (session: Buffer) => void): void {
    this.#keep = keep;
    for (const session of this.#early.splice(0)) keep(session);
  }
}

async function handshake(connection: Connection, socket: TLSSocket): Promise<void> {
  const fail = (words: string): SmtpFault =>
    new SmtpFault('handshake', 'handshake', `the TLS handshake failed: ${words}`, {
      failureType: 'validation-failure',
    });
  let undo = (): void => {};
  try {
    await connection.during('handshake', socket, (resolve, reject) => {
      const onError = (error: Error): void => reject(fail(tlsErrorWords(error)));
      const onClose = (): void => reject(fail('the server ended the connection'));
      socket.once('secureConnect', resolve).once('error', onError).once('close', onClose);
      undo = () => socket.off('secureConnect', resolve).off('error', onError).off('close', onClose);
    });
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    undo();
  }
}

/** OpenSSL's errors carry a thread id, a source file and a line; the reason is what a person needs. */
function tlsErrorWords(error: Error & { reason?: string; code?: string }): string {
  return error.reason ?? error.message;
}

const contexts = new Map<HandshakeProfile, SecureContext>();

/**
 * One for each profile: the least version of TLS, and for `legacy` TLS 1.0 with whatever ciphers there are,
 * which OpenSSL allows at security level 0 alone.
 *
 * `ca: []` keeps the Web's root store out: it plays no part, and loading it costs several milliseconds.
 */
function secureContext(profile: HandshakeProfile): SecureContext {
  const known = contexts.get(profile);
  if (known !== undefined) return known;
  const made = createSecureContext({
    ca: [],
    // A TLS 1.2 server could renegotiate with another certificate after the verdict on this one.
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
    ...versionsOf(profile),
  });
  contexts.set(profile, made);
  return made;
}

function versionsOf(profile: HandshakeProfile) {
  switch (profile) {
    case 'legacy':
      return { minVersion: 'TLSv1', ciphers: 'DEFAULT:@SECLEVEL=0' } as const;
    case 'default':
      return {};
    case 'TLSv1.2':
    case 'TLSv1.3':
      return { minVersion: profile };
    default: {
      const never: never = profile;
      return never;
    }
  }
}
