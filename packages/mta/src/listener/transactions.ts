/**
 * Mail transactions: MAIL, RCPT and DATA, one after the other over a connection (RFC 5321 section 3.3), and
 * the message on its way to the acceptance.
 *
 * A client may leave before it has its answer. Its message is accepted nonetheless, as nobody can know
 * whether the answer has reached it: it may send the message a second time, and two are better than none (RFC
 * 1047).
 */
import type { SessionTls } from '../acceptance/received-field.js';
import type { SmtpAnswer, SubmittedRecipient } from '../acceptance/submission.js';
import type { Origin } from '../queue/queue.js';
import * as answers from './answers.js';
import type { CommandStream } from './command-stream.js';
import type { ConnectionFacts } from './listener-log.js';
import { type MailCommand, parseMailCommand } from './mail-command.js';
import { MessageCollector } from './message-collector.js';
import { parseRcptCommand } from './rcpt-command.js';
import { answered, hangUp, type Reaction, refused, wrong } from './reaction.js';
import type { RelayState } from './relay-state.js';

/** What a transaction needs to know of its connection, and tells it. */
export interface Client {
  facts(): ConnectionFacts;
  origin(): Pick<Origin, 'client' | 'helo' | 'user'>;
  /** EHLO was said. */
  esmtp(): boolean;
  underTls(): boolean;
  /** How the session is protected; undefined in clear text. */
  tls(): SessionTls | undefined;
  /** The connection is still there. */
  alive(): boolean;
  /** The message has come to its end, and this became of it. */
  ended(reaction: Reaction): void;
  /** The message is taking too long. */
  tooSlow(): void;
}

interface Transaction {
  readonly mail: MailCommand;
  /** The client may relay. */
  readonly granted: boolean;
  readonly recipients: SubmittedRecipient[];
  refused: boolean;
}

/** A message that is coming in. */
interface Incoming {
  readonly collector: MessageCollector;
  readonly timer: NodeJS.Timeout;
}

export class Transactions {
  readonly #relay: RelayState;
  readonly #client: Client;
  #transaction: Transaction | undefined;
  #incoming: Incoming | undefined;
  #accepting = false;
  #begun = 0;
  #accepted = 0;

  constructor(relay: RelayState, client: Client) {
    this.#relay = relay;
    this.#client = client;
  }

  /** MAIL was accepted, and neither the end nor RSET has come. */
  get open(): boolean {
    return this.#transaction !== undefined || this.#incoming !== undefined;
  }

  /** The client waits for what becomes of its message. */
  get accepting(): boolean {
    return this.#accepting;
  }

  /** Accepted over this connection. */
  get messages(): number {
    return this.#accepted;
  }

  reset(): void {
    this.#transaction = undefined;
  }

  /** The connection has ended. */
  abandon(): void {
    this.reset();
    const incoming = this.#incoming;
    if (incoming === undefined) return;
    this.#incoming = undefined;
    clearTimeout(incoming.timer);
    incoming.collector.release();
  }

