/**
 * The Received field that each host which handles a message puts on top of it (RFC 5321 section 4.4): from whom, by
 * whom, how, when. Loops are found by counting them, and people find out with them where a message was.
 */
import { isIP } from 'node:net';
import { parseDomain } from '@danelaw/smtp';
import { mailDate } from '../mail-date.js';
import type { Origin } from '../queue/queue.js';

export interface ReceivedInput {
  readonly origin: Origin;
  readonly tls: SessionTls | undefined;
  readonly hostname: string;
  readonly id: string;
  /** The only recipient; undefined where there are several, who must not learn of each other (section 7.6). */
  readonly recipient: string | undefined;
  /** RFC 6531 was used: SMTPUTF8 was said. */
  readonly smtpUtf8: boolean;
  readonly time: number;
}

/** How the session was protected: `TLSv1.3`, `TLS_AES_256_GCM_SHA384`. */
export interface SessionTls {
  readonly protocol: string;
  readonly cipher: string;
}

/** The field with its folds and its last CRLF. ASCII only, each line shorter than 998 octets. */
export function receivedField(input: ReceivedInput): string {
  const { origin, tls, hostname, id, recipient, time } = input;
  const session =
    tls === undefined ? '' : `\r\n\t(using ${comment(tls.protocol)} with cipher ${comment(tls.cipher)})`;
  const only = recipient === undefined || /[^!-~]/u.test(recipient) ? '' : `\r\n\tfor <${recipient}>`;
  return (
    `Received: ${fromClause(origin)}${session}\r\n\tby ${hostname} with ${protocolOf(input)} id ${id}${only};` +
    `\r\n\t${mailDate(time)}\r\n`
  );
}

/** What the client called itself, and the address that the network knows it by. */
function fromClause({ kind, helo, client, uid }: Origin): string {
  if (kind !== 'smtp' && helo === undefined && client === undefined) {
    return `from localhost (local${uid === undefined ? '' : `, uid ${uid}`})`;
  }
  const name = helo === undefined ? undefined : parseDomain(helo);
  const said = name ?? (helo === undefined ? 'unknown' : comment(helo).replace(/[^A-Za-z0-9.:[\]-]/gu, '-'));
  if (client === undefined) return `from ${said}`;
  const version = isIP(client);
  const literal = version === 6 ? `[IPv6:${client}]` : version === 4 ? `[${client}]` : `[${comment(client)}]`;
  return `from ${said} (${literal})`;
}

/** RFC 3848; where SMTPUTF8 was used, RFC 6531 section 4.3. */
function protocolOf({ origin, smtpUtf8 }: ReceivedInput): string {
  const protocol = origin.protocol ?? (origin.kind === 'smtp' ? 'ESMTP' : 'local');
  const said = comment(protocol);
  return smtpUtf8 ? said.replace(/^ESMTP/u, 'UTF8SMTP') : said;
}

/** Characters of what a client says of itself: a name has 255 at most. */
const MAX_SAID = 255;

/** No blank, no control, nothing that opens, closes or escapes a comment. */
function comment(text: string): string {
  return text.slice(0, MAX_SAID).replace(/[^!-'*-[\]-~]/gu, '-');
}
