/**
 * A verified TLS connection to any server that has TLSA records, by its name and port (RFC 6698, RFC 7671).
 *
 * What DNS says decides before the first packet: addresses first, then TLSA at `_port._tcp.` the host, where the
 * addresses are signed. With usable records the server must match them and nothing else counts. A look-up that
 * failed is never an absence: there is no connection (RFC 7673 sections 3.2 and 3.4). Where DANE does not apply,
 * certification authorities decide, as for any other client (section 4.1) - or nobody, if the caller wants DANE
 * or nothing. There is never a connection that was not authenticated.
 *
 * PKIX-TA(0) and PKIX-EE(1) records are not used: where a server has no others, it is as if it had none that can be
 * used, and authorities decide, unconstrained by them.
 */
import { connect as tcpConnect } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Resolver } from '@danelaw/dns';
import { DaneConnectError, noneOf } from './connect-error.js';
import { discover } from './discover.js';
import type { HostAddress, ReachableHost } from './finding.js';
import type { Roots } from './pkix.js';
import { type Secured, secureSocket, type Trust } from './secure-socket.js';
import { type StartTls, startTls } from './start-tls.js';

export interface ConnectOptions {
  readonly resolver: Pick<Resolver, 'resolve'>;
  /** `none` by default: TLS from the first octet on. */
  readonly starttls?: StartTls;
  /**
   * Where DANE does not apply - no TLSA records, an unsigned zone, or none that can be used: `pkix` (default) asks
   * for a certificate of an authority, `refuse` makes no connection.
   */
  readonly withoutDane?: 'pkix' | 'refuse';
  /** Authorities for `pkix`: the Web's, where they are left out. */
  readonly roots?: Roots;
  /** RFC 7301, the protocol that is wanted first. */
  readonly alpn?: readonly string[];
  /** Milliseconds for each step - TCP, STARTTLS, TLS - of each address; 30,000 by default. */
  readonly timeout?: number;
  readonly signal?: AbortSignal;
  /** Milliseconds since the epoch: when certificates have to be valid. */
  readonly clock?: () => number;
  /** Opens a TCP connection; a parameter for tests, and for those who go through a proxy. */
  readonly connect?: (target: HostAddress & { readonly port: number }) => Duplex;
}

/** A connection to a server that is who it should be. */
export interface DaneConnection extends Secured {
  readonly host: string;
  readonly address: string;
  readonly port: number;
}

/** Addresses of one server that are tried. */
const MAX_ADDRESSES = 5;
const TIMEOUT = 30_000;

/**
 * Connects to a server and verifies who it is.
 *
 * @param host a host name; not an address, which no TLSA record can speak for
 * @throws (rejects) DaneConnectError; the signal's reason on abort; TypeError for an invalid name
 */
export async function connectDane(
  host: string,
  port: number,
  options: ConnectOptions,
): Promise<DaneConnection> {
  return await connectToServer({ host, port, otherNames: [] }, options);
}

/** A server, and what else it may be called. */
export interface Server {
  readonly host: string;
  readonly port: number;
  /** Reference names besides the TLSA base domain, or besides the host. */
  readonly otherNames: readonly string[];
  /** Sent as SNI where DANE does not apply; the host by default (RFC 7673 section 4.1). */
  readonly serverName?: string;
}

export async function connectToServer(server: Server, options: ConnectOptions): Promise<DaneConnection> {
  const { host, port } = server;
  const { resolver, signal } = options;
  const finding = await discover(resolver, { host, port, ...(signal === undefined ? {} : { signal }) });
  switch (finding.status) {
    case 'reachable':
      return await connectToAddresses(finding, trustIn(finding, server, options), options);
    case 'failed':
      throw new DaneConnectError(
        'look-up',
        `the addresses of ${host} could not be looked up: ${finding.reason}`,
      );
    case 'absent':
      throw new DaneConnectError('absent', `${host} has no address: ${finding.reason}`);
    default: {
      const never: never = finding;
      return never;
    }
  }
}

