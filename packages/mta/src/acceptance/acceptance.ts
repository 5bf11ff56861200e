/**
 * Takes messages over: the rules between a listener and the queue.
 *
 * A message is checked (line ends, NUL, line length, size, loops), completed where it comes from its author's
 * program, given its Received field, signed where there is a key for its author's domain, and put in the queue.
 * "Accepted" is said when the queue has it on disk, and at no other time: whatever goes wrong before is a 4yz or a
 * 5yz with its reason, and the message stays its sender's.
 *
 * What another relay hands over is not changed but for what stands on top of it (RFC 5321 section 6.4).
 */
import { isAscii } from 'node:buffer';
import { checkMessage, type Mailbox, type Message, type MessageFault } from '@danelaw/smtp';
import type { Dkim } from '../dkim/dkim.js';
import { Memo } from '../memo.js';
import type { NewRecipient, Notify, Queue, RecipientState } from '../queue/queue.js';
import { QueueFullError } from '../queue/queue.js';
import { makeQueueId } from '../queue/queue-id.js';
import {
  answer,
  type CheckedAddress,
  type CheckedRecipient,
  checkRecipientAddress,
  checkSenderAddress,
  type OwnNames,
  ownNames,
} from './envelope-address.js';
import { type HeaderSection, MAX_HEADER_FIELDS, MAX_HEADER_OCTETS, readHeader } from './header-section.js';
import { normaliseLineEnds } from './line-ends.js';
import { type MissingInput, missingFields } from './missing-fields.js';
import { receivedField } from './received-field.js';
import type { Acceptance, Accepted, SmtpAnswer, Submission, SubmittedRecipient } from './submission.js';

export interface AcceptanceLimits {
  /** Octets of a message as it comes. */
  readonly messageOctets: number;
  /** Recipients of one message; RFC 5321 section 4.5.3.1.8 asks for 100 at least. */
  readonly recipients: number;
  /** Received fields; a message with more is going round in circles (section 6.3: "at least 100"). */
  readonly receivedFields: number;
}

export const DEFAULT_ACCEPTANCE_LIMITS: AcceptanceLimits = {
  messageOctets: 50 * 1024 * 1024, // what large providers take at most
  recipients: 1000,
  receivedFields: 100,
};

export interface AcceptanceOptions {
  readonly queue: Pick<Queue, 'add'>;
  /** Our own name: in Received fields and Message-IDs. */
  readonly hostname: string;
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
  /** Gives that many random octets. */
  readonly random: (octets: number) => Uint8Array;
  readonly limits?: Partial<AcceptanceLimits>;
  /** Signs; left out where there are no keys. */
  readonly dkim?: Dkim | undefined;
  /** Domains whose mail would come back to us, and is refused; default: `hostname`. */
  readonly ownDomains?: readonly string[];
  /** Where mail for local parts at our own names goes: `postmaster`, `root`, `*`. */
  readonly aliases?: Readonly<Record<string, string>>;
  /** Bare CR and LF beside CRLF: refused, or made CRLF. Default: `refuse`. */
  readonly lineEnds?: 'refuse' | 'normalise';
  /** Told of what went wrong with us and not with the message; the client gets 451. */
  readonly onError?: (error: unknown) => void;
}

/** @throws TypeError where an alias is no address */
export function createAcceptance(options: AcceptanceOptions): Acceptance {
  return new RelayAcceptance(options);
}

class RelayAcceptance implements Acceptance {
  readonly #options: AcceptanceOptions;
  readonly #limits: AcceptanceLimits;
  readonly #own: OwnNames;
  /** Each address is asked about twice: by its command, and with its message. */
  readonly #senders = new Memo((address) => checkSenderAddress(address, false));
  readonly #recipients = new Memo((address) => checkRecipientAddress(address, false, this.#own));

  constructor(options: AcceptanceOptions) {
    this.#options = options;
    this.#limits = { ...DEFAULT_ACCEPTANCE_LIMITS, ...options.limits };
    const { hostname, ownDomains = [hostname], aliases = {} } = options;
    this.#own = ownNames(ownDomains, Object.entries(aliases));
  }

  checkSender(address: string, smtpUtf8: boolean): SmtpAnswer | undefined {
    const checked = this.#checkedSender(address, smtpUtf8);
    return checked.ok ? undefined : checked.answer;
  }

