/** Messages: those in the queue, and those heard of lately; and one message with all that is known of it. */
import type { DestinationState, QueuedRecipient, QueueEntry } from '../queue/queue.js';
import { adviceFor, deferralCauseOf } from './deferral-advice.js';
import {
  breakable,
  card,
  destinationPath,
  messagePath,
  octetsOf,
  type PageView,
  spanOf,
  table,
  timeOf,
} from './layout.js';
import { html, type Markup, NOTHING, type Part } from './markup.js';
import { MAX_BEGINNING, type Story } from './story-book.js';
import { type StoryLine, storyLine } from './story-words.js';

export interface Messages {
  readonly now: number;
  /** What was searched for. */
  readonly query: string;
  readonly isHeldOnly: boolean;
  readonly entries: readonly QueueEntry[];
  /** There are more in the queue. */
  readonly hasMore: boolean;
  readonly stories: readonly Story[];
}

/** Recipients that a list names of one message; its own page has all. */
const MAX_NAMED = 3;
/** Recipients on the page of one message. */
const MAX_RECIPIENTS = 200;

export function messagesPage({ now, query, isHeldOnly, entries, hasMore, stories }: Messages): PageView {
  return {
    title: 'Messages',
    section: 'messages',
    body: html`<form class="card ask" method="get" action="/messages" role="search">
<label for="q">Id, address or domain</label>
<div class="row"><input id="q" name="q" value="${query}" maxlength="320"
autocomplete="off" autocapitalize="none" spellcheck="false"><button>Find</button></div>
<label><input type="checkbox" name="held" value="1"${isHeldOnly && html` checked`}> held ones only</label>
</form>
${card(
  'In the queue',
  entries.length === 0
    ? html`<p>None${query !== '' && ' that are meant'}.</p>`
    : table(
        'The oldest first',
        [{ name: 'Message' }, { name: 'From', kind: 'wide' }, { name: 'To' }],
        entries.map(({ id, envelope, recipients }) => [
          idLink(id, `${spanOf(now - envelope.arrived)} old`),
          breakable(senderOf(envelope.from)),
          html`${addresses(recipients)}<br>
<small>${recipients[0] !== undefined && stateOf(recipients[0], now)}</small>`,
        ]),
      ),
  hasMore && html`<p class="note">There are more; search for the one that you mean.</p>`,
)}
${card(
  'Heard of lately',
  stories.length === 0
    ? html`<p>None${query !== '' && ' that are meant'}.</p>`
    : table(
        'The latest first, whether or not they are in the queue still',
        [{ name: 'Message' }, { name: 'From', kind: 'wide' }, { name: 'Last event' }],
        stories.flatMap((story) => {
          const last = story.events.at(-1);
          if (last === undefined) return [];
          const line = storyLine(last);
          const from = story.events
            .map(({ fields }) => fields['from'])
            .find((each) => typeof each === 'string');
          return [
            [
              idLink(story.id, `${spanOf(now - last.time)} ago`),
              typeof from === 'string' ? breakable(senderOf(from)) : '',
              html`<span class="tone-${line.tone}">${line.title}</span>`,
            ],
          ];
        }),
      ),
)}`,
  };
}

function wordList(facts: readonly (readonly [name: string, value: Part])[]): Markup {
  return html`<dl class="words">${facts.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl>`;
}

function idLink(id: string, more: string): Markup {
  return html`<a href="${messagePath(id)}"><code>${id}</code></a><br><small>${more}</small>`;
}

function addresses(all: readonly QueuedRecipient[]): Markup {
  const named = all.slice(0, MAX_NAMED).map(({ address }, index) => [index > 0 && ', ', breakable(address)]);
  return html`${named}${all.length > MAX_NAMED && ` and ${all.length - MAX_NAMED} more`}`;
}

export interface OneMessage {
  readonly now: number;
  readonly id: string;
  /** What the queue has of it. */
  readonly entry: QueueEntry | undefined;
  /** What was heard of it. */
  readonly story: Story | undefined;
  readonly down: readonly DestinationState[];
}

export function messagePage({ now, id, entry, story, down }: OneMessage): PageView {
  return {
    title: `Message ${id}`,
    section: 'messages',
    body: html`${
      entry === undefined
        ? html`<p class="health">It is not in the queue any more: the story says what became of it.</p>`
        : html`${envelopeCard(entry, now)}${recipientsCard(entry, down, now)}`
    }
${card('Its story', story === undefined ? NO_STORY : storyList(story))}`,
  };
}

