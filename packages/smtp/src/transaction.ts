/**
 * One mail transaction (RFC 5321 section 3.3): MAIL, RCPT for each recipient, DATA - and for each recipient
 * what became of the message.
 *
 * With PIPELINING (RFC 2920) the envelope and DATA go out in one write: one round trip for the envelope, one
 * for the message. Replies are matched to commands by counting, nothing else.
 *
 * A server that can't carry the message as it is (no 8BITMIME, no SMTPUTF8, too small a SIZE) does not get a
 * broken one: it is refused here, with the enhanced status code that says so.
 */
import type { Capabilities } from './capabilities.js';
import type { Channel } from './channel.js';
import type { Connection } from './connection.js';
import { type DsnRequest, mailParameters, rcptParameters } from './delivery-status.js';
import { errorWords, refused, SmtpFault } from './fault.js';
import type { Mailbox } from './mailbox.js';
import { dotStuffed, type Message } from './message.js';
import { formatReply, type Reply } from './reply.js';
import type { Session } from './session.js';
import type { Stage } from './timeouts.js';
import type { RecipientVerdict, Verdict } from './verdict.js';

/** RFC 5321 section 4.5.3.1.8: a server should take this many; more go in further transactions. */
export const MAX_RECIPIENTS_PER_TRANSACTION = 100;

export interface TransactionInput {
  /** Undefined is the null reverse-path `<>` (section 4.5.5). */
  readonly from: Mailbox | undefined;
  readonly recipients: readonly Mailbox[];
  readonly message: Message;
  /** MAIL says REQUIRETLS; the session fulfils what RFC 8689 section 2 asks of it. */
  readonly requireTls?: boolean;
  /** RFC 3461: said to a server that offers DSN, and to no other. */
  readonly dsn?: DsnRequest | undefined;
  /** What its channels wait for once it is over; it does not wait for that itself. */
  readonly durable?: Promise<void> | undefined;
  /** Asked immediately before each final dot; a string is a reason not to send it. */
  readonly mayHandOver?: MayHandOver | undefined;
}

/** Whether the message may be handed over, now: undefined, or why not. */
export type MayHandOver = () => Promise<string | undefined>;

export interface Transaction {
  /** One for each recipient, in the order given. */
  readonly verdicts: readonly RecipientVerdict[];
  /** What ended the connection; undefined where it can carry more. */
  readonly fault: SmtpFault | undefined;
  /**
   * The connection ended, for reasons that have nothing to do with this message, before the server had it or
   * answered for it: all may be done again over another one. A server that hangs up while a shared connection
   * is idle, and a message before it whose outcome could not be made durable, are such reasons.
   */
  readonly untried: boolean;
}

/**
 * Sends the message in as many transactions as the number of recipients needs. Rejects only on the caller's
 * abort.
 */
export async function transact(session: Session, input: TransactionInput): Promise<Transaction> {
  const verdicts = new Map<Mailbox, Verdict>();
  const inOrder = (): RecipientVerdict[] =>
    input.recipients.flatMap((recipient) => {
      const verdict = verdicts.get(recipient);
      return verdict === undefined ? [] : [{ recipient, verdict }];
    });
  let most = MAX_RECIPIENTS_PER_TRANSACTION;
  for (let waiting = [...input.recipients], first = true; waiting.length > 0; first = false) {
    const recipients = waiting.slice(0, most);
    const run = new Run(session, { ...input, recipients });
    const told = await run.run();
    for (const { recipient, verdict } of told) verdicts.set(recipient, verdict);
    waiting = waiting.slice(most);
    const { fault } = run;
    if (fault !== undefined) {
      for (const recipient of waiting) verdicts.set(recipient, faultVerdict(fault, false));
      return { verdicts: inOrder(), fault, untried: first && run.untried };
    }
    const over = told.filter(({ verdict }) => isOverLimit(verdict)).map(({ recipient }) => recipient);
    // Each further transaction settles somebody, so this ends.
    if (over.length === 0 || !told.some(({ verdict }) => verdict.status === 'accepted')) continue;
    most = Math.max(1, recipients.length - over.length);
    waiting = [...over, ...waiting];
  }
  return { verdicts: inOrder(), fault: undefined, untried: false };
}

