/**
 * Queries to one resolver on this machine, all from one socket.
 *
 * A fresh port for each query (`udp.ts`) is there against forgers elsewhere, and costs more than the rest of the query. Over
 * loopback nothing comes from elsewhere: the kernel drops what arrives from outside under such an address (but where somebody has
 * set route_localnet, under which a port and an id have to be guessed still), and gives a connected
 * socket only what its server sends. Who may forge packets on this machine is root. Ids are random all the same, as
 * late replies to questions before must not be taken for answers.
 */
import type { Socket } from 'node:dgram';
import { isReplyTo } from './reply-match.js';
import { TransportError } from './transport-error.js';
import { udpSocket } from './udp.js';

/** Replies that may be on their way at a time: so many fit into a socket's buffer (Linux: 208 KiB) while we are busy. */
export const MAX_LOCAL_QUERIES = 64;

interface Waiting {
  readonly query: Uint8Array;
  readonly resolve: (reply: Uint8Array) => void;
  readonly reject: (error: unknown) => void;
}

/** One query that is under way. */
export interface LocalExchange {
  readonly reply: Promise<Uint8Array>;
  /** Rejects `reply` with the reason, if it is still waited for. */
  end(reason: unknown): void;
}

export class LocalUdp {
  readonly #server: { readonly address: string; readonly port: number };
  readonly #waiting = new Map<number, Waiting>();
  #socket: Socket | undefined;
  #isConnected = false;

  constructor(server: { readonly address: string; readonly port: number }) {
    this.#server = server;
  }

  /** Undefined where it has to go by itself: there are too many, or one of them has its id. */
  exchange(query: Uint8Array): LocalExchange | undefined {
    const id = idOf(query);
    if (this.#waiting.size >= MAX_LOCAL_QUERIES || this.#waiting.has(id)) return undefined;
    const socket = this.#socket ?? this.#open();
    const reply = new Promise<Uint8Array>((resolve, reject) =>
      this.#waiting.set(id, { query, resolve, reject }),
    );
    socket.ref();
    if (this.#isConnected) this.#send(socket, query);
    return { reply, end: (reason) => this.#take(id)?.reject(reason) };
  }

  close(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    this.#isConnected = false;
    socket?.close();
  }

  #open(): Socket {
    const socket = udpSocket(this.#server.address);
    this.#socket = socket;
    socket.on('error', (error) => this.#fail(socket, error));
    socket.on('message', (datagram) => this.#receive(datagram));
    socket.on('connect', () => {
      if (socket !== this.#socket) return;
      this.#isConnected = true;
      for (const { query } of this.#waiting.values()) this.#send(socket, query);
    });
    socket.connect(this.#server.port, this.#server.address);
    return socket;
  }

  #send(socket: Socket, query: Uint8Array): void {
    socket.send(query, (error) => {
      if (error !== null) this.#fail(socket, error);
    });
  }

  #receive(datagram: Uint8Array): void {
    if (!this.#isConnected || datagram.length < 2) return;
    const id = idOf(datagram);
    const waiting = this.#waiting.get(id);
    const reply = new Uint8Array(datagram.buffer, datagram.byteOffset, datagram.length);
    if (waiting !== undefined && isReplyTo(waiting.query, reply)) this.#take(id)?.resolve(reply);
  }

  #take(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (this.#waiting.size === 0) this.#socket?.unref();
    return waiting;
  }

  /** Nobody listens there: all that wait are told, and the next query tries anew. */
  #fail(socket: Socket, cause: Error): void {
    if (socket !== this.#socket) return;
    this.close();
    const { address, port } = this.#server;
    const what = `UDP to ${address}#${port}: ${cause.message}`;
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { reject } of waiting) reject(new TransportError('unreachable', what, { cause }));
  }
}

function idOf(message: Uint8Array): number {
  return ((message[0] ?? 0) << 8) | (message[1] ?? 0);
}
