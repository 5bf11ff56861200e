/** When a certificate is valid, and the two forms of time in it (RFC 5280 section 4.1.2.5), in UTC and to the second. */
import { type DerElement, DerError, DerReader, TAG } from './der.js';

/** RFC 5280 section 4.1.2.5.1: a UTCTime year from 50 on is of the last century. */
const UTC_TIME_PIVOT = 50;

/** "From notBefore through notAfter, inclusive." */
export interface Validity {
  readonly notBefore: Date;
  readonly notAfter: Date;
}

/** @param content of the Validity SEQUENCE. @throws DerError */
export function readValidity(content: Uint8Array): Validity {
  const reader = new DerReader(content);
  const validity = { notBefore: readTime(reader.read()), notAfter: readTime(reader.read()) };
  reader.end('validity');
  return validity;
}

/** @throws DerError where it is neither form, or no date of the calendar */
export function readTime(element: DerElement): Date {
  const text = Buffer.from(element.content).toString('latin1');
  const digits = digitsOf(element.tag, text);
  if (digits === undefined) throw new DerError('a date of the validity is malformed');
  const [year, month, day, hour, minute, second] = [
    Number(digits.slice(0, 4)),
    Number(digits.slice(4, 6)),
    Number(digits.slice(6, 8)),
    Number(digits.slice(8, 10)),
    Number(digits.slice(10, 12)),
    Number(digits.slice(12, 14)),
  ];
  const time = new Date(0);
  time.setUTCFullYear(year, month - 1, day);
  time.setUTCHours(hour, minute, second);
  // Date carries 31 June over into July; a certificate that says so is malformed.
  const printed = time.toISOString().replace(/[-:T]/g, '').slice(0, 14);
  if (printed !== digits) throw new DerError('a date of the validity is not in the calendar');
  return time;
}

function digitsOf(tag: number, text: string): string | undefined {
  if (tag === TAG.utcTime && /^\d{12}Z$/.test(text)) {
    return `${Number(text.slice(0, 2)) >= UTC_TIME_PIVOT ? '19' : '20'}${text.slice(0, 12)}`;
  }
  if (tag === TAG.generalizedTime && /^\d{14}Z$/.test(text)) return text.slice(0, 14);
  return undefined;
}
