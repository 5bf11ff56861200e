/**
 * Text from the network, made harmless before it reaches a terminal or a log.
 *
 * A server chooses the text of its replies and the octets of its DNS records. An escape sequence in them
 * could recolour, overwrite or retitle the terminal, and a bidirectional control could make a host name read
 * as another one. Such characters are shown as escapes; all other text, in any script, stays as it is.
 */

/** Controls (C0, DEL, C1), bidirectional and invisible formatting, line separators, lone surrogates. */
const HARMFUL = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** One line, whatever was in it: `\n`, `\x1b`, `\u{202e}` stand for what could not be printed. */
export function printable(text: string): string {
  return text.replace(HARMFUL, visible);
}

/** One line of at most `limit` characters; the rest is cut, visibly. */
export function printableWithin(text: string, limit: number): string {
  const line = printable(text);
  return line.length <= limit ? line : `${line.slice(0, Math.max(0, limit - 1))}…`;
}

/**
 * JSON that is safe to look at: `JSON.stringify` leaves DEL, C1 and bidirectional controls as they are. They
 * can stand nowhere but in strings, where `\uXXXX` means the same.
 */
export function printableJson(value: unknown): string {
  // Indentation is the only control character of the text itself.
  return JSON.stringify(value, null, 2).replace(HARMFUL, (character) =>
    character === '\n' ? character : jsonEscape(character),
  );
}

/** The same on one line, for streams of objects. */
export function printableLine(value: unknown): string {
  return JSON.stringify(value).replace(HARMFUL, jsonEscape);
}

function visible(character: string): string {
  if (character === '\n') return '\\n';
  if (character === '\r') return '\\r';
  if (character === '\t') return '\\t';
  const code = character.codePointAt(0) ?? 0;
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`;
}

function jsonEscape(character: string): string {
  let escaped = '';
  for (let i = 0; i < character.length; i++) {
    escaped += `\\u${character.charCodeAt(i).toString(16).padStart(4, '0')}`;
  }
  return escaped;
}
