/**
 * One query over UDP (RFC 1035 section 4.2.1), from a socket of its own: the kernel picks a fresh random source port, which
 * together with the message id an off-path attacker has to guess (RFC 5452 section 9.2). The socket is connected, so that the
 * kernel drops what comes from elsewhere.
 *
 * Sockets kept open for many queries would save about a third of what a query costs here. They are not: their ports could be
 * found out by probing while they are open (SAD DNS, 2020), and each then be attacked for as long as it is used.
 */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { sameAddress } from './address.js';
import { isReplyTo } from './reply-match.js';
import type { QueryListener, StartedQuery } from './started-query.js';
import { systemErrorText, TransportError } from './transport-error.js';

/** Datagrams ignored before the wait is given up: an attacker must not get thousands of guesses at one query. */
export const MAX_JUNK_DATAGRAMS = 100;

export class UdpExchange implements StartedQuery {
  readonly #query: Uint8Array;
  readonly #server: { readonly address: string; readonly port: number };
  readonly #listener: QueryListener;
  readonly #onClosed: () => void;
  #socket: Socket | undefined;
  #isOver = false;
  #junk = 0;

  /** @param onClosed called once, before its listener hears anything */
  constructor(
    query: Uint8Array,
    server: { readonly address: string; readonly port: number },
    listener: QueryListener,
    onClosed: () => void = () => {},
  ) {
    this.#query = query;
    this.#server = server;
    this.#listener = listener;
    this.#onClosed = onClosed;
  }

  /** What goes wrong is told to the listener. */
  start(): void {
    try {
      const socket = udpSocket(this.#server.address);
      this.#socket = socket;
      socket.on('error', (error) => this.#fail(error));
      socket.on('message', (datagram, from) => this.#receive(datagram, from));
      socket.on('connect', () => this.#send(socket));
      // Binds to a port of the kernel's choice first, one that no other worker of a cluster shares.
      socket.connect(this.#server.port, this.#server.address);
    } catch (error) {
      this.fail(error);
    }
  }

  end(): void {
    this.#close();
  }

  /** Ends it, if it is still waited for, and tells its listener why. */
  fail(reason: unknown): void {
    if (this.#close()) this.#listener.failed(reason);
  }

  #send(socket: Socket): void {
    if (this.#isOver) return;
    socket.send(this.#query, (error) => {
      if (error !== null) this.#fail(error);
    });
  }

  #receive(datagram: Uint8Array, from: RemoteInfo): void {
    // Between bind and connect the kernel takes datagrams from anyone: the source is checked here too.
    const isFromServer = from.port === this.#server.port && sameAddress(from.address, this.#server.address);
    const reply = new Uint8Array(datagram.buffer, datagram.byteOffset, datagram.length);
    if (isFromServer && isReplyTo(this.#query, reply)) {
      if (this.#close()) this.#listener.replied(reply);
    } else if (++this.#junk >= MAX_JUNK_DATAGRAMS) {
      const what = `${this.#junk} datagrams that are no reply to the query to ${this.#name}: ids are being guessed`;
      this.fail(new TransportError('junk', what));
    }
  }

  #fail(error: Error): void {
    this.fail(
      new TransportError('unreachable', `UDP to ${this.#name}: ${systemErrorText(error)}`, { cause: error }),
    );
  }

  get #name(): string {
    return `${this.#server.address}#${this.#server.port}`;
  }

  /** False where it was closed before. */
  #close(): boolean {
    if (this.#isOver) return false;
    this.#isOver = true;
    this.#socket?.close();
    this.#onClosed();
    return true;
  }
}

/** A socket that can be connected to this address. */
export function udpSocket(address: string): Socket {
  const family = isIPv6(address) ? 6 : 4;
  return createSocket({
    type: family === 6 ? 'udp6' : 'udp4',
    // It is an address already: Node would ask for it as for a name.
    lookup: (name, _options, found) => found(null, name, family),
  });
}
