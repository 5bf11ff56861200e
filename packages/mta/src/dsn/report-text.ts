/** The first part of a report: what happened, to whom, why, and what to do (RFC 6522 section 3, item 1). */
import { mailDate } from '../mail-date.js';
import { fieldText } from './address-type.js';
import { causeOf } from './cause.js';
import type { DsnInput, DsnRecipient } from './dsn.js';
import { explain } from './explanation.js';

/** The text, lines ending in CRLF. */
export function reportText(input: DsnInput, recipients: readonly DsnRecipient[]): string {
  const lines = [
    `This is the mail system ${input.hostname}.`,
    '',
    ...wrapped(introduction(input, recipients), ''),
    ...recipients.flatMap((recipient) => ['', ...recipientLines(recipient)]),
    '',
    ...wrapped(ending(input), ''),
  ];
  return lines.map((line) => `${line}\r\n`).join('');
}

function introduction({ envelope, now }: DsnInput, recipients: readonly DsnRecipient[]): string {
  const [first] = recipients;
  const action = first?.action ?? 'failed';
  const came = `Your message of ${mailDate(envelope.arrived)}`;
  switch (action) {
    case 'failed': {
      const expired = recipients.every((each) => each.expired === true);
      const tried = `was tried for ${duration(now - envelope.arrived)} and`;
      return `${came} ${expired ? `${tried} ` : ''}could not be delivered to the following. It will not be tried again.`;
    }
    case 'delayed': {
      const until = first?.willRetryUntil;
      const then = until === undefined ? '' : ` until ${mailDate(until)}`;
      return (
        `${came} has not been delivered to the following yet. This is only a warning: you need not send it again. It ` +
        `is tried${then}, and you will hear if that fails.`
      );
    }
    case 'delivered':
      return `${came} was delivered to the following.`;
    case 'relayed':
    case 'expanded':
      return (
        `${came} was handed on for the following, to a server that does not report what becomes of it. It may or may ` +
        'not arrive; you will hear no more from here.'
      );
    default: {
      const never: never = action;
      return never;
    }
  }
}

function recipientLines({ recipient, action, outcome, expired }: DsnRecipient): string[] {
  const { address } = recipient;
  const head = `<${fieldText(address, true)}>`;
  if (action !== 'failed' && action !== 'delayed') {
    return [head, ...wrapped(`Handed to ${outcome.host ?? 'the next server'}.`, '    ')];
  }
  const { happened, advice } = explain({
    cause: causeOf(outcome),
    address,
    domain: address.slice(address.lastIndexOf('@') + 1),
    host: outcome.host,
    waiting: action === 'delayed',
  });
  const why = expired === true ? `The last try ended so: ${happened}` : happened;
  const detail =
    outcome.reply === null
      ? `In detail: ${outcome.reason}`
      : `${outcome.host ?? 'The server'} said: ${outcome.reply}`;
  return [
    head,
    ...wrapped(why, '    '),
    ...wrapped(`What to do: ${advice}`, '    '),
    ...wrapped(detail, '    '),
  ];
}

function ending({ originalId, body, hostname }: DsnInput): string {
  const lost = body === undefined ? ' The message itself is lost, and could not be returned.' : '';
  return `If you ask your administrator for help, give him this: ${originalId} at ${hostname}.${lost}`;
}

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

function duration(milliseconds: number): string {
  const [count, unit] =
    milliseconds >= 2 * DAY
      ? [Math.round(milliseconds / DAY), 'days']
      : [Math.max(1, Math.round(milliseconds / HOUR)), 'hours'];
  return `${count} ${count === 1 ? unit.slice(0, -1) : unit}`;
}

/** RFC 5322 section 2.1.1 asks for 78; quoted once in an answer it still fits. */
const LINE_CHARACTERS = 72;

/** What servers and senders say is among it: nothing gets here but printable text. */
function wrapped(text: string, indent: string): string[] {
  const lines: string[] = [];
  let line = indent;
  for (const word of fieldText(text, true).split(' ').flatMap(pieces)) {
    if (line !== indent && line.length + 1 + word.length > LINE_CHARACTERS) {
      lines.push(line);
      line = indent;
    }
    line = line === indent ? `${indent}${word}` : `${line} ${word}`;
  }
  return [...lines, line];
}

/** Octets in a line are bounded; nobody's words are that long. */
const MAX_WORD = 300;

function pieces(word: string): string[] {
  return word.length <= MAX_WORD ? [word] : (word.match(new RegExp(`.{1,${MAX_WORD}}`, 'gsu')) ?? []);
}