const NO_STORY = html`<p>Nothing is kept of it: the story is older than those that there is room for.</p>`;

function envelopeCard({ envelope, size }: QueueEntry, now: number): Markup {
  const { origin } = envelope;
  const traits = [
    ...(envelope.requireTls ? ['REQUIRETLS'] : []),
    ...(envelope.tlsRequiredNo ? ['TLS-Required: No'] : []),
    ...(envelope.smtpUtf8 ? ['SMTPUTF8'] : []),
    ...(envelope.eightBit ? ['8BITMIME'] : []),
  ];
  const by = [origin.user, origin.helo, origin.client].filter((each) => each !== undefined).join(', ');
  const facts: readonly (readonly [string, Part])[] = [
    ['From', senderOf(envelope.from)],
    ['Arrived', html`${timeOf(envelope.arrived)} (${spanOf(now - envelope.arrived)} ago)`],
    ['By', by === '' ? origin.kind : `${origin.kind}: ${by}`],
    ['Size', octetsOf(size)],
    ...(traits.length === 0 ? [] : [['Asks for', traits.join(', ')] as const]),
  ];
  return card('In the queue', wordList(facts));
}

function recipientsCard({ recipients }: QueueEntry, down: readonly DestinationState[], now: number): Markup {
  return card(
    'Recipients that wait',
    html`<ul class="said-list">
${recipients.slice(0, MAX_RECIPIENTS).map((recipient) => recipientItem(recipient, down, now))}</ul>`,
    recipients.length > MAX_RECIPIENTS &&
      html`<p class="note">and ${recipients.length - MAX_RECIPIENTS} more</p>`,
  );
}

function recipientItem(recipient: QueuedRecipient, down: readonly DestinationState[], now: number): Markup {
  const { address, destination, state } = recipient;
  const { last } = state;
  const pause = down.find((each) => each.destination === destination && each.notBefore > state.due);
  const known = last === undefined ? NOTHING : lastTry(state.attempts, last);
  return html`<li><p><b>${address}</b> <span class="note">${stateOf(recipient, now)}</span></p>
${pause !== undefined && paused(pause, now)}${known}</li>`;
}

function paused({ destination, notBefore }: DestinationState, now: number): Markup {
  const link = html`<a href="${destinationPath(destination)}">${destination}</a>`;
  return html`<p>${link} is down; the next try there is in ${spanOf(notBefore - now)}.</p>`;
}

function lastTry(attempts: number, last: NonNullable<QueuedRecipient['state']['last']>): Markup {
  const { title, advice } = adviceFor(deferralCauseOf(last));
  const often = attempts === 1 ? 'once' : `${attempts} times`;
  return html`<p>Tried ${often}, last ${timeOf(last.time)}: ${title}.</p>
<p class="said">${last.reason}</p><p class="note">${advice}</p>`;
}

function storyList({ events, leftOut }: Story): Markup {
  const gap = html`<li class="note">${leftOut} events between are kept no longer.</li>`;
  const told = events.map(storyLine);
  // What was said is often what the next event is about: once is enough.
  const lines = told.map((line, index) => {
    return storyItem(line.said === told[index - 1]?.said ? { ...line, said: undefined } : line);
  });
  // They were left out behind the beginning.
  const cut = leftOut === 0 ? lines : [...lines.slice(0, MAX_BEGINNING), gap, ...lines.slice(MAX_BEGINNING)];
  return html`<ol class="story">${cut}</ol>`;
}

function storyItem({ time, tone, title, said, facts, link }: StoryLine): Markup {
  const other = link !== undefined && html` (<a href="${messagePath(link)}"><code>${link}</code></a>)`;
  return html`<li class="tone-${tone}"><p><small>${timeOf(time)}</small><br><strong>${title}</strong>${other}</p>
${said !== undefined && html`<p class="said">${said}</p>`}
${facts.length > 0 && html`<details><summary>Details</summary>${wordList(facts)}</details>`}</li>`;
}

const senderOf = (from: string): string => (from === '' ? '<>' : from);

function stateOf({ state }: QueuedRecipient, now: number): string {
  if (state.held) return 'held';
  return state.due <= now ? 'due now' : `next try in ${spanOf(state.due - now)}`;
}
