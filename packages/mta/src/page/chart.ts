/**
 * Deliveries over time as bars, in SVG: each bar is a step of time, and in it a piece for each protection, the best
 * proved at the bottom. What colours say is said in words too, in the title of each bar and in the table beside it.
 */
import { html, type Markup } from './markup.js';
import { PROTECTION_WORDS, PROTECTIONS } from './protection.js';
import { delivered, type Tally } from './protection-history.js';

export interface ChartStep {
  /** For the axis; the empty string where there is no room for one. */
  readonly mark: string;
  /** `Tue 24 Nov, 14:00 to 15:00 UTC` */
  readonly title: string;
  readonly tally: Tally;
}

export interface ChartOptions {
  /** Said to those who do not see it. */
  readonly label: string;
  readonly width: number;
}

const HEIGHT = 170;
/** Room for the numbers at the left, and the marks below. */
const LEFT = 40;
const BOTTOM = 22;
const TOP = 10;
/** A piece of a bar that would be thinner could not be seen. */
const THINNEST = 1.5;

export function barChart(steps: readonly ChartStep[], { label, width }: ChartOptions): Markup {
  const top = niceTop(Math.max(...steps.map(({ tally }) => delivered(tally)), 1));
  const floor = HEIGHT - BOTTOM;
  const scale = (floor - TOP) / top;
  const pitch = (width - LEFT) / Math.max(1, steps.length);
  const lines = [0, top / 2, top].filter(Number.isInteger);
  return html`<svg class="chart" viewBox="0 0 ${width} ${HEIGHT}" role="img" aria-label="${label}">
${lines.map((value) => {
  const y = round(floor - value * scale);
  return html`<line class="grid" x1="${LEFT}" x2="${width}" y1="${y}" y2="${y}"/>
<text class="axis" x="${LEFT - 6}" y="${y + 4}" text-anchor="end">${short(value)}</text>`;
})}
${steps.map((step, index) => bar(step, { x: LEFT + index * pitch, pitch, floor, scale }))}
${steps.map(({ mark }, index) => {
  if (mark === '') return undefined;
  const x = Math.min(LEFT + index * pitch, width - mark.length * 7);
  return html`<text class="axis" x="${round(x)}" y="${HEIGHT - 6}">${mark}</text>`;
})}
</svg>`;
}

interface Place {
  readonly x: number;
  readonly pitch: number;
  readonly floor: number;
  readonly scale: number;
}

function bar({ title, tally }: ChartStep, { x, pitch, floor, scale }: Place): Markup {
  const gap = Math.min(4, pitch * 0.2);
  let y = floor;
  const pieces = PROTECTIONS.filter((each) => tally[each] > 0).map((each) => {
    const height = Math.max(THINNEST, tally[each] * scale);
    y -= height;
    return html`<rect class="of-${each}" x="${round(x + gap / 2)}" y="${round(y)}"
width="${round(pitch - gap)}" height="${round(height)}"/>`;
  });
  return html`<g><title>${title}: ${tallyWords(tally)}</title>
<rect class="reach" x="${round(x)}" y="0" width="${round(pitch)}" height="${floor}"/>${pieces}</g>`;
}

/** One row: the shares of a whole, side by side. */
export function shareBar(tally: Tally): Markup {
  const all = delivered(tally);
  let x = 0;
  const pieces = PROTECTIONS.filter((each) => tally[each] > 0).map((each) => {
    const width = (tally[each] / all) * 100;
    const piece = html`<rect class="of-${each}" x="${round(x)}" y="0" width="${round(width)}" height="10"/>`;
    x += width;
    return piece;
  });
  const words = tallyWords(tally);
  return html`<svg class="share" viewBox="0 0 100 10" preserveAspectRatio="none" role="img" aria-label="${words}">
<title>${words}</title><rect class="none" x="0" y="0" width="100" height="10"/>${pieces}</svg>`;
}

/** `12 DANE, 1 in clear` */
export function tallyWords(tally: Tally): string {
  const words = PROTECTIONS.filter((each) => tally[each] > 0).map(
    (each) => `${tally[each]} ${PROTECTION_WORDS[each].short}`,
  );
  return words.length === 0 ? 'nothing delivered' : words.join(', ');
}

/** The same picture for wide and narrow windows: text keeps its size in both. The style sheet shows one of them. */
export function forBoth(draw: (width: number) => Markup): Markup {
  return html`<div class="wide">${draw(WIDE)}</div><div class="narrow">${draw(NARROW)}</div>`;
}

/** Inner widths of a card on a desk, and on the narrowest telephone. */
const WIDE = 880;
const NARROW = 312;

/** 1, 2, 3, 4, 6, 8, 10, 20 and so on. */
function niceTop(value: number): number {
  for (let power = 1; ; power *= 10) {
    for (const factor of [1, 2, 3, 4, 6, 8]) if (value <= factor * power) return factor * power;
  }
}

function short(value: number): string {
  if (value >= 1_000_000) return `${value / 1_000_000}M`;
  return value >= 10_000 ? `${value / 1000}k` : String(value);
}

const round = (value: number): number => Math.round(value * 100) / 100;
