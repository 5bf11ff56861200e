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
import { TransportError } from './transport-error.js';

/** Datagrams ignored before the wait is given up: an attacker must not get thousands of guesses at one query. */
export const MAX_JUNK_DATAGRAMS = 100;

export class UdpExchange {
  readonly reply: Promise<Uint8Array>;
  readonly #query: Uint8Array;
  readonly #server: { readonly address: string; readonly port: number };
  readonly #socket: Socket;
  #resolve: (reply: Uint8Array) => void = () => {};
  #reject: (error: unknown) => void = () => {};
  #isOver = false;
  #junk = 0;

  constructor(query: Uint8Array, server: { readonly address: string; readonly port: number }) {
    this.#query = query;
    this.#server = server;
    this.reply = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    const socket = udpSocket(server.address);
    this.#socket = socket;
    socket.on('error', (error) => this.#fail(error));
    socket.on('message', (datagram, from) => this.#receive(datagram, from));
    socket.on('connect', () => this.#send());
    // Binds to a port of the kernel's choice first, one that no other worker of a cluster shares.
    socket.connect(server.port, server.address);
  }

  /** Rejects `reply` with the reason, if it is still waited for. */
  end(reason: unknown): void {
    if (this.#close()) this.#reject(reason);
  }

  #send(): void {
    if (this.#isOver) return;
    this.#socket.send(this.#query, (error) => {
      if (error !== null) this.#fail(error);
    });
  }

  #receive(datagram: Uint8Array, from: RemoteInfo): void {
    // Between bind and connect the kernel takes datagrams from anyone: the source is checked here too.
    const isFromServer = from.port === this.#server.port && sameAddress(from.address, this.#server.address);
    const reply = new Uint8Array(datagram.buffer, datagram.byteOffset, datagram.length);
    if (isFromServer && isReplyTo(this.#query, reply)) {
      if (this.#close()) this.#resolve(reply);
    } else if (++this.#junk >= MAX_JUNK_DATAGRAMS) {
      const what = `${this.#junk} datagrams that are no reply to the query to ${this.#name}: ids are being guessed`;
      this.end(new TransportError('junk', what));
    }
  }

  #fail(error: Error): void {
    this.end(new TransportError('unreachable', `UDP to ${this.#name}: ${error.message}`, { cause: error }));
  }

  get #name(): string {
    return `${this.#server.address}#${this.#server.port}`;
  }

  /** False where it was closed before. */
  #close(): boolean {
    if (this.#isOver) return false;
    this.#isOver = true;
    this.#socket.close();
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
