/** An event of a message's story in words: what happened, and what belongs to it. */
import { shortTlsa } from '../cli/delivery-report.js';
import { counted } from './layout.js';
import type { StoryEvent, StoryValue } from './story-book.js';
import type { Tone } from './tree-picture.js';

export interface StoryLine {
  readonly time: number;
  readonly tone: Tone;
  readonly title: string;
  /** What was said, by a server or by our rules; undefined where nothing was. */
  readonly said: string | undefined;
  /** Names and values, for who wants to know exactly. */
  readonly facts: readonly (readonly [name: string, value: string])[];
  /** A message that belongs to it. */
  readonly link: string | undefined;
}

/** Fields that the title or the sentence tells. */
const TOLD = new Set([
  'reason',
  'from',
  'to',
  'recipients',
  'about',
  'report',
  'host',
  'domain',
  'expired',
  'answered',
]);

export function storyLine({ time, event, fields, level }: StoryEvent): StoryLine {
  const word = (key: string): string => String(fields[key] ?? '');
  const at = fields['host'] === null || fields['host'] === undefined ? '' : ` at ${word('host')}`;
  const line = (tone: Tone, title: string, link?: string): StoryLine => ({
    time,
    tone,
    title,
    said: typeof fields['reason'] === 'string' ? fields['reason'] : undefined,
    facts: factsOf(fields),
    link,
  });
  const from = fields['from'] === '' ? 'the null sender' : word('from');
  switch (event) {
    case 'received': {
      const unheard = fields['answered'] === false ? '; the client was gone before it could be told' : '';
      const by = fields['client'] === undefined ? `user ${word('uid')} by the maildrop` : word('client');
      return line(
        'plain',
        `Taken from ${by}: from ${from}, for ${counted(Number(fields['recipients']), 'recipient')}${unheard}`,
      );
    }
    case 'queued':
      return line('plain', `Written by this relay, for ${word('to')}`, optional(fields['about']));
    case 'reported':
      return line(
        'plain',
        `A report to the sender was put into the queue, for ${word('to')}`,
        optional(fields['report']),
      );
    case 'attempt':
      return line(
        'warn',
        fields['status'] === 'skipped'
          ? `${word('host')} was passed over`
          : `A session with ${word('host')} came to nothing`,
      );
    case 'tls':
      return line(
        fields['authenticated'] === null ? 'warn' : 'good',
        `A session with ${word('host')} under ${word('protocol')}, ${provedBy(fields)}`,
      );
    case 'exception':
      return line('warn', `The policy table made an exception for ${word('host')}`);
    case 'overlooked':
      return line('warn', `A failure at ${word('host')} that did not stop the delivery`);
    case 'delivered':
      return line('good', `Delivered to ${word('to')}${at}`);
    case 'deferred':
      return line('warn', `Deferred for ${word('to')}`);
    case 'bounced':
      return line(
        'bad',
        fields['expired'] === true
          ? `Returned to the sender, as the time for tries is over: ${word('to')}`
          : `Returned to the sender, as it was refused: ${word('to')}`,
      );
    case 'refused':
      return line('bad', `Refused: ${word('to')}`);
    case 'claim-lost':
      return line('warn', 'Another node, or somebody who deleted it, had the message meanwhile');
    case 'body-lost':
      return line('bad', 'The body of the message is gone or damaged');
    default:
      return line(level === 'info' ? 'plain' : 'warn', event);
  }
}

const optional = (value: StoryValue | undefined): string | undefined =>
  typeof value === 'string' ? value : undefined;

/** `authenticated` is kept as the JSON text of what @danelaw/smtp says (`tls`), or as a word (`delivered`). */
function provedBy(fields: StoryEvent['fields']): string {
  const { authenticated } = fields;
  if (typeof authenticated !== 'string') return 'not authenticated';
  return `authenticated by ${authorityWords(authenticated)}`;
}

function authorityWords(text: string): string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return text;
  }
  if (typeof value !== 'object' || value === null) return text;
  if ('record' in value && typeof value.record === 'string') return `TLSA ${shortTlsa(value.record)}`;
  if ('root' in value && typeof value.root === 'string') return `the root ${value.root}`;
  if ('fingerprint' in value && typeof value.fingerprint === 'string') return 'its fingerprint';
  return text;
}

function factsOf(fields: StoryEvent['fields']): StoryLine['facts'] {
  return Object.entries(fields).flatMap(([name, value]) => {
    if (value === null || TOLD.has(name)) return [];
    return [[name, name === 'authenticated' ? authorityWords(String(value)) : String(value)] as const];
  });
}
