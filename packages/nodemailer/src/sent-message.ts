/**
 * What `sendMail` gives: the fields of Nodemailer's SMTP transport, and beside them the whole truth.
 */
import type { Delivery } from '@danelaw/smtp';
import type { SentMessageInfo } from 'nodemailer';
import { type DanelawMailError, nobodyGotIt, recipientError } from './mail-error.js';

export interface DanelawSentMessageInfo extends SentMessageInfo {
  /** Recipients whose servers took responsibility for the message. */
  accepted: string[];
  /** All others: also those that were refused only for now, as with Nodemailer's SMTP transport. */
  rejected: string[];
  /** Those of `rejected` for whom the same message may go through later. Nothing is queued here. */
  pending: string[];
  /** One for each of `rejected`, in its order; absent where there are none. */
  rejectedErrors?: DanelawMailError[];
  /** The last reply by which a server took the message. */
  response: string;
  /** Octets of the message, CRLF line ends included, dots not doubled. */
  messageSize: number;
  /** Milliseconds from the first question to the last reply. */
  messageTime: number;
  /** For each recipient how it ended and what was proved, and every attempt on the way. */
  danelaw: Delivery;
}

export interface SentMessage {
  readonly envelope: SentMessageInfo['envelope'];
  readonly messageId: string;
  readonly messageSize: number;
  readonly messageTime: number;
}

/** @throws DanelawMailError where nobody got the message */
export function sentMessageInfo(sent: SentMessage, delivery: Delivery): DanelawSentMessageInfo {
  const accepted = delivery.recipients.filter(({ status }) => status === 'delivered');
  const others = delivery.recipients.filter(({ status }) => status !== 'delivered');
  const rejectedErrors = others.map(recipientError);
  if (accepted.length === 0) throw nobodyGotIt(rejectedErrors, delivery);
  return {
    ...sent,
    accepted: accepted.map(({ recipient }) => recipient),
    rejected: others.map(({ recipient }) => recipient),
    pending: others.filter(({ status }) => status === 'deferred').map(({ recipient }) => recipient),
    response: accepted.at(-1)?.reply ?? '',
    ...(rejectedErrors.length === 0 ? {} : { rejectedErrors }),
    danelaw: delivery,
  };
}