function trustIn({ tlsa }: ReachableHost, server: Server, options: ConnectOptions): Trust {
  const { host, otherNames } = server;
  switch (tlsa.status) {
    case 'usable':
      return {
        by: 'dane',
        tlsa: tlsa.records,
        baseDomain: tlsa.baseDomain,
        otherNames: [host, ...otherNames],
      };
    case 'unusable':
      return withoutDane(`the TLSA records of ${tlsa.baseDomain} are all unusable`, server, options);
    case 'none':
      return withoutDane(tlsa.reason, server, options);
    case 'failed': {
      const words = `the TLSA records of ${host} could not be looked up, so it must not be used (RFC 7673 section 3.4)`;
      throw new DaneConnectError('look-up', `${words}: ${tlsa.reason}`);
    }
    default: {
      const never: never = tlsa;
      return never;
    }
  }
}

/** @throws DaneConnectError `no-dane`, where the caller takes nothing else */
export function withoutDane(
  reason: string,
  { host, otherNames, serverName }: Server,
  { withoutDane: wish = 'pkix', roots }: ConnectOptions,
): Trust {
  switch (wish) {
    case 'pkix': {
      const trust = { by: 'pkix', serverName: serverName ?? host, names: [host, ...otherNames] } as const;
      return roots === undefined ? trust : { ...trust, roots };
    }
    case 'refuse':
      throw new DaneConnectError(
        'no-dane',
        `DANE does not apply to ${host}, and nothing else will do: ${reason}`,
      );
    default: {
      const never: never = wish;
      return never;
    }
  }
}

/** Address by address, until one answers and is who it should be. */
export async function connectToAddresses(
  { host, port, addresses }: Pick<ReachableHost, 'host' | 'port' | 'addresses'>,
  trust: Trust,
  options: ConnectOptions,
): Promise<DaneConnection> {
  const attempts: DaneConnectError[] = [];
  for (const address of addresses.slice(0, MAX_ADDRESSES)) {
    try {
      const secured = await connectToAddress({ ...address, port }, trust, options);
      return { ...secured, host, address: address.address, port };
    } catch (error) {
      if (!(error instanceof DaneConnectError)) throw error;
      const words = `${host} [${address.address}]:${port}: ${error.message}`;
      attempts.push(new DaneConnectError(error.fault, words, { cause: error.cause }));
    }
  }
  throw noneOf(`no address of ${host} would do`, attempts);
}

async function connectToAddress(
  target: HostAddress & { readonly port: number },
  trust: Trust,
  options: ConnectOptions,
): Promise<Secured> {
  const { starttls = 'none', timeout = TIMEOUT, connect = connectTcp, alpn, clock, signal } = options;
  signal?.throwIfAborted();
  const plain = connect(target);
  try {
    const step = (what: string): AbortSignal => within(timeout, what, signal);
    await connected(plain, step('no TCP connection'));
    await startTls(plain, starttls, step('no way to TLS'));
    return await secureSocket(plain, {
      trust,
      timeout,
      signal,
      ...(alpn === undefined ? {} : { alpn }),
      ...(clock === undefined ? {} : { clock }),
    });
  } catch (error) {
    plain.on('error', () => {}); // what a destroyed socket still has to say
    plain.destroy();
    throw error;
  }
}

const connectTcp = ({ address, family, port }: HostAddress & { readonly port: number }): Duplex =>
  tcpConnect({ host: address, port, family, noDelay: true });

/** A signal that aborts with our own error when the time is over, and with the caller's reason when he wishes. */
function within(timeout: number, what: string, signal: AbortSignal | undefined): AbortSignal {
  const over = new AbortController();
  const timer = setTimeout(
    () => over.abort(new DaneConnectError('timeout', `${what} within ${timeout} ms`)),
    timeout,
  );
  timer.unref();
  return signal === undefined ? over.signal : AbortSignal.any([signal, over.signal]);
}

/** Waits for TCP. A stream that is no socket, or is connected already, is taken as it is. */
function connected(plain: Duplex, signal: AbortSignal): Promise<void> {
  if (!('connecting' in plain) || plain.connecting !== true) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const finish = (end: () => void): void => {
      plain.off('connect', onConnect).off('error', onError).off('close', onClose);
      signal.removeEventListener('abort', onAbort);
      end();
    };
    const fail = (words: string, cause?: Error): void =>
      finish(() => reject(new DaneConnectError('connect', `no TCP connection: ${words}`, { cause })));
    const onConnect = (): void => finish(resolve);
    const onError = (error: Error): void => fail(error.message, error);
    const onClose = (): void => fail('it was closed');
    const onAbort = (): void => finish(() => reject(signal.reason));
    plain.once('connect', onConnect).once('error', onError).once('close', onClose);
    signal.addEventListener('abort', onAbort);
  });
}
