/**
 * A real TCP server that speaks SMTP as a test tells it to, does STARTTLS with a real handshake, and writes
 * down what it was told: every line, whether it came under TLS, and in how many pieces.
 *
 * For the tests of this package alone; the mail server of @danelaw/lab is the one that behaves like a whole
 * Internet.
 */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { createSecureContext, type SecureContext, TLSSocket } from 'node:tls';
import * as fixture from './certificates.js';

/** One connection as the server saw it. */
export interface Heard {
  /** Commands, without line ends; the message is not among them. */
  readonly commands: string[];
  /** What was sent between 354 and the final dot, that included. */
  readonly data: string[];
  /**
   * Each piece the network delivered, of the conversation: a group of commands in one write is one of these.
   */
  readonly pieces: string[];
  tls: { protocol: string | null; serverName: string | false; resumed: boolean } | null;
  /** The client ended the connection, or it broke. */
  readonly closed: Promise<unknown>;
  /** Says something that nobody asked for; `close` ends the connection. */
  say(reply: string): void;
}

/** Where it depends on what was heard, a function. */
export type ScriptedReply = string | null | ((heard: Heard) => string | null);

export interface Script {
  readonly greeting?: string | null;
  /** EHLO's reply lines after the first, in clear and under TLS. */
  readonly offers?: readonly string[];
  readonly offersUnderTls?: readonly string[];
  /** The reply to a command, by its beginning; null says nothing, `close` ends the connection. */
  readonly replies?: Readonly<Record<string, ScriptedReply>>;
  /** The reply to the end of the message. */
  readonly endOfData?: ScriptedReply;
  /** Called when a message has come whole, before it is answered. */
  readonly onMessage?: () => void;
  /** Said in the middle of a message; then the connection ends. */
  readonly duringData?: string;
  /** Stops reading when the message begins. */
  readonly deaf?: boolean;
  /** Written with STARTTLS's 220, in the same piece. */
  readonly injected?: string;
  /** PEM, leaf first. */
  readonly chain?: string;
  readonly key?: string;
  readonly maxTls?: 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3';
  readonly minTls?: 'TLSv1' | 'TLSv1.2' | 'TLSv1.3';
  readonly ciphers?: string;
  /** The client is asked who it is: `asked` takes it without an answer, `demanded` breaks off. */
  readonly clientCertificate?: 'asked' | 'demanded';
  /** Instead of a handshake. */
  readonly handshake?: 'close' | 'garbage' | 'silent';
  /** Breaks off when the handshake has ended: under TLS 1.3 the client takes it for a success first. */
  readonly closeAfterHandshake?: boolean;
}

export interface ScriptedServer {
  readonly port: number;
  readonly connections: Heard[];
  close(): Promise<void>;
}

