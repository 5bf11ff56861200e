/**
 * Errors as Nodemailer's users know them: `code` for what went wrong, `command` for when, `response` and
 * `responseCode` for what the server said.
 *
 * The codes are those of Nodemailer's own SMTP transport. It knows one server, named by its user; this one
 * finds the servers, so that DNS (`EDNS`) and policy (`ETLS`) have more to say here than there.
 */
import type { Delivery, RecipientOutcome } from '@danelaw/smtp';

export type MailErrorCode =
  /** The destination is not known, or could not be looked up. */
  | 'EDNS'
  /** No connection to any server. */
  | 'ESOCKET'
  /** A connection was lost, or nothing came for too long. */
  | 'ECONNECTION'
  /** The time for the delivery is over. */
  | 'ETIMEDOUT'
  /** TLS was not offered, failed, or did not prove who the server is. */
  | 'ETLS'
  /** What the server said is no SMTP, or it refused before MAIL. */
  | 'EPROTOCOL'
  /** The sender or a recipient was refused, or can't be written in a command. */
  | 'EENVELOPE'
  /** The message was refused, or can't be sent as it is. */
  | 'EMESSAGE'
  /** An attachment or another part of the message could not be read. */
  | 'ESTREAM'
  /** RFC 8689: REQUIRETLS was asked for and can't be had. */
  | 'EREQUIRETLS'
  | 'EABORT';

/** An error of this transport; `NodemailerError` of Nodemailer describes the common part. */
export class DanelawMailError extends Error {
  readonly code: MailErrorCode;
  /** The command that was answered, as Nodemailer names it: `RCPT TO`. */
  command?: string;
  /** The server's reply on one line. */
  response?: string;
  responseCode?: number;
  /** RFC 3463. */
  enhancedStatus?: string;
  /**
   * False where the same message may go through at another time. Nodemailer sets it only where there is a
   * reply; here it is set wherever recipients are concerned.
   */
  permanent?: boolean;
  /** The recipient that the error is about, where it is about one. */
  recipient?: string;
  /** Every recipient that did not get the message. */
  rejected?: string[];
  rejectedErrors?: DanelawMailError[];
  /** Everything that was tried and proved. */
  danelaw?: Delivery;

  constructor(code: MailErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** The caller's own abort, in the form that Nodemailer gives it. */
export function abortError(reason: unknown): DanelawMailError {
  const error = new DanelawMailError('EABORT', 'Message sending aborted', { cause: reason });
  error.name = 'AbortError';
  return error;
}

/** Why one recipient did not get the message. */
export function recipientError(outcome: RecipientOutcome): DanelawMailError {
  const error = new DanelawMailError(codeOf(outcome), outcome.reason);
  error.recipient = outcome.recipient;
  error.permanent = outcome.status === 'failed';
  const command = commandOf(outcome.stage);
  if (command !== undefined) error.command = command;
  if (outcome.reply !== null) error.response = outcome.reply;
  if (outcome.code !== null) error.responseCode = outcome.code;
  if (outcome.enhancedStatus !== null) error.enhancedStatus = outcome.enhancedStatus;
  return error;
}

/**
 * Nobody got the message. As with Nodemailer, a refusal that is only for now speaks for all where there is
 * one: taking another would mark the whole message as failed for good.
 */
export function nobodyGotIt(errors: readonly DanelawMailError[], delivery: Delivery): DanelawMailError {
  const speaker = errors.find(({ permanent }) => permanent === false) ?? errors.at(-1);
  const words = "Can't send mail - all recipients were rejected";
  const error = new DanelawMailError(
    speaker?.code ?? 'EENVELOPE',
    speaker === undefined ? words : `${words}: ${speaker.message}`,
  );
  if (speaker !== undefined) {
    const { command, response, responseCode, enhancedStatus, permanent } = speaker;
    if (permanent !== undefined) error.permanent = permanent;
    if (command !== undefined) error.command = command;
    if (response !== undefined) error.response = response;
    if (responseCode !== undefined) error.responseCode = responseCode;
    if (enhancedStatus !== undefined) error.enhancedStatus = enhancedStatus;
  }
  error.rejected = errors.flatMap(({ recipient }) => recipient ?? []);
  error.rejectedErrors = [...errors];
  error.danelaw = delivery;
  return error;
}

type Stage = RecipientOutcome['stage'];

function codeOf({ stage, reply, enhancedStatus }: RecipientOutcome): MailErrorCode {
  if (reply === null) return codeOfStatus(enhancedStatus, stage);
  switch (stage) {
    case 'mail':
    case 'rcpt':
    case 'data':
      return 'EENVELOPE';
    case 'data-block':
    case 'data-end':
      return 'EMESSAGE';
    case 'starttls':
    case 'handshake':
      return 'ETLS';
    case 'auth':
    case 'connect':
    case 'greeting':
    case 'ehlo':
    case 'quit':
    case null:
      return 'EPROTOCOL';
    default: {
      const never: never = stage;
      return never;
    }
  }
}

/** Where no reply tells it, our own enhanced status does (RFC 3463 sections 3.2, 3.4 to 3.8). */
function codeOfStatus(status: string | null, stage: Stage): MailErrorCode {
  switch (status?.slice(2)) {
    case '1.2': // no such domain
    case '4.3': // a look-up failed
    case '4.4': // nowhere to go
      return 'EDNS';
    case '4.1':
      return 'ESOCKET';
    case '4.2':
      return 'ECONNECTION';
    case '4.7':
      return 'ETIMEDOUT';
    case '5.0':
      return 'EPROTOCOL';
    case '7.4':
    case '7.5':
      return 'ETLS';
    case '7.10': // RFC 8689 section 4.2.1
    case '7.30':
      return 'EREQUIRETLS';
    case '3.4': // the server takes no message of this size
    case '6.3': // 8BITMIME is not offered
    case '6.9': // SMTPUTF8 is not offered
      return 'EMESSAGE';
    default:
      return stage === 'data-end' ? 'EMESSAGE' : 'EENVELOPE';
  }
}

/** Commands by the names that Nodemailer has for them. */
function commandOf(stage: Stage): string | undefined {
  switch (stage) {
    case 'connect':
    case 'greeting':
      return 'CONN';
    case 'ehlo':
      return 'EHLO';
    case 'starttls':
    case 'handshake':
      return 'STARTTLS';
    case 'auth':
      return 'AUTH';
    case 'mail':
      return 'MAIL FROM';
    case 'rcpt':
      return 'RCPT TO';
    case 'data':
    case 'data-block':
    case 'data-end':
      return 'DATA';
    case 'quit':
      return 'QUIT';
    case null:
      return undefined;
    default: {
      const never: never = stage;
      return never;
    }
  }
}
