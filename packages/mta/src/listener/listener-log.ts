/**
 * What the listener tells about itself: facts, which the program's log gives names and levels. No password,
 * and nothing of an AUTH exchange but the user's name, is ever among them.
 */
import type { SmtpAnswer } from '../acceptance/submission.js';

/** Which connection, and whose. */
export interface ConnectionFacts {
  /** Unique among the connections of this process. */
  readonly session: string;
  readonly client: string;
  readonly clientPort: number;
  /** The listener's. */
  readonly port: number;
}

export interface ListenerLog {
  connected(connection: ConnectionFacts): void;
  tls(connection: ConnectionFacts, protocol: string | undefined, cipher: string | undefined): void;
  authenticated(connection: ConnectionFacts, user: string): void;
  /** A 4yz or 5yz; `command` is the verb alone, empty where the connection itself is refused. */
  refused(connection: ConnectionFacts, command: string, answer: SmtpAnswer): void;
  received(connection: ConnectionFacts, message: ReceivedFacts): void;
  disconnected(connection: ConnectionFacts, messages: number): void;
  /** A certificate is in use from now on. */
  certificate(file: string, notAfter: Date): void;
  /** A TLS handshake that failed, or a connection that broke. */
  connectionFailed(why: string): void;
  /** Something an administrator should know; `what` is a sentence. */
  problem(what: string): void;
}

export interface ReceivedFacts {
  readonly id: string;
  readonly from: string;
  readonly recipients: number;
  readonly octets: number;
  readonly user: string | undefined;
  /** False: the client was gone before it could be told, and may send the message again (RFC 1047). */
  readonly answered: boolean;
}
