/**
 * Mail addresses and domains that a person gave, and what is wrong with one that is none.
 *
 * What a mailbox is, @danelaw/smtp knows (`parseMailbox`). Here the refusal is put into words, by the rule
 * that was broken - and what would be accepted there and could never work, a literal without an address or an
 * address without brackets, is refused before anything is sent.
 */
import { isIP, isIPv4, isIPv6 } from 'node:net';
import { type Mailbox, parseDomain, parseMailbox } from '@danelaw/smtp';

export type ParsedAddress = { readonly ok: true; readonly mailbox: Mailbox } | Refusal;
export type ParsedDomain = { readonly ok: true; readonly domain: string } | Refusal;

export interface Refusal {
  readonly ok: false;
  readonly reason: string;
}

/** Reads `local@domain` or `<local@domain>`. */
export function parseAddress(text: string): ParsedAddress {
  const bare = text.startsWith('<') && text.endsWith('>') ? text.slice(1, -1) : text;
  const mailbox = parseMailbox(bare);
  if (mailbox === undefined) return { ok: false, reason: whyNoMailbox(bare) };
  const reason = whyUnreachable(mailbox.domain);
  return reason === undefined ? { ok: true, mailbox } : { ok: false, reason };
}

/** Reads a domain, or an address literal in its brackets. */
export function parseMailDomain(text: string): ParsedDomain {
  const domain = parseDomain(text);
  if (domain === undefined) return { ok: false, reason: whyNoDomain(text) };
  const reason = whyUnreachable(domain);
  return reason === undefined ? { ok: true, domain } : { ok: false, reason };
}

/** RFC 5321 section 4.5.3.1.1, in octets. */
const MAX_LOCAL_PART = 64;
/** RFC 1035 section 2.3.4, in octets of text. */
const MAX_DOMAIN = 253;
const MAX_LABEL = 63;

function whyNoMailbox(text: string): string {
  if (text === '') return 'it is empty';
  if (/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u{FFFD}]/u.test(text))
    return 'it has a control character in it, or is not UTF-8';
  const at = text.lastIndexOf('@');
  if (at === -1) return 'it has no domain; write user@domain';
  const [local, domain] = [text.slice(0, at), text.slice(at + 1)];
  if (Buffer.byteLength(local) > MAX_LOCAL_PART) {
    return `its local part is longer than ${MAX_LOCAL_PART} octets (RFC 5321 section 4.5.3.1.1)`;
  }
  // With a local part that is beyond doubt, only the domain can be at fault.
  if (parseMailbox(`x@${domain}`) === undefined) return whyNoDomain(domain);
  if (parseMailbox(`${local}@x`) !== undefined) return 'it is too long (RFC 5321 section 4.5.3.1.3)';
  return (
    'its local part is neither words with single dots between them nor a quoted string (RFC 5321 ' +
    'section 4.1.2)'
  );
}

function whyNoDomain(text: string): string {
  if (text === '') return 'its domain is empty';
  if (text.startsWith('[')) return whyNoLiteral(text);
  if (isIPv6(text)) return withoutBrackets(text);
  if (text.length > MAX_DOMAIN)
    return `its domain is longer than ${MAX_DOMAIN} octets (RFC 1035 section 2.3.4)`;
  const wrong = text.split('.').find((label) => parseDomain(label) === undefined);
  const which = wrong === undefined || wrong === '' ? 'an empty label' : `the label "${wrong}"`;
  return (
    `its domain has ${which}: a label is 1 to ${MAX_LABEL} letters, digits and inner hyphens (RFC 5321 ` +
    'section 4.1.2)'
  );
}

/** What has the form of a domain or of a literal, and can lead to no server. */
function whyUnreachable(domain: string): string | undefined {
  if (domain.startsWith('[')) return isAddressLiteral(domain) ? undefined : whyNoLiteral(domain);
  if (isIPv4(domain)) return withoutBrackets(domain);
  return /(?:^|\.)[0-9]+$/.test(domain)
    ? 'its domain ends in a number, as no top-level domain does'
    : undefined;
}

function withoutBrackets(address: string): string {
  const literal = isIP(address) === 6 ? `[IPv6:${address}]` : `[${address}]`;
  return `its domain is an IP address; write ${literal} (RFC 5321 section 4.1.3)`;
}

function whyNoLiteral(text: string): string {
  return (
    `its address literal "${text}" is neither [192.0.2.1] nor [IPv6:2001:db8::1] (RFC 5321 section ` +
    '4.1.3)'
  );
}

function isAddressLiteral(text: string): boolean {
  const inside = text.slice(1, -1);
  const ipv6 = /^IPv6:(.+)$/i.exec(inside)?.[1];
  return ipv6 === undefined ? isIPv4(inside) : isIPv6(ipv6);
}
