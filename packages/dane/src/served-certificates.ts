/**
 * Which certificates a server really has: asked for one at a time.
 *
 * A server may hold several, and shows each client one: by the kinds of signature that the client offers (an RSA and an ECDSA
 * certificate side by side), by the name in SNI, and now and then by the version of TLS. A publisher has to cover them all (RFC
 * 7671 section 8), and one handshake shows one of them. So each handshake here offers one version, one kind of signature, and
 * a name or none; who the server is, is judged by whoever calls.
 */
import { constants } from 'node:crypto';
import { isIP, connect as tcpConnect } from 'node:net';
import type { Duplex } from 'node:stream';
import { type ConnectionOptions, type TLSSocket, connect as tlsConnect } from 'node:tls';
import { type ConnectFault, DaneConnectError } from './connect-error.js';
import { takeChain } from './sent-chain.js';
import { type StartTls, startTls } from './start-tls.js';

/** `any`: what an ordinary client offers. `eddsa` exists in TLS 1.3 alone here: OpenSSL 3.0's clients do no more. */
export type SignatureKind = 'any' | 'rsa' | 'ecdsa' | 'eddsa';
export type ProbedVersion = 'TLSv1.2' | 'TLSv1.3';

export interface HandshakeOffer {
  readonly version: ProbedVersion;
  readonly signatures: SignatureKind;
  /** Sent as SNI; none is sent where it is null. */
  readonly serverName: string | null;
}

export interface AskCertificateOptions extends HandshakeOffer {
  readonly address: string;
  readonly port: number;
  readonly starttls: StartTls;
  /** Said in EHLO. */
  readonly heloName?: string;
  /** Milliseconds for each of TCP, STARTTLS and TLS. */
  readonly timeout: number;
  readonly signal?: AbortSignal | undefined;
}

export type AskedCertificate =
  | {
      readonly status: 'shown';
      readonly offer: HandshakeOffer;
      readonly cipher: string;
      /** DER, as the server sent it. */
      readonly chain: readonly Uint8Array[];
    }
  /** `handshake`: the server would not have this offer. Everything else: it could not be asked. */
  | {
      readonly status: 'failed';
      readonly offer: HandshakeOffer;
      readonly fault: ConnectFault;
      readonly reason: string;
    };

/** Old servers have old certificates, and what is wrong with them is not for this handshake to say. */
const WEAK_TOO = '@SECLEVEL=0';
/** Named, since Node.js offers none of them where only others are named. */
const TLS13 = 'TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256';
/** One signature algorithm for each key that a server may have, newest digest first. */
const SIGNATURES: Readonly<Record<SignatureKind, { readonly sigalgs?: string; readonly ciphers: string }>> = {
  any: { ciphers: `${TLS13}:DEFAULT:${WEAK_TOO}` },
  rsa: {
    sigalgs: `${['sha256', 'sha384', 'sha512'].map((hash) => `rsa_pss_rsae_${hash}`).join(':')}:RSA+SHA256:RSA+SHA512`,
    ciphers: `${TLS13}:aRSA:${WEAK_TOO}`,
  },
  ecdsa: { sigalgs: 'ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512', ciphers: `${TLS13}:aECDSA:${WEAK_TOO}` },
  eddsa: { sigalgs: 'ed25519:ed448', ciphers: `${TLS13}:aECDSA:${WEAK_TOO}` },
};

/** Connects, shakes hands once, and says goodbye. Rejects only when `signal` aborts. */
export async function askCertificate(options: AskCertificateOptions): Promise<AskedCertificate> {
  const { version, signatures, serverName, address, port, timeout, signal } = options;
  const offer = { version, signatures, serverName };
  signal?.throwIfAborted();
  const plain = tcpConnect({ host: address, port, family: isIP(address), noDelay: true });
  const over = new AbortController();
  const bounded = signal === undefined ? over.signal : AbortSignal.any([signal, over.signal]);
  let timer: NodeJS.Timeout | undefined;
  const within = <T>(what: string, work: (step: AbortSignal) => Promise<T>): Promise<T> => {
    clearTimeout(timer);
    timer = setTimeout(
      () => over.abort(new DaneConnectError('timeout', `${what} within ${timeout} ms`)),
      timeout,
    );
    return work(bounded);
  };
  try {
    await within('no TCP connection', (step) => connected(plain, step));
    await within('no way to TLS', (step) => startTls(plain, options.starttls, step, options.heloName));
    const shown = await within('no TLS handshake', (step) => shakeHands(plain, offer, step));
    return { status: 'shown', offer, ...shown };
  } catch (error) {
    if (!(error instanceof DaneConnectError)) throw error;
    return { status: 'failed', offer, fault: error.fault, reason: error.message };
  } finally {
    clearTimeout(timer);
    plain.on('error', () => {}).destroy();
  }
}

function connected(plain: Duplex, signal: AbortSignal): Promise<void> {
  return awaited(
    plain,
    'connect',
    signal,
    () => undefined,
    (words) => new DaneConnectError('connect', `no TCP connection: ${words}`),
  );
}

async function shakeHands(
  plain: Duplex,
  { version, signatures, serverName }: HandshakeOffer,
  signal: AbortSignal,
): Promise<{ cipher: string; chain: readonly Uint8Array[] }> {
  const options: ConnectionOptions = {
    socket: plain,
    ca: [],
    minVersion: version,
    maxVersion: version,
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
    ...SIGNATURES[signatures],
    // RFC 6066 section 3: never an address, and no dot at the end.
    ...(serverName !== null && isIP(serverName) === 0 ? { servername: serverName.replace(/\.$/u, '') } : {}),
  };
  const socket: TLSSocket = tlsConnect(options);
  try {
    // The chain is taken in the same turn in which the handshake ends: it can be had once.
    return await awaited(
      socket,
      'secureConnect',
      signal,
      () => ({
        cipher: socket.getCipher().standardName ?? socket.getCipher().name,
        chain: takeChain(socket),
      }),
      (words) => new DaneConnectError('handshake', `the TLS handshake failed: ${words}`),
    );
  } finally {
    socket.on('error', () => {}).destroy();
  }
}

/** Waits for one event of a stream, or for its end. */
function awaited<T>(
  stream: Duplex,
  event: 'connect' | 'secureConnect',
  signal: AbortSignal,
  take: () => T,
  fault: (words: string) => DaneConnectError,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const finish = (end: () => void): void => {
      stream.off(event, onEvent).off('error', onError).off('close', onClose);
      signal.removeEventListener('abort', onAbort);
      end();
    };
    const onEvent = (): void => finish(() => resolve(take()));
    const onError = (error: Error & { reason?: string }): void =>
      finish(() => reject(fault(error.reason ?? error.message)));
    const onClose = (): void => finish(() => reject(fault('it was closed')));
    const onAbort = (): void => finish(() => reject(signal.reason));
    stream.once(event, onEvent).once('error', onError).once('close', onClose);
    signal.addEventListener('abort', onAbort);
    if (signal.aborted) onAbort();
  });
}
