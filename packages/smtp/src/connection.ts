/**
 * One connection to a mail server: lines out, replies in.
 *
 * It knows when something was asked, so that replies nobody asked for are noticed (RFC 2920 section 3.1:
 * replies are matched to commands by counting, nothing else), how long each stage may take (RFC 5321 section
 * 4.5.3.2), and how to change the socket under the conversation when STARTTLS has been agreed. It knows
 * nothing about mail.
 *
 * Everything that goes wrong is an `SmtpFault`, except the caller's own abort, which rejects with the
 * signal's reason.
 */
import { type Socket, connect as tcpConnect } from 'node:net';
import { SmtpFault, stageWords } from './fault.js';
import { formatReply, isReplyFault, type Reply, ReplyParser } from './reply.js';
import type { Stage } from './timeouts.js';
import { type Bounds, Waits } from './waits.js';

/**
 * Where to connect to. `address` is an IP address, never a name: names are looked up with DNSSEC, elsewhere.
 */
export interface Target {
  readonly address: string;
  readonly family: 4 | 6;
  readonly port: number;
}

/** Opens a TCP connection: a parameter, so that tests can lead any address to a port of their own. */
export type Connect = (target: Target) => Socket;

/** Straight to the address, without Nagle's delay: each write of ours is a whole group of commands. */
export const connectTcp: Connect = ({ address, family, port }) =>
  tcpConnect({ host: address, port, family, noDelay: true });

export interface ConnectionOptions extends Bounds {
  readonly target: Target;
  readonly connect: Connect;
}

/**
 * Replies that may be waiting beyond those that were asked for. A server may say 421 at any time (RFC 5321
 * section 3.8); anything more is no conversation any more, and this is what bounds the memory a chatty server
 * can use.
 */
const MAX_UNASKED_REPLIES = 1;

export class Connection {
  readonly target: Target;
  readonly #waits: Waits;
  #socket: Socket;
  /** Milliseconds that the server has to say goodbye. */
  #linger: number;
  #parser = new ReplyParser();
  #unread: Reply[] = [];
  /** Replies that have been asked for and not been handed out. The greeting is the first. */
  #owed = 1;
  #stage: Stage = 'connect';
  /** Who waits for the next reply. */
  #waiter: ((reply: Reply) => void) | undefined;
  /** Why no more will come. Replies that came before it are still handed out. */
  #ended: SmtpFault | undefined;
  /** While nobody uses the connection: who has to hear that the server did something nevertheless. */
  #onDisturbed: (() => void) | undefined;

  private constructor(options: ConnectionOptions, socket: Socket) {
    const { target, timeouts, signal, deadline } = options;
    this.target = target;
    this.#waits = new Waits({ timeouts, signal, deadline });
    this.#linger = timeouts.quit;
    this.#socket = socket;
    this.#listen(socket);
  }

