/**
 * One client's connection.
 *
 * smtp-server carries it: sockets, STARTTLS, the SASL exchanges, time-outs, the end. The commands are
 * answered here, because each answer is to have its right enhanced status code, because a message goes to the
 * acceptance whole, and because every bound is ours to set.
 */
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { SMTPServerAuthentication, SMTPServerAuthenticationResponse } from 'smtp-server';
import { SMTPConnection, type SMTPConnectionOptions } from 'smtp-server/lib/smtp-connection.js';
import type { SessionTls } from '../acceptance/received-field.js';
import type { SmtpAnswer } from '../acceptance/submission.js';
import * as answers from './answers.js';
import { type CommandLine, CommandStream } from './command-stream.js';
import { type CommandWord, helloProblem, splitCommand } from './command-word.js';
import type { ConnectionFacts } from './listener-log.js';
import { checkLogin, isBase64 } from './login.js';
import { answered, hangUp, idle, type Reaction, replyLine, wrong } from './reaction.js';
import { HANDSHAKE_TIME, type RelayServer } from './relay-server.js';
import type { RelayState } from './relay-state.js';
import { ReplyWriter } from './reply-writer.js';
import { Transactions } from './transactions.js';

/**
 * Octets of a line with CR LF. RFC 5321 section 4.5.3.1.4 has 512, RFC 3461 section 5.4 wants 1036, UTF-8
 * more.
 */
const MAX_LINE = 4096;
/** RFC 4954 section 4. */
const MAX_AUTH_LINE = 12_288;

type Done = () => void;

export class RelayConnection extends SMTPConnection {
  readonly #relay: RelayState;
  readonly #server: RelayServer;
  readonly #transactions: Transactions;
  /** The verb of the command that is being answered, for the log. */
  #verb = '';
  #errors = 0;
  #idleCommands = 0;
  #failedLogins = 0;
  #esmtp = false;
  readonly #replies = new ReplyWriter();
  #gone = false;
  #greeted = false;
  /** Until the client has to have come as far as its next message. */
  #commands: NodeJS.Timeout | undefined;
  #tls: SessionTls | undefined;

