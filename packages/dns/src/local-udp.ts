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
import type { QueryListener, StartedQuery } from './started-query.js';
import { systemErrorText, TransportError } from './transport-error.js';
import { udpSocket } from './udp.js';

/** Replies that may be on their way at a time: so many fit into a socket's buffer (Linux: 208 KiB) while we are busy. */
export const MAX_LOCAL_QUERIES = 64;

interface Waiting {
  readonly query: Uint8Array;
  readonly listener: QueryListener;
}

export class LocalUdp {
  readonly #server: { readonly address: string; readonly port: number };
  readonly #waiting = new Map<number, Waiting>();
  #socket: Socket | undefined;
  #isConnected = false;
  /** One for all queries over the socket. */
  #onSent: (error: Error | null) => void = () => {};

  constructor(server: { readonly address: string; readonly port: number }) {
    this.#server = server;
  }

  isAt(server: { readonly address: string; readonly port: number }): boolean {
    return this.#server.port === server.port && this.#server.address === server.address;
  }

  /** Undefined where it has to go by itself: there are too many, or one of them has its id. */
  start(query: Uint8Array, listener: QueryListener): StartedQuery | undefined {
    const id = idOf(query);
    if (this.#waiting.size >= MAX_LOCAL_QUERIES || this.#waiting.has(id)) return undefined;
    const socket = this.#socket ?? this.#open();
    const waiting = { query, listener };
    if (this.#waiting.size === 0) socket.ref();
    this.#waiting.set(id, waiting);
    if (this.#isConnected) this.#send(socket, query);
    return {
      end: () => {
        if (this.#waiting.get(id) === waiting) this.#forget(id);
      },
    };
  }

  /** All that wait are told the reason. */
  close(reason: unknown): void {
    const socket = this.#socket;
    this.#socket = undefined;
    this.#isConnected = false;
    socket?.close();
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { listener } of waiting) listener.failed(reason);
  }

  #open(): Socket {
    const socket = udpSocket(this.#server.address);
    this.#socket = socket;
    this.#onSent = (error) => {
      if (error !== null) this.#fail(socket, error);
    };
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
    socket.send(query, this.#onSent);
  }

  #receive(datagram: Buffer): void {
    if (!this.#isConnected || datagram.length < 2) return;
    const id = idOf(datagram);
    const waiting = this.#waiting.get(id);
    if (waiting === undefined || !isReplyTo(waiting.query, datagram)) return;
    this.#forget(id);
    waiting.listener.replied(new Uint8Array(datagram.buffer, datagram.byteOffset, datagram.length));
  }

  #forget(id: number): void {
    this.#waiting.delete(id);
    if (this.#waiting.size === 0) this.#socket?.unref();
  }

  /** Nobody listens there: all that wait are told, and the next query tries anew. */
  #fail(socket: Socket, cause: Error): void {
    if (socket !== this.#socket) return;
    const { address, port } = this.#server;
    this.close(
      new TransportError('unreachable', `UDP to ${address}#${port}: ${systemErrorText(cause)}`, { cause }),
    );
  }
}

function idOf(message: Uint8Array): number {
  return ((message[0] ?? 0) << 8) | (message[1] ?? 0);
}
