/** A summary as one page that needs nothing else. */
import { card, table } from '../page/layout.js';
import { html, type Markup } from '../page/markup.js';
import { standaloneDocument } from '../page/standalone.js';
import { STATUS_WORDS } from './summary-text.js';
import { reasonWords, SURVEY_STATUSES, type SurveyStatus } from './survey-result.js';
import type { SurveySummary } from './survey-summary.js';

const COLOURS: Readonly<Record<SurveyStatus, string>> = {
  dane: 'var(--dane)',
  partial: 'var(--encrypted)',
  none: 'var(--muted)',
  broken: 'var(--clear)',
  'no-mail': 'var(--line)',
  unclear: 'var(--local)',
};

export async function summaryHtml(summary: SurveySummary, now: number): Promise<string> {
  const { domains, status, reasons, records, providers, sts, tlsrpt } = summary;
  const share = (count: number): string => percent(count, domains);
  const body = html`${card(
    'How mail is protected',
    shareBar(summary),
    table(
      'Domains by what DNS says to a sender with DANE',
      [
        { name: 'Status' },
        { name: 'Domains', kind: 'number' },
        { name: 'Share', kind: 'number' },
        { name: 'Meaning', kind: 'wide' },
      ],
      SURVEY_STATUSES.map((each) => [
        html`${swatch(COLOURS[each])} ${each}`,
        number(status[each]),
        share(status[each]),
        STATUS_WORDS[each],
      ]),
    ),
  )}
${card(
  'Beside DANE',
  bars(
    'Domains with a record',
    [
      ['MTA-STS', sts],
      ['TLS reports', tlsrpt],
    ],
    domains,
  ),
)}
${
  reasons.length > 0 &&
  card(
    'Why',
    bars(
      'Domains, by reason; one may have several',
      reasons.map(({ reason, domains: count }) => [reasonWords(reason), count]),
      domains,
    ),
  )
}
${
  records.length > 0 &&
  card(
    'TLSA records in use',
    bars(
      'Domains, by usage, selector and matching type',
      records.map(({ parameters, domains: count }) => [parameters, count]),
      domains,
    ),
  )
}
${
  providers.length > 0 &&
  card(
    'Whose servers',
    table(
      'By the last two labels of MX hosts',
      [
        { name: 'Provider' },
        { name: 'Domains', kind: 'number' },
        { name: 'Protected', kind: 'number' },
        { name: 'Broken', kind: 'number' },
      ],
      providers.map((each) => [each.provider, number(each.domains), number(each.dane), number(each.broken)]),
    ),
  )
}`;
  return await standaloneDocument({ title: `Survey of ${number(domains)} domains`, body, now });
}

const WIDTH = 640;
const ROW = 26;
const LABEL = 250;
const NUMBER = 70;

/** All domains as one bar. The table beside it says the same in words. */
function shareBar({ domains, status }: SurveySummary): Markup {
  let x = 0;
  const parts = SURVEY_STATUSES.map((each) => {
    const width = domains === 0 ? 0 : (WIDTH * status[each]) / domains;
    const part = html`<rect x="${round(x)}" y="0" width="${round(width)}" height="28" style="fill: ${COLOURS[each]}"><title>${each}: ${number(status[each])}</title></rect>`;
    x += width;
    return part;
  });
  return html`<svg class="chart" viewBox="0 0 ${WIDTH} 28" role="img" aria-label="The shares of the table below, as one bar">${parts}</svg>`;
}

/** A bar for each row, its name before it and its number behind. */
function bars(
  caption: string,
  rows: readonly (readonly [name: string, count: number])[],
  whole: number,
): Markup {
  const most = Math.max(1, ...rows.map(([, count]) => count));
  const height = rows.length * ROW;
  return html`<p class="note">${caption}</p>
<svg class="chart" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${caption}">${rows.map(
    ([name, count], i) => {
      const y = i * ROW;
      const width = ((WIDTH - LABEL - NUMBER) * count) / most;
      const shown = name.length > MAX_NAME ? `${name.slice(0, MAX_NAME - 1)}…` : name;
      return html`<g><title>${name}: ${number(count)} (${percent(count, whole)})</title><text class="axis" x="${LABEL - 8}" y="${y + 17}" text-anchor="end">${shown}</text><rect x="${LABEL}" y="${y + 5}" width="${round(width)}" height="${ROW - 10}" style="fill: var(--accent)"/><text class="axis" x="${round(LABEL + width + 6)}" y="${y + 17}">${number(count)}</text></g>`;
    },
  )}</svg>`;
}

/** Characters of a name that there is room for. */
const MAX_NAME = 42;

function swatch(colour: string): Markup {
  return html`<svg width="12" height="12" aria-hidden="true"><rect width="12" height="12" style="fill: ${colour}"/></svg>`;
}

const number = (count: number): string => count.toLocaleString('en');
const round = (value: number): number => Math.round(value * 10) / 10;
const percent = (part: number, whole: number): string =>
  whole === 0 ? '' : `${((100 * part) / whole).toFixed(1)} %`;
