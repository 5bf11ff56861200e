/**
 * A message as a client handed it in, and what is answered: the line between those who listen (SMTP,
 * the maildrop) and the acceptance, which checks it, completes it, signs it and puts it in the queue.
 */
import type { Notify, Origin } from '../queue/queue.js';
import type { SessionTls } from './received-field.js';

export interface Submission {
  readonly origin: Origin;
  /** How the session was protected, for the Received field; undefined in clear text. */
  readonly tls?: SessionTls | undefined;
  /** As it was said, without angle brackets: the domain may be in UTF-8; the empty string is the null sender. */
  readonly from: string;
  /** In the order in which they were said; at least one. */
  readonly recipients: readonly SubmittedRecipient[];
  /** The message after the dots were undone: as it came, line ends included. */
  readonly octets: Uint8Array;
  /** RFC 3461. */
  readonly envid?: string | undefined;
  readonly ret?: 'full' | 'hdrs' | undefined;
  /** RFC 8689: REQUIRETLS was said with MAIL. */
  readonly requireTls: boolean;
  /** RFC 6531: SMTPUTF8 was said with MAIL. */
  readonly smtpUtf8: boolean;
  /**
   * It comes from its author's program, not from another relay: what is missing (Date, Message-ID, From) is
   * added (RFC 6409 section 8).
   */
  readonly complete: boolean;
  /** It was kept elsewhere until now: under this id, and there until `due`, before which it is not to be tried. */
  readonly known?: { readonly id: string; readonly due: number } | undefined;
}

export interface SubmittedRecipient {
  readonly address: string;
  readonly notify?: Notify | undefined;
  /** RFC 3461 section 4.2: `rfc822;you@example.org`, xtext decoded. */
  readonly orcpt?: string | undefined;
}

/** What a client is told. */
export interface SmtpAnswer {
  /** 250, 4yz, 5yz. */
  readonly code: number;
  /** RFC 3463, with the code's class. */
  readonly enhanced: string;
  /** One line, ASCII, without code and status. */
  readonly text: string;
}

export type Accepted =
  /** Durable: the sender may forget it. */
  | { readonly status: 'accepted'; readonly id: string }
  | { readonly status: 'refused'; readonly answer: SmtpAnswer };

/** Takes messages over. Never rejects: what goes wrong is an answer. */
export interface Acceptance {
  /** Before the message comes: may this address be a sender, a recipient? Undefined: yes. */
  checkSender(address: string, smtpUtf8: boolean): SmtpAnswer | undefined;
  checkRecipient(address: string, smtpUtf8: boolean): SmtpAnswer | undefined;
  accept(submission: Submission): Promise<Accepted>;
}