  checkRecipient(address: string, smtpUtf8: boolean): SmtpAnswer | undefined {
    const checked = this.#checkedRecipient(address, smtpUtf8);
    return checked.ok ? undefined : checked.answer;
  }

  #checkedSender(address: string, smtpUtf8: boolean): CheckedAddress {
    return smtpUtf8 ? checkSenderAddress(address, true) : this.#senders.of(address);
  }

  #checkedRecipient(address: string, smtpUtf8: boolean): CheckedRecipient {
    return smtpUtf8 ? checkRecipientAddress(address, true, this.#own) : this.#recipients.of(address);
  }

  async accept(submission: Submission): Promise<Accepted> {
    try {
      return await this.#accept(submission);
    } catch (error) {
      if (error instanceof QueueFullError) return refused(452, '4.3.1', `no room for it: ${error.message}`);
      this.#options.onError?.(error);
      return refused(451, '4.3.0', 'the message could not be put in the queue; try again later');
    }
  }

  async #accept(submission: Submission): Promise<Accepted> {
    const { smtpUtf8 } = submission;
    const sender = this.#checkedSender(submission.from, smtpUtf8);
    if (!sender.ok) return { status: 'refused', answer: sender.answer };
    const recipients = this.#recipientsOf(submission);
    if ('status' in recipients) return recipients;
    const size = submission.octets.length;
    const { messageOctets } = this.#limits;
    if (size > messageOctets) {
      const reason = `the message has ${size} octets and ${messageOctets} is the limit (RFC 1870)`;
      return refused(552, '5.3.4', reason);
    }
    const { clock, random } = this.#options;
    const time = clock();
    const id = submission.known?.id ?? makeQueueId(time, random);
    const checked = this.#check(submission, { from: sender.mailbox?.address ?? '', id, time });
    if (checked.status === 'malformed') return malformed(checked.fault, checked.reason);
    return await this.#enqueue(submission, sender.mailbox, recipients, checked.message, id, time);
  }

  #recipientsOf({ recipients, smtpUtf8 }: Submission): NewRecipient[] | Accepted {
    if (recipients.length > this.#limits.recipients) {
      return refused(452, '4.5.3', `more than ${this.#limits.recipients} recipients for one message`);
    }
    const [only] = recipients;
    if (only !== undefined && recipients.length === 1) {
      const checked = this.#checkedRecipient(only.address, smtpUtf8);
      return checked.ok
        ? [newRecipient(only, checked, undefined)]
        : { status: 'refused', answer: checked.answer };
    }
    const folded = new Map<string, NewRecipient>();
    for (const recipient of recipients) {
      const checked = this.#checkedRecipient(recipient.address, smtpUtf8);
      if (!checked.ok) return { status: 'refused', answer: checked.answer };
      const { address } = checked.mailbox;
      folded.set(address, newRecipient(recipient, checked, folded.get(address)));
    }
    if (folded.size === 0) return refused(554, '5.5.1', 'the message has no recipient');
    return [...folded.values()];
  }

  #check(
    { octets, complete }: Submission,
    added: Omit<MissingInput, 'hostname'>,
  ): ReturnType<typeof checkMessage> {
    const normal = this.#options.lineEnds === 'normalise' ? normaliseLineEnds(octets) : octets;
    const checked = checkMessage(normal);
    if (checked.status === 'ok' || !complete) return checked;
    if (checked.fault !== 'no-header' && checked.fault !== 'empty') return checked;
    // A program that writes no header at all: all of it is body.
    const header = missingFields([], { ...added, hostname: this.#options.hostname });
    const isUnixFile = normal.includes(LF) && !normal.includes(CR);
    const startsEmpty = normal[0] === LF || normal[0] === CR;
    const top = startsEmpty ? header : `${header}\r\n`;
    return checkMessage(Buffer.concat([Buffer.from(isUnixFile ? top.replaceAll('\r', '') : top), normal]));
  }

  async #enqueue(
    submission: Submission,
    sender: Mailbox | undefined,
    recipients: readonly NewRecipient[],
    message: Message,
    id: string,
    time: number,
  ): Promise<Accepted> {
    const header = readHeader(message.octets);
    if (header === undefined) {
      const most = `${MAX_HEADER_OCTETS} octets, or ${MAX_HEADER_FIELDS} fields`;
      return refused(554, '5.6.0', `the header section has more than ${most}`);
    }
    const { receivedFields } = this.#limits;
    let received = 0;
    for (const { name } of header.fields) if (name === 'received') received += 1;
    if (received > receivedFields) {
      const reason = `more than ${receivedFields} Received fields: it is going round in circles (RFC 5321 section 6.3)`;
      return refused(554, '5.4.6', reason);
    }
    const { hostname, queue, dkim } = this.#options;
    const from = sender?.address ?? '';
    const missing = submission.complete ? missingFields(header.fields, { from, id, hostname, time }) : '';
    const trace = receivedField({
      origin: submission.origin,
      tls: submission.tls,
      hostname,
      id,
      recipient: recipients.length === 1 ? recipients[0]?.address : undefined,
      smtpUtf8: submission.smtpUtf8,
      time,
    });
    const due = submission.known?.due;
    const complete = `${trace}${missing}`;
    const signatures = dkim?.hasKeys === true ? await sign(dkim, complete, header, message.octets, time) : '';
    const top = Buffer.from(`${signatures}${complete}`);
    const isTopAscii = isAscii(top);
    await queue.add({
      id,
      envelope: {
        from,
        envid: submission.envid,
        ret: submission.ret,
        requireTls: submission.requireTls,
        smtpUtf8: submission.smtpUtf8,
        eightBit: message.eightBit || !isTopAscii,
        utf8Header: message.utf8Header || !isTopAscii,
        // RFC 8689 section 4.1: "If the REQUIRETLS MAIL FROM parameter is specified, the TLS-Required header
        // field MUST be ignored".
        tlsRequiredNo: message.tlsRequiredNo && !submission.requireTls,
        arrived: time,
        origin: submission.origin,
      },
      recipients: due === undefined ? recipients : recipients.map((each) => ({ ...each, state: dueAt(due) })),
      body: Buffer.concat([top, message.octets]),
    });
    return { status: 'accepted', id };
  }
}

