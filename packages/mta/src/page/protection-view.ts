/** How mail was protected, over a day or a week: chart, legend, and the same in a table. */
import { barChart, type ChartStep } from './chart.js';
import { type Column, table } from './layout.js';
import { html, type Markup } from './markup.js';
import { PROTECTION_WORDS, PROTECTIONS } from './protection.js';
import { delivered, HOUR, type Tally } from './protection-history.js';

export interface Span {
  readonly name: 'day' | 'week';
  readonly words: string;
  /** Milliseconds of one bar. */
  readonly step: number;
  readonly steps: number;
  /** Every so many bars one has its time below it. */
  readonly markEvery: number;
}

export const SPANS = {
  day: { name: 'day', words: 'last 24 hours', step: HOUR, steps: 24, markEvery: 6 },
  week: { name: 'week', words: 'last 7 days', step: 6 * HOUR, steps: 28, markEvery: 8 },
} as const satisfies Record<string, Span>;

export const spanOfQuery = (text: string | undefined): Span => (text === 'day' ? SPANS.day : SPANS.week);

export const lengthOf = ({ step, steps }: Span): number => step * steps;

export function spanChart(series: readonly Tally[], span: Span, now: number, width: number): Markup {
  const all = series.reduce((sum, tally) => sum + delivered(tally), 0);
  const label = `Bars: how mail was protected in the ${span.words}; ${all} recipients. The table has the numbers.`;
  return barChart(stepsOf(series, span, now), { label, width });
}

function stepsOf(series: readonly Tally[], span: Span, now: number): ChartStep[] {
  return series.map((tally, index) => {
    const from = startOf(index, span, now);
    return {
      mark: index % span.markEvery === 0 ? markOf(from, span) : '',
      title: rangeOf(from, span),
      tally,
    };
  });
}

function startOf(index: number, { step, steps }: Span, now: number): number {
  return (Math.floor(now / HOUR) + 1) * HOUR - (steps - index) * step;
}

const clockOf = (time: number): string => new Date(time).toISOString().slice(11, 16);
const dateOf = (time: number): string => new Date(time).toISOString().slice(5, 10);

const markOf = (from: number, { name }: Span): string => (name === 'day' ? clockOf(from) : dateOf(from));

const rangeOf = (from: number, { step }: Span): string =>
  `${dateOf(from)}, ${clockOf(from)} to ${clockOf(from + step)} UTC`;

export function legend(): Markup {
  return html`<ul class="legend">${PROTECTIONS.map(
    (each) =>
      html`<li><svg class="swatch" viewBox="0 0 12 12" aria-hidden="true">
<rect class="of-${each}" width="12" height="12" rx="2"/></svg>${PROTECTION_WORDS[each].short}</li>`,
  )}</ul>`;
}

/** Words for what the colours mean. */
export function legendWords(): Markup {
  return html`<details><summary>What the words mean</summary><dl class="words">${PROTECTIONS.map(
    (each) => html`<dt>${PROTECTION_WORDS[each].short}</dt><dd>${PROTECTION_WORDS[each].long}</dd>`,
  )}</dl></details>`;
}

export const TALLY_COLUMNS: readonly Column[] = [
  ...PROTECTIONS.map((each): Column => ({ name: PROTECTION_WORDS[each].short, kind: 'number' })),
];

export const tallyCells = (tally: Tally): number[] => PROTECTIONS.map((each) => tally[each]);

/** The numbers of the bars that are not empty. */
export function spanTable(series: readonly Tally[], span: Span, now: number): Markup {
  const rows = series
    .map((tally, index) => [tally, rangeOf(startOf(index, span, now), span)] as const)
    .filter(([tally]) => delivered(tally) > 0)
    .reverse()
    .map(([tally, words]) => [words, ...tallyCells(tally)]);
  if (rows.length === 0) return html`<p>Nothing was delivered in the ${span.words}.</p>`;
  return html`<details><summary>The numbers</summary>${table(
    `Recipients delivered to, ${span.words}, the latest first`,
    [{ name: 'When' }, ...TALLY_COLUMNS],
    rows,
  )}</details>`;
}
