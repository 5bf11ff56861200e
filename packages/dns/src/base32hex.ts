/** Base 32 with the extended hex alphabet and no padding (RFC 4648 section 7), as NSEC3 owner names use it. */
import { WireError } from './wire.js';

const ALPHABET = '0123456789abcdefghijklmnopqrstuv';

/** Lower case; sorts as the octets do. */
export function formatBase32hex(octets: Uint8Array): string {
  let text = '';
  let bits = 0;
  let value = 0;
  for (const octet of octets) {
    value = (value << 8) | octet;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += ALPHABET[(value >>> bits) & 31];
    }
    value &= (1 << bits) - 1;
  }
  if (bits > 0) text += ALPHABET[(value << (5 - bits)) & 31];
  return text;
}

/** @throws WireError for a character that is not in the alphabet, or bits left over that are not zero */
export function parseBase32hex(text: string): Uint8Array {
  const octets: number[] = [];
  let bits = 0;
  let value = 0;
  for (const character of text.toLowerCase()) {
    const digit = ALPHABET.indexOf(character);
    if (digit < 0) throw new WireError(`"${character}" is not a base32hex digit`);
    value = (value << 5) | digit;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      octets.push((value >>> bits) & 0xff);
    }
    value &= (1 << bits) - 1;
  }
  if (bits >= 5 || value !== 0) throw new WireError('base32hex text of a wrong length');
  return Uint8Array.from(octets);
}
