/** What a command leads to. */
import type { SmtpAnswer } from '../acceptance/submission.js';

export type Reaction =
  /** As it should be. */
  | { readonly kind: 'answer'; readonly answer: SmtpAnswer }
  /** Right, and no step towards a message: NOOP, RSET, EHLO ... Such commands are counted. */
  | { readonly kind: 'idle'; readonly lines: readonly string[] }
  /** Refused, through no fault of the client's program. */
  | { readonly kind: 'refused'; readonly answer: SmtpAnswer }
  /** Refused as something that a right client would not have sent. Such commands are counted. */
  | { readonly kind: 'wrong'; readonly answer: SmtpAnswer }
  /** Refused, and the connection ends. */
  | { readonly kind: 'hang-up'; readonly answer: SmtpAnswer }
  /** 354: a message follows. */
  | { readonly kind: 'data' };

export const answered = (answer: SmtpAnswer): Reaction => ({ kind: 'answer', answer });
export const idle = (answer: SmtpAnswer): Reaction => ({ kind: 'idle', lines: [replyLine(answer)] });
export const refused = (answer: SmtpAnswer): Reaction => ({ kind: 'refused', answer });
export const wrong = (answer: SmtpAnswer): Reaction => ({ kind: 'wrong', answer });
export const hangUp = (answer: SmtpAnswer): Reaction => ({ kind: 'hang-up', answer });

/** RFC 5321 section 4.5.3.1.5, less code and enhanced status code. */
const MAX_TEXT = 480;

/** One line of printable ASCII, whatever the text was made of. */
export function replyLine({ code, enhanced, text }: SmtpAnswer): string {
  const status = enhanced === '' ? '' : `${enhanced} `;
  return `${code} ${status}${text.slice(0, MAX_TEXT).replace(/[^ -~]/g, '?')}\r\n`;
}