  constructor(
    relay: RelayState,
    server: RelayServer,
    socket: Socket | TLSSocket,
    options?: SMTPConnectionOptions | null,
  ) {
    super(server, socket, options);
    this.#relay = relay;
    this.#server = server;
    this.#transactions = new Transactions(relay, {
      facts: () => this.facts,
      origin: () => ({
        client: this.remoteAddress,
        helo: this.hostNameAppearsAs === false ? undefined : this.hostNameAppearsAs,
        user: this.user,
      }),
      esmtp: () => this.#esmtp,
      underTls: () => this.secure,
      tls: () => this.#tls,
      alive: () => !this.#gone && this._socket.writable,
      ended: (reaction) => {
        this.#errors = 0;
        this.#idleCommands = 0;
        this.#awaitMessage();
        this.#react(reaction);
        if (this.#relay.closing) this.#hangUp(answers.SHUTTING_DOWN);
      },
      tooSlow: () => this.#hangUp(answers.MESSAGE_TOO_SLOW),
    });
  }

  get facts(): ConnectionFacts {
    const { id: session, remoteAddress: client, remotePort: clientPort, localPort: port } = this;
    return { session, client, clientPort, port };
  }

  /** Who has logged in. */
  get user(): string | undefined {
    const { user }: { user?: unknown } = this.session;
    return typeof user === 'string' ? user : undefined;
  }

  /**
   * Greets. A client that speaks first is no mail program, or wants commands run that its TLS or its proxy
   * has not seen: what has come by now is seen in the next turn of the event loop.
   */
  override init(): void {
    this._setListeners(() => setImmediate(() => setImmediate(() => this.#greet())));
  }

  #greet(): void {
    if (this._closing || this._closed || this.#greeted) return;
    this.#greeted = true;
    this._setClientHostname('');
    this._resetSession();
    this.#relay.log.connected(this.facts);
    if (this.secure) this.#server.onSecure(this._socket, this.session, () => {});
    const early = this._parser instanceof CommandStream && this._parser.pending;
    if (this.#relay.closing) this.#hangUp(answers.SHUTTING_DOWN);
    else if (early) this.#hangUp(answers.TOO_EARLY);
    else {
      this._ready = true;
      this.#awaitMessage();
      this.#write(`220 ${this.#relay.name} ESMTP\r\n`);
    }
  }

  override _createParser(): CommandStream {
    // Called by the constructor of the base class, before anything here is set.
    const stream = new CommandStream({
      line: (line, done) => this.#line(line, done),
      maxLineOctets: () => (this._nextHandler === false ? MAX_LINE : MAX_AUTH_LINE),
    });
    // The client says no more, and has all its answers.
    stream.once('finish', () => this.close());
    return stream;
  }

  /** Forgets the transaction: EHLO, RSET, STARTTLS. */
  override _resetSession(): void {
    super._resetSession();
    this.#transactions.reset();
  }

  #awaitMessage(): void {
    clearTimeout(this.#commands);
    if (this._closing || this.#gone) return;
    this.#commands = setTimeout(
      () => this.#hangUp(answers.TIMED_OUT),
      this.#relay.limits.commandTime,
    ).unref();
  }

  // ---- Lines ----

  #line(line: CommandLine, done: Done): void {
    if (!this._ready || this._upgrading) {
      // What comes before the greeting ends the connection; what came in clear behind STARTTLS is nothing.
      if (!this._upgrading) this.#tooEarly();
      done();
      return;
    }
    const next = () => {
      this._handlerPending = false;
      this._whenWritable(done);
    };
    this._handlerPending = true;
    if (line.fault !== undefined) {
      this.#react(this.#faulty(line.fault));
      next();
    } else if (this._nextHandler !== false) this.#continueLogin(line.octets, next);
    else this.#command(line.octets, next);
  }

  #tooEarly(): void {
    if (this.#greeted) return;
    this.#greeted = true;
    this.#relay.log.connected(this.facts);
    this.#hangUp(answers.TOO_EARLY);
  }

  #faulty(fault: 'line-end' | 'too-long'): Reaction {
    const login = this._nextHandler !== false;
    // Whatever it was: a faulty line ends an exchange.
    this._nextHandler = false;
    if (!login) this.#verb = '';
    if (fault === 'line-end') return wrong(answers.BAD_LINE_END);
    return wrong(login ? answers.AUTH_LINE_TOO_LONG : answers.LINE_TOO_LONG);
  }

  #command(octets: Buffer, next: Done): void {
    const command = splitCommand(octets);
    this.#verb = command.verb;
    if (this.#relay.closing && !this.#transactions.open) this.#hangUp(answers.SHUTTING_DOWN);
    else if (command.verb === 'AUTH') {
      this.#login(octets, command.argument, next);
      return;
    } else if (command.verb === 'STARTTLS' && (this.secure || this.#relay.hasCertificate)) {
      this.handler_STARTTLS(octets, next);
      return;
    } else this.#react(this.#answerTo(command, octets));
    next();
  }

  #answerTo({ verb, argument }: CommandWord, octets: Buffer): Reaction {
    switch (verb) {
      case 'MAIL':
        if (this.hostNameAppearsAs === false) return wrong(answers.NO_HELLO);
        return this.#transactions.mail(octets, this.#access());
      case 'RCPT':
        return this.#transactions.rcpt(octets);
      case 'DATA':
        if (argument !== '' || !(this._parser instanceof CommandStream)) return wrong(answers.NO_ARGUMENT);
        return this.#transactions.data(this._parser);
      case 'EHLO':
      case 'HELO':
        return this.#hello(verb, argument);
      case 'RSET':
        if (argument !== '') return wrong(answers.NO_ARGUMENT);
        this._resetSession();
        return idle(answers.OK);
      case 'NOOP':
        // With an argument or without (RFC 5321 section 4.1.1.9).
        return idle(answers.OK);
      case 'VRFY':
        return argument === '' ? wrong(answers.NEEDS_ARGUMENT) : idle(answers.CANNOT_VERIFY);
      case 'HELP':
        return idle(answers.HELP);
      case 'QUIT':
        if (argument !== '') return wrong(answers.NO_ARGUMENT);
        this.#write(replyLine(answers.BYE));
        this.close();
        return { kind: 'idle', lines: [] };
      case 'BDAT':
        // What follows is a piece of a message, and must not be taken for commands.
        return hangUp(answers.NOT_IMPLEMENTED);
      case 'STARTTLS':
      case 'EXPN':
      case 'ETRN':
      case 'TURN':
      case 'SEND':
      case 'SOML':
      case 'SAML':
        return wrong(answers.NOT_IMPLEMENTED);
      default:
        // A Web page can make a browser send such a request here, with commands in its body.
        return /^[A-Z]+ .*HTTP\/[0-9.]+$/i.test(octets.toString('latin1'))
          ? hangUp(answers.NO_HTTP)
          : wrong(answers.UNKNOWN_COMMAND);
    }
  }

  /** RFC 2034 section 4: replies to EHLO and HELO have no enhanced status code. */
  #hello(verb: 'EHLO' | 'HELO', argument: string): Reaction {
    const problem = helloProblem(argument);
    if (problem !== undefined) return wrong({ code: 501, enhanced: '', text: problem });
    this.openingCommand = verb;
    this.hostNameAppearsAs = argument;
    this.#esmtp = verb === 'EHLO';
    this._resetSession();
    const texts = [this.#relay.name, ...(verb === 'EHLO' ? this.#extensions() : [])];
    const last = texts.length - 1;
    return {
      kind: 'idle',
      lines: texts.map((text, index) => `250${index < last ? '-' : ' '}${text}\r\n`),
    };
  }

  #extensions(): string[] {
    const { hasCertificate, hasUsers, limits } = this.#relay;
    const offered = ['PIPELINING', `SIZE ${limits.messageOctets}`, '8BITMIME', 'SMTPUTF8', 'DSN'];
    if (hasCertificate && !this.secure) offered.push('STARTTLS');
    if (this.secure && hasUsers && this.user === undefined) offered.push('AUTH PLAIN LOGIN');
    // RFC 8689 section 2.
    if (this.secure) offered.push('REQUIRETLS');
    return [...offered, 'ENHANCEDSTATUSCODES'];
  }

  /** What a client that wants to relay is told: undefined where it may. */
  #access(): 'granted' | 'denied' | SmtpAnswer {
    const { networks, hasUsers, hasCertificate } = this.#relay;
    if (this.user !== undefined || networks.mayRelay(this.remoteAddress)) return 'granted';
    if (!hasUsers) return 'denied';
    if (this.secure) return answers.LOGIN_REQUIRED;
    return hasCertificate ? answers.STARTTLS_REQUIRED : 'denied';
  }

  // ---- TLS ----

  override upgrade(callback: Done, secureCallback?: Done): void {
    // The reply goes out in clear, before anything of the handshake.
    this.#replies.flush();
    const clear = this._socket;
    clear.allowHalfOpen = false;
    super.upgrade(callback, secureCallback);
    // smtp-server has removed all listeners.
    this.#server.holdSlot(clear);
    const timer = setTimeout(() => {
      if (this._upgrading) this._socket.destroy();
    }, HANDSHAKE_TIME);
    clear.once('close', () => clearTimeout(timer));
  }

  /** Called by the server after each handshake. */
  secured(socket: Socket | TLSSocket): void {
    this.#esmtp = false;
    if (!(socket instanceof TLSSocket)) return;
    const protocol = socket.getProtocol() ?? undefined;
    const cipher = socket.getCipher()?.name;
    this.#tls = { protocol: protocol ?? 'TLS', cipher: cipher ?? 'unknown' };
    this.#relay.log.tls(this.facts, protocol, cipher);
  }

  // ---- Logins ----

  #login(octets: Buffer, argument: string, next: Done): void {
    const refusal = this.#loginRefusal(argument);
    if (refusal === undefined) {
      this.handler_AUTH(octets, next);
      return;
    }
    this.#react(wrong(refusal));
    next();
  }

  #loginRefusal(argument: string): SmtpAnswer | undefined {
    const { hasUsers, hasCertificate } = this.#relay;
    if (!hasUsers || (!hasCertificate && !this.secure)) return answers.NOT_IMPLEMENTED;
    if (!this.secure) return answers.STARTTLS_REQUIRED;
    if (argument === '') return answers.NEEDS_ARGUMENT;
    if (this.hostNameAppearsAs === false) return answers.NO_HELLO;
    if (this.#transactions.open) return answers.IN_TRANSACTION;
    const [, response = '='] = argument.split(/[ \t]+/);
    return response === '=' || isBase64(response) ? undefined : answers.BAD_BASE64;
  }

  #continueLogin(octets: Buffer, next: Done): void {
    const handler = this._nextHandler;
    this._nextHandler = false;
    const text = octets.toString('latin1');
    if (handler !== false && (text === '*' || isBase64(text))) {
      handler.call(this, octets, next);
      return;
    }
    this.#react(wrong(answers.BAD_BASE64));
    next();
  }

  /** Called by the server when a client has said who it is. Never rejects. */
  async login(auth: SMTPServerAuthentication): Promise<SMTPServerAuthenticationResponse> {
    const outcome = await checkLogin(this.#relay, this.remoteAddress, auth);
    if (outcome.status === 'right') {
      this.#relay.log.authenticated(this.facts, outcome.user);
      return { user: outcome.user };
    }
    // Who is told to wait has not failed.
    if (outcome.answer !== answers.LOGIN_BUSY) this.#failedLogins += 1;
    const last = this.#failedLogins >= this.#relay.limits.failedLogins;
    const { code, enhanced, text } = last ? answers.TOO_MANY_LOGINS : outcome.answer;
    return { responseCode: code, message: `${enhanced} ${text}` };
  }

  // ---- Replies ----

  /** What smtp-server says by itself. A text that has its enhanced status code already keeps it. */
  override send(code: number, data?: string | string[] | null, _context?: string | false): void {
    const all = typeof data === 'string' ? data : (data ?? []).join(' ');
    const own = /^([245]\.[0-9]{1,3}\.[0-9]{1,3}) (.*)$/.exec(all);
    const text = own?.[2] ?? all.replace(/^Error: /, '');
    const isChallenge = code >= 300 && code < 400;
    const enhanced = isChallenge ? '' : (own?.[1] ?? answers.enhancedFor(code, all));
    const answer = { code, enhanced, text };
    if (code === 421) this.#hangUp(answer);
    else this.#react(code < 400 ? answered(answer) : wrong(answer));
  }

  #react(reaction: Reaction): void {
    switch (reaction.kind) {
      case 'answer':
        this.#write(replyLine(reaction.answer));
        break;
      case 'idle':
        if (++this.#idleCommands > this.#relay.limits.idleCommands)
          this.#hangUp(answers.TOO_MANY_IDLE_COMMANDS);
        else this.#write(reaction.lines.join(''));
        break;
      case 'wrong':
        if (++this.#errors > this.#relay.limits.errors) this.#hangUp(answers.TOO_MANY_ERRORS);
        else this.#refuse(reaction.answer);
        break;
      case 'refused':
        this.#refuse(reaction.answer);
        break;
      case 'hang-up':
        this.#hangUp(reaction.answer);
        break;
      case 'data':
        // From here on the message has a time of its own.
        clearTimeout(this.#commands);
        this.#write('354 End data with <CR><LF>.<CR><LF>\r\n');
        break;
      default: {
        const never: never = reaction;
        throw never;
      }
    }
  }

  #write(text: string): void {
    // During a handshake the socket is the clear one below it.
    if (!this._upgrading) this.#replies.write(this._socket, text);
  }

  #refuse(answer: SmtpAnswer): void {
    this.#relay.log.refused(this.facts, this.#verb, answer);
    this.#write(replyLine(answer));
  }

  #hangUp(answer: SmtpAnswer): void {
    if (this._closing) return;
    this.#refuse(answer);
    this.close();
  }

  // ---- The end ----

  /** The listener closes: whoever is in the middle of a message may finish it. */
  shutDown(): void {
    if (this._ready && !this._upgrading && !this._handlerPending && !this.#transactions.open) {
      this.#verb = '';
      this.#hangUp(answers.SHUTTING_DOWN);
    }
  }

  /** RFC 5321 section 4.5.3.2.6: a client waits ten minutes for what becomes of its message. */
  override _onTimeout(): void {
    if (!this._closing && this.#transactions.accepting) this._armTimeout();
    else super._onTimeout();
  }

  destroy(): void {
    this._socket.destroy();
  }

  override _onClose(): void {
    super._onClose();
    if (this.#gone) return;
    this.#gone = true;
    clearTimeout(this.#commands);
    this.#server.alive.delete(this);
    this.#transactions.abandon();
    if (this.#greeted) this.#relay.log.disconnected(this.facts, this.#transactions.messages);
  }
}
