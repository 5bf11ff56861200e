/** What waits, by cause: what is the matter, what can be done about it here, and whom it concerns. */
import { adviceFor } from './deferral-advice.js';
import { checkButton, counted, destinationPath, messagePath, type PageView, spanOf } from './layout.js';
import { html, type Markup } from './markup.js';
import { partWords } from './overview-page.js';
import type { DeferralGroup, QueueSurvey } from './queue-survey.js';

export function deferralsPage(survey: QueueSurvey, now: number): PageView {
  const { deferrals } = survey;
  return {
    title: 'Deferrals',
    section: 'deferrals',
    body: html`${deferrals.length === 0 && NONE}${partWords(survey)}
${deferrals.map((group) => groupCard(group, now))}`,
  };
}

const NONE = html`<p class="health tone-good">Nothing waits after a try that failed.</p>`;

function groupCard(
  { cause, recipients, oldest, destinations, moreDestinations }: DeferralGroup,
  now: number,
): Markup {
  const { title, advice } = adviceFor(cause);
  return html`<section class="card" id="${cause}"><h2>${title}</h2>
<p class="note">${counted(recipients, 'recipient')}; the oldest message arrived ${spanOf(now - oldest)} ago.</p>
<p>${advice}</p>
<ul class="said-list">${destinations.map(
    ({ destination, recipients: number, reason, id }) =>
      html`<li><p><a href="${destinationPath(destination)}">${destination}</a>
<span class="note">${counted(number, 'recipient')}</span></p>
<p class="said">${reason}</p>
<div class="actions"><a href="${messagePath(id)}">One of the messages</a>
${checkButton(destination, 'Check the domain', 'link')}</div></li>`,
  )}</ul>
${moreDestinations > 0 && html`<p class="note">and ${counted(moreDestinations, 'destination')} more</p>`}
</section>`;
}
