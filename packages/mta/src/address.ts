/**
 * Mail addresses as the envelope carries them: RFC 5321 section 4.1.2 (`Mailbox`), with the UTF-8 of RFC 6531.
 *
 * The local part is kept exactly as it was given: only its own domain knows what it means. The domain is brought to the
 * form in which DNS knows it: A-labels, lower case. Where the local part is not ASCII, the message needs SMTPUTF8.
 */
import { isIPv4, isIPv6 } from 'node:net';
import { domainToASCII } from 'node:url';

export interface MailAddress {
  /** As it goes into MAIL FROM and RCPT TO, without angle brackets: local part as given, domain in A-labels. */
  readonly mailbox: string;
  readonly localPart: string;
  /** `example.org` in A-labels and lower case, or an address literal in brackets: `[192.0.2.1]`, `[IPv6:2001:db8::1]`. */
  readonly domain: string;
  /** True where the local part is not ASCII: every server on the way must offer SMTPUTF8 (RFC 6531 section 3.4). */
  readonly internationalized: boolean;
}

export type ParsedAddress =
  | { readonly ok: true; readonly address: MailAddress }
  | { readonly ok: false; readonly reason: string };

/** RFC 5321 section 4.5.3.1.1, in octets. */
const MAX_LOCAL_PART = 64;
/** RFC 5321 section 4.5.3.1.2 says 255 octets; DNS leaves 253 of them for text (RFC 1035 section 2.3.4). */
const MAX_DOMAIN = 253;
/** RFC 5321 section 4.5.3.1.3: a path is at most 256 octets, and two of them are its angle brackets. */
const MAX_MAILBOX = 254;

const ATEXT = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~\\-\\u{80}-\\u{10FFFF}]";
const DOT_STRING = new RegExp(`^${ATEXT}+(?:\\.${ATEXT}+)*`, 'u');
const QUOTED_STRING = /^"(?:[\x20\x21\x23-\x5b\x5d-\x7e\u{80}-\u{10ffff}]|\\[\x20-\x7e])*"/u;
const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
/** Control characters could end the command line or the terminal's good order; U+FFFD is what was not UTF-8. */
const FORBIDDEN = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u{FFFD}]/u;

/** Reads `local@domain` or `<local@domain>`. */
export function parseAddress(text: string): ParsedAddress {
  const mailbox = text.startsWith('<') && text.endsWith('>') ? text.slice(1, -1) : text;
  if (mailbox === '') return refuse('it is empty');
  if (FORBIDDEN.test(mailbox)) return refuse('it contains a control character or is not valid UTF-8');
  const localPart = (QUOTED_STRING.exec(mailbox) ?? DOT_STRING.exec(mailbox))?.[0];
  if (localPart === undefined) {
    return refuse(
      'its local part is neither dot-separated words nor a quoted string (RFC 5321 section 4.1.2)',
    );
  }
  const rest = mailbox.slice(localPart.length);
  if (rest === '') return refuse('it has no domain; write user@domain');
  if (!rest.startsWith('@')) {
    return refuse(`its local part has "${[...rest][0]}" outside of quotes (RFC 5321 section 4.1.2)`);
  }
  if (Buffer.byteLength(localPart) > MAX_LOCAL_PART) {
    return refuse(`its local part is longer than ${MAX_LOCAL_PART} octets (RFC 5321 section 4.5.3.1.1)`);
  }
  const domain = parseMailDomain(rest.slice(1));
  return domain.ok ? assemble(localPart, domain.domain) : domain;
}

function assemble(localPart: string, domain: string): ParsedAddress {
  const mailbox = `${localPart}@${domain}`;
  if (Buffer.byteLength(mailbox) > MAX_MAILBOX) {
    return refuse(`it is longer than ${MAX_MAILBOX} octets (RFC 5321 section 4.5.3.1.3)`);
  }
  const internationalized = Buffer.byteLength(localPart) !== localPart.length;
  return { ok: true, address: { mailbox, localPart, domain, internationalized } };
}

export type ParsedDomain =
  | { readonly ok: true; readonly domain: string }
  | { readonly ok: false; readonly reason: string };

/** A domain in A-labels and lower case, or an address literal in its brackets. */
export function parseMailDomain(text: string): ParsedDomain {
  if (text.startsWith('[')) return parseAddressLiteral(text);
  if (text === '') return refuse('its domain is empty');
  if (isIPv4(text) || isIPv6(text)) {
    const literal = isIPv4(text) ? `[${text}]` : `[IPv6:${text}]`;
    return refuse(`its domain is an IP address; write ${literal} (RFC 5321 section 4.1.3)`);
  }
  // domainToASCII also reads numbers and percent signs as URLs do, so it sees only what it alone can convert.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: all of ASCII is meant.
  const ascii = /^[\x00-\x7f]*$/.test(text) ? text.toLowerCase() : domainToASCII(text);
  if (ascii === '') return refuse(`its domain "${text}" can't be written in A-labels (RFC 5891)`);
  if (ascii.length > MAX_DOMAIN)
    return refuse(`its domain is longer than ${MAX_DOMAIN} octets (RFC 1035 section 2.3.4)`);
  const labels = ascii.split('.');
  if (labels.at(-1) === '')
    return refuse('its domain ends in a dot; leave the dot out (RFC 5321 section 4.1.2)');
  const wrong = labels.find((label) => !LABEL.test(label));
  if (wrong !== undefined) {
    const why = wrong === '' ? 'has an empty label' : `has the label "${wrong}"`;
    return refuse(
      `its domain ${why}: a label is 1 to 63 letters, digits and inner hyphens (RFC 5321 section 4.1.2)`,
    );
  }
  if (/^[0-9]+$/.test(labels.at(-1) ?? ''))
    return refuse('its domain ends in a number, as no top-level domain does');
  return { ok: true, domain: ascii };
}

function parseAddressLiteral(text: string): ParsedDomain {
  const inner = /^\[([^\]]*)\]$/.exec(text)?.[1];
  if (inner === undefined)
    return refuse('its address literal has no closing bracket (RFC 5321 section 4.1.3)');
  if (isIPv4(inner)) return { ok: true, domain: `[${inner}]` };
  const ipv6 = /^IPv6:([0-9a-f:.]+)$/i.exec(inner)?.[1];
  if (ipv6 !== undefined && isIPv6(ipv6)) return { ok: true, domain: `[IPv6:${ipv6.toLowerCase()}]` };
  return refuse(`its address literal "${text}" is neither [IPv4] nor [IPv6:...] (RFC 5321 section 4.1.3)`);
}

function refuse(reason: string): { readonly ok: false; readonly reason: string } {
  return { ok: false, reason };
}
