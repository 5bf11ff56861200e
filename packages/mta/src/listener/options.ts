/** What a listener is told: where it listens, for whom, and its bounds. */
import type { Acceptance } from '../acceptance/submission.js';
import type { ListenerLog } from './listener-log.js';

/** `smtp`: clear text at first, STARTTLS where there is a certificate. `smtps`: TLS from the first octet. */
export interface ListenAddress {
  readonly protocol: 'smtp' | 'smtps';
  /** An IP address; `::` is every address, of IPv4 too. */
  readonly host: string;
  /** 0: any that is free (tests). */
  readonly port: number;
}

/** Only this machine, and a port that needs no privileges. */
export const DEFAULT_ADDRESSES: readonly ListenAddress[] = [
  { protocol: 'smtp', host: '127.0.0.1', port: 2525 },
];

export const DEFAULT_NETWORKS: readonly string[] = ['127.0.0.0/8', '::1'];

export interface CertificateFiles {
  /** PEM: the certificate, and the intermediate ones behind it. */
  readonly certificate: string;
  /** PEM. */
  readonly key: string;
}

export interface ListenerLimits {
  /** Connections at a time, those whose TLS handshake is under way included. */
  readonly connections: number;
  /** The same, of one client: an IPv4 address, or 64 bits of an IPv6 address. */
  readonly connectionsOfClient: number;
  readonly messagesOfConnection: number;
  readonly recipients: number;
  /** Octets of one message; what SIZE says (RFC 1870). */
  readonly messageOctets: number;
  /** Octets of memory for the messages of all connections that are not in the queue yet. */
  readonly octetsInMemory: number;
  /** Milliseconds without anything from the client. */
  readonly idle: number;
  /**
   * Milliseconds from the greeting, or from the end of a message, to the next message's 354: a client that sends one
   * octet now and then is never idle.
   */
  readonly commandTime: number;
  /** Milliseconds for one message, from 354 to the final dot. */
  readonly messageTime: number;
  /** Milliseconds that a connection waits for memory in the middle of a message. */
  readonly patience: number;
  /** Commands that were wrong, between two messages. */
  readonly errors: number;
  /** Commands that are right and lead nowhere (NOOP, RSET, EHLO ...), between two messages. */
  readonly idleCommands: number;
  /** Failed logins over one connection. */
  readonly failedLogins: number;
  /** Failed logins of one client in ten minutes. */
  readonly failedLoginsOfClient: number;
}

export const DEFAULT_LIMITS: ListenerLimits = {
  // A process has 1024 descriptors by default on many systems, and the way out needs its share.
  connections: 500,
  connectionsOfClient: 100,
  messagesOfConnection: 100_000,
  // RFC 5321 section 4.5.3.1.8 asks for 100 at least.
  recipients: 1000,
  messageOctets: 50 * 1024 * 1024,
  octetsInMemory: 256 * 1024 * 1024,
  // RFC 5321 section 4.5.3.2.7.
  idle: 5 * 60_000,
  // A client that keeps a connection for later may say NOOP for a while.
  commandTime: 30 * 60_000,
  // 50 MiB over 256 kbit/s.
  messageTime: 30 * 60_000,
  patience: 10_000,
  errors: 20,
  idleCommands: 1000,
  failedLogins: 3,
  failedLoginsOfClient: 10,
};

/** What may change while the listener runs. */
export interface ListenerSettings {
  /** The fully qualified name that the greeting says. */
  readonly name: string;
  readonly addresses: readonly ListenAddress[];
  readonly certificate?: CertificateFiles | undefined;
  /** Users and what `hashPassword` made of their passwords. */
  readonly users: ReadonlyMap<string, string>;
  /** Clients from here relay without a login. */
  readonly networks: readonly string[];
  /**
   * Messages of clients that are here, or that have logged in, come from programs that write mail, and get
   * what is missing in their header (RFC 6409 section 8). Default: this machine.
   */
  readonly submissionNetworks?: readonly string[] | undefined;
  /** A configuration that relays for everybody is meant so. */
  readonly openRelay?: boolean | undefined;
  readonly limits?: Partial<ListenerLimits> | undefined;
}

export interface ListenerOptions extends ListenerSettings {
  readonly acceptance: Acceptance;
  readonly log: ListenerLog;
  /** Milliseconds since any moment; never goes back. */
  readonly clock?: (() => number) | undefined;
  /** Milliseconds between two looks at the certificate's files. */
  readonly certificateInterval?: number | undefined;
}
