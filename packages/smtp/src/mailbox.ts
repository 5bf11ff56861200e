/**
 * Mailboxes as they stand in MAIL FROM and RCPT TO (RFC 5321 section 4.1.2, with the UTF-8 of RFC 6531).
 *
 * What is not a mailbox never reaches a command line: an address with a line end or an angle bracket in it
 * would be another command. The local part is kept as given, its own domain alone knows what it means; the
 * domain is brought to A-labels and lower case, the form in which DNS knows it.
 */
import { domainToASCII } from 'node:url';

export interface Mailbox {
  /** `local@domain`, as it goes between the angle brackets. */
  readonly address: string;
  /** A-labels in lower case, or an address literal in brackets. */
  readonly domain: string;
  /** The local part is not ASCII: the server must offer SMTPUTF8 (RFC 6531 section 3.4). */
  readonly utf8: boolean;
}

/** Section 4.5.3.1.1. */
const MAX_LOCAL_PART_OCTETS = 64;
/** Section 4.5.3.1.3: a path has at most 256 octets, two of which are its angle brackets. */
const MAX_MAILBOX_OCTETS = 254;

const ATOM = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~\\-\\u{a0}-\\u{10ffff}]+";
const QUOTED = '"(?:[ !\\x23-\\x5b\\x5d-\\x7e\\u{a0}-\\u{10ffff}]|\\\\[ -~])*"';
const MAILBOX = new RegExp(`^(${ATOM}(?:\\.${ATOM})*|${QUOTED})@(.+)$`, 'u');
// biome-ignore lint/suspicious/noControlCharactersInRegex: finding them is the point
const ASCII = /^[\u0000-\u007f]*$/u;
const LINE_OR_SURROGATE = /[\p{Zl}\p{Zp}\p{Cs}\ufffd]/u;

/** @returns the mailbox, or undefined where `text` is none */
export function parseMailbox(text: string): Mailbox | undefined {
  const match = MAILBOX.exec(text);
  const local = match?.[1];
  const rawDomain = match?.[2];
  if (local === undefined || rawDomain === undefined || LINE_OR_SURROGATE.test(text)) return undefined;
  if (Buffer.byteLength(local) > MAX_LOCAL_PART_OCTETS) return undefined;
  const domain = parseDomain(rawDomain);
  if (domain === undefined) return undefined;
  const address = `${local}@${domain}`;
  if (Buffer.byteLength(address) > MAX_MAILBOX_OCTETS) return undefined;
  return { address, domain, utf8: !ASCII.test(local) };
}

/**
 * A domain in A-labels and lower case without trailing dot, or an address literal; undefined where it is
 * neither.
 */
export function parseDomain(text: string): string | undefined {
  if (/^\[[0-9A-Za-z:.]{1,60}\]$/u.test(text)) return text;
  const ascii = (ASCII.test(text) ? text : domainToASCII(text)).toLowerCase().replace(/\.$/u, '');
  return isHostName(ascii) ? ascii : undefined;
}

/**
 * True for dot-separated labels of letters, digits and inner hyphens; underscores are met in the wild and
 * resolve.
 */
export function isHostName(name: string): boolean {
  if (name.length === 0 || name.length > 253) return false;
  return name.split('.').every((label) => /^[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$/u.test(label));
}