export async function startServer(script: Script = {}): Promise<ScriptedServer> {
  const connections: Heard[] = [];
  const sockets = new Set<Socket>();
  // One for all connections, so that sessions of earlier ones can be resumed; read when it is needed first.
  let made: SecureContext | undefined;
  const context = (): SecureContext => {
    made ??= secureContext(script);
    return made;
  };
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    const heard: Heard = {
      commands: [],
      data: [],
      pieces: [],
      tls: null,
      closed: new Promise((resolve) => socket.once('close', resolve)),
      say: (reply) => conversation.say(reply),
    };
    connections.push(heard);
    const conversation = new Conversation(socket, script, heard, context);
    conversation.start();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    connections,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function secureContext({ chain, key, maxTls, minTls, ciphers }: Script): SecureContext {
  return createSecureContext({
    cert: chain ?? fixture.leaf + fixture.ca,
    key: key ?? fixture.leafKey,
    ...(maxTls === undefined ? {} : { maxVersion: maxTls }),
    ...(minTls === undefined ? {} : { minVersion: minTls }),
    ...(ciphers === undefined ? {} : { ciphers }),
  });
}

const DEFAULT_OFFERS = ['PIPELINING', 'SIZE 10000000', '8BITMIME', 'SMTPUTF8', 'ENHANCEDSTATUSCODES'];

class Conversation {
  #socket: Socket;
  readonly #script: Script;
  readonly #heard: Heard;
  #rest = '';
  #inData = false;

  readonly #context: () => SecureContext;

  constructor(socket: Socket, script: Script, heard: Heard, context: () => SecureContext) {
    this.#context = context;
    this.#socket = socket;
    this.#script = script;
    this.#heard = heard;
  }

  start(): void {
    this.#socket.on('data', this.#onData);
    this.say(this.#script.greeting === undefined ? '220 scripted.example ESMTP' : this.#script.greeting);
  }

  readonly #onData = (octets: Uint8Array): void => {
    const text = Buffer.from(octets).toString('latin1');
    this.#heard.pieces.push(text);
    this.#rest += text;
    while (this.#rest !== '') {
      if (this.#inData ? !this.#takeData() : !this.#takeCommand()) break;
    }
  };

  #takeData(): boolean {
    const end = this.#rest.startsWith('.\r\n') ? 0 : this.#rest.indexOf('\r\n.\r\n') + 2;
    if (this.#script.duringData !== undefined) {
      this.#socket.off('data', this.#onData).resume().end(`${this.#script.duringData}\r\n`);
      return false;
    }
    if (end === 1) return false;
    this.#heard.data.push(this.#rest.slice(0, end + 3));
    this.#rest = this.#rest.slice(end + 3);
    this.#inData = false;
    this.#script.onMessage?.();
    const { endOfData = '250 2.0.0 taken' } = this.#script;
    this.say(typeof endOfData === 'function' ? endOfData(this.#heard) : endOfData);
    return true;
  }

  #takeCommand(): boolean {
    const end = this.#rest.indexOf('\r\n');
    if (end === -1) return false;
    const command = this.#rest.slice(0, end);
    this.#rest = this.#rest.slice(end + 2);
    this.#heard.commands.push(command);
    this.#answer(command);
    return true;
  }

  #answer(command: string): void {
    const key = Object.keys(this.#script.replies ?? {}).find((start) => command.startsWith(start));
    const scripted = key === undefined ? undefined : this.#script.replies?.[key];
    const fixed = typeof scripted === 'function' ? scripted(this.#heard) : scripted;
    const reply = fixed === undefined ? this.#usual(command) : fixed;
    if (command === 'STARTTLS' && reply?.startsWith('220') === true) {
      this.#socket.off('data', this.#onData);
      this.#socket.write(`${reply}\r\n${this.#script.injected ?? ''}`);
      this.#startTls();
      return;
    }
    if (reply?.startsWith('354') === true) this.#inData = true;
    if (this.#inData && this.#script.deaf === true) this.#socket.pause();
    this.say(reply);
    if (command === 'QUIT') this.#socket.end();
  }

  #usual(command: string): string {
    if (command.startsWith('EHLO')) {
      const offers = this.#heard.tls === null ? this.#script.offers : this.#script.offersUnderTls;
      const usual = this.#heard.tls === null ? [...DEFAULT_OFFERS, 'STARTTLS'] : DEFAULT_OFFERS;
      const lines = ['scripted.example', ...(offers ?? usual)];
      return lines.map((line, index) => `250${index === lines.length - 1 ? ' ' : '-'}${line}`).join('\r\n');
    }
    if (command === 'STARTTLS') return '220 2.0.0 go ahead';
    if (command === 'DATA') return '354 go on';
    return command === 'QUIT' ? '221 2.0.0 goodbye' : '250 2.1.0 ok';
  }

  say(reply: string | null): void {
    if (reply === null) return;
    if (reply === 'close') this.#socket.destroy();
    else this.#socket.write(`${reply}\r\n`);
  }

  #startTls(): void {
    const { handshake } = this.#script;
    if (handshake === 'silent') return void this.#socket.resume();
    if (handshake === 'close') return void this.#socket.end();
    if (handshake === 'garbage') return void this.#socket.once('data', () => this.say('500 what is this?'));
    const { clientCertificate } = this.#script;
    const tls = new TLSSocket(this.#socket, {
      isServer: true,
      secureContext: this.#context(),
      requestCert: clientCertificate !== undefined,
      rejectUnauthorized: clientCertificate === 'demanded',
    });
    tls.on('error', () => {});
    tls.on('secure', () => {
      const serverName = (tls as TLSSocket & { servername?: string | false }).servername ?? false;
      if (this.#script.closeAfterHandshake === true) tls.destroy();
      this.#heard.tls = { protocol: tls.getProtocol(), serverName, resumed: tls.isSessionReused() };
    });
    this.#socket = tls;
    this.#rest = '';
    tls.on('data', this.#onData);
  }
}
