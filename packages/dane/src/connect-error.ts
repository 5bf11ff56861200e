/** Why there is no verified connection. */

export type ConnectFault =
  /** A look-up failed: nothing may be concluded, and this server not be used now (RFC 7673 sections 3.1 to 3.4). */
  | 'look-up'
  /** The service or the server is not there: no SRV record, no address. */
  | 'absent'
  /** DANE does not apply, and nothing else was to be taken in its place. */
  | 'no-dane'
  /** No TCP connection. */
  | 'connect'
  /** The server does not offer TLS, or not in the words that were expected. */
  | 'starttls'
  /** The TLS handshake failed. */
  | 'handshake'
  /** The handshake stands, and its certificates do not prove who the server is. */
  | 'unauthenticated'
  /** Nothing came for too long. */
  | 'timeout';

export class DaneConnectError extends Error {
  override readonly name = 'DaneConnectError';
  readonly fault: ConnectFault;
  /** Where several servers or addresses were tried: why each of them would not do, in order. */
  readonly attempts: readonly DaneConnectError[];

  constructor(
    fault: ConnectFault,
    message: string,
    options: ErrorOptions & { attempts?: DaneConnectError[] } = {},
  ) {
    super(message, options);
    this.fault = fault;
    this.attempts = options.attempts ?? [];
  }
}

/**
 * One error for several attempts. The fault is the gravest: that somebody could not be authenticated must not
 * hide behind a later address that nobody listens at.
 */
export function noneOf(what: string, attempts: readonly DaneConnectError[]): DaneConnectError {
  const [only] = attempts;
  if (only !== undefined && attempts.length === 1) return only;
  const gravest = GRAVITY.find((fault) => attempts.some((each) => each.fault === fault)) ?? 'connect';
  const words = attempts.map(({ message }) => message).join('. Then ');
  return new DaneConnectError(gravest, `${what}: ${words}`, { attempts: [...attempts] });
}

const GRAVITY: readonly ConnectFault[] = [
  'unauthenticated',
  'handshake',
  'starttls',
  'look-up',
  'no-dane',
  'timeout',
  'connect',
  'absent',
];
