/**
 * The TXT record at `_smtp._tls.DOMAIN` (RFC 8460 section 3): where a domain wants its TLS reports.
 *
 *     _smtp._tls.example.com.  IN TXT "v=TLSRPTv1;rua=mailto:reports@example.com"
 *
 * The domain decides what stands here, and we will connect to it: everything is bounded, and what is not a
 * plain mailbox or a plain `https` URL with a host name is passed over.
 */
import { isIP } from 'node:net';
import { isHostName, parseMailbox } from '@danelaw/smtp';

/** Addresses of one record that are used. */
export const MAX_DESTINATIONS = 5;
/** Characters of a record. */
const MAX_RECORD = 4_096;
/** Characters of one URI. */
const MAX_URI = 1_024;

export type Destination =
  | { readonly kind: 'mailto'; readonly uri: string; readonly mailbox: string }
  | { readonly kind: 'https'; readonly uri: string; readonly url: URL };

export type TlsRptRecord =
  | {
      readonly status: 'record';
      readonly destinations: readonly Destination[];
      /** Why URIs were passed over. */
      readonly notes: readonly string[];
    }
  /** No record of ours: the domain does not take part. */
  | { readonly status: 'none' }
  /** "senders MUST assume the recipient domain does not implement TLSRPT", or the record has no address. */
  | { readonly status: 'invalid'; readonly reason: string };

/** `tlsrpt-ext-name`: one more character than 32 is no name. */
const FIELD_NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}$/u;
/** `tlsrpt-ext-value`, and with "=" what a URI may hold. */
const FIELD_VALUE = /^[\x21-\x3a\x3c-\x7e]+$/u;

/** @param texts each TXT record of the RRset, its strings joined without spaces */
export function readTlsRptRecord(texts: readonly string[]): TlsRptRecord {
  const invalid = (reason: string): TlsRptRecord => ({ status: 'invalid', reason });
  // "records that do not begin with 'v=TLSRPTv1;' are discarded"; white space may stand before the semicolon.
  const ours = texts.filter((text) => /^v=TLSRPTv1[ \t]*;/u.test(text));
  const [text] = ours;
  if (text === undefined) return { status: 'none' };
  if (ours.length > 1) return invalid(`there are ${ours.length} TLSRPT records, and must be one`);
  if (text.length > MAX_RECORD) return invalid(`the record is longer than ${MAX_RECORD} characters`);
  const [, ...fields] = text.split(';').map((field) => field.replace(/^[ \t]+|[ \t]+$/gu, ''));
  if (fields.at(-1) === '') fields.pop(); // the last delimiter is optional
  let rua: string | undefined;
  for (const field of fields) {
    const equals = field.indexOf('=');
    const [name, value] = [field.slice(0, Math.max(equals, 0)), field.slice(equals + 1)];
    // `rua` may have white space around its commas; of a field that is repeated, the first counts.
    if (name === 'rua') rua ??= value;
    else if (!FIELD_NAME.test(name) || !FIELD_VALUE.test(value)) return invalid('a field is malformed');
  }
  if (rua === undefined || rua === '') return invalid('the record has no "rua"');
  const read = rua.split(',', MAX_DESTINATIONS).map((uri) => readUri(uri.replace(/^[ \t]+|[ \t]+$/gu, '')));
  const destinations = read.filter((each) => typeof each !== 'string');
  const notes = read.filter((each) => typeof each === 'string');
  if (destinations.length === 0) return invalid(`no address in "rua" can be used: ${notes.join('; ')}`);
  return { status: 'record', destinations, notes };
}

/** The destination, or why it is none. */
function readUri(uri: string): Destination | string {
  const shown = uri.slice(0, 60);
  // "commas ..., exclamation points ..., and semicolons ... MUST be encoded"
  if (!/^[\x21-\x7e]+$/u.test(uri) || /[!,;]/u.test(uri) || uri.length > MAX_URI) {
    return `"${shown}" is no URI as section 3 has it`;
  }
  const scheme = /^([a-z][a-z0-9+.-]*):/iu.exec(uri)?.[1]?.toLowerCase();
  if (scheme === 'mailto') return readMailto(uri) ?? `"${shown}" names no mailbox`;
  if (scheme === 'https') return readHttps(uri) ?? `"${shown}" is no https URL with a host name`;
  return `"${shown}" is neither mailto nor https`;
}

/** RFC 6068: header fields behind a question mark are not for us. */
function readMailto(uri: string): Destination | undefined {
  const encoded = uri.slice('mailto:'.length).split('?', 1)[0] ?? '';
  let address: string;
  try {
    address = decodeURIComponent(encoded);
  } catch {
    return undefined;
  }
  const mailbox = parseMailbox(address);
  // A quoted local part would have to be quoted once more in the message; nobody has one for reports. An
  // address literal would let a domain name a machine of ours.
  if (mailbox === undefined || !/^[\x21\x23-\x7e]+$/u.test(mailbox.address)) return undefined;
  if (mailbox.domain.startsWith('[')) return undefined;
  return { kind: 'mailto', uri, mailbox: mailbox.address };
}

/** A name, since who is there is known by its certificate alone; no login, no fragment. */
function readHttps(uri: string): Destination | undefined {
  if (!URL.canParse(uri)) return undefined;
  const url = new URL(uri);
  const { hostname, username, password } = url;
  if (url.protocol !== 'https:' || username !== '' || password !== '') return undefined;
  if (hostname.startsWith('[') || isIP(hostname) !== 0 || !isHostName(hostname)) return undefined;
  url.hash = '';
  return { kind: 'https', uri, url };
}
