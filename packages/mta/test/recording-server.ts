/**
 * A mail server that remembers: each message it said 250 to, over which connection, and whether that connection
 * ended with QUIT or broke off.
 *
 * It takes the message id from the header field `X-Number`. It can be told to behave badly at a stage.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { createSecureContext, type SecureContext, TLSSocket } from 'node:tls';

/** What the server does instead of going on as it should. */
export type Habit =
  | 'hang-at-greeting'
  | 'hang-at-ehlo'
  | 'hang-at-handshake'
  | 'hang-at-mail'
  | 'hang-at-data'
  | 'hang-in-data'
  | 'hang-at-dot'
  | 'drop-at-data'
  | 'drop-at-dot'
  | 'garbage-at-greeting'
  | 'garbage-at-mail'
  | 'garbage-at-dot'
  | 'refuse-connection';

export interface Receipt {
  readonly number: string;
  readonly connection: number;
  /** Its place among the messages of that connection, from 0. */
  readonly place: number;
  /** Milliseconds since the epoch. */
  readonly time: number;
}

export interface RecordingServerOptions {
  /** PEM; without it there is no STARTTLS. */
  readonly certificate?: { readonly cert: string; readonly key: string };
  /** For each connection, by its number. */
  readonly habit?: (connection: number) => Habit | undefined;
  /** Milliseconds before the reply to the final dot. */
  readonly delay?: () => number;
  /** The reply that refuses, if it is not to go on; after 421, and at the greeting, the connection ends. */
  readonly refuse?: (at: Refusable, server: RecordingServer) => string | undefined;
  readonly together?: Together;
}

/** Where a server may say that it has too much to do. */
export type Refusable = 'greeting' | 'EHLO' | 'MAIL';

/** A connection when it began: how many there were with it, and how many messages had been taken. */
export interface Arrival {
  readonly atOnce: number;
  readonly taken: number;
}

/** Connections of several servers at a time. */
export class Together {
  now = 0;
  most = 0;
}

/** Messages that are kept as text. */
const KEPT = 100;

export class RecordingServer {
  readonly receipts: Receipt[] = [];
  /** Final dots that came, answered or not. */
  messages = 0;
  /** Connections at a time, at most. */
  mostAtOnce = 0;
  /** In the order in which they came. */
  readonly arrivals: Arrival[] = [];
  /** Times that it refused. */
  refusals = 0;
  /** Connections whose TLS session is that of an earlier one. */
  resumed = 0;
  /** Messages that were taken, as they came. */
  readonly texts: string[] = [];
  /** Names that clients gave in EHLO, in order. */
  readonly names: string[] = [];
  /** Connections that ended with QUIT. */
  readonly quit = new Set<number>();
  /** Messages of each connection. */
  readonly counts = new Map<number, number>();
  readonly #options: RecordingServerOptions;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** Connections that have not said QUIT: after it the client counts them no more. */
  readonly #talking = new Set<number>();
  #connections = 0;
  #secureContext: SecureContext | undefined;

  constructor(options: RecordingServerOptions = {}) {
    this.#options = options;
    this.#server = createServer({ noDelay: true }, (socket) => this.#serve(socket));
  }

  get connections(): number {
    return this.#connections;
  }

  /** Connections that have not said QUIT. */
  get talking(): number {
    return this.#talking.size;
  }

  /** One for all connections, so that sessions can be resumed. */
  get secureContext(): SecureContext {
    const { cert = '', key = '' } = this.#options.certificate ?? {};
    this.#secureContext ??= createSecureContext({ cert, key });
    return this.#secureContext;
  }

