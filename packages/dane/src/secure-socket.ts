/**
 * TLS over a connection that stands, and a verdict on who is at its other end before anybody gets to write a word.
 *
 * This can't be had from options to `tls.connect` alone (`tls-options.ts` has what can). Node.js calls `checkServerIdentity` only where OpenSSL
 * has found a path to a root it trusts - which a DANE server need not have - and never where a session is
 * resumed; and where such a path is not asked for (`rejectUnauthorized: false`) nothing it returns refuses
 * anybody. Whoever got options would have to remember to look afterwards. So this is a
 * function, which hands the socket over when the verdict stands:
 *
 * - the chain is taken as it was sent, at `secureConnect`, in the same turn of the event loop;
 * - no session is offered for resumption, as a resumed one shows no certificate;
 * - renegotiation is forbidden (TLS 1.2), as it could bring another certificate later (by OpenSSL:
 *   `disableRenegotiation()` of Node.js does not hinder a server);
 * - the socket is destroyed where the verdict is no, and nothing of ours has been written by then.
 */
import { constants } from 'node:crypto';
import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { createSecureContext, type SecureContext, type TLSSocket, connect as tlsConnect } from 'node:tls';
import { DaneConnectError } from './connect-error.js';
import { type Roots, verifyPkix } from './pkix.js';
import { takeChain } from './sent-chain.js';
import type { TlsaRecord } from './tlsa.js';
import { type MatchedTlsa, verifyCertificate } from './verify.js';

/** How the server is to be authenticated. */
export type Trust = DaneTrust | PkixTrust;

/** By TLSA records, which must have been learned securely: `records` of a `UsableTlsa`. */
export interface DaneTrust {
  readonly by: 'dane';
  readonly tlsa: readonly TlsaRecord[];
  /** Sent as SNI, and the first reference name for DANE-TA. */
  readonly baseDomain: string;
  readonly otherNames?: readonly string[];
}

/** By certification authorities (RFC 5280, RFC 6125). */
export interface PkixTrust {
  readonly by: 'pkix';
  /** Sent as SNI. */
  readonly serverName: string;
  /** Reference names, any of which will do; `serverName` where they are left out. */
  readonly names?: readonly string[];
  /** The Web's roots, where they are left out. */
  readonly roots?: Roots;
}

export interface SecureOptions {
  readonly trust: Trust;
  /** RFC 7301. */
  readonly alpn?: readonly string[];
  /** Milliseconds for the handshake; 30,000 by default. */
  readonly timeout?: number;
  /** Milliseconds since the epoch: when certificates have to be valid. */
  readonly clock?: () => number;
  readonly signal?: AbortSignal | undefined;
}

export interface Secured {
  /** Verified, and yours: nothing listens to it any more, not even to its errors. */
  readonly socket: TLSSocket;
  readonly authenticated: AuthenticatedBy;
  /** The name that the server was asked for: the TLSA base domain, or what PKIX goes by. */
  readonly serverName: string;
  /** DER, as the server sent it. */
  readonly chain: readonly Uint8Array[];
}

export type AuthenticatedBy =
  | { readonly by: 'dane'; readonly matched: MatchedTlsa; readonly reason: string }
  /** `name`: the reference name that the certificate is for. */
  | { readonly by: 'pkix'; readonly name: string };

/** From our first octet to the verdict. */
const HANDSHAKE_TIMEOUT = 30_000;

/**
 * Negotiates TLS as a client over `plain`, and verifies the server.
 *
 * @param plain a connected stream from which nothing is left to be read; destroyed where this fails
 * @throws (rejects) DaneConnectError `handshake`, `timeout`, `unauthenticated`; the signal's reason on abort
 */
export async function secureSocket(plain: Duplex, options: SecureOptions): Promise<Secured> {
  const { trust, alpn, signal } = options;
  signal?.throwIfAborted();
  const serverName = trust.by === 'dane' ? trust.baseDomain : trust.serverName;
  const socket = tlsConnect({
    socket: plain,
    secureContext: context(),
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
    // RFC 6066 section 3: never an address, and no dot at the end.
    ...(isIP(serverName) === 0 ? { servername: serverName.replace(/\.$/u, '') } : {}),
    ...(alpn === undefined ? {} : { ALPNProtocols: [...alpn] }),
  });
  try {
    return await secured(socket, options);
  } catch (error) {
    socket.on('error', () => {}); // what a destroyed socket still has to say
    socket.destroy();
    plain.destroy();
    throw error;
  }
}

function secured(socket: TLSSocket, options: SecureOptions): Promise<Secured> {
  const { timeout = HANDSHAKE_TIMEOUT, signal } = options;
  return new Promise((resolve, reject) => {
    const fail = (words: string) => finish(() => reject(new DaneConnectError('handshake', words)));
    const onError = (error: Error & { reason?: string }): void =>
      fail(`the TLS handshake failed: ${error.reason ?? error.message}`);
    const onClose = (): void => fail('the TLS handshake failed: the server ended the connection');
    const onAbort = (): void => finish(() => reject(signal?.reason));
    const timer = setTimeout(
      () => finish(() => reject(new DaneConnectError('timeout', `no TLS handshake within ${timeout} ms`))),
      timeout,
    );
    const finish = (end: () => void): void => {
      clearTimeout(timer);
      socket.off('secureConnect', onSecure).off('error', onError).off('close', onClose);
      signal?.removeEventListener('abort', onAbort);
      end();
    };
    const onSecure = (): void =>
      finish(() => {
        try {
          resolve(judged(socket, options));
        } catch (error) {
          reject(error);
        }
      });
    socket.once('secureConnect', onSecure).once('error', onError).once('close', onClose);
    signal?.addEventListener('abort', onAbort);
  });
}

/** Within `secureConnect`: the chain can be taken now and never again. */
function judged(socket: TLSSocket, { trust, clock = Date.now }: SecureOptions): Secured {
  const chain = takeChain(socket);
  const time = new Date(clock());
  switch (trust.by) {
    case 'dane': {
      const { tlsa, baseDomain, otherNames = [] } = trust;
      const verdict = verifyCertificate({ chain, tlsa, baseDomain, otherNames, time });
      if (!verdict.authenticated) throw unauthenticated(verdict.reason);
      const { matched, reason } = verdict;
      return { socket, serverName: baseDomain, chain, authenticated: { by: 'dane', matched, reason } };
    }
    case 'pkix': {
      const { serverName, names = [serverName], roots } = trust;
      const verdict = verifyPkix({ chain, names, time, ...(roots === undefined ? {} : { roots }) });
      if (!verdict.authenticated) throw unauthenticated(verdict.reason);
      return { socket, serverName, chain, authenticated: { by: 'pkix', name: verdict.referenceName } };
    }
    default: {
      const never: never = trust;
      return never;
    }
  }
}

function unauthenticated(reason: string): DaneConnectError {
  return new DaneConnectError('unauthenticated', `the server could not be authenticated: ${reason}`);
}

let shared: SecureContext | undefined;

/** RFC 8996 has retired what was before TLS 1.2. The verdict is ours, so OpenSSL needs no roots. */
function context(): SecureContext {
  shared ??= createSecureContext({
    ca: [],
    minVersion: 'TLSv1.2',
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
  });
  return shared;
}
