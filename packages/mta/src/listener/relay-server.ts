/**
 * One listening address: smtp-server's server, which accepts sockets and speaks TLS, with our connections,
 * and with connections counted from the moment that they are accepted.
 */
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import {
  SMTPServer,
  type SMTPServerAuthentication,
  type SMTPServerAuthenticationResponse,
  type SMTPServerSession,
} from 'smtp-server';
import type { SMTPConnectionOptions } from 'smtp-server/lib/smtp-connection.js';
import type { SmtpAnswer } from '../acceptance/submission.js';
import { TOO_MANY_CONNECTIONS, TOO_MANY_OF_CLIENT } from './answers.js';
import type { CertificatePair } from './certificate-files.js';
import type { ListenAddress } from './options.js';
import { RelayConnection } from './relay-connection.js';
import type { RelayState } from './relay-state.js';

/** Milliseconds for a TLS handshake; then the place is somebody else's. */
export const HANDSHAKE_TIME = 30_000;

/** Milliseconds that a client that was turned away has to read why. */
const LINGER = 1000;

export class RelayServer extends SMTPServer {
  readonly address: ListenAddress;
  /** The one that it got; 0 until it listens. */
  port = 0;
  readonly #relay: RelayState;
  readonly #releases = new WeakMap<Socket, () => void>();
  readonly #owners = new WeakMap<SMTPServerSession, RelayConnection>();
  /** Until their sockets are closed, and not only until they were told to go. */
  readonly alive = new Set<RelayConnection>();

  constructor(address: ListenAddress, relay: RelayState, pair: CertificatePair | undefined) {
    super({
      secure: address.protocol === 'smtps',
      name: relay.name,
      logger: false,
      disableReverseLookup: true,
      // A client that has said all it has to say is still told what becomes of it.
      allowHalfOpen: true,
      authMethods: ['PLAIN', 'LOGIN'],
      socketTimeout: relay.limits.idle,
      // RFC 8996.
      minVersion: 'TLSv1.2',
      ...(pair === undefined ? {} : { cert: pair.cert, key: pair.key }),
    });
    this.address = address;
    this.#relay = relay;
    this.on('error', (error: Error) => {
      // A handshake that failed, or a connection that broke: the other side's affair.
      this.#relay.log.connectionFailed(error.message);
    });
  }

  /** Handshakes from now on use this pair. */
  useCertificate(pair: CertificatePair): void {
    this.updateSecureContext({ cert: pair.cert, key: pair.key });
  }

  /** smtp-server takes the time-out from its options whenever it sets one. */
  set idle(milliseconds: number) {
    this.options.socketTimeout = milliseconds;
  }

  start(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.server.once('error', reject);
      this.listen({ host: this.address.host, port: this.address.port }, () => {
        this.server.removeListener('error', reject);
        const bound = this.server.address();
        this.port = typeof bound === 'object' && bound !== null ? bound.port : this.address.port;
        resolve();
      });
    });
  }

  /** Takes no more connections. Resolves when the last one has ended. */
  stop(): Promise<void> {
    for (const socket of this._pendingSockets.values()) socket.destroy();
    return new Promise((resolve) => this.server.close(() => resolve()));
  }

  override _acceptSocket(socket: Socket, handshake: boolean): (() => void) | false {
    const client = socket.remoteAddress;
    const slot = client === undefined ? undefined : this.#relay.slots.take(client);
    if (client === undefined || slot === undefined) {
      socket.destroy();
      return false;
    }
    if (!slot.ok) {
      this.#turnAway(
        socket,
        client,
        handshake,
        slot.full === 'all' ? TOO_MANY_CONNECTIONS : TOO_MANY_OF_CLIENT,
      );
      return false;
    }
    this.#releases.set(socket, slot.release);
    this.holdSlot(socket);
    // Not in TLS, which would wait for the rest of a handshake from a client that is gone.
    if (handshake) socket.allowHalfOpen = false;
    const release = super._acceptSocket(socket, handshake);
    if (release === false || !handshake) return release;
    const timer = setTimeout(() => (this._pendingSockets.get(socket) ?? socket).destroy(), HANDSHAKE_TIME);
    return () => {
      clearTimeout(timer);
      release();
    };
  }

  /** Gives the socket's slot back when it closes. To be called again when its listeners have been removed. */
  holdSlot(socket: Socket): void {
    const release = this.#releases.get(socket);
    if (release !== undefined) socket.once('close', release);
  }

  #turnAway(socket: Socket, client: string, handshake: boolean, answer: SmtpAnswer): void {
    const { remotePort: clientPort = 0, localPort: port = 0 } = socket;
    this.#relay.log.refused({ session: '', client, clientPort, port }, '', answer);
    socket.on('error', () => {});
    // Before a handshake there is nothing that could be said.
    if (handshake) {
      socket.destroy();
      return;
    }
    socket.end(`${answer.code} ${answer.enhanced} ${this.#relay.name} ${answer.text}\r\n`);
    socket.resume();
    const timer = setTimeout(() => socket.destroy(), LINGER);
    socket.once('close', () => clearTimeout(timer));
  }

  override connect(socket: Socket | TLSSocket, options?: SMTPConnectionOptions | null): void {
    if (socket.destroyed) return;
    const connection = new RelayConnection(this.#relay, this, socket, options);
    this.connections.add(connection);
    this.alive.add(connection);
    this.#owners.set(connection.session, connection);
    connection.on('error', (error: Error) => this._onError(error));
    connection.init();
  }

  override onSecure(
    socket: Socket | TLSSocket,
    session: SMTPServerSession,
    callback: (error?: Error | null) => void,
  ): void {
    this.#owners.get(session)?.secured(socket);
    callback();
  }

  override onAuth(
    auth: SMTPServerAuthentication,
    session: SMTPServerSession,
    callback: (error: Error | null | undefined, response?: SMTPServerAuthenticationResponse) => void,
  ): void {
    const owner = this.#owners.get(session);
    if (owner === undefined) callback(null, {});
    else void owner.login(auth).then((response) => callback(null, response));
  }
}