/**
 * RFC 5321 section 4.5.3.1.10: the server takes fewer recipients at a time, and these at another one. Without an enhanced
 * status code 452 may mean that there is no room, but then the others were not taken either.
 */
function isOverLimit(verdict: Verdict): boolean {
  if (verdict.status !== 'later' || verdict.stage !== 'rcpt') return false;
  const { code, enhanced } = verdict.reply;
  return enhanced === undefined ? code === 452 : enhanced === '4.5.3' || enhanced === '5.5.3';
}

/** One transaction under way. */
class Run {
  readonly #channel: Channel;
  readonly #connection: Connection;
  readonly #capabilities: Capabilities;
  readonly #input: TransactionInput;
  readonly #verdicts = new Map<Mailbox, Verdict>();
  #answered = false;
  #forbidden = false;
  #handedOver = false;
  fault: SmtpFault | undefined;
  untried = false;

  constructor(session: Session, input: TransactionInput) {
    this.#channel = session.channel;
    this.#connection = session.connection;
    this.#capabilities = session.capabilities;
    this.#input = input;
  }

  async run(): Promise<RecipientVerdict[]> {
    try {
      this.#refuseWhatCannotBeCarried();
      const recipients = this.#undecided();
      if (recipients.length > 0) await this.#exchange(recipients);
    } catch (error) {
      if (!(error instanceof SmtpFault)) {
        this.#connection.destroy();
        throw error;
      }
      this.fault = error;
      // RFC 5321 section 3.8: servers hang up on idle connections when they like, a 421 on their lips or not.
      const hungUp = error.kind === 'closed' || error.kind === 'protocol' || error.kind === 'refused';
      const ofTheOneBefore = error.kind === 'withheld' && !this.#forbidden;
      this.untried = !this.#handedOver && (ofTheOneBefore || (hungUp && !this.#answered));
      this.#decideRest(faultVerdict(error, this.#handedOver));
    }
    return this.#input.recipients.map((recipient) => ({
      recipient,
      verdict: this.#verdicts.get(recipient) ?? lostVerdict(noVerdict(), false),
    }));
  }

  #undecided(): Mailbox[] {
    return this.#input.recipients.filter((recipient) => !this.#verdicts.has(recipient));
  }

  #decideRest(verdict: Verdict): void {
    for (const recipient of this.#undecided()) this.#verdicts.set(recipient, verdict);
  }

  /** RFC 6152 section 3, RFC 1870 section 6.2, RFC 6531 section 3.5. */
  #refuseWhatCannotBeCarried(): void {
    const { message } = this.#input;
    const offered = this.#capabilities;
    const refuse = (enhanced: string, reason: string): void => {
      this.#decideRest({ status: 'refused', reply: undefined, enhanced, stage: undefined, reason });
    };
    const limit = offered.sizeLimit;
    if (limit !== undefined && message.octets.length > limit) {
      refuse(
        '5.3.4',
        `the message has ${message.octets.length} octets and the server takes ${limit} (RFC 1870)`,
      );
    }
    if (!offered.smtpUtf8) this.#refuseUtf8(refuse);
    // After SMTPUTF8, without which nobody has to be told that the rest of the message is 8-bit too.
    if (message.eightBit && !offered.eightBitMime) {
      refuse('5.6.3', 'the message has 8-bit content and the server does not offer 8BITMIME (RFC 6152)');
    }
  }

  /** RFC 6531 section 3.5. */
  #refuseUtf8(refuse: (enhanced: string, reason: string) => void): void {
    const { from, message, recipients } = this.#input;
    if (from?.utf8 === true) {
      refuse('5.6.7', 'the sender has a UTF-8 address and the server does not offer SMTPUTF8 (RFC 6531)');
    }
    if (message.utf8Header) {
      refuse('5.6.9', 'the message has a UTF-8 header and the server does not offer SMTPUTF8 (RFC 6531)');
    }
    for (const recipient of recipients) {
      if (!recipient.utf8 || this.#verdicts.has(recipient)) continue;
      const reason = 'the recipient has a UTF-8 address and the server does not offer SMTPUTF8 (RFC 6531)';
      this.#verdicts.set(recipient, {
        status: 'refused',
        reply: undefined,
        enhanced: '5.6.7',
        stage: undefined,
        reason,
      });
    }
  }

  async #exchange(recipients: readonly Mailbox[]): Promise<void> {
    const pipelined = this.#capabilities.pipelining;
    const lines = [
      this.#mailLine(recipients),
      ...recipients.map((recipient) => this.#rcptLine(recipient)),
      'DATA',
    ];
    const reset = this.#channel.needsReset;
    if (reset) lines.unshift('RSET');
    this.#channel.transactions += 1;
    this.#channel.needsReset = true;
    if (pipelined) this.#connection.send(lines);
    const next = async (stage: Stage): Promise<Reply> => {
      const line = lines.shift() ?? '';
      const reply = await (pipelined ? this.#connection.reply(stage) : this.#connection.command(stage, line));
      const answer = notClosing(stage, reply);
      this.#answered = true;
      return answer;
    };
    if (reset) await next('mail');
    this.#answered = false;
    const mail = await next('mail');
    if (!isPositive(mail)) this.#decideRest(refusal('mail', mail));
    if (isPositive(mail) || pipelined) await this.#recipients(recipients, isPositive(mail), next);
    // With PIPELINING DATA is on its way already. Without, it is not said where nobody would get the message.
    if (!pipelined && this.#undecided().length === 0) return;
    await this.#data(await next('data'));
  }

  async #recipients(
    all: readonly Mailbox[],
    mailOk: boolean,
    next: (stage: Stage) => Promise<Reply>,
  ): Promise<void> {
    for (const recipient of all) {
      const reply = await next('rcpt');
      if (mailOk && !isPositive(reply)) this.#verdicts.set(recipient, rcptRefusal(reply));
    }
  }

  async #data(reply: Reply): Promise<void> {
    const nobody = this.#undecided().length === 0;
    if (reply.code !== 354) {
      if (!nobody) this.#decideRest(refusal('data', reply));
      return;
    }
    if (nobody) {
      // RFC 2920 section 3.1: the server waits for a message to nobody; a single dot sets it free.
      await this.#connection.sendData([FINAL_DOT], true);
      await this.#connection.reply('data-end');
      this.#channel.needsReset = false;
      return;
    }
    const end = await this.#message();
    // RFC 5321 section 4.1.1.4: the end of the message, taken or refused, clears all buffers.
    this.#channel.needsReset = false;
    this.#decideRest(isPositive(end) ? { status: 'accepted', reply: end } : refusal('data-end', end));
  }

  async #message(): Promise<Reply> {
    const { octets } = this.#input.message;
    let held: Uint8Array | undefined;
    for (const chunk of dotStuffed(octets)) {
      if (held !== undefined && !(await this.#sendChunk(held))) return await this.#refusedEarly();
      held = chunk;
    }
    await this.#mayEnd();
    if (this.#connection.early !== undefined) return await this.#refusedEarly();
    // The last chunk and the dot in one write: one TLS record, one segment where they fit.
    this.#connection.refuseUnasked();
    this.#handedOver = !this.#connection.isOver; // from the moment of the write the server may have it all
    await this.#connection.sendData(held === undefined ? [FINAL_DOT] : [held, FINAL_DOT], true);
    return notClosing('data-end', await this.#connection.reply('data-end'));
  }

  /**
   * The gate in front of the final dot: with it the server takes responsibility, and what can't be written
   * down any more would arrive twice.
   */
  async #mayEnd(): Promise<void> {
    const { durable, mayHandOver } = this.#input;
    await this.#channel.settled(durable);
    if (mayHandOver === undefined) return;
    let reason: string | undefined;
    const asked = mayHandOver().then(
      (answer) => {
        reason = answer;
      },
      (error: unknown) => {
        reason = `it is not known whether the message may be handed over: ${errorWords(error)}`;
      },
    );
    await this.#connection.waitFor('data-block', asked);
    if (reason === undefined) return;
    this.#forbidden = true;
    throw new SmtpFault('withheld', 'data-block', reason);
  }

  /** False where the server has refused in the middle of the message, and perhaps hung up. */
  async #sendChunk(chunk: Uint8Array): Promise<boolean> {
    if (this.#connection.early !== undefined) return false;
    try {
      await this.#connection.sendData([chunk], false);
    } catch (error) {
      if (this.#connection.early === undefined) throw error;
    }
    return this.#connection.early === undefined;
  }

  async #refusedEarly(): Promise<Reply> {
    const reply = await this.#connection.reply('data-block');
    if (reply.code < 400)
      throw new SmtpFault('protocol', 'data-block', `a reply before its time: ${formatReply(reply)}`);
    // The server is in the middle of a message that we won't finish: the connection carries nothing more.
    this.fault = refused('data-block', reply);
    return reply;
  }

  #mailLine(recipients: readonly Mailbox[]): string {
    const { from, message, requireTls = false } = this.#input;
    const dsn = this.#dsn;
    const utf8 = message.utf8Header || from?.utf8 === true || recipients.some((recipient) => recipient.utf8);
    return [
      `MAIL FROM:<${from?.address ?? ''}>`,
      ...(this.#capabilities.size ? [`SIZE=${message.octets.length}`] : []),
      ...(message.eightBit ? ['BODY=8BITMIME'] : []),
      ...(utf8 ? ['SMTPUTF8'] : []),
      ...(requireTls ? ['REQUIRETLS'] : []),
      ...(dsn === undefined ? [] : mailParameters(dsn)),
    ].join(' ');
  }

  #rcptLine(recipient: Mailbox): string {
    const dsn = this.#dsn;
    const parameters = dsn === undefined ? [] : rcptParameters(dsn, recipient);
    return [`RCPT TO:<${recipient.address}>`, ...parameters].join(' ');
  }

  /** RFC 3461 section 5.2.2 (a): nothing of it where the server does not offer DSN. */
  get #dsn(): DsnRequest | undefined {
    return this.#capabilities.dsn ? this.#input.dsn : undefined;
  }
}

