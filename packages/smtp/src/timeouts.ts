/**
 * How long each step of a conversation may take. The values are those of RFC 5321 section 4.5.3.2 (minimum
 * values: a client that gives up earlier makes mail arrive twice or not at all), for each command and not for
 * the session.
 */

/** A step that something is waited for. */
export type Stage =
  | 'connect'
  | 'greeting'
  | 'ehlo'
  | 'starttls'
  | 'handshake'
  | 'auth'
  | 'mail'
  | 'rcpt'
  | 'data'
  | 'data-block'
  | 'data-end'
  | 'quit';

/** Milliseconds for each stage. */
export type Timeouts = Readonly<Record<Stage, number>>;

const SECOND = 1000;
const MINUTE = 60 * SECOND;

export const DEFAULT_TIMEOUTS: Timeouts = {
  /**
   * Not in RFC 5321. Postfix's `smtp_connect_timeout`: a lost SYN is sent again after 1, 3, 7 and 15 seconds.
   */
  connect: 30 * SECOND,
  /** Section 4.5.3.2.1: a busy server accepts the connection and greets later. */
  greeting: 5 * MINUTE,
  /** Not in RFC 5321 by name; the same five minutes as the commands around it. */
  ehlo: 5 * MINUTE,
  starttls: 5 * MINUTE,
  /** The TLS handshake, from our first octet to the verified chain. */
  handshake: 5 * MINUTE,
  /** Not in RFC 5321 by name, as `ehlo`. */
  auth: 5 * MINUTE,
  /** Section 4.5.3.2.2. */
  mail: 5 * MINUTE,
  /** Section 4.5.3.2.3. */
  rcpt: 5 * MINUTE,
  /** Section 4.5.3.2.4. */
  data: 2 * MINUTE,
  /** Section 4.5.3.2.5: for each chunk that is sent. */
  'data-block': 3 * MINUTE,
  /** Section 4.5.3.2.6: giving up here makes a message arrive twice. */
  'data-end': 10 * MINUTE,
  /** Nobody waits for QUIT's reply; this is how long the socket lives on for it in the background. */
  quit: 5 * SECOND,
};
