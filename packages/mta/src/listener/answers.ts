/**
 * What the listener answers, each with its one enhanced status code (RFC 3463, RFC 5248).
 *
 * RFC 2034 section 4: every 2yz, 4yz and 5yz reply has one but for the greeting and the replies to EHLO and
 * HELO; 3yz replies have none.
 */
import type { SmtpAnswer } from '../acceptance/submission.js';

const answer = (code: number, enhanced: string, text: string): SmtpAnswer => ({ code, enhanced, text });

export const OK = answer(250, '2.0.0', 'Ok');
export const SENDER_OK = answer(250, '2.1.0', 'Ok');
export const RECIPIENT_OK = answer(250, '2.1.5', 'Ok');
export const BYE = answer(221, '2.0.0', 'Bye');
export const HELP = answer(214, '2.0.0', 'See RFC 5321');
/** Section 3.5.3: nothing was verified, and mail will be tried. */
export const CANNOT_VERIFY = answer(252, '2.0.0', 'Not verified; send mail, and learn');
export const queued = (id: string): SmtpAnswer => answer(250, '2.0.0', `Ok: queued as ${id}`);

export const BAD_LINE_END = answer(500, '5.5.2', 'A command ends in CR LF, and has neither inside');
export const LINE_TOO_LONG = answer(500, '5.5.2', 'Line too long');
/** RFC 4954 section 4. */
export const AUTH_LINE_TOO_LONG = answer(500, '5.5.6', 'Authentication exchange line is too long');
export const UNKNOWN_COMMAND = answer(500, '5.5.2', 'Command unrecognized');
export const NOT_IMPLEMENTED = answer(502, '5.5.1', 'Command not implemented');
export const NO_HELLO = answer(503, '5.5.1', 'Send EHLO or HELO first');
export const NESTED_MAIL = answer(503, '5.5.1', 'Nested MAIL command');
export const NEED_MAIL = answer(503, '5.5.1', 'Need MAIL command');
export const NEED_RECIPIENT = answer(503, '5.5.1', 'Need RCPT command');
/** RFC 5321 section 3.3. */
export const NO_VALID_RECIPIENTS = answer(554, '5.5.1', 'No valid recipients');
export const IN_TRANSACTION = answer(503, '5.5.1', 'Not within a mail transaction');
export const NO_ARGUMENT = answer(501, '5.5.4', 'This command takes no argument');
export const NEEDS_ARGUMENT = answer(501, '5.5.4', 'This command needs an argument');

export const MAIL_SYNTAX = answer(501, '5.5.4', 'Syntax: MAIL FROM:<address> [parameters]');
export const RCPT_SYNTAX = answer(501, '5.5.4', 'Syntax: RCPT TO:<address> [parameters]');
export const BAD_SENDER = answer(501, '5.1.7', 'Bad sender address syntax');
export const BAD_RECIPIENT = answer(501, '5.1.3', 'Bad recipient address syntax');
/** RFC 6531 section 3.5. */
export const SENDER_NEEDS_UTF8 = answer(553, '5.6.7', 'This sender address needs SMTPUTF8');
export const RECIPIENT_NEEDS_UTF8 = answer(553, '5.6.7', 'This recipient address needs SMTPUTF8');
export const badParameter = (text: string): SmtpAnswer => answer(501, '5.5.4', text);
/** RFC 5321 section 4.1.1.11. */
export const unknownParameter = (command: string): SmtpAnswer =>
  answer(555, '5.5.4', `${command} parameter not recognized or not implemented`);
/** RFC 8689 section 2: only in a session under TLS. */
export const REQUIRETLS_NEEDS_TLS = answer(530, '5.7.10', 'REQUIRETLS needs a session under TLS');

/** RFC 4954 section 6. */
export const LOGIN_REQUIRED = answer(530, '5.7.0', 'Authentication required');
/** RFC 3207 section 4. */
export const STARTTLS_REQUIRED = answer(530, '5.7.0', 'Must issue a STARTTLS command first');
export const RELAY_DENIED = answer(550, '5.7.1', 'Relay access denied');

/** RFC 4954 section 4: a client response that is no Base64. */
export const BAD_BASE64 = answer(501, '5.5.2', 'This is not Base64');
export const BAD_LOGIN = answer(535, '5.7.8', 'Authentication credentials invalid');
export const LOGIN_THROTTLED = answer(454, '4.7.0', 'Too many failed logins from your address; try later');
export const LOGIN_BUSY = answer(454, '4.7.0', 'Too many logins at once; try later');

export const tooLarge = (limit: number): SmtpAnswer =>
  answer(552, '5.3.4', `Message is larger than ${limit} octets`);
export const TOO_MANY_RECIPIENTS = answer(452, '4.5.3', 'Too many recipients in one message');
export const NO_ROOM = answer(452, '4.3.1', 'No memory for more messages at the moment; try later');
export const INTERNAL_ERROR = answer(451, '4.3.0', 'Internal error; try later');

/** What follows ends the connection. */
export const SHUTTING_DOWN = answer(421, '4.3.2', 'Shutting down; try later');
export const TOO_MANY_CONNECTIONS = answer(421, '4.7.0', 'Too many connections at the moment; try later');
export const TOO_MANY_OF_CLIENT = answer(421, '4.7.0', 'Too many connections from your address');
export const TOO_MANY_MESSAGES = answer(421, '4.7.0', 'Too many messages over one connection; connect again');
export const TOO_MANY_ERRORS = answer(421, '4.7.0', 'Too many errors');
export const TOO_MANY_IDLE_COMMANDS = answer(421, '4.7.0', 'Too many commands without a message');
export const TOO_MANY_LOGINS = answer(421, '4.7.0', 'Too many failed logins');
export const TOO_EARLY = answer(421, '4.5.0', 'A client waits for the greeting before it speaks');
export const NO_HTTP = answer(421, '4.7.0', 'This is SMTP, not HTTP');
export const TIMED_OUT = answer(421, '4.4.2', 'Timed out waiting for you');
export const MESSAGE_TOO_SLOW = answer(421, '4.4.2', 'This message took too long to come');

/**
 * What smtp-server says by itself where its own handlers still run (STARTTLS, the SASL exchanges, its
 * time-outs): the enhanced status codes that fit, which its own table has not for all. By the start of the
 * text.
 */
const OF_SMTP_SERVER: readonly (readonly [code: number, text: string, enhanced: string])[] = [
  [220, 'Ready to start TLS', '2.0.0'],
  [235, '', '2.7.0'],
  [421, 'Timeout', '4.4.2'],
  [501, 'Authentication aborted', '5.7.0'],
  [501, 'Error: invalid userdata', '5.5.2'],
  [501, 'Error: missing username', '5.5.2'],
  [501, '', '5.5.4'],
  [503, '', '5.5.1'],
  [504, '', '5.5.4'],
  [535, '', '5.7.8'],
];

/**
 * @returns the enhanced status code for a reply of smtp-server's own; the class's `x.0.0` where none is known
 */
export function enhancedFor(code: number, text: string): string {
  const known = OF_SMTP_SERVER.find(([number, start]) => number === code && text.startsWith(start));
  return known?.[2] ?? `${Math.floor(code / 100)}.0.0`;
}