  /** Opens the TCP connection. The greeting is the first reply. */
  static async open(options: ConnectionOptions): Promise<Connection> {
    options.signal?.throwIfAborted();
    const connection = new Connection(options, options.connect(options.target));
    try {
      await connection.#until<void>('connect', (resolve) => {
        if (connection.#socket.readyState === 'open') resolve();
        else connection.#socket.once('connect', resolve);
      });
      return connection;
    } catch (error) {
      connection.destroy();
      throw error;
    }
  }

  get socket(): Socket {
    return this.#socket;
  }

  /** True where nothing more can be sent or will come. */
  get isOver(): boolean {
    return this.#ended !== undefined;
  }

  /** Sends one command and waits for its reply. `line` has no line end. */
  async command(stage: Stage, line: string): Promise<Reply> {
    this.#send(`${line}\r\n`, 1);
    return await this.reply(stage);
  }

  /**
   * Sends commands as one group (RFC 2920), in one write; the replies are to be read with `reply`, one for
   * each.
   */
  send(lines: readonly string[]): void {
    this.#send(`${lines.join('\r\n')}\r\n`, lines.length);
  }

  #send(commands: string, replies: number): void {
    this.refuseUnasked();
    this.#owed += replies;
    if (!this.#socket.writable) return; // the reason is found by whoever reads the reply
    this.#socket.write(commands, 'utf8');
  }

  /** The next reply, in the order of the commands. */
  reply(stage: Stage): Promise<Reply> {
    const reply = this.#unread.shift();
    if (reply === undefined) return this.#until(stage, this.#takeReply);
    this.#owed -= 1;
    return Promise.resolve(reply);
  }

  readonly #takeReply = (resolve: (reply: Reply) => void): void => {
    this.#waiter = resolve;
  };

  /** A reply that came before its question: a refusal in the middle of a message, or a 421. */
  get early(): Reply | undefined {
    return this.#unread[0];
  }

  /**
   * Sends part of a message, in one write, and waits until the network has taken it.
   *
   * @param last  the octets end the message; a reply is owed from now on
   */
  async sendData(pieces: readonly Uint8Array[], last: boolean): Promise<void> {
    if (last) this.#owed += 1;
    await this.#until<void>('data-block', (resolve) => {
      this.#socket.cork();
      for (const [index, piece] of pieces.entries()) {
        // A failed write is reported by 'close', after what the server said before it.
        const taken =
          index === pieces.length - 1 ? (error?: Error | null) => error == null && resolve() : undefined;
        this.#socket.write(piece, taken);
      }
      this.#socket.uncork();
    });
  }

  /**
   * Takes the socket away for the TLS handshake. Everything that was learned or received in clear ends here.
   *
   * RFC 3207 section 4.2: the client MUST discard any knowledge obtained from the server before. Octets that
   * came after the 220 and before the handshake can't be answers to anything; a client that kept them would
   * take them for replies of the encrypted session (CVE-2011-0411 and its relatives). A conforming server
   * sends none, so we do not only discard them: they are the mark of an attack or of a broken server, and the
   * connection ends.
   */
  detach(): Socket {
    // Not even junk in clear may end what is to be a session under TLS: it is thrown away with the rest.
    if (this.#ended?.kind === 'protocol') this.#ended = undefined;
    if (this.#ended !== undefined) {
      const words = `the TLS handshake failed: ${this.#ended.happened}`;
      throw new SmtpFault('handshake', 'handshake', words, { failureType: 'validation-failure' });
    }
    this.#ignore(this.#socket);
    return this.#socket;
  }

  /** Goes on with the conversation over `socket` (TLS over the one that was detached). */
  attach(socket: Socket): void {
    this.#parser = new ReplyParser();
    this.#unread = [];
    this.#owed = 0;
    this.#socket = socket;
    this.#listen(socket);
    if (socket.destroyed) this.#onClose();
  }

  /**
   * Nobody uses the connection until `wake`. Whatever the server says or does meanwhile - the end, a 421 (RFC
   * 5321 section 3.8), anything else - makes it unfit to be used again; `onDisturbed` hears of it at once.
   * The program may end meanwhile.
   *
   * @returns false where it is unfit already
   */
  rest(onDisturbed: () => void): boolean {
    if (!this.#isQuiet) return false;
    this.#onDisturbed = onDisturbed;
    this.#waits.rest();
    this.#socket.unref();
    return true;
  }

  /** Somebody uses the connection again, within these bounds. False where it has become unfit. */
  wake({ timeouts, signal, deadline }: Bounds): boolean {
    this.#onDisturbed = undefined;
    this.#waits.bind({ timeouts, signal, deadline });
    this.#linger = timeouts.quit;
    this.#socket.ref();
    return this.#isQuiet;
  }

  /** Everything has been answered, and nothing was said beyond that. */
  get #isQuiet(): boolean {
    return this.#ended === undefined && this.#unread.length === 0 && this.#owed === 0;
  }

  /** Waits for something that is not the server's, as long as the connection stands and the stage allows. */
  async waitFor(stage: Stage, something: Promise<unknown>): Promise<void> {
    let failure: { readonly reason: unknown } | undefined;
    await this.#until<void>(stage, (resolve) => {
      something.then(
        () => resolve(),
        (reason: unknown) => {
          failure = { reason };
          resolve();
        },
      );
    });
    if (failure !== undefined) throw failure.reason;
  }

  /**
   * Says QUIT and lets go. Nobody waits for the reply: the outcome stands already.
   *
   * @param onGone called when the socket is closed
   */
  quit(onGone: () => void = () => {}): void {
    const socket = this.#socket;
    this.#waits.rest();
    this.#ignore(socket);
    if (socket.closed) {
      onGone();
      return;
    }
    socket.once('close', onGone);
    if (!socket.writable) {
      socket.destroy();
      return;
    }
    const linger = setTimeout(() => socket.destroy(), this.#linger);
    linger.unref();
    socket.once('close', () => clearTimeout(linger));
    socket.resume();
    socket.end('QUIT\r\n');
    // The program may end before the server has said goodbye.
    socket.unref();
  }

  /** Ends the connection at once. Whoever still waits for something hears `fault`. */
  destroy(fault?: SmtpFault): void {
    if (fault !== undefined) this.#end(fault);
    this.#waits.rest();
    this.#ignore(this.#socket);
    this.#socket.destroy();
  }

  /**
   * Waits for what `socket`, which is laid over the detached one, does.
   *
   * @param start gets what ends the wait well, and what ends it with a fault
   */
  async during(
    stage: Stage,
    socket: Socket,
    start: (resolve: () => void, reject: (fault: SmtpFault) => void) => void,
  ): Promise<void> {
    this.#stage = stage;
    await this.#waits.until<void>(stage, socket, (resolve) =>
      start(resolve, (fault) => this.#waits.fail(fault)),
    );
  }

  #until<T>(stage: Stage, start: (resolve: (value: T) => void) => void): Promise<T> {
    this.#stage = stage;
    this.#waiter = undefined;
    if (this.#ended !== undefined) return Promise.reject(this.#told(this.#ended));
    return this.#waits.until(stage, this.#socket, start);
  }

  /** The same fault, told as what it means at the stage where it was noticed. */
  #told(fault: SmtpFault): SmtpFault {
    if (fault.kind !== 'closed' || fault.stage === this.#stage) return fault;
    return new SmtpFault(
      'closed',
      this.#stage,
      `${fault.happened} while we were ${stageWords(this.#stage)}`,
      {
        happened: fault.happened,
      },
    );
  }

  /** Before something is sent, everything must have been answered and nothing said beyond that. */
  refuseUnasked(): void {
    const reply = this.#unread[0];
    // RFC 5321 section 3.8: 421 may come at any time. A refusal answers whatever is said next; an acceptance
    // can't.
    if (reply === undefined || reply.code >= 400) return;
    throw new SmtpFault(
      'protocol',
      this.#stage,
      `the server sent a reply that nobody asked for: ${formatReply(reply)}`,
    );
  }

  readonly #onData = (octets: Uint8Array): void => {
    if (this.#ended !== undefined) return;
    this.#onDisturbed?.();
    for (const item of this.#parser.push(octets)) {
      if (isReplyFault(item)) {
        this.#end(new SmtpFault('protocol', this.#stage, `the server does not speak SMTP: ${item.reason}`));
        return;
      }
      const waiter = this.#waiter;
      if (waiter !== undefined) {
        this.#waiter = undefined;
        waiter(item);
        this.#owed -= 1;
        continue;
      }
      this.#unread.push(item);
      if (this.#unread.length > this.#owed + MAX_UNASKED_REPLIES) {
        this.#end(new SmtpFault('protocol', this.#stage, 'the server sends replies that nobody asked for'));
        return;
      }
    }
  };

  readonly #onError = (error: Error & { syscall?: string }): void => {
    if (error.syscall === 'connect') {
      this.#end(new SmtpFault('connect', 'connect', `no connection: ${error.message}`));
    } else {
      this.#close(`the connection failed (${error.message})`);
    }
  };

  readonly #onClose = (): void => this.#close('the server ended the connection');

  #close(happened: string): void {
    const stage = this.#stage;
    this.#end(new SmtpFault('closed', stage, `${happened} while we were ${stageWords(stage)}`, { happened }));
  }

  #end(fault: SmtpFault): void {
    if (this.#ended !== undefined) return;
    this.#ended = fault;
    this.#waits.fail(fault);
    this.#onDisturbed?.();
  }

  #listen(socket: Socket): void {
    socket
      .on('data', this.#onData)
      .on('error', this.#onError)
      .on('end', this.#onClose)
      .on('close', this.#onClose);
  }

  #ignore(socket: Socket): void {
    socket
      .off('data', this.#onData)
      .off('error', this.#onError)
      .off('end', this.#onClose)
      .off('close', this.#onClose);
    socket.on('error', () => {}); // whatever still goes wrong with it concerns nobody
  }
}
