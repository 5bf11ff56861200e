/**
 * Delivery status notifications: how senders learn what became of their messages (RFC 3461, 3464, 6533).
 *
 * A report is a message in three parts: words for a person, fields for programs, and the message that it is about. It
 * goes to the reverse-path, from the null one, so that it never causes another. It tells only of recipients that the
 * sender wants to hear of.
 *
 * It is put together by hand: which types and encodings the parts may have is exactly what the RFCs are about.
 */
import { isAscii } from 'node:buffer';
import { parseMailbox } from '@danelaw/smtp';
import { encode, wrap } from 'nodemailer/lib/qp';
import { fieldValue, readHeader } from '../acceptance/header-section.js';
import { mailDate } from '../mail-date.js';
import type { NewMessage, NewRecipient, QueuedEnvelope } from '../queue/queue.js';
import type { FailureFacts } from './cause.js';
import { type DsnAction, dsnDue } from './dsn-due.js';
import { reportText } from './report-text.js';
import { type Part, returnedContent } from './returned-content.js';
import { statusFields } from './status-fields.js';

/** One recipient, and what became of the message for him. */
export interface DsnRecipient {
  readonly recipient: Pick<NewRecipient, 'address' | 'notify' | 'orcpt'>;
  readonly action: DsnAction;
  readonly outcome: FailureFacts;
  /** `failed`: because its time was over. */
  readonly expired?: boolean;
  /** `delayed`: until when it is tried. */
  readonly willRetryUntil?: number | undefined;
  /** When it was tried last; default: now. */
  readonly lastAttempt?: number | undefined;
}

export interface DsnInput {
  /** Of the message that the report is about. */
  readonly envelope: QueuedEnvelope;
  readonly originalId: string;
  readonly recipients: readonly DsnRecipient[];
  /** That message; undefined where it is lost. */
  readonly body: Uint8Array | undefined;
  readonly hostname: string;
  readonly now: number;
  /** Of the report. */
  readonly id: string;
}

/**
 * The reports that are due: one for failures, one for delays, one for what went well.
 * @param makeId gives the next queue id
 */
export function makeDsns(input: Omit<DsnInput, 'id'>, makeId: () => string): NewMessage[] {
  const groups = KINDS.map((actions) => input.recipients.filter(({ action }) => actions.includes(action)));
  return groups.flatMap((recipients) => {
    const isDue = recipients.some(({ recipient, action }) =>
      dsnDue(recipient.notify, action, input.envelope.from),
    );
    return isDue ? (makeDsn({ ...input, recipients, id: makeId() }) ?? []) : [];
  });
}

const KINDS: readonly (readonly DsnAction[])[] = [
  ['failed'],
  ['delayed'],
  ['delivered', 'relayed', 'expanded'],
];

/** One report about all its recipients that are due (RFC 3461 section 5.2.8); undefined where none is. */
export function makeDsn(input: DsnInput): NewMessage | undefined {
  const { envelope, id, now } = input;
  const recipients = input.recipients.filter(({ recipient, action }) =>
    dsnDue(recipient.notify, action, envelope.from),
  );
  const returnPath = parseMailbox(envelope.from);
  if (recipients.length === 0 || returnPath === undefined) return undefined;
  const wide = returnPath.utf8;
  const body = compose(input, recipients, returnPath.address, wide);
  return {
    id,
    envelope: {
      from: '', // RFC 3461 section 6.1
      // RFC 8689 section 5: "MUST also specify the REQUIRETLS SMTP option".
      requireTls: envelope.requireTls,
      smtpUtf8: wide,
      eightBit: !isAscii(body),
      utf8Header: wide,
      tlsRequiredNo: false,
      arrived: now,
      origin: { kind: 'bounce' },
    },
    // RFC 3461 section 6.1: NOTIFY "MAY be used, but its value MUST be NEVER".
    recipients: [{ address: returnPath.address, destination: returnPath.domain, notify: 'never' }],
    body,
  };
}

