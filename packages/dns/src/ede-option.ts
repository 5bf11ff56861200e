/** Extended DNS errors as they stand in a reply (RFC 8914 section 2). */
import type { ExtendedError } from './lookup.js';
import type { Edns } from './message.js';

/** EDNS option code. */
const EXTENDED_ERROR = 15;
/** Characters kept of a server's own words: they go to logs and screens. */
const MAX_TEXT = 200;

/** All that the reply carries, in its order; options too short for a code are left out. */
export function extendedErrors(edns: Edns | undefined): ExtendedError[] {
  const errors: ExtendedError[] = [];
  for (const { code, data } of edns?.options ?? []) {
    const [high, low] = data;
    if (code !== EXTENDED_ERROR || high === undefined || low === undefined) continue;
    errors.push({ code: (high << 8) | low, text: readable(data.subarray(2)) });
  }
  return errors;
}

/** UTF-8; what could break a line or steer a terminal is replaced by a space. */
function readable(octets: Uint8Array): string {
  const text = new TextDecoder().decode(octets.subarray(0, MAX_TEXT * 4));
  return text
    .replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ')
    .trim()
    .slice(0, MAX_TEXT);
}
