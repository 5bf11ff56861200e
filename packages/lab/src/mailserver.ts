/**
 * A mail server of the lab: listens on loopback, shows the habits it was given, and records all that it saw.
 *
 * It is our own SMTP server on plain sockets, because its faults are the point: a library would not let us
 * send clear text behind the 220, or a chain out of order. Nothing in it waits longer than its clients do;
 * `close` ends everything at once.
 */
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import type { TlsaRecord } from '@danelaw/dane';
import type { Certificate } from './certificate.js';
import type { MailHostSpec } from './mail-habits.js';
import { type Authorities, makeMailIdentity } from './mail-identity.js';
import type { MailRecord, OpenConnection, ReceivedMessage } from './mail-record.js';
import { MailSession, type SessionSurroundings } from './mail-session.js';
import { TlsFace } from './mail-tls.js';

export interface MailServerOptions {
  /** Milliseconds since the epoch: the certificates' dates and the times in the record. */
  readonly clock: () => number;
  /** Those that the spec names. */
  readonly authorities?: Authorities;
  /** Loopback addresses to listen on, all with the same port. Default: `127.0.0.1`. */
  readonly addresses?: readonly string[];
  /** Default: 0, a free one. */
  readonly port?: number;
}

export interface MailServer {
  readonly host: string;
  readonly port: number;
  readonly addresses: readonly string[];
  /** The host's own certificate; what `habits.presents` shows is another. */
  readonly certificate: Certificate;
  /** What the host's owner publishes at `_25._tcp.` the host. */
  readonly tlsa: readonly TlsaRecord[];
  /** Grows while the server runs, and stays when it is closed. */
  readonly received: MailRecord;
  /** Fulfils when no connection is open: then the record of all that went before is complete. */
  whenIdle(): Promise<void>;
  /** Breaks off all connections and gives the port back. */
  close(): Promise<void>;
}

/**
 * Rejects where the spec names an authority that is not there, or the port is taken on one of the addresses.
 */
export async function startMailServer(
  host: string,
  spec: MailHostSpec,
  options: MailServerOptions,
): Promise<MailServer> {
  const { clock, authorities = new Map(), addresses = ['127.0.0.1'], port: wanted = 0 } = options;
  const habits = spec.habits ?? {};
  const identity = makeMailIdentity(host, spec, authorities, clock());
  const connections: OpenConnection[] = [];
  const messages: ReceivedMessage[] = [];
  const closing = new AbortController();
  const running = new Map<MailSession, Promise<void>>();
  const around: SessionSurroundings = {
    host,
    habits,
    tls: new TlsFace(identity, habits),
    clock,
    turns: new Map(),
    keep: (message) => messages.push(message),
    signal: closing.signal,
  };
  const { port, listeners } = await listenAll(addresses, wanted, (socket) => {
    const record = openRecord(socket, clock());
    connections.push(record);
    const session = new MailSession(socket, record, around);
    running.set(
      session,
      serve(session, socket, record, clock).finally(() => running.delete(session)),
    );
  });
  return {
    host,
    port,
    addresses,
    certificate: identity.own.leaf,
    tlsa: identity.tlsa,
    received: { connections, messages },
    async whenIdle() {
      while (running.size > 0) await Promise.all(running.values());
    },
    async close() {
      closing.abort();
      for (const record of connections) record.ended ??= 'server';
      for (const session of running.keys()) session.breakOff();
      await Promise.all([...listeners.map(stopped), ...running.values()]);
    },
  };
}

async function serve(
  session: MailSession,
  socket: Socket,
  record: OpenConnection,
  clock: () => number,
): Promise<void> {
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  // Replies are short and each is waited for: Nagle's algorithm would only hold them back.
  socket.setNoDelay(true);
  await session.run();
  await closed;
  record.closedAt = clock();
}

function openRecord(socket: Socket, openedAt: number): OpenConnection {
  return {
    clientAddress: socket.remoteAddress ?? '',
    clientPort: socket.remotePort ?? 0,
    serverAddress: socket.localAddress ?? '',
    openedAt,
    commands: [],
    clearAfterStarttls: new Uint8Array(),
  };
}

/** A free port of the first address may be taken on the next: then another is tried. */
const PORT_ATTEMPTS = 20;

async function listenAll(
  addresses: readonly string[],
  wanted: number,
  onConnection: (socket: Socket) => void,
): Promise<{ port: number; listeners: Server[] }> {
  for (let attempt = 1; ; attempt++) {
    const listeners: Server[] = [];
    try {
      let port = wanted;
      for (const address of addresses) {
        const listener = await listen(address, port, onConnection);
        listeners.push(listener);
        port = portOf(listener);
      }
      return { port, listeners };
    } catch (error) {
      await Promise.all(listeners.map(stopped));
      if (wanted !== 0 || attempt === PORT_ATTEMPTS) throw error;
    }
  }
}

function listen(address: string, port: number, onConnection: (socket: Socket) => void): Promise<Server> {
  const server = createServer(onConnection);
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: address, port, ipv6Only: true }, () => {
      server.off('error', reject);
      resolve(server);
    });
  });
}

function portOf(server: Server): number {
  const address: AddressInfo | string | null = server.address();
  if (address === null || typeof address === 'string')
    throw new Error('The mail server is not listening on TCP');
  return address.port;
}

function stopped(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}
