/**
 * Addresses of an envelope as clients say them, brought to the form in which the queue keeps them - or refused,
 * with the enhanced status code that says which half of the address is at fault.
 *
 * Non-ASCII domains become A-labels before anything else looks at them: MX, TLSA, SNI and reference names know
 * no others. A local part in UTF-8 is the business of its own domain alone, and may stand only where the client
 * said SMTPUTF8 (RFC 6531 section 3.4). Source routes are read and forgotten (RFC 5321 appendix C).
 *
 * Mail to our own names would come back to us for ever: it goes to the address that the administrator gave for
 * its local part (`postmaster`, `root`), or is refused.
 */
import { isIPv4, isIPv6 } from 'node:net';
import { type Mailbox, parseMailbox } from '@danelaw/smtp';
import { parseAddress, parseMailDomain } from '../address.js';
import type { SmtpAnswer } from './submission.js';

/** What is ours, and where our own mail goes. */
export interface OwnNames {
  /** Domains whose mail would come back to this machine: A-labels in lower case. */
  readonly domains: ReadonlySet<string>;
  /** Local parts in lower case, and the address that takes their mail; `*` for all others. */
  readonly aliases: ReadonlyMap<string, Mailbox>;
}

export type CheckedAddress =
  | {
      readonly ok: true;
      /** Undefined is the null reverse-path. */
      readonly mailbox: Mailbox | undefined;
    }
  | RefusedAddress;

export type CheckedRecipient =
  | {
      readonly ok: true;
      readonly mailbox: Mailbox;
      /** What the client said, where an alias led elsewhere. */
      readonly original: Mailbox | undefined;
    }
  | RefusedAddress;

export interface RefusedAddress {
  readonly ok: false;
  readonly answer: SmtpAnswer;
}

/** The codes that say what is wrong with a sender, and with a recipient (RFC 3463 section 3.2, RFC 6531). */
interface Codes {
  readonly syntax: string;
  readonly domain: string;
  readonly who: 'sender' | 'recipient';
  /** RFC 6531 section 3.5: the reply to an address that must be ASCII and is not. */
  readonly utf8Reply: number;
}

const SENDER: Codes = { syntax: '5.1.7', domain: '5.1.8', who: 'sender', utf8Reply: 550 };
const RECIPIENT: Codes = { syntax: '5.1.3', domain: '5.1.2', who: 'recipient', utf8Reply: 553 };

/** @param text as it was said; empty for the null sender */
export function checkSenderAddress(text: string, smtpUtf8: boolean): CheckedAddress {
  return text === '' ? { ok: true, mailbox: undefined } : checkAddress(text, smtpUtf8, SENDER);
}

/** @param text as it was said; `postmaster` may stand without a domain (RFC 5321 section 4.5.1) */
export function checkRecipientAddress(text: string, smtpUtf8: boolean, own: OwnNames): CheckedRecipient {
  if (/^postmaster$/iu.test(text)) {
    const alias = own.aliases.get('postmaster') ?? own.aliases.get('*');
    if (alias !== undefined) return { ok: true, mailbox: alias, original: undefined };
    return refuse(550, '5.1.1', 'no address is configured for the postmaster of this relay');
  }
  const checked = checkAddress(text, smtpUtf8, RECIPIENT);
  if (!checked.ok) return checked;
  const { mailbox } = checked;
  if (!isOurs(mailbox.domain, own)) return { ok: true, mailbox, original: undefined };
  const local = mailbox.address.slice(0, -mailbox.domain.length - 1).toLowerCase();
  const alias = own.aliases.get(local) ?? own.aliases.get('*');
  if (alias !== undefined) return { ok: true, mailbox: alias, original: mailbox };
  // RFC 3463 section 3.5, X.4.6: a routing loop.
  const reason = `mail for ${mailbox.domain} would come back to this relay, which has no mailboxes`;
  return refuse(550, '5.4.6', reason);
}

function checkAddress(
  text: string,
  smtpUtf8: boolean,
  codes: Codes,
): { readonly ok: true; readonly mailbox: Mailbox } | RefusedAddress {
  const path = withoutSourceRoute(text);
  const parsed = parseAddress(path);
  if (!parsed.ok) {
    const domain = path.slice(path.lastIndexOf('@') + 1);
    const isDomain = path.includes('@') && !/\p{Cc}/u.test(path) && !parseMailDomain(domain).ok;
    const [code, enhanced] = isDomain ? [550, codes.domain] : [501, codes.syntax];
    return refuse(code, enhanced, `the ${codes.who} address can't be used: ${parsed.reason}`);
  }
  if (parsed.mailbox.utf8 && !smtpUtf8) {
    const rule = 'its local part is not ASCII, and SMTPUTF8 was not said with MAIL (RFC 6531 section 3.4)';
    return refuse(codes.utf8Reply, '5.6.7', `the ${codes.who} address can't be used: ${rule}`);
  }
  return { ok: true, mailbox: parsed.mailbox };
}

/**
 * `@a.example,@b.example:ann@example.org` is `ann@example.org`: RFC 5321 section 4.1.1.3 and appendix C - "SHOULD ...
 * ignored".
 */
function withoutSourceRoute(text: string): string {
  const route = /^@[^:"\s]+:(?=.)/u.exec(text);
  return route === null ? text : text.slice(route[0].length);
}

function isOurs(domain: string, own: OwnNames): boolean {
  return own.domains.has(domain) || (domain.startsWith('[') && isThisHost(domain.slice(1, -1)));
}

/** Addresses that are this machine wherever they are used (RFC 1122 section 3.2.1.3, RFC 4291 section 2.5). */
function isThisHost(inside: string): boolean {
  const ipv6 = /^IPv6:(.+)$/iu.exec(inside)?.[1];
  if (ipv6 === undefined) return isIPv4(inside) && /^(?:0|127)\./u.test(inside);
  if (!isIPv6(ipv6)) return false;
  const host = new URL(`http://[${ipv6}]/`).hostname; // brings it to its shortest form
  return host === '[::]' || host === '[::1]' || /^\[::ffff:7f[0-9a-f]{2}:/u.test(host);
}

function refuse(code: number, enhanced: string, reason: string): RefusedAddress {
  return { ok: false, answer: answer(code, enhanced, reason) };
}

/** Characters of an answer's text: a reply line has 512 octets (RFC 5321 section 4.5.3.1.5), codes and CRLF included. */
const MAX_ANSWER_CHARACTERS = 480;

/** An answer's text is one line of ASCII, whatever stood in the address or in the message. */
export function answer(code: number, enhanced: string, reason: string): SmtpAnswer {
  const text = reason.replace(/[^ -~]/gu, '?');
  return { code, enhanced, text: text.slice(0, MAX_ANSWER_CHARACTERS) };
}

/** The administrator's addresses for our own local parts. @throws TypeError where one is none */
export function ownNames(domains: Iterable<string>, aliases: Iterable<readonly [string, string]>): OwnNames {
  const targets = new Map<string, Mailbox>();
  for (const [local, address] of aliases) {
    const mailbox = parseMailbox(address);
    if (mailbox === undefined) throw new TypeError(`"${address}" is no mail address`);
    targets.set(local.toLowerCase(), mailbox);
  }
  return { domains: new Set([...domains].map((domain) => domain.toLowerCase())), aliases: targets };
}