function compose(
  input: DsnInput,
  recipients: readonly DsnRecipient[],
  to: string,
  wide: boolean,
): Uint8Array {
  const { id, hostname, now, body, envelope } = input;
  const boundary = `=_${id}`; // "=_" can't stand in quoted-printable or base64; the id has chance in it
  const reference = body === undefined ? undefined : messageId(body);
  const header = [
    `From: Mail Delivery System <MAILER-DAEMON@${hostname}>`,
    `To: <${to}>`,
    `Subject: ${subjectOf(recipients)}`,
    `Date: ${mailDate(now)}`,
    `Message-ID: <${id}@${hostname}>`,
    ...(reference === undefined ? [] : [`In-Reply-To: ${reference}`, `References: ${reference}`]),
    'Auto-Submitted: auto-replied', // RFC 3834 section 5
    'MIME-Version: 1.0',
    `Content-Type: multipart/report; report-type=delivery-status;\r\n boundary="${boundary}"`,
  ];
  const failed = recipients.some(({ action }) => action === 'failed');
  const parts = [
    textPart(reportText(input, recipients), wide),
    statusPart(statusFields(input, recipients, wide), wide),
    ...(body === undefined ? [] : [returnedContent({ body, envelope, failed, wide })]),
  ];
  return Buffer.concat([
    Buffer.from(`${header.join('\r\n')}\r\n\r\n`),
    ...parts.flatMap((part) => partOctets(part, boundary)),
    Buffer.from(`--${boundary}--\r\n`),
  ]);
}

/** RFC 3464 section 2: for people. What it is about stands first, as lists of messages show that. */
function subjectOf(recipients: readonly DsnRecipient[]): string {
  const action = recipients[0]?.action ?? 'failed';
  switch (action) {
    case 'failed':
      return 'Your message could not be delivered';
    case 'delayed':
      return 'Your message is delayed';
    case 'delivered':
      return 'Your message was delivered';
    case 'relayed':
    case 'expanded':
      return 'Your message was handed on';
    default: {
      const never: never = action;
      return never;
    }
  }
}

function textPart(text: string, wide: boolean): Part {
  const octets = Buffer.from(text);
  if (isAscii(octets)) return { type: 'text/plain; charset=us-ascii', encoding: '7bit', octets };
  const type = 'text/plain; charset=utf-8';
  return wide
    ? { type, encoding: '8bit', octets }
    : { type, encoding: 'quoted-printable', octets: Buffer.from(wrap(encode(octets), QP_CHARACTERS)) };
}

/** RFC 6533 section 4.4: what is all ASCII may have the traditional type. */
function statusPart(text: string, wide: boolean): Part {
  const octets = Buffer.from(text);
  return isAscii(octets) || !wide
    ? { type: 'message/delivery-status', encoding: '7bit', octets }
    : { type: 'message/global-delivery-status', encoding: '8bit', octets };
}

/** RFC 2045 sections 6.7 and 6.8. */
const QP_CHARACTERS = 76;
const BASE64_CHARACTERS = 76;

function partOctets({ type, encoding, octets }: Part, boundary: string): Uint8Array[] {
  const header = `--${boundary}\r\nContent-Type: ${type}\r\nContent-Transfer-Encoding: ${encoding}\r\n\r\n`;
  const content = encoding === 'base64' ? base64(octets) : octets;
  return [Buffer.from(header), content, Buffer.from('\r\n')];
}

function base64(octets: Uint8Array): Uint8Array {
  const text = Buffer.from(octets.buffer, octets.byteOffset, octets.length).toString('base64');
  return Buffer.from(text.replace(new RegExp(`.{1,${BASE64_CHARACTERS}}`, 'gu'), '$&\r\n'));
}

/** The Message-ID of the message, where it is one (RFC 5322 section 3.6.4) and no text that somebody slipped in. */
function messageId(body: Uint8Array): string | undefined {
  const field = readHeader(body)?.fields.find(({ name }) => name === 'message-id');
  return field === undefined ? undefined : /^<[!-;=?-~]{1,250}>$/u.exec(fieldValue(field))?.[0];
}
