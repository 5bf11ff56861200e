/**
 * DNS over TCP (RFC 7766): one connection per server, kept for a while, with any number of queries in flight whose replies
 * may come in any order.
 */
import { createConnection, type Socket } from 'node:net';
import { onAbort } from './abort.js';
import { isReplyTo } from './reply-match.js';
import type { ServerAddress } from './server-address.js';
import { systemErrorText, TransportError } from './transport-error.js';

/** How a connection to a server is begun. */
export type Dial = (server: ServerAddress) => Dialled;

export interface Dialled {
  readonly socket: Socket;
  /** For messages: `TCP to 192.0.2.1#53`. */
  readonly name: string;
  /** Queries are held back until the server has proved who it is; rejects with a TransportError where it is another. */
  readonly authenticated?: Promise<void>;
}

export function dialTcp({ address, port }: ServerAddress): Dialled {
  const socket = createConnection({ host: address, port, noDelay: true });
  return { socket, name: `TCP to ${address}#${port}` };
}

/** Connections at one time; past it the one that is idle longest makes room. */
export const MAX_CONNECTIONS = 100;
/** Queries in flight on one connection: far more than a server answers at once, far fewer than there are ids. */
export const MAX_IN_FLIGHT = 2_000;
/** Messages in a row that belong to no query (late ones to abandoned queries are such), before the server is cut off. */
const MAX_STRAY_MESSAGES = 100;
/** A DNS header. */
const MIN_MESSAGE_OCTETS = 12;

export class TcpPool {
  readonly #idle: number;
  readonly #dial: Dial;
  /** Those that take new queries, by server, in the order of their last use. */
  readonly #usable = new Map<string, TcpConnection>();
  /** Those and the ones that only wait for their last replies. */
  readonly #all = new Set<TcpConnection>();

  /** @param idle milliseconds for which a connection without queries is kept */
  constructor(idle: number, dial: Dial) {
    this.#idle = idle;
    this.#dial = dial;
  }

  async exchange(query: Uint8Array, server: ServerAddress, signal: AbortSignal): Promise<Uint8Array> {
    for (let again = false; ; again = true) {
      const [connection, isNew] = this.#connection(server);
      try {
        return await connection.exchange(query, signal);
      } catch (error) {
        // RFC 7766 section 6.2.4: a server may close an idle connection in the moment in which we use it again.
        const isStale = error instanceof TransportError && STALE.has(error.failure) && !isNew && !again;
        if (!isStale) throw error;
      }
    }
  }

  /** RFC 7766 section 6.2.2: one connection to one server. */
  #connection(server: ServerAddress): [connection: TcpConnection, isNew: boolean] {
    const key = connectionKey(server);
    const open = this.#usable.get(key);
    this.#usable.delete(key);
    if (open?.isUsable) {
      this.#usable.set(key, open);
      return [open, false];
    }
    this.#makeRoom();
    const connection = new TcpConnection(this.#dial(server), this.#idle, () => {
      this.#all.delete(connection);
      if (this.#usable.get(key) === connection) this.#usable.delete(key);
    });
    this.#all.add(connection);
    this.#usable.set(key, connection);
    return [connection, true];
  }

  #makeRoom(): void {
    if (this.#all.size < MAX_CONNECTIONS) return;
    for (const connection of this.#usable.values()) {
      if (!connection.isIdle) continue;
      connection.end(new TransportError('closed', 'room was needed for another connection'));
      return;
    }
    throw new TransportError('limit', `${MAX_CONNECTIONS} TCP connections to name servers are in use`);
  }

  async close(): Promise<void> {
    const closing = [...this.#all];
    for (const connection of closing)
      connection.end(new TransportError('closed', 'the transport was closed'));
    await Promise.all(closing.map((connection) => connection.closed));
  }
}

/** A connection on which one identity was proved is none for another. */
function connectionKey({ address, port, tls }: ServerAddress): string {
  return JSON.stringify([address, port, tls?.name, tls?.pins]);
}

const STALE: ReadonlySet<string> = new Set(['cut-off', 'unreachable']);

interface InFlight {
  /** As sent on this connection, with an id that no other query on it has. */
  readonly query: Uint8Array;
  /** Messages that had come when it was sent. */
  readonly heard: number;
  resolve(reply: Uint8Array): void;
  reject(reason: unknown): void;
}

class TcpConnection {
  /** Resolves once the socket is gone. */
  readonly closed: Promise<void>;
  readonly #onEnd: () => void;
  readonly #name: string;
  readonly #socket: Socket;
  readonly #idle: number;
  readonly #inFlight = new Map<number, InFlight>();
  readonly #frames = new FrameReader();
  #usable = true;
  /** Frames that wait until the server has proved who it is; undefined once it has. */
  #heldBack: Uint8Array[] | undefined;
  #heard = 0;
  #strays = 0;
  #idleTimer: NodeJS.Timeout | undefined;

