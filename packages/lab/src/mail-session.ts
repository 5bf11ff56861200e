/**
 * One connection to a mail server of the lab: the SMTP dialogue (RFC 5321), STARTTLS (RFC 3207), and the
 * server's habits.
 *
 * At every stage the habit is asked first. It either says a reply, whose code then has its usual effect, or
 * ends the conversation in its own way. The dialogue is written once, for a server without bad habits.
 *
 * Not spoken here: CHUNKING (RFC 3030) and AUTH (RFC 4954); a host that lists them doesn't keep its word.
 */
import type { Socket } from 'node:net';
import { type ClientHello, readClientHello } from './client-hello.js';
import { Incoming, undotted } from './incoming.js';
import {
  DEFAULT_CAPABILITIES,
  type MailHabits,
  type ReplyLine,
  type Stage,
  type StageHabit,
} from './mail-habits.js';
import type { ConnectionEnd, OpenConnection, ReceivedMessage, ReceivedRecipient } from './mail-record.js';
import { fatalAlert, type TlsFace } from './mail-tls.js';
import { readCommand, type SmtpCommand } from './smtp-command.js';
import { GARBAGE, isPositive, OVER, type Reply, type Said, Speaker } from './speaker.js';

/** What a session shares with the others of its server. */
export interface SessionSurroundings {
  readonly host: string;
  readonly habits: MailHabits;
  readonly tls: TlsFace;
  readonly clock: () => number;
  /** How often a habit was met, by stage or recipient: for `inTurn`. */
  readonly turns: Map<string, number>;
  readonly keep: (message: ReceivedMessage) => void;
  /** Aborted when the server is closed. */
  readonly signal: AbortSignal;
}

interface Transaction {
  readonly from: string;
  readonly mailParameters: readonly string[];
  readonly recipients: ReceivedRecipient[];
}

/** Parameters that do not have their extension's name: RFC 6152 and RFC 3461. */
const EXTENSION_OF: ReadonlyMap<string, string> = new Map([
  ['BODY', '8BITMIME'],
  ['RET', 'DSN'],
  ['ENVID', 'DSN'],
  ['NOTIFY', 'DSN'],
  ['ORCPT', 'DSN'],
]);
/** A ClientHello with post-quantum keys takes 2 KiB; what is longer than this is none. */
const MAX_CLIENT_HELLO = 1 << 16;
/** How long a client may keep open what the server has closed. */
const LINGER_MS = 2_000;

export class MailSession {
  readonly #around: SessionSurroundings;
  readonly #record: OpenConnection;
  /** The TCP connection, also while TLS runs on it. */
  readonly #bottom: Socket;
  #socket: Socket;
  #incoming: Incoming;
  #speaker: Speaker;
  #inTls = false;
  #greeted = false;
  #transaction: Transaction | undefined;

  constructor(socket: Socket, record: OpenConnection, around: SessionSurroundings) {
    this.#around = around;
    this.#record = record;
    this.#bottom = socket;
    this.#socket = socket;
    this.#incoming = new Incoming(socket);
    this.#speaker = new Speaker(socket, socket, this.#incoming, around.signal);
    socket.on('error', () => this.#end('error'));
  }

  /** Fulfils when the conversation is over; the connection is closed soon after. */
  async run(): Promise<void> {
    let said = await this.#say('greeting', `220 ${this.#around.host} ESMTP danelaw lab`);
    // RFC 5321 section 3.1: after a 554 the client may still say QUIT, and everything else is out of order.
    const refused = said.code >= 400;
    let pipelined = false;
    while (!said.over) {
      const line = await this.#incoming.line();
      if (line === undefined) break;
      this.#record.commands.push({ line, inTls: this.#inTls, at: this.#around.clock(), pipelined });
      pipelined = this.#incoming.waiting > 0;
      const command = readCommand(line);
      said =
        refused && command.verb !== 'QUIT'
          ? await this.#speaker.reply('503 5.5.1 No service here, say QUIT')
          : await this.#obey(command);
    }
    this.#end(this.#incoming.ended ? 'client' : 'server');
    this.#hangUp();
  }

  /**
   * Ends the connection at once. Always from the top: to destroy the socket under TLS and then TLS itself
   * crashes Node (20 and 24) where the handshake has just been completed.
   */
  breakOff(): void {
    this.#socket.destroy();
  }

  #obey(command: SmtpCommand): Promise<Said> {
    switch (command.verb) {
      case 'EHLO':
        return this.#ehlo();
      case 'HELO':
        return this.#hello('helo', `250 ${this.#around.host}`);
      case 'STARTTLS':
        return this.#starttls();
      case 'MAIL':
        return this.#mail(command.path, command.parameters);
      case 'RCPT':
        return this.#rcpt(command.path, command.parameters);
      case 'DATA':
        return this.#data();
      case 'RSET':
        this.#transaction = undefined;
        return this.#say('rset', '250 2.0.0 Reset');
      case 'QUIT':
        return this.#quit();
      case 'NOOP':
        return this.#speaker.reply('250 2.0.0 Nothing done');
      case 'VRFY':
        return this.#speaker.reply('252 2.1.5 Send it, and see');
      case 'HELP':
        return this.#speaker.reply('214 2.0.0 See RFC 5321');
      case 'malformed':
        return this.#speaker.reply(command.reply);
      default: {
        const never: never = command;
        return never;
      }
    }
  }

