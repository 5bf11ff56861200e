/**
 * What an author's program left out (RFC 6409 section 8): Date and Message-ID, and From, which is the envelope's
 * sender where nothing else is said. Only messages that come from their author's program are completed; what
 * another relay hands over is not ours to mend (RFC 5321 section 6.4).
 */
import { mailDate } from '../mail-date.js';
import type { HeaderField } from './header-section.js';

export interface MissingInput {
  /** Empty for the null sender. */
  readonly from: string;
  readonly id: string;
  readonly hostname: string;
  readonly time: number;
}

/** The fields to put on top, each with its CRLF; empty where nothing is missing. */
export function missingFields(fields: readonly HeaderField[], input: MissingInput): string {
  let [hasDate, hasId, hasFrom] = [false, false, false];
  for (const { name } of fields) {
    hasDate ||= name === 'date';
    hasId ||= name === 'message-id';
    hasFrom ||= name === 'from';
  }
  let missing = '';
  if (!hasDate) missing += `Date: ${mailDate(input.time)}\r\n`;
  if (!hasId) missing += `Message-ID: <${input.id}@${input.hostname}>\r\n`;
  if (!hasFrom && input.from !== '') missing += `From: ${input.from}\r\n`;
  return missing;
}