/** @param top the fields that stand before the header */
async function sign(
  dkim: Dkim,
  top: string,
  header: HeaderSection,
  octets: Uint8Array,
  time: number,
): Promise<string> {
  const added = readHeader(Buffer.from(top))?.fields ?? [];
  const fields = [...added, ...header.fields];
  return await dkim.sign({ fields, body: octets.subarray(header.bodyStart), time });
}

/** A recipient that was never tried, and is not to be before that time. */
const dueAt = (due: number): RecipientState => ({
  held: false,
  due,
  attempts: 0,
  warned: false,
  last: undefined,
});

const CR = 0x0d;
const LF = 0x0a;

/**
 * A recipient, and what its sender wants to hear. An address that was given twice is one recipient, and gets what
 * either asked for.
 *
 * @param first what was made of it where it stands first
 */
function newRecipient(
  { notify, orcpt }: SubmittedRecipient,
  { mailbox: { address, domain: destination }, original }: Extract<CheckedRecipient, { ok: true }>,
  first: NewRecipient | undefined,
): NewRecipient {
  // RFC 3461 section 5.2.1 (d): where there is none, the address that the client said may be it.
  const type = original?.utf8 === true ? 'utf-8' : 'rfc822';
  const orcptHere = orcpt ?? (original === undefined ? undefined : `${type};${original.address}`);
  if (first === undefined) return { address, destination, notify, orcpt: orcptHere };
  const either = eitherNotify(first.notify, notify);
  return { address, destination, notify: either, orcpt: first.orcpt ?? orcptHere };
}

/** Undefined is "failure, and delay". */
function eitherNotify(a: Notify | undefined, b: Notify | undefined): Notify | undefined {
  if (a === b || b === 'never') return a;
  if (a === 'never') return b;
  return [...new Set([...(a ?? (['failure', 'delay'] as const)), ...(b ?? (['failure', 'delay'] as const))])];
}

function refused(code: number, enhanced: string, reason: string): Accepted {
  return { status: 'refused', answer: answer(code, enhanced, reason) };
}

/** RFC 3463: 5.5.2 where the client broke SMTP's own syntax, 5.6.0 where the message is none. */
function malformed(fault: MessageFault, reason: string): Accepted {
  switch (fault) {
    case 'bare-cr':
    case 'mixed-line-ends':
      return refused(554, '5.5.2', reason);
    case 'empty':
    case 'no-header':
    case 'nul':
    case 'line-too-long':
    case 'header-not-utf8':
      return refused(554, '5.6.0', reason);
    default: {
      const never: never = fault;
      return never;
    }
  }
}
