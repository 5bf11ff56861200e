/**
 * How queries reach a server and replies come back: UDP, TCP for what does not fit (RFC 7766), and TLS (RFC 7858).
 *
 * A transport moves octets and knows which of those that arrive belong to a query; what they say, whether to ask again
 * and whom, is the business of those who use it. `createNetworkTransport` is the real one; tests and callers may give
 * their own.
 */
import { isIP } from 'node:net';
import { onAbort, systemTimer, type Timer } from './abort.js';
import { LocalUdp } from './local-udp.js';
import { formatServer, type ServerAddress } from './server-address.js';
import { Slots } from './slots.js';
import { type QueryListener, START, type StartedQuery, type StartingTransport } from './started-query.js';
import { dialTcp, TcpPool } from './tcp.js';
import { TransportError } from './transport-error.js';
import { UdpExchange } from './udp.js';

export { formatServer, type ServerAddress } from './server-address.js';

export interface Endpoint extends ServerAddress {
  readonly protocol: 'udp' | 'tcp' | 'tls';
}

export interface Transport {
  /**
   * Sends one query and waits for its reply.
   * @throws (rejects) with a TransportError where there is no reply, with the signal's reason when it aborts
   */
  exchange(query: Uint8Array, server: Endpoint, signal?: AbortSignal): Promise<Uint8Array>;
  /**
   * Waited for before each exchange, for whoever gives servers a few questions at a time. Resolves, when it is this question's
   * turn, to what ends the turn; the server's time to answer begins then. @throws (rejects) with the signal's reason when it aborts,
   * with a TransportError where the server is not to be asked now
   */
  turn?(server: Endpoint, signal: AbortSignal): Promise<(end: TurnEnd) => void>;
}

/**
 * What came of a turn: something from the server, whatever it says; nothing, in all the time that it had; or that time was cut
 * short, or the network said that there is no way, which tells nothing of the server.
 */
export type TurnEnd = 'answered' | 'silent' | 'undecided';

export interface NetworkTransport extends Transport {
  /** Ends what is under way (it rejects with a TransportError) and all connections. */
  close(): Promise<void>;
}

export interface NetworkTransportOptions {
  /** Milliseconds after which an exchange ends even if its caller would wait for ever. */
  readonly patience?: number;
  /** Milliseconds for which a TCP connection without a query is kept (RFC 7766 section 6.2.3: "on the order of seconds"). */
  readonly idle?: number;
  readonly timer?: Timer;
  /** Certificates (PEM) under which a DNS-over-TLS server's name is proved, in place of the Web's roots. */
  readonly tlsRoots?: readonly string[];
}

const PATIENCE_MS = 30_000;
const IDLE_MS = 5_000;
/** Each UDP query holds a socket, and processes are commonly allowed 1024 open files. */
const MAX_UDP_SOCKETS = 400;

export function createNetworkTransport(options: NetworkTransportOptions = {}): NetworkTransport {
  const sockets = createSocketTransport(options);
  return {
    exchange: (query, server, signal) => sockets.exchange(query, server, signal),
    close: () => sockets.close(),
  };
}

/** The same for ourselves, with the shorter way that `started-query.ts` tells of. */
export function createSocketTransport(
  options: NetworkTransportOptions = {},
): NetworkTransport & StartingTransport {
  return new SocketTransport(options);
}

/** What can be ended from outside. */
interface UnderWay {
  fail(reason: unknown): void;
}

class SocketTransport implements NetworkTransport, StartingTransport {
  readonly #patience: number;
  readonly #timer: Timer;
  readonly #idle: number;
  readonly #tlsRoots: readonly string[] | undefined;
  readonly #tcp: TcpPool;
  #tls: Promise<TcpPool> | undefined;
  readonly #udpSockets = new Slots(MAX_UDP_SOCKETS);
  /** Few: resolvers on this machine. */
  readonly #local: LocalUdp[] = [];
  readonly #underWay = new Set<UnderWay>();
  #closed = false;

