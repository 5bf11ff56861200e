/**
 * xtext (RFC 3461 section 4): how values that a command line can't hold as they are go over it. Octets from
 * `!` to `~` stand for themselves, but for `+` and `=`; any octet may be `+` and two hexadecimal digits,
 * which must be in upper case.
 */

const XTEXT = /^(?:[!-*,-<>-~]|\+[0-9A-F]{2})*$/;

/** What RFC 3461 sections 4.2 and 4.4 let be encoded: printable US-ASCII, for these values end in reports. */
const PRINTABLE = /^[ -~]*$/;

/**
 * @returns the decoded text; undefined where `text` is no xtext, or encodes anything but printable US-ASCII
 */
export function decodeXtext(text: string): string | undefined {
  if (!XTEXT.test(text)) return undefined;
  const decoded = text.replace(/\+([0-9A-F]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return PRINTABLE.test(decoded) ? decoded : undefined;
}
