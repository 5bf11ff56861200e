/** The two forms in which RRSIG expiration and inception times are written (RFC 4034 section 3.2). */
import { quote, WireError } from './wire.js';

/** `YYYYMMDDHHmmSS` in UTC, of seconds since the epoch (RFC 4034: 32 bits, read here as 1970 to 2106). */
export function formatTimestamp(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replaceAll(/[-:T]|\..*/g, '');
}

/**
 * Either form; 14 digits are always a date, a count of seconds never has more than 10.
 * @returns seconds since the epoch, in 32 bits
 */
export function parseTimestamp(text: string): number {
  if (/^[0-9]{1,10}$/.test(text) && Number(text) <= 0xffffffff) return Number(text);
  const [, year, month, day, hour, minute, second] =
    /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)$/.exec(text) ?? [];
  const seconds = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`) / 1000;
  // Date.parse takes 31 April for 1 May; what is read must be what was written.
  if (!(seconds >= 0 && seconds <= 0xffffffff) || formatTimestamp(seconds) !== text) {
    throw new WireError(`${quote(text)} is not a time (YYYYMMDDHHmmSS or seconds since 1970)`);
  }
  return seconds;
}