  /** @param access an answer: the client has to do something before it may relay */
  mail(octets: Buffer, access: 'granted' | 'denied' | SmtpAnswer): Reaction {
    if (this.#transaction !== undefined) return wrong(answers.NESTED_MAIL);
    const parsed = parseMailCommand(textOf(octets), this.#client.underTls());
    if (!parsed.ok) return wrong(parsed.answer);
    if (typeof access === 'object') return wrong(access);
    const { command } = parsed;
    const refusal = this.#mailRefusal(command);
    if (refusal !== undefined) return refused(refusal);
    if (this.#begun >= this.#relay.limits.messagesOfConnection) return hangUp(answers.TOO_MANY_MESSAGES);
    this.#begun++;
    this.#transaction = { mail: command, granted: access === 'granted', recipients: [], refused: false };
    return answered(answers.SENDER_OK);
  }

  #mailRefusal({ from, size = 0, smtpUtf8 }: MailCommand): SmtpAnswer | undefined {
    const { limits, budget, acceptance } = this.#relay;
    // RFC 1870 section 6.1.
    if (size > limits.messageOctets) return answers.tooLarge(limits.messageOctets);
    const refusal = acceptance.checkSender(from, smtpUtf8);
    if (refusal !== undefined) return refusal;
    return budget.hasRoom(Math.max(size, 1)) ? undefined : answers.NO_ROOM;
  }

  rcpt(octets: Buffer): Reaction {
    const transaction = this.#transaction;
    if (transaction === undefined) return wrong(answers.NEED_MAIL);
    const reaction = this.#recipient(transaction, octets);
    if (reaction.kind !== 'answer') transaction.refused = true;
    return reaction;
  }

  #recipient({ mail, recipients, granted }: Transaction, octets: Buffer): Reaction {
    const parsed = parseRcptCommand(textOf(octets), mail.smtpUtf8);
    if (!parsed.ok) return wrong(parsed.answer);
    if (!granted) return wrong(answers.RELAY_DENIED);
    // RFC 5321 section 4.5.3.1.10.
    if (recipients.length >= this.#relay.limits.recipients) return refused(answers.TOO_MANY_RECIPIENTS);
    const refusal = this.#relay.acceptance.checkRecipient(parsed.command.address, mail.smtpUtf8);
    if (refusal !== undefined) return refused(refusal);
    recipients.push(parsed.command);
    return answered(answers.RECIPIENT_OK);
  }

  data(parser: CommandStream): Reaction {
    const transaction = this.#transaction;
    if (transaction === undefined) return wrong(answers.NEED_MAIL);
    if (transaction.recipients.length === 0) {
      return wrong(transaction.refused ? answers.NO_VALID_RECIPIENTS : answers.NEED_RECIPIENT);
    }
    const { limits, budget } = this.#relay;
    if (!budget.hasRoom(1)) {
      this.reset();
      return refused(answers.NO_ROOM);
    }
    const collector = new MessageCollector(budget, limits.messageOctets);
    const timer = setTimeout(() => this.#client.tooSlow(), limits.messageTime);
    this.#incoming = { collector, timer };
    const patience = () => AbortSignal.timeout(limits.patience);
    parser.receive(collector, patience, (done) => this.#received(transaction, collector, done));
    return { kind: 'data' };
  }

  #received(transaction: Transaction, collector: MessageCollector, done: () => void): void {
    clearTimeout(this.#incoming?.timer);
    // From here on the message is not the connection's any more.
    this.#incoming = undefined;
    const unfit = collector.state === 'open' ? undefined : this.#unfit(collector.state);
    if (unfit !== undefined) {
      this.#end(unfit, done);
      return;
    }
    this.#accepting = true;
    const accepting = this.#accept(transaction, collector);
    this.#relay.track(accepting);
    void accepting.then((answer) => this.#end(answer, done));
  }

  #unfit(state: 'too-large' | 'no-room'): SmtpAnswer {
    return state === 'no-room' ? answers.NO_ROOM : answers.tooLarge(this.#relay.limits.messageOctets);
  }

  #end(answer: SmtpAnswer, done: () => void): void {
    this.#accepting = false;
    this.reset();
    this.#client.ended(answer.code < 400 ? answered(answer) : refused(answer));
    done();
  }

  /** Never rejects. */
  async #accept(transaction: Transaction, collector: MessageCollector): Promise<SmtpAnswer> {
    const { mail, recipients } = transaction;
    const octets = collector.message();
    const origin: Origin = {
      kind: 'smtp',
      ...this.#client.origin(),
      protocol: this.#protocol(mail.smtpUtf8),
    };
    try {
      const accepted = await this.#relay.acceptance.accept({
        origin,
        tls: this.#client.tls(),
        from: mail.from,
        recipients,
        octets,
        envid: mail.envid,
        ret: mail.ret,
        requireTls: mail.requireTls,
        smtpUtf8: mail.smtpUtf8,
        complete: origin.user !== undefined || this.#relay.submissionNetworks.mayRelay(origin.client ?? ''),
      });
      if (accepted.status === 'refused') return accepted.answer;
      this.#accepted++;
      this.#relay.log.received(this.#client.facts(), {
        id: accepted.id,
        from: mail.from,
        recipients: recipients.length,
        octets: octets.length,
        user: origin.user,
        answered: this.#client.alive(),
      });
      return answers.queued(accepted.id);
    } catch (error) {
      // The acceptance promises not to; a fault of ours must not cost the client its message.
      const why = error instanceof Error ? (error.stack ?? error.message) : String(error);
      this.#relay.log.problem(`a message could not be accepted, an internal error: ${why}`);
      return answers.INTERNAL_ERROR;
    } finally {
      collector.release();
    }
  }

  /** RFC 3848, and RFC 6531 section 3.7.3 for messages with SMTPUTF8. */
  #protocol(smtpUtf8: boolean): string {
    if (!this.#client.esmtp()) return 'SMTP';
    const tls = this.#client.underTls() ? 'S' : '';
    const login = this.#client.origin().user === undefined ? '' : 'A';
    return `${smtpUtf8 ? 'UTF8SMTP' : 'ESMTP'}${tls}${login}`;
  }
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Undefined where it is no UTF-8. */
function textOf(octets: Buffer): string | undefined {
  try {
    return decoder.decode(octets);
  } catch {
    return undefined;
  }
}
