/**
 * A client on plain sockets for the tests of the mail servers: it does only what it is told, and forgives
 * nothing.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';
import { afterEach } from 'vitest';
import type { MailHabits, MailHostSpec } from '../src/mail-habits.js';
import { makeAuthorities } from '../src/mail-identity.js';
import { type MailServer, type MailServerOptions, startMailServer } from '../src/mailserver.js';

export const NOW = Date.parse('2030-06-01T12:00:00Z');
export const HOST = 'mx.good.example';
export const authorities = makeAuthorities(
  {
    Root: {},
    Issuing: { parent: 'Root' },
    Attacker: {},
    Cross: { parent: 'Attacker', name: 'Issuing', sameKeyAs: 'Issuing' },
  },
  NOW,
);

const started: { close(): Promise<void> }[] = [];
afterEach(async () => {
  await Promise.all(started.splice(0).map((one) => one.close()));
});

export async function start(
  spec: MailHostSpec = {},
  options: Partial<MailServerOptions> = {},
): Promise<MailServer> {
  const server = await startMailServer(HOST, spec, { clock: () => NOW, authorities, ...options });
  started.push(server);
  return server;
}

/** A client that does only what the test says: octets out, octets in. */
export class RawClient {
  #received = '';
  #closed = false;
  #reset = false;
  #wake = () => {};
  /** TLS, once it runs on the socket: to destroy both crashes Node. */
  #top: Socket;

  readonly socket: Socket;

  constructor(socket: Socket) {
    this.socket = socket;
    this.#top = socket;
    socket.on('data', (chunk: Buffer) => this.#change(() => (this.#received += chunk.toString('latin1'))));
    socket.on('end', () => this.#change(() => (this.#closed = true)));
    socket.on('close', () => this.#change(() => (this.#closed = true)));
    socket.on('error', () => this.#change(() => (this.#reset = true)));
    started.push({ close: async () => void this.#top.destroy() });
  }

  static async to(server: MailServer, address = '127.0.0.1'): Promise<RawClient> {
    const socket = connect(server.port, address);
    const client = new RawClient(socket);
    await once(socket, 'connect');
    return client;
  }

  get received(): string {
    return this.#received;
  }

  get wasReset(): boolean {
    return this.#reset;
  }

  /** The reply, lines joined by `|`; or `closed`. */
  async reply(): Promise<string> {
    for (;;) {
      const found = /^(?:\d{3}-.*\r\n)*\d{3} .*\r\n/.exec(this.#received);
      if (found !== null) {
        this.#received = this.#received.slice(found[0].length);
        return found[0].trimEnd().replaceAll('\r\n', '|');
      }
      if (this.#closed) return 'closed';
      await this.#more();
    }
  }

  async until(condition: (received: string) => boolean): Promise<string> {
    while (!condition(this.#received) && !this.#closed) await this.#more();
    return this.#received;
  }

  async closed(): Promise<void> {
    while (!this.#closed) await this.#more();
  }

  send(octets: string): void {
    this.socket.write(Buffer.from(octets, 'latin1'));
  }

  async command(line: string): Promise<string> {
    this.send(`${line}\r\n`);
    return this.reply();
  }

  async dialogue(...lines: string[]): Promise<string[]> {
    const replies = [await this.reply()];
    for (const line of lines) replies.push(await this.command(line));
    return replies;
  }

  /** Says STARTTLS and makes the handshake; the socket's error where it fails. */
  async starttls(options: ConnectionOptions = {}): Promise<RawClient> {
    const said = await this.command('STARTTLS');
    if (!said.startsWith('220')) throw new Error(said);
    return this.handshake(options);
  }

  async handshake(options: ConnectionOptions = {}): Promise<RawClient> {
    this.socket.removeAllListeners('data');
    const secured = connectTls({
      socket: this.socket,
      servername: HOST,
      rejectUnauthorized: false,
      ...options,
    });
    this.#top = secured;
    await once(secured, 'secureConnect');
    return new RawClient(secured);
  }

  #change(what: () => void): void {
    what();
    this.#wake();
  }

  #more(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}

/** The chain as sent, leaf first: to be asked for once only. */
export function chainOf(socket: Socket): Buffer[] {
  const chain: Buffer[] = [];
  let next = (socket as TLSSocket).getPeerX509Certificate();
  while (next !== undefined) {
    chain.push(next.raw);
    next = next.issuerCertificate;
  }
  return chain;
}

export const ENVELOPE = [
  'EHLO client.example',
  'MAIL FROM:<a@client.example>',
  'RCPT TO:<b@good.example>',
  'DATA',
];
export const MESSAGE = 'Subject: hello\r\n\r\n..a dot\r\n.\r\n';

/** Everything in clear up to the given command, its reply last. */
export async function talk(
  habits: MailHabits,
  ...lines: string[]
): Promise<{ server: MailServer; client: RawClient; replies: string[] }> {
  const server = await start({ habits });
  const client = await RawClient.to(server);
  return { server, client, replies: await client.dialogue(...lines) };
}
