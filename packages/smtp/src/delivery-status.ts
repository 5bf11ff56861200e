/**
 * What a sender wants to hear of his message (RFC 3461), said on to a server that offers DSN.
 *
 * Each parameter goes on exactly where the sender gave it, and with his value (section 5.2.1); none is said to a server
 * that does not offer DSN (section 5.2.2). A server that takes them reports from then on; of one that does not, whoever
 * asked for SUCCESS has to hear from us. So an accepted recipient's outcome tells whether DSN was offered.
 */
import type { Mailbox } from './mailbox.js';

export interface DsnRequest {
  /** Section 4.4, xtext decoded. */
  readonly envid?: string | undefined;
  /** Section 4.3. */
  readonly ret?: 'full' | 'hdrs' | undefined;
  readonly recipients: ReadonlyMap<Mailbox, RecipientDsn>;
}

export interface RecipientDsn {
  /** Section 4.1. */
  readonly notify?: 'never' | readonly ('success' | 'failure' | 'delay')[] | undefined;
  /** Section 4.2: `rfc822;you@example.org`, xtext decoded. */
  readonly orcpt?: string | undefined;
}

/** For MAIL. */
export function mailParameters({ envid, ret }: DsnRequest): string[] {
  return [
    ...(ret === undefined ? [] : [`RET=${ret.toUpperCase()}`]),
    ...(envid === undefined ? [] : [`ENVID=${xtext(envid)}`]),
  ];
}

/** For one recipient's RCPT. */
export function rcptParameters({ recipients }: DsnRequest, recipient: Mailbox): string[] {
  const { notify, orcpt } = recipients.get(recipient) ?? {};
  const original = orcpt === undefined ? undefined : originalRecipient(orcpt);
  const wanted = typeof notify === 'string' ? notify : notify?.join(',');
  return [
    ...(wanted === undefined || wanted === '' ? [] : [`NOTIFY=${wanted.toUpperCase()}`]),
    ...(original === undefined ? [] : [`ORCPT=${original}`]),
  ];
}

/**
 * The address type is an atom; an address of type utf-8 has escapes of its own in place of xtext, and is said in the form
 * that needs no SMTPUTF8 (RFC 6533 section 3).
 */
function originalRecipient(orcpt: string): string | undefined {
  const [, type, address] = /^([A-Za-z0-9-]+);(.+)$/su.exec(orcpt) ?? [];
  if (type === undefined || address === undefined) return undefined;
  if (type.toLowerCase() !== 'utf-8') return `${type};${xtext(address)}`;
  const plain = address.replace(/\\x\{[0-9A-F]{2,6}\}|[^!-*,-<>-[\]-~]/gu, (part) =>
    part.startsWith('\\x{') ? part : escaped(part),
  );
  return `${type};${plain}`;
}

function escaped(character: string): string {
  const hex = (character.codePointAt(0) ?? 0).toString(16).toUpperCase();
  return `\\x{${hex.padStart(2, '0')}}`;
}

/** Section 4: printable ASCII but `+` and `=` stands for itself, every other octet in hexadecimal. */
function xtext(text: string): string {
  let encoded = '';
  for (const octet of Buffer.from(text)) {
    const plain = octet >= 0x21 && octet <= 0x7e && octet !== 0x2b && octet !== 0x3d;
    encoded += plain ? String.fromCharCode(octet) : `+${octet.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return encoded;
}
