/** Destinations, each with how its mail was protected; and one destination by itself. */
import type { DestinationState } from '../queue/queue.js';
import { forBoth, shareBar } from './chart.js';
import { adviceFor } from './deferral-advice.js';
import {
  breakable,
  card,
  checkButton,
  destinationPath,
  messagePath,
  type PageView,
  spanOf,
  table,
  timeOf,
} from './layout.js';
import { html, type Markup } from './markup.js';
import { type DestinationTally, delivered, OTHERS, type Tally } from './protection-history.js';
import { legend, legendWords, SPANS, type Span, spanChart, spanTable } from './protection-view.js';
import type { DeferralGroup } from './queue-survey.js';

/** Destinations in the table. */
const MAX_ROWS = 200;

export interface Destinations {
  readonly now: number;
  readonly span: Span;
  /** Busiest first. */
  readonly destinations: readonly DestinationTally[];
  readonly series: readonly Tally[];
}

export function destinationsPage({ now, span, destinations, series }: Destinations): PageView {
  const rows = destinations
    .slice(0, MAX_ROWS)
    .map(({ destination, tally }) => [
      destination === OTHERS
        ? 'all others'
        : html`<a href="${destinationPath(destination)}">${breakable(destination)}</a>`,
      delivered(tally) === 0 ? html`<span class="note">none</span>` : shareBar(tally),
      delivered(tally),
      tally.deferred,
      tally.failed,
    ]);
  return {
    title: 'Destinations',
    section: 'destinations',
    body: html`${spanLinks('/destinations', span)}
${card(
  `How delivered mail was protected, ${span.words}`,
  legend(),
  forBoth((width) => spanChart(series, span, now, width)),
  spanTable(series, span, now),
  legendWords(),
)}
${card(
  'By destination',
  rows.length === 0
    ? html`<p>No mail has gone anywhere in the ${span.words}.</p>`
    : table(
        'Busiest first; recipients, and tries that were deferred',
        [
          { name: 'Destination' },
          { name: 'Protection' },
          { name: 'Delivered', kind: 'number' },
          { name: 'Deferred', kind: 'wide number' },
          { name: 'Returned', kind: 'wide number' },
        ],
        rows,
      ),
  destinations.length > MAX_ROWS && html`<p>and ${destinations.length - MAX_ROWS} more</p>`,
)}`,
  };
}

export interface OneDestination {
  readonly now: number;
  readonly destination: string;
  readonly span: Span;
  readonly series: readonly Tally[];
  readonly tally: Tally;
  /** It failed as a whole, and waits. */
  readonly down: DestinationState | undefined;
  /** Causes of what waits for it. */
  readonly deferrals: readonly DeferralGroup[];
}

export function destinationPage(input: OneDestination): PageView {
  const { now, destination, span, series, tally, down, deferrals } = input;
  const waiting = deferrals.flatMap(({ cause, destinations }) =>
    destinations
      .filter((each) => each.destination === destination)
      .map(({ recipients, reason, id }) => ({ cause, recipients, reason, id })),
  );
  return {
    title: destination,
    section: 'destinations',
    body: html`${spanLinks(destinationPath(destination), span)}
${down !== undefined && downNote(down, now)}
${card(
  `How delivered mail was protected, ${span.words}`,
  legend(),
  forBoth((width) => spanChart(series, span, now, width)),
  spanTable(series, span, now),
  html`<p>${delivered(tally)} recipients delivered to, ${tally.deferred} tries deferred,
${tally.failed} recipients returned to their senders.</p>`,
  legendWords(),
)}
${
  waiting.length > 0 &&
  card(
    'What waits for it',
    waiting.map(
      ({ cause, recipients, reason, id }) => html`<h3>${adviceFor(cause).title}: ${recipients}</h3>
<p class="said">${reason}</p><p>${adviceFor(cause).advice}</p>
<p><a href="${messagePath(id)}">One of the messages</a></p>`,
    ),
  )
}
${checkButton(destination, `Check ${destination} now`, 'button')}
<p><a href="/messages?q=${encodeURIComponent(`@${destination}`)}">Its messages</a></p>`,
  };
}

function downNote({ failures, notBefore, reason }: DestinationState, now: number): Markup {
  const often = failures === 1 ? 'once' : `${failures} times in a row`;
  return html`<div class="health tone-warn"><strong>It failed ${often}.</strong>
The next try is in ${spanOf(notBefore - now)}, at ${timeOf(notBefore)}.
<p class="said">${reason}</p></div>`;
}

function spanLinks(path: string, current: Span): Markup {
  const isCurrent = (name: Span['name']): Markup | false =>
    name === current.name && html` aria-current="true"`;
  return html`<ul class="choice">${Object.values(SPANS).map(
    ({ name, words }) => html`<li><a href="${path}?span=${name}"${isCurrent(name)}>${words}</a></li>`,
  )}</ul>`;
}
