/**
 * Addresses and text in the fields of a delivery status (RFC 3464 section 2.1.2), in ASCII or in UTF-8.
 *
 * A report to an ASCII address is ASCII throughout and travels everywhere; in it, a UTF-8 address has its 7-bit form
 * (RFC 6533 section 3: utf-8-addr-xtext). A report to a UTF-8 address needs SMTPUTF8 anyway, and says what it says in
 * UTF-8.
 */

/** Characters of what others chose: a reply, a reason. A report must not grow with a server's wordiness. */
const MAX_TEXT = 2000;

/** `rfc822; ann@example.org` or, where it is not ASCII, `utf-8; j\x{F6}rg@example.org`. */
export function typedAddress(address: string, wide: boolean): string {
  const isAscii = !/[^ -~]/u.test(address);
  if (isAscii) return `rfc822; ${address}`;
  return `utf-8; ${wide ? oneLine(address) : toXtext(address)}`;
}

/** What ORCPT said: `rfc822;Ann@Old.example`. Undefined where it says nothing that can be given back. */
export function originalRecipient(orcpt: string, wide: boolean): string | undefined {
  const [, type, address] = /^([A-Za-z0-9-]+);(.+)$/su.exec(orcpt) ?? [];
  if (type === undefined || address === undefined) return undefined;
  if (type.toLowerCase() !== 'utf-8') return `${type}; ${fieldText(address, false)}`;
  // RFC 6533 section 4.1: forms with escapes SHOULD be up-converted where UTF-8 may stand.
  const plain = fromXtext(address);
  return `${type}; ${wide ? oneLine(plain) : toXtext(plain)}`;
}

/** Text on one line, bounded; in ASCII what is not stands escaped. */
export function fieldText(text: string, wide: boolean): string {
  const line = oneLine(text);
  return wide ? line : line.replace(/[^ -~]/gu, escaped);
}

/** RFC 6533 section 3: QCHAR is printable ASCII without `\`, `+` and `=`. */
function toXtext(address: string): string {
  return oneLine(address).replace(/[^!-*,-<>-[\]-~]/gu, escaped);
}

function fromXtext(text: string): string {
  return text.replace(/\\x\{([0-9A-Fa-f]{2,6})\}/gu, (whole, hex: string) => {
    const point = Number.parseInt(hex, 16);
    return point > 0x10ffff || (point >= 0xd800 && point < 0xe000) ? whole : String.fromCodePoint(point);
  });
}

function escaped(character: string): string {
  const hex = (character.codePointAt(0) ?? 0).toString(16).toUpperCase();
  return `\\x{${hex.padStart(2, '0')}}`;
}

function oneLine(text: string): string {
  const line = text.replace(/[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\p{Bidi_Control}]+/gu, ' ').trim();
  return line.length > MAX_TEXT ? `${line.slice(0, MAX_TEXT)}...` : line;
}
