/**
 * What a server offers, as its reply to EHLO says (RFC 5321 section 4.1.1.1): a keyword a line, with
 * parameters.
 *
 * Learned in clear it may be forged, so it is used for nothing but STARTTLS and forgotten after it (RFC 3207
 * section 4.2). The number of keywords and their length are bounded by the reply itself.
 */
import type { Reply } from './reply.js';

export interface Capabilities {
  /** What the server calls itself; null where that is no name. */
  readonly serverName: string | null;
  /** RFC 3207. */
  readonly startTls: boolean;
  /** RFC 2920. */
  readonly pipelining: boolean;
  /** RFC 6152. */
  readonly eightBitMime: boolean;
  /** RFC 6531. */
  readonly smtpUtf8: boolean;
  /** RFC 3461. */
  readonly dsn: boolean;
  /** RFC 1870: the declared size may be sent with MAIL. */
  readonly size: boolean;
  /** Octets that the server takes at most; undefined where it does not say, or says 0: no fixed limit. */
  readonly sizeLimit: number | undefined;
  /** RFC 4954: mechanisms to log in with, in upper case. */
  readonly authMechanisms: readonly string[];
  /** Every keyword in upper case, in the server's order. */
  readonly keywords: readonly string[];
}

/** What a server that knows HELO alone offers: nothing. */
export const NO_CAPABILITIES: Capabilities = {
  serverName: null,
  startTls: false,
  pipelining: false,
  eightBitMime: false,
  smtpUtf8: false,
  dsn: false,
  size: false,
  sizeLimit: undefined,
  authMechanisms: [],
  keywords: [],
};

/** Reads a 250 reply to EHLO. Lines that are no `ehlo-line` are passed over. */
export function readCapabilities(reply: Reply): Capabilities {
  const offered = new Map<string, string>();
  // The first line is the server's name and greeting, whatever it looks like.
  for (const line of reply.lines.slice(1)) {
    const space = line.indexOf(' ');
    const word = space === -1 ? line : line.slice(0, space);
    if (!/^[A-Za-z0-9][A-Za-z0-9-]*$/u.test(word)) continue;
    const keyword = word.toUpperCase();
    if (!offered.has(keyword))
      offered.set(keyword, space === -1 ? '' : line.slice(space).replace(/^ +/u, ''));
  }
  return {
    serverName: serverNameOf(reply),
    startTls: offered.has('STARTTLS'),
    pipelining: offered.has('PIPELINING'),
    eightBitMime: offered.has('8BITMIME'),
    smtpUtf8: offered.has('SMTPUTF8'),
    dsn: offered.has('DSN'),
    size: offered.has('SIZE'),
    sizeLimit: sizeLimit(offered.get('SIZE')),
    authMechanisms: (offered.get('AUTH') ?? '').toUpperCase().split(/ +/u).filter(Boolean),
    keywords: [...offered.keys()],
  };
}

/** size-param = 1*20DIGIT (RFC 1870 section 4); 0 says that there is no fixed maximum. */
function sizeLimit(parameter: string | undefined): number | undefined {
  if (parameter === undefined || !/^[0-9]{1,20}$/u.test(parameter)) return undefined;
  const limit = Number(parameter);
  return limit === 0 ? undefined : limit;
}

/** RFC 5321 section 4.1.1.1, `ehlo-greet`: the first word is the server's domain or address literal. */
export function serverNameOf(reply: Reply): string | null {
  return /^([A-Za-z0-9._:[\]-]{1,255})(?: |$)/u.exec(reply.lines[0] ?? '')?.[1] ?? null;
}
