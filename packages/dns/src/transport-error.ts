/** Why an exchange with a name server ended without a reply. */

export type TransportFailure =
  /** The network or the server's host says no: ICMP unreachable, connection refused or reset. */
  | 'unreachable'
  /** The server closed the connection before it answered. */
  | 'cut-off'
  /** The server did not prove to be the one that was asked for (RFC 7858 section 4.2). */
  | 'unauthenticated'
  /** Nothing came in the time that there was. */
  | 'silent'
  /** More messages that are no reply to the query than can be an accident: someone is guessing. */
  | 'junk'
  /** What came over TCP is not a row of DNS messages. */
  | 'malformed'
  /** A bound of ours was reached. */
  | 'limit'
  /** The transport was closed by its owner. */
  | 'closed'
  /** This transport can't do that. */
  | 'unsupported';

export class TransportError extends Error {
  override readonly name = 'TransportError';
  readonly failure: TransportFailure;

  constructor(failure: TransportFailure, message: string, options?: ErrorOptions) {
    super(message, options);
    this.failure = failure;
  }
}

/** `connect ENETUNREACH`: Node.js has the address in its text, too, which stands in ours already. */
export function systemErrorText(error: Error): string {
  const { message } = error;
  return 'code' in error && 'syscall' in error ? `${error.syscall} ${error.code}` : message;
}
