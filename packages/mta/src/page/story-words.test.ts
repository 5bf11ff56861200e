import { describe, expect, it } from 'vitest';
import { type StoryEvent, storyFields } from './story-book.js';
import { storyLine } from './story-words.js';

const DANE = {
  by: 'dane',
  usage: 3,
  record: `3 1 1 ${'ab'.repeat(32)}`,
  baseDomain: 'mx.example',
  name: null,
};

const CASES: readonly [string, Record<string, unknown>, string, string][] = [
  [
    'received',
    { client: '192.0.2.1', from: 'me@a.example', recipients: 2 },
    'plain',
    'Taken from 192.0.2.1: from me@a.example, for 2 recipients',
  ],
  [
    'received',
    { uid: 1000, from: '', recipients: 1 },
    'plain',
    'Taken from user 1000 by the maildrop: from the null sender, for 1 recipient',
  ],
  ['attempt', { status: 'skipped', host: 'mx.example' }, 'warn', 'mx.example was passed over'],
  ['attempt', { status: 'failed', host: 'mx.example' }, 'warn', 'A session with mx.example came to nothing'],
  [
    'tls',
    { host: 'mx.example', protocol: 'TLSv1.3', authenticated: DANE },
    'good',
    'A session with mx.example under TLSv1.3, authenticated by TLSA 3 1 1 abababababababab...',
  ],
  [
    'tls',
    { host: 'mx.example', protocol: 'TLSv1.3', authenticated: null },
    'warn',
    'A session with mx.example under TLSv1.3, not authenticated',
  ],
  [
    'delivered',
    { to: 'you@b.example', host: 'mx.example' },
    'good',
    'Delivered to you@b.example at mx.example',
  ],
  ['deferred', { to: 'you@b.example' }, 'warn', 'Deferred for you@b.example'],
  [
    'bounced',
    { to: 'you@b.example', expired: true },
    'bad',
    'Returned to the sender, as the time for tries is over: you@b.example',
  ],
  [
    'bounced',
    { to: 'you@b.example', expired: false },
    'bad',
    'Returned to the sender, as it was refused: you@b.example',
  ],
  ['an event to come', {}, 'warn', 'an event to come'],
];

describe('an event of a story', () => {
  it.each(CASES)('%s %j is a line of tone %s: %s', (name, fields, tone, title) => {
    const event: StoryEvent = { time: 0, level: 'warn', event: name, fields: storyFields(fields) };
    expect(storyLine(event)).toMatchObject({ tone, title });
  });

  it('leads to the report that the sender got, and says what was said', () => {
    const fields = {
      report: '01kbq3w8nd7k2m9xq4',
      to: 'me@a.example',
      reason: 'because',
      port: 25,
      stage: null,
    };
    expect(storyLine({ time: 0, level: 'info', event: 'reported', fields })).toMatchObject({
      link: '01kbq3w8nd7k2m9xq4',
      said: 'because',
      facts: [['port', '25']],
    });
  });
});