  constructor(options: NetworkTransportOptions) {
    this.#patience = options.patience ?? PATIENCE_MS;
    this.#timer = options.timer ?? systemTimer;
    this.#idle = options.idle ?? IDLE_MS;
    this.#tlsRoots = options.tlsRoots;
    this.#tcp = new TcpPool(this.#idle, dialTcp);
  }

  async exchange(query: Uint8Array, server: Endpoint, signal?: AbortSignal): Promise<Uint8Array> {
    signal?.throwIfAborted();
    const name = formatServer(server);
    if (this.#closed) throw closed(name);
    if (isIP(server.address) === 0) {
      throw new TransportError(
        'unsupported',
        `"${server.address}" is not an IP address: name servers are given by address`,
      );
    }
    const { protocol } = server;
    if (protocol === 'udp') return this.#udpSockets.use(() => this.#overUdp(query, server, signal), signal);
    const task = new AbortController();
    const work = () =>
      protocol === 'tcp'
        ? this.#tcp.exchange(query, server, task.signal)
        : this.#overTls(query, server, task.signal);
    return this.#watched(work, { fail: (reason) => task.abort(reason) }, name, signal);
  }

  [START](query: Uint8Array, server: Endpoint, listener: QueryListener): StartedQuery | undefined {
    if (this.#closed || server.protocol !== 'udp' || isIP(server.address) === 0) return undefined;
    const overShared = server.isLocal && this.#localUdp(server).start(query, listener);
    if (overShared) return overShared;
    if (!this.#udpSockets.enter()) return undefined;
    const exchange = new UdpExchange(query, server, listener, () => {
      this.#underWay.delete(exchange);
      this.#udpSockets.leave();
    });
    this.#underWay.add(exchange);
    exchange.start();
    return exchange;
  }

  async #overUdp(query: Uint8Array, server: Endpoint, signal: AbortSignal | undefined): Promise<Uint8Array> {
    const name = formatServer(server);
    // It may have waited in line for its slot.
    if (this.#closed) throw closed(name);
    let listener: QueryListener = { replied: () => {}, failed: () => {} };
    const reply = new Promise<Uint8Array>((replied, failed) => {
      listener = { replied, failed };
    });
    const shared = server.isLocal && this.#localUdp(server).start(query, listener);
    const exchange = shared || new UdpExchange(query, server, listener);
    if (exchange instanceof UdpExchange) exchange.start();
    const fail = (reason: unknown) => {
      exchange.end();
      listener.failed(reason);
    };
    return this.#watched(() => reply, { fail }, name, signal);
  }

  #localUdp(server: Endpoint): LocalUdp {
    for (const known of this.#local) if (known.isAt(server)) return known;
    const made = new LocalUdp(server);
    this.#local.push(made);
    return made;
  }

  /** Ends what is under way by the caller's signal, when patience is over, and when the transport is closed. */
  async #watched<T>(
    work: () => Promise<T>,
    underWay: UnderWay,
    name: string,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    this.#underWay.add(underWay);
    const stopListening = onAbort(signal, () => underWay.fail(signal?.reason));
    const stopTimer = this.#timer(this.#patience, () => {
      underWay.fail(new TransportError('silent', `no answer from ${name} in ${this.#patience} ms`));
    });
    try {
      return await work();
    } finally {
      stopTimer();
      stopListening();
      this.#underWay.delete(underWay);
    }
  }

  async #overTls(query: Uint8Array, server: Endpoint, signal: AbortSignal): Promise<Uint8Array> {
    // Loaded where it is needed: most processes never speak DNS over TLS.
    this.#tls ??= import('./tls.js').then(
      ({ tlsDialler }) => new TcpPool(this.#idle, tlsDialler(this.#tlsRoots)),
    );
    const pool = await this.#tls;
    signal.throwIfAborted();
    return pool.exchange(query, server, signal);
  }

  async close(): Promise<void> {
    this.#closed = true;
    const reason = new TransportError('closed', 'the transport was closed');
    for (const each of this.#underWay) each.fail(reason);
    for (const each of this.#local) each.close(reason);
    await Promise.all([this.#tcp.close(), this.#tls?.then((pool) => pool.close())]);
  }
}

function closed(name: string): TransportError {
  return new TransportError('closed', `the transport is closed: ${name} was not asked`);
}