  constructor({ socket, name, authenticated }: Dialled, idle: number, onEnd: () => void) {
    this.#name = name;
    this.#idle = idle;
    this.#onEnd = onEnd;
    this.#socket = socket;
    if (authenticated !== undefined) this.#holdBack(authenticated);
    socket.on('data', (chunk: Uint8Array) => this.#receive(chunk));
    socket.on('error', (error) => this.end(this.#error('unreachable', systemErrorText(error), error)));
    this.closed = new Promise((resolve) => {
      socket.on('close', () => {
        this.end(this.#error('cut-off', 'the server closed the connection before it answered'));
        resolve();
      });
    });
  }

  #holdBack(authenticated: Promise<void>): void {
    this.#heldBack = [];
    authenticated.then(
      () => {
        for (const frame of this.#heldBack ?? []) this.#socket.write(frame);
        this.#heldBack = undefined;
      },
      (error: unknown) => this.end(asTransportError(error)),
    );
  }

  /** New queries may be put on it. */
  get isUsable(): boolean {
    return this.#usable;
  }

  get isIdle(): boolean {
    return this.#inFlight.size === 0;
  }

  exchange(query: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      if (this.#inFlight.size >= MAX_IN_FLIGHT)
        throw this.#error('limit', `${MAX_IN_FLIGHT} queries are in flight`);
      const id = this.#freeId(query);
      const stop = onAbort(signal, () => this.#abandon(id, signal.reason));
      if (signal.aborted) {
        reject(signal.reason);
        return;
      }
      const settled = (settle: () => void) => {
        stop();
        this.#inFlight.delete(id);
        this.#rest();
        settle();
      };
      this.#wake();
      // RFC 7766 section 8: length and message in one write.
      const frame = new Uint8Array(query.length + 2);
      frame.set([query.length >> 8, query.length & 0xff]);
      frame.set(query, 2);
      frame.set([id >> 8, id & 0xff], 2);
      this.#inFlight.set(id, {
        query: frame.subarray(2),
        heard: this.#heard,
        resolve: (reply) => settled(() => resolve(withId(reply, query))),
        reject: (reason) => settled(() => reject(reason)),
      });
      if (this.#heldBack === undefined) this.#socket.write(frame);
      else this.#heldBack.push(frame);
    });
  }

  /** RFC 7766 section 6.2.1: an id is not used twice at a time. The query's own, which is random, is kept where it is free. */
  #freeId(query: Uint8Array): number {
    let id = ((query[0] ?? 0) << 8) | (query[1] ?? 0);
    while (this.#inFlight.has(id)) id = (id + 1) & 0xffff;
    return id;
  }

  #abandon(id: number, reason: unknown): void {
    const abandoned = this.#inFlight.get(id);
    abandoned?.reject(reason);
    // Nothing came since it was asked: the connection may be dead without a word. Others in flight may still wait for it.
    if (abandoned !== undefined && abandoned.heard === this.#heard) {
      this.#usable = false;
      if (this.isIdle) this.end(this.#error('silent', 'no answer'));
    }
  }

  #receive(chunk: Uint8Array): void {
    try {
      for (const message of this.#frames.read(chunk)) this.#deliver(message);
    } catch (error) {
      if (!(error instanceof TransportError)) throw error;
      this.end(this.#error(error.failure, error.message));
    }
  }

  #deliver(message: Uint8Array): void {
    this.#heard++;
    const id = ((message[0] ?? 0) << 8) | (message[1] ?? 0);
    const asked = this.#inFlight.get(id);
    if (asked !== undefined && isReplyTo(asked.query, message)) {
      this.#strays = 0;
      asked.resolve(message);
    } else if (++this.#strays >= MAX_STRAY_MESSAGES) {
      throw new TransportError('junk', `${this.#strays} messages that are no reply to any query`);
    }
  }

  /** While a query is in flight the process stays alive for it, and no longer. */
  #wake(): void {
    clearTimeout(this.#idleTimer);
    this.#socket.ref();
  }

  #rest(): void {
    if (!this.isIdle || this.#socket.destroyed) return;
    this.#socket.unref();
    clearTimeout(this.#idleTimer);
    // RFC 7766 section 6.2.3: clients should close idle connections.
    this.#idleTimer = setTimeout(() => this.end(this.#error('closed', 'idle')), this.#idle).unref();
  }

  end(error: TransportError): void {
    this.#usable = false;
    clearTimeout(this.#idleTimer);
    this.#socket.destroy();
    this.#onEnd();
    for (const query of [...this.#inFlight.values()]) query.reject(error);
  }

  #error(failure: TransportError['failure'], message: string, cause?: Error): TransportError {
    return new TransportError(failure, `${this.#name}: ${message}`, cause === undefined ? {} : { cause });
  }
}

function asTransportError(error: unknown): TransportError {
  return error instanceof TransportError ? error : new TransportError('unreachable', String(error));
}

/** The reply, with the id that the asker gave to the query. */
function withId(reply: Uint8Array, query: Uint8Array): Uint8Array {
  reply.set(query.subarray(0, 2));
  return reply;
}

/**
 * Cuts a stream into messages by their two-octet lengths (RFC 1035 section 4.2.2). Holds one message at most; each octet is
 * copied once, however small the pieces are in which it comes.
 */
export class FrameReader {
  #length = 0;
  #lengthOctets = 0;
  #message: Uint8Array | undefined;
  #filled = 0;

  /** @throws TransportError (`malformed`) where a length is too short for a header */
  *read(chunk: Uint8Array): Generator<Uint8Array> {
    for (let at = 0; at < chunk.length; ) {
      if (this.#message === undefined) {
        this.#length = (this.#length << 8) | (chunk[at++] ?? 0);
        if (++this.#lengthOctets < 2) continue;
        if (this.#length < MIN_MESSAGE_OCTETS)
          throw new TransportError('malformed', `message of ${this.#length} octets`);
        this.#message = new Uint8Array(this.#length);
        continue;
      }
      const part = chunk.subarray(at, at + this.#length - this.#filled);
      this.#message.set(part, this.#filled);
      this.#filled += part.length;
      at += part.length;
      if (this.#filled < this.#length) continue;
      const message = this.#message;
      this.#message = undefined;
      this.#length = this.#lengthOctets = this.#filled = 0;
      yield message;
    }
  }
}
