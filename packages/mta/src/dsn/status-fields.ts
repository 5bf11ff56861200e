/**
 * The second part of a report: what happened, in fields for programs (RFC 3464, with RFC 3461 section 6.3 and RFC
 * 6533).
 */
import { isHostName } from '@danelaw/smtp';
import { mailDate } from '../mail-date.js';
import { fieldText, originalRecipient, typedAddress } from './address-type.js';
import type { DsnInput, DsnRecipient } from './dsn.js';

/** The part's content, lines ending in CRLF. @param wide in UTF-8 (message/global-delivery-status) */
export function statusFields(input: DsnInput, recipients: readonly DsnRecipient[], wide: boolean): string {
  const groups = recipients.map((recipient) => recipientFields(input, recipient, wide));
  return [messageFields(input), ...groups]
    .map((fields) => fields.map(([name, value]) => `${folded(`${name}: ${value}`)}\r\n`).join(''))
    .join('\r\n');
}

type Field = readonly [name: string, value: string];

/** RFC 3464 section 2.2. */
function messageFields({ envelope, hostname }: DsnInput): Field[] {
  const isName = isHostName(hostname) && hostname.includes('.');
  return [
    // RFC 3461 section 6.3 (a): exactly where the sender gave one.
    ...(envelope.envid === undefined
      ? []
      : [['Original-Envelope-Id', fieldText(envelope.envid, false)] as const]),
    ['Reporting-MTA', `${isName ? 'dns' : 'x-local-hostname'}; ${hostname}`],
    ['Arrival-Date', mailDate(envelope.arrived)],
  ];
}

/** RFC 3464 section 2.3, in its order. */
function recipientFields({ originalId, now }: DsnInput, told: DsnRecipient, wide: boolean): Field[] {
  const { recipient, action, outcome, willRetryUntil, lastAttempt = now } = told;
  const original = recipient.orcpt === undefined ? undefined : originalRecipient(recipient.orcpt, wide);
  return [
    ...optional('Original-Recipient', original),
    ['Final-Recipient', typedAddress(recipient.address, wide)],
    ['Action', action],
    ['Status', statusOf(told)],
    ...optional('Remote-MTA', outcome.host === null ? undefined : `dns; ${fieldText(outcome.host, false)}`),
    // RFC 3464 section 2.3.6: `smtp` is for what an SMTP server said, in its words.
    outcome.reply === null
      ? ['Diagnostic-Code', `x-danelaw; ${fieldText(outcome.reason, wide)}`]
      : ['Diagnostic-Code', `smtp; ${fieldText(outcome.reply, wide)}`],
    ['Last-Attempt-Date', mailDate(lastAttempt)],
    ['Final-Log-Id', originalId],
    // Section 2.3.9: "only ... for delayed".
    ...optional(
      'Will-Retry-Until',
      action === 'delayed' && willRetryUntil !== undefined ? mailDate(willRetryUntil) : undefined,
    ),
  ];
}

function optional(name: string, value: string | undefined): Field[] {
  return value === undefined ? [] : [[name, value]];
}

/**
 * RFC 3463: the class tells success, failure for now, failure for good. What was given up because its time was over
 * keeps the status of its last try (X.4.7 where there is none).
 */
export function statusOf({ action, outcome, expired }: DsnRecipient): string {
  const known = /^[245]\.[0-9]{1,3}\.[0-9]{1,3}$/u.exec(outcome.enhancedStatus ?? '')?.[0];
  switch (action) {
    case 'failed':
      if (expired === true) return known === undefined || known === '4.0.0' ? '4.4.7' : known;
      return withClass('5', known);
    case 'delayed':
      return withClass('4', known);
    case 'delivered':
    case 'relayed':
    case 'expanded':
      return withClass('2', known);
    default: {
      const never: never = action;
      return never;
    }
  }
}

const withClass = (digit: string, known: string | undefined): string =>
  `${digit}${known?.slice(1) ?? '.0.0'}`;

/** RFC 5322 section 2.1.1: lines of 78 characters where there are blanks to break at, and never of more than 998. */
const LINE_CHARACTERS = 76;
const MAX_LINE_CHARACTERS = 900;

export function folded(field: string): string {
  const lines: string[] = [];
  let line = '';
  for (const word of field.split(' ').flatMap(pieces)) {
    if (line !== '' && line.length + 1 + word.length > LINE_CHARACTERS && lines.length + line.length > 0) {
      // The name of the field is never alone on its line.
      if (lines.length > 0 || line.includes(' ')) {
        lines.push(line);
        line = word;
        continue;
      }
    }
    line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line].join('\r\n ');
}

/** A word of a thousand characters is no word; it is cut. Counted in octets, as SMTP does. */
function pieces(word: string): string[] {
  if (word.length * 3 <= MAX_LINE_CHARACTERS) return [word];
  const cut: string[] = [];
  for (let start = 0; start < word.length; start += MAX_LINE_CHARACTERS / 3) {
    cut.push(word.slice(start, start + MAX_LINE_CHARACTERS / 3));
  }
  return cut;
}