  /** @param port any that is free where it is left out */
  async listen(port = 0): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(port, '127.0.0.1', resolve));
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    return address.port;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #serve(plain: Socket): void {
    const connection = ++this.#connections;
    this.#sockets.add(plain);
    this.#talking.add(connection);
    const { together } = this.#options;
    if (together !== undefined) together.most = Math.max(together.most, ++together.now);
    this.mostAtOnce = Math.max(this.mostAtOnce, this.#talking.size);
    this.arrivals.push({ atOnce: this.#talking.size, taken: this.receipts.length });
    plain.on('end', () => this.#left(connection)).on('close', () => this.#left(connection));
    plain.on('close', () => this.#sockets.delete(plain)).on('error', () => {});
    const habit = this.#options.habit?.(connection);
    if (habit === 'refuse-connection') plain.destroy();
    else new Conversation(plain, connection, habit, this.#options, this).start();
  }

  leaves(connection: number): void {
    this.quit.add(connection);
    this.#left(connection);
  }

  #left(connection: number): void {
    const { together } = this.#options;
    if (this.#talking.delete(connection) && together !== undefined) together.now -= 1;
  }

  took(number: string, connection: number, text: string): void {
    if (this.texts.length < KEPT) this.texts.push(text);
    const place = this.counts.get(connection) ?? 0;
    this.counts.set(connection, place + 1);
    this.receipts.push({ number, connection, place, time: Date.now() });
  }
}

class Conversation {
  #socket: Socket;
  readonly #connection: number;
  readonly #habit: Habit | undefined;
  readonly #options: RecordingServerOptions;
  readonly #server: RecordingServer;
  #rest = '';
  #inData = false;
  #message: string[] = [];
  #secured = false;
  #hasSender = false;
  /** It answers nothing any more. */
  #isHung = false;

  constructor(
    socket: Socket,
    connection: number,
    habit: Habit | undefined,
    options: RecordingServerOptions,
    server: RecordingServer,
  ) {
    this.#socket = socket;
    this.#connection = connection;
    this.#habit = habit;
    this.#options = options;
    this.#server = server;
  }

  start(): void {
    this.#socket.setEncoding('latin1');
    this.#socket.on('data', this.#onData);
    if (this.#habit === 'hang-at-greeting' || this.#refuses('greeting')) return;
    this.#say(this.#habit === 'garbage-at-greeting' ? '\u0000\u0001garbage' : '220 sink.example ESMTP');
  }

  readonly #onData = (text: string): void => {
    const lines = (this.#rest + text).split('\r\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#line(line);
  };

  #line(line: string): void {
    if (this.#isHung) return;
    if (!this.#inData) {
      this.#command(line);
    } else if (line === '.') {
      this.#inData = false;
      this.#end();
    } else if (this.#message.length < 200) {
      this.#message.push(line);
    }
  }

  #command(line: string): void {
    const verb = line.slice(0, 4).toUpperCase();
    switch (verb) {
      case 'EHLO': {
        this.#server.names.push(line.slice('EHLO '.length));
        if (this.#hangs('hang-at-ehlo') || this.#refuses('EHLO')) return;
        const starttls = this.#options.certificate !== undefined && !this.#secured ? ['STARTTLS'] : [];
        const offers = ['sink.example', 'PIPELINING', '8BITMIME', ...starttls, 'SIZE 0'];
        this.#say(offers.map((each, i) => `250${i === offers.length - 1 ? ' ' : '-'}${each}`).join('\r\n'));
        return;
      }
      case 'STAR':
        this.#say('220 go ahead');
        if (!this.#hangs('hang-at-handshake')) this.#secure();
        return;
      case 'MAIL':
        this.#hasSender = false;
        if (this.#hangs('hang-at-mail') || this.#refuses('MAIL')) return;
        this.#hasSender = true;
        this.#say(this.#habit === 'garbage-at-mail' ? 'garbage' : '250 2.1.0 Ok');
        return;
      case 'RCPT':
        this.#say(this.#hasSender ? '250 2.1.5 Ok' : '503 5.5.1 no sender');
        return;
      case 'DATA':
        if (!this.#hasSender) {
          this.#say('503 5.5.1 no sender');
          return;
        }
        if (this.#hangs('hang-at-data')) return;
        if (this.#habit === 'drop-at-data') {
          this.#socket.destroy();
          return;
        }
        this.#inData = true;
        this.#message = [];
        this.#say('354 go ahead');
        if (this.#hangs('hang-in-data')) this.#socket.pause();
        return;
      case 'QUIT':
        this.#server.leaves(this.#connection);
        this.#say('221 2.0.0 Bye');
        this.#socket.end();
        return;
      default:
        this.#say('250 2.0.0 Ok');
    }
  }

  #end(): void {
    const field = this.#message.find((line) => line.startsWith('X-Number: '));
    const number = field?.slice('X-Number: '.length) ?? '(none)';
    this.#server.messages += 1;
    if (this.#hangs('hang-at-dot')) return;
    if (this.#habit === 'drop-at-dot') {
      this.#socket.destroy();
      return;
    }
    const delay = this.#options.delay?.() ?? 0;
    const answer = (): void => {
      if (this.#habit === 'garbage-at-dot') {
        this.#say('garbage');
        return;
      }
      // Recorded when it is said: from here on the message is ours.
      this.#server.took(number, this.#connection, this.#message.join('\n'));
      this.#say('250 2.0.0 Ok');
    };
    if (delay === 0) answer();
    else setTimeout(answer, delay);
  }

  #hangs(at: Habit): boolean {
    this.#isHung ||= this.#habit === at;
    return this.#isHung;
  }

  #refuses(at: Refusable): boolean {
    const reply = this.#options.refuse?.(at, this.#server);
    if (reply === undefined) return false;
    this.#server.refusals += 1;
    this.#say(reply);
    if (at !== 'greeting' && !reply.startsWith('421')) return true;
    this.#isHung = true;
    this.#socket.end();
    return true;
  }

  #secure(): void {
    const plain = this.#socket;
    plain.removeAllListeners('data');
    const socket = new TLSSocket(plain, { isServer: true, secureContext: this.#server.secureContext });
    socket.once('secure', () => {
      if (socket.isSessionReused()) this.#server.resumed += 1;
    });
    socket.on('error', () => {});
    socket.setEncoding('latin1');
    socket.on('data', this.#onData);
    this.#socket = socket;
    this.#secured = true;
    this.#rest = '';
  }

  #say(text: string): void {
    if (this.#socket.writable) this.#socket.write(`${text}\r\n`);
  }
}
