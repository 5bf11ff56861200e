/** The first page: is all well, what is in the queue, how was mail protected, and what keeps some of it back. */
import type { Health } from '../http/http-server.js';
import { forBoth } from './chart.js';
import { adviceFor } from './deferral-advice.js';
import {
  breakable,
  card,
  counted,
  destinationPath,
  octetsOf,
  type PageView,
  spanOf,
  table,
} from './layout.js';
import { html, type Markup } from './markup.js';
import type { Tally } from './protection-history.js';
import { legend, SPANS, spanChart, spanTable } from './protection-view.js';
import type { QueueSurvey } from './queue-survey.js';

export interface Overview {
  readonly now: number;
  readonly health: Health;
  readonly survey: QueueSurvey;
  readonly inFlight: number;
  /** The last day, hour by hour. */
  readonly series: readonly Tally[];
}

/** Causes and destinations that are named here; the others have pages of their own. */
const MAX_NAMED = 5;

export function overviewPage({ now, health, survey, inFlight, series }: Overview): PageView {
  const { counts, oldest, deferrals, down } = survey;
  const facts: readonly (readonly [string, string, string])[] = [
    ['Messages', counts.messages.toLocaleString('en-US'), octetsOf(counts.octets)],
    ['Recipients', counts.recipients.toLocaleString('en-US'), `${counts.held} held`],
    [
      'Oldest',
      oldest === undefined ? '-' : spanOf(now - oldest),
      oldest === undefined ? 'the queue is empty' : 'since it arrived',
    ],
    ['Under way', inFlight.toLocaleString('en-US'), inFlight === 1 ? 'delivery' : 'deliveries'],
  ];
  return {
    title: 'Overview',
    section: 'overview',
    body: html`${healthLine(health)}
${card(
  'The queue now',
  html`<dl class="facts">${facts.map(
    ([name, value, more]) => html`<div><dt>${name}</dt><dd>${value} <small>${more}</small></dd></div>`,
  )}</dl>`,
)}
${card(
  'How delivered mail was protected, last 24 hours',
  legend(),
  forBoth((width) => spanChart(series, SPANS.day, now, width)),
  spanTable(series, SPANS.day, now),
  html`<p><a href="/destinations">By destination</a></p>`,
)}
${card(
  'What waits, by cause',
  deferrals.length === 0
    ? html`<p>Nothing waits after a try that failed.</p>`
    : table(
        'Causes, most recipients first',
        [{ name: 'Cause' }, { name: 'Recipients', kind: 'number' }, { name: 'Oldest', kind: 'number' }],
        deferrals
          .slice(0, MAX_NAMED)
          .map(({ cause, recipients, oldest: since }) => [
            html`<a href="/deferrals#${cause}">${adviceFor(cause).title}</a>`,
            recipients,
            spanOf(now - since),
          ]),
      ),
  partWords(survey),
)}
${
  down.length > 0 &&
  card(
    'Destinations that are down',
    table(
      'Each is tried as one, after a pause',
      [{ name: 'Destination' }, { name: 'Failures', kind: 'number' }, { name: 'Next try', kind: 'number' }],
      down
        .slice(0, MAX_NAMED)
        .map(({ destination, failures, notBefore }) => [
          html`<a href="${destinationPath(destination)}">${breakable(destination)}</a>`,
          failures,
          `in ${spanOf(notBefore - now)}`,
        ]),
    ),
    down.length > MAX_NAMED && html`<p>and ${down.length - MAX_NAMED} more</p>`,
  )
}`,
  };
}

function healthLine({ ok, checks }: Health): Markup {
  if (ok)
    return html`<p class="health tone-good"><strong>All is well:</strong>
the queue takes mail, DNS can be trusted, and mail goes out.</p>`;
  const wrong = Object.entries(checks).filter(([, words]) => words !== 'ok');
  return html`<div class="health tone-bad" role="alert"><strong>Something is wrong.</strong>
<ul>${wrong.map(([name, words]) => html`<li>${name}: ${words}</li>`)}</ul></div>`;
}

export function partWords({ isPart, read, counts }: QueueSurvey): Markup | undefined {
  if (!isPart) return undefined;
  return html`<p class="note">Of the ${counted(read, 'message')} that arrived first; the queue has
${counts.messages.toLocaleString('en-US')}.</p>`;
}
