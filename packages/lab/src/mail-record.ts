/** What a mail server of the lab saw: every connection, every command line, every message, as they came. */
import type { ClientHello } from './client-hello.js';

export interface MailRecord {
  /** TCP connections in the order they were opened. */
  readonly connections: readonly ConnectionRecord[];
  /** Messages in the order of their final dots; also those that were refused there. */
  readonly messages: readonly ReceivedMessage[];
}

export interface ConnectionRecord {
  readonly clientAddress: string;
  readonly clientPort: number;
  /** The server's address that the client called, where the server has several. */
  readonly serverAddress: string;
  /** Milliseconds of the lab's clock. */
  readonly openedAt: number;
  readonly closedAt?: number;
  /** How it ended; absent as long as it is open. */
  readonly ended?: ConnectionEnd;
  readonly commands: readonly CommandRecord[];
  /** Octets that the client sent in clear behind STARTTLS without waiting for the 220; a client MUST NOT. */
  readonly clearAfterStarttls: Uint8Array;
  /** What the client offered, also where the handshake then failed. */
  readonly clientHello?: ClientHello;
  /** Present once the handshake is complete. */
  readonly tls?: TlsFacts;
  /** Why the handshake failed, in OpenSSL's or our words. */
  readonly tlsError?: string;
}

/**
 * `quit`: said and answered. `server`: a habit, or `close()`. `error`: reset by the client, or a broken TLS
 * stream.
 */
export type ConnectionEnd = 'quit' | 'client' | 'server' | 'error';

export interface CommandRecord {
  /** The line without its CRLF, latin1. */
  readonly line: string;
  readonly inTls: boolean;
  /** Milliseconds of the lab's clock. */
  readonly at: number;
  /** It was there before the reply to the command before it was sent. */
  readonly pipelined: boolean;
}

export interface TlsFacts {
  /** `TLSv1.3` */
  readonly protocol: string;
  /** `TLS_AES_256_GCM_SHA384` */
  readonly cipher: string;
  readonly serverName?: string;
  readonly resumed: boolean;
}

export interface ReceivedMessage {
  /** The reverse-path without angle brackets; empty for `<>`. */
  readonly from: string;
  /** `SIZE=1234`, `BODY=8BITMIME` ... */
  readonly mailParameters: readonly string[];
  /** Those that were accepted. */
  readonly recipients: readonly ReceivedRecipient[];
  /** The message as the sender meant it: dot-stuffing undone, line ends untouched. */
  readonly content: Uint8Array;
  /** The octets between the 354 and the terminating `.` as they were on the wire. */
  readonly wire: Uint8Array;
  /** Whether the final dot was answered with 2yz. */
  readonly accepted: boolean;
  readonly connection: ConnectionRecord;
}

export interface ReceivedRecipient {
  readonly address: string;
  readonly parameters: readonly string[];
}

/** The same while the connection is open and the server still writes in it. */
export type Writable<T> = { -readonly [K in keyof T]: T[K] };
export interface OpenConnection extends Writable<Omit<ConnectionRecord, 'commands'>> {
  commands: CommandRecord[];
}
