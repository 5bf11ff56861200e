/**
 * The TLS side of a mail server: which certificate is presented to whom, and the handshake.
 *
 * The certificate is chosen by the ClientHello that was read before (`client-hello.ts`), so a name that is
 * not served can be met as real servers do: with the usual certificate, with an alert, or with a closed
 * connection.
 */
import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { createServer, type TLSSocket } from 'node:tls';
import type { ClientHello } from './client-hello.js';
import type { MailHabits, UnservedName } from './mail-habits.js';
import type { MailIdentity, Presentation } from './mail-identity.js';
import type { TlsFacts } from './mail-record.js';

/**
 * Level 0 lets the server have short keys, SHA-1 signatures and TLS 1.0: whether they will do is the client's
 * affair.
 */
const CIPHERS = 'DEFAULT@SECLEVEL=0';
/** Node's size for the keys of session tickets. */
const TICKET_KEY_OCTETS = 48;

const HANDSHAKE_FAILURE = 40;
const UNRECOGNIZED_NAME = 112;

export type Choice =
  | { readonly action: 'present'; readonly presentation: Presentation }
  | { readonly action: 'alert'; readonly alert: Uint8Array }
  | { readonly action: 'drop' };

export type HandshakeResult =
  | { readonly status: 'secured'; readonly socket: TLSSocket; readonly facts: TlsFacts }
  | { readonly status: 'failed'; readonly reason: string };

export class TlsFace {
  readonly #identity: MailIdentity;
  readonly #habits: MailHabits;
  /** One for all connections, so that a client can resume its session on the next. */
  readonly #ticketKeys = randomBytes(TICKET_KEY_OCTETS);

  constructor(identity: MailIdentity, habits: MailHabits) {
    this.#identity = identity;
    this.#habits = habits;
  }

  choose(serverName: string | undefined): Choice {
    const { own, byName, instead, host } = this.#identity;
    if (instead !== undefined) return { action: 'present', presentation: instead };
    if (serverName === undefined) return unserved(this.#habits.withoutSni, own, HANDSHAKE_FAILURE);
    const name = serverName.toLowerCase();
    const presentation = byName.get(name) ?? (name === host.toLowerCase() ? own : undefined);
    if (presentation !== undefined) return { action: 'present', presentation };
    return unserved(this.#habits.unknownName, own, UNRECOGNIZED_NAME);
  }

  /**
   * `socket` is paused, the ClientHello back in it. Fulfils in any case: at the latest when the socket is
   * closed.
   */
  handshake(socket: Socket, hello: ClientHello, presentation: Presentation): Promise<HandshakeResult> {
    const { minVersion, maxVersion } = this.#habits;
    const { second } = presentation;
    const presented = second === undefined ? [presentation] : [presentation, second];
    return new Promise((resolve) => {
      const fail = (reason: string) => resolve({ status: 'failed', reason });
      // A server of its own for each connection: it is the documented way to a handshake on a socket that is
      // open already, and so its errors need no matching to connections.
      const server = createServer({
        cert: presented.map(({ sent }) => sent.map(({ pem }) => pem).join('')),
        key: presented.map(({ leaf }) => leaf.keyPem),
        ciphers: CIPHERS,
        ticketKeys: this.#ticketKeys,
        ...(minVersion === undefined ? {} : { minVersion }),
        ...(maxVersion === undefined ? {} : { maxVersion }),
      });
      server.once('secureConnection', (secured) =>
        resolve({ status: 'secured', socket: secured, facts: factsOf(secured, hello) }),
      );
      server.once('tlsClientError', (error) => fail(error.message));
      socket.once('close', () => fail('The connection was closed during the handshake'));
      server.emit('connection', socket);
    });
  }
}

/** A fatal alert with nothing before it (RFC 8446 section 6). */
export function fatalAlert(description: number = HANDSHAKE_FAILURE): Uint8Array {
  return Uint8Array.of(21, 3, 3, 0, 2, 2, description);
}

function unserved(habit: UnservedName = 'usual', own: Presentation, description: number): Choice {
  switch (habit) {
    case 'usual':
      return { action: 'present', presentation: own };
    case 'alert':
      return { action: 'alert', alert: fatalAlert(description) };
    case 'drop':
      return { action: 'drop' };
    default: {
      const never: never = habit;
      return never;
    }
  }
}

function factsOf(socket: TLSSocket, { serverName }: ClientHello): TlsFacts {
  return {
    protocol: socket.getProtocol() ?? 'unknown',
    cipher: socket.getCipher().name,
    ...(serverName === undefined ? {} : { serverName }),
    resumed: socket.isSessionReused(),
  };
}