  #ehlo(): Promise<Said> {
    const { habits, host } = this.#around;
    const clear = habits.capabilities ?? DEFAULT_CAPABILITIES;
    const lines = this.#inTls
      ? [host, ...(habits.capabilitiesAfterTls ?? clear)]
      : [host, ...clear, ...(this.#offersStarttls ? ['STARTTLS'] : [])];
    const inside = this.#inTls && habits.on?.ehloAfterTls !== undefined;
    return this.#hello(inside ? 'ehloAfterTls' : 'ehlo', { code: 250, lines });
  }

  async #hello(stage: Stage, usual: Reply): Promise<Said> {
    this.#transaction = undefined;
    const said = await this.#say(stage, usual);
    if (isPositive(said)) this.#greeted = true;
    return said;
  }

  get #offersStarttls(): boolean {
    return this.#around.habits.starttls !== 'stripped';
  }

  async #mail(path: string, parameters: readonly string[]): Promise<Said> {
    if (!this.#greeted) return this.#speaker.reply('503 5.5.1 EHLO first');
    if (this.#transaction !== undefined) return this.#speaker.reply('503 5.5.1 One message at a time');
    const problem = this.#unofferedParameter(parameters) ?? this.#tooBig(parameters);
    if (problem !== undefined) return this.#speaker.reply(problem);
    const said = await this.#say('mail', '250 2.1.0 Sender taken');
    if (isPositive(said)) this.#transaction = { from: path, mailParameters: parameters, recipients: [] };
    return said;
  }

  /** RFC 5321 section 4.1.1.11: 555 for a parameter of an extension that was not offered. */
  #unofferedParameter(parameters: readonly string[]): ReplyLine | undefined {
    for (const parameter of parameters) {
      const [keyword = ''] = parameter.toUpperCase().split('=');
      const extension = EXTENSION_OF.get(keyword) ?? keyword;
      if (this.#offered(extension) === undefined) return `555 5.5.4 ${keyword} is not offered here`;
    }
    return undefined;
  }

  /** RFC 1870 section 6.1. */
  #tooBig(parameters: readonly string[]): ReplyLine | undefined {
    const limit = Number(this.#offered('SIZE')?.split(' ')[1] ?? 0);
    const size = parameters.find((parameter) => /^SIZE=/i.test(parameter));
    if (limit === 0 || size === undefined || Number(size.slice('SIZE='.length)) <= limit) return undefined;
    return `552 5.3.4 A message has ${limit} octets at most`;
  }

  #offered(extension: string): string | undefined {
    const { capabilities = DEFAULT_CAPABILITIES, capabilitiesAfterTls } = this.#around.habits;
    const offered = this.#inTls ? (capabilitiesAfterTls ?? capabilities) : capabilities;
    return offered.find((line) => line.toUpperCase().split(' ')[0] === extension);
  }

  async #rcpt(path: string, parameters: readonly string[]): Promise<Said> {
    if (this.#transaction === undefined) return this.#speaker.reply('503 5.5.1 MAIL first');
    const problem = this.#unofferedParameter(parameters);
    if (problem !== undefined) return this.#speaker.reply(problem);
    const said = await this.#say('rcpt', '250 2.1.5 Recipient taken', { recipient: path });
    if (isPositive(said)) this.#transaction.recipients.push({ address: path, parameters });
    return said;
  }

  async #data(): Promise<Said> {
    const transaction = this.#transaction;
    if (transaction === undefined) return this.#speaker.reply('503 5.5.1 MAIL first');
    if (transaction.recipients.length === 0) return this.#speaker.reply('554 5.5.1 No valid recipients');
    const go = await this.#say('data', '354 End with a lone dot');
    if (go.code !== 354 || go.over) return go;
    const wire = await this.#incoming.content();
    if (wire === undefined) return OVER;
    this.#transaction = undefined;
    const message = {
      ...transaction,
      content: undotted(wire),
      wire,
      accepted: false,
      connection: this.#record,
    };
    // Kept before the answer: where that never comes, the message has come all the same.
    this.#around.keep(message);
    const said = await this.#say('content', '250 2.0.0 Message taken');
    message.accepted = isPositive(said);
    return said;
  }

  async #quit(): Promise<Said> {
    const said = await this.#say('quit', `221 2.0.0 ${this.#around.host} closing`);
    if (said.code !== 0) this.#end('quit');
    return { ...said, over: true };
  }

  async #starttls(): Promise<Said> {
    const { habits } = this.#around;
    if (this.#inTls || !this.#offersStarttls) return this.#speaker.reply('502 5.5.1 Command not known');
    this.#record.clearAfterStarttls = Uint8Array.from(this.#incoming.discard());
    const said = await this.#say('starttls', '220 2.0.0 Ready to start TLS', {
      appended: habits.injectAfter220,
    });
    return said.code === 220 && !said.over ? this.#handshake() : said;
  }

  async #handshake(): Promise<Said> {
    const { habits, tls } = this.#around;
    const hello = await this.#clientHello();
    if (hello === undefined) return OVER;
    this.#record.clientHello = hello;
    const refusal = this.#refuseHandshake();
    if (refusal !== undefined) return refusal;
    const choice = tls.choose(hello.serverName);
    if (choice.action !== 'present') {
      this.#record.tlsError = `The server has no certificate for ${hello.serverName ?? 'a client without SNI'}`;
      return choice.action === 'alert' ? this.#speaker.lastWords(choice.alert) : OVER;
    }
    this.#incoming.detach();
    const result = await tls.handshake(this.#socket, hello, choice.presentation);
    if (result.status === 'failed') {
      this.#record.tlsError = result.reason;
      this.#end('error');
      this.#bottom.destroySoon();
      return OVER;
    }
    this.#record.tls = result.facts;
    this.#enterTls(result.socket);
    return { code: 220, over: habits.handshake === 'drop-when-done' };
  }

  async #clientHello(): Promise<ClientHello | undefined> {
    let octets = await this.#incoming.peek();
    while (octets !== undefined && octets.length < MAX_CLIENT_HELLO) {
      const reading = readClientHello(octets);
      if (reading.status === 'hello') return reading.hello;
      if (reading.status === 'not-tls') break;
      octets = await this.#incoming.peek(octets.length);
    }
    this.#record.tlsError = 'The client sent no ClientHello after the 220';
    return undefined;
  }

  #refuseHandshake(): Promise<Said> | undefined {
    const habit = this.#around.habits.handshake;
    if (habit === undefined || habit === 'drop-when-done') return undefined;
    this.#record.tlsError = `The server broke the handshake: ${habit}`;
    if (habit === 'alert') return this.#speaker.lastWords(fatalAlert());
    if (habit === 'garbage') return this.#speaker.lastWords(GARBAGE);
    return this.#speaker.behave(habit);
  }

  /** RFC 3207 section 4.2: all that was said before is forgotten. */
  #enterTls(socket: Socket): void {
    socket.on('error', () => this.#end('error'));
    this.#socket = socket;
    this.#incoming = new Incoming(socket);
    this.#speaker = new Speaker(socket, this.#bottom, this.#incoming, this.#around.signal);
    this.#inTls = true;
    this.#greeted = false;
    this.#transaction = undefined;
  }

  /** What the habit says at this stage, or the usual reply. */
  #say(
    stage: Stage,
    usual: Reply,
    more: { recipient?: string; appended?: string | undefined } = {},
  ): Promise<Said> {
    const { habits } = this.#around;
    const { recipient, appended } = more;
    const own = recipient === undefined ? undefined : habitForRecipient(habits, recipient);
    const habit = this.#turn(
      own === undefined ? stage : `rcpt ${recipient?.toLowerCase()}`,
      own ?? habits.on?.[stage] ?? 'usual',
    );
    return habit === 'usual' ? this.#speaker.reply(usual, appended) : this.#speaker.behave(habit);
  }

  #turn(key: string, habit: StageHabit): Exclude<StageHabit, { inTurn: unknown }> {
    if (typeof habit !== 'object' || !('inTurn' in habit)) return habit;
    const turn = this.#around.turns.get(key) ?? 0;
    this.#around.turns.set(key, turn + 1);
    const chosen = habit.inTurn[Math.min(turn, habit.inTurn.length - 1)] ?? 'usual';
    return this.#turn(`${key}, turn ${turn}`, chosen);
  }

  #end(by: ConnectionEnd): void {
    this.#record.ended ??= by;
  }

  /**
   * Closes our end, and reads on until the client closes its own: unread octets would turn our FIN into a
   * reset.
   */
  #hangUp(): void {
    if (this.#bottom.destroyed) return;
    const timer = setTimeout(() => this.breakOff(), LINGER_MS);
    this.#bottom.once('close', () => clearTimeout(timer));
    this.#incoming.ignore();
    this.#socket.end();
  }
}

function habitForRecipient({ recipients = {} }: MailHabits, address: string): StageHabit | undefined {
  const wanted = address.toLowerCase();
  return Object.entries(recipients).find(([name]) => name.toLowerCase() === wanted)?.[1];
}