const FINAL_DOT = Buffer.from('.\r\n');

function isPositive(reply: Reply): boolean {
  return reply.code >= 200 && reply.code < 300;
}

/** RFC 5321 section 3.8: after 421 the server closes; nothing else will be answered. */
function notClosing(stage: Stage, reply: Reply): Reply {
  if (reply.code === 421) throw refused(stage, reply);
  return reply;
}

function refusal(stage: Stage, reply: Reply): Verdict {
  const reason = `the server said: ${formatReply(reply)}`;
  if (reply.code >= 500) return { status: 'refused', reply, stage, reason };
  if (reply.code >= 400) return { status: 'later', reply, stage, reason };
  throw new SmtpFault('protocol', stage, `the server's reply makes no sense here: ${formatReply(reply)}`, {
    reply,
  });
}

/**
 * RFC 5321 section 4.5.3.1.10: 552 to RCPT may mean "too many recipients", which is temporary - but RFC 1870
 * section 6.4 uses it for a message too large for this recipient, which is not. It is the former where the
 * enhanced code says so: we never give a server more than the hundred recipients that it must take.
 */
function rcptRefusal(reply: Reply): Verdict {
  if (reply.code !== 552 || reply.enhanced !== '5.5.3') return refusal('rcpt', reply);
  const reason = `too many recipients for one message: ${formatReply(reply)}`;
  return { status: 'later', reply, stage: 'rcpt', reason };
}

function faultVerdict(fault: SmtpFault, handedOver: boolean): Verdict {
  if (fault.kind === 'refused' && fault.reply !== undefined) {
    return {
      status: 'later',
      reply: fault.reply,
      stage: fault.stage,
      reason: `the server is closing: ${formatReply(fault.reply)}`,
    };
  }
  return lostVerdict(fault, handedOver);
}

function lostVerdict(fault: SmtpFault, inDoubt: boolean): Verdict {
  const doubt =
    'the whole message had been sent and was not answered, so it is not known whether the server has it';
  const reason = inDoubt ? `${fault.message}; ${doubt}; it may arrive twice` : fault.message;
  return { status: 'lost', fault, inDoubt, reason };
}

function noVerdict(): SmtpFault {
  return new SmtpFault('protocol', 'data-end', 'the transaction ended without a verdict');
}
