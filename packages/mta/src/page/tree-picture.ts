/**
 * A tree as a picture, in SVG: from the top down and from the left inwards, so that it has room on a telephone. Long
 * text is broken into lines; what a colour says, a sign says too.
 *
 *     [x .]
 *      +--[x example]
 *          +--[x good.example]
 *              +-- x MX of good.example: signed
 */
import { html, type Markup } from './markup.js';

export type Tone = 'good' | 'warn' | 'bad' | 'plain';

export interface TreeNode {
  readonly title: string;
  readonly details: readonly string[];
  readonly tone: Tone;
  /** A thing has a box; what is said of it has none. */
  readonly shape: 'box' | 'leaf';
  readonly children: readonly TreeNode[];
}

const INDENT = 20;
/** Deeper branches are not drawn further in. */
const DEEPEST = 7;
const PADDING = 8;
const GAP = 8;
/** Room of the sign before the title. */
const SIGN = 20;
/** Heights of lines and widths of characters, on the safe side, for the sizes in the style sheet: 14 and 12. */
const TITLE = { height: 19, character: 8.6 };
const DETAIL = { height: 16, character: 7.2 };
/** Lines of one text; the rest is cut. */
const MOST_LINES = 8;

interface Placed {
  readonly node: TreeNode;
  readonly x: number;
  readonly y: number;
  readonly height: number;
  readonly titles: readonly string[];
  readonly details: readonly string[];
  /** Where the line from above begins. */
  readonly from: { readonly x: number; readonly y: number } | undefined;
}

export function treePicture(roots: readonly TreeNode[], label: string, width: number): Markup {
  const placed: Placed[] = [];
  let y = 1;
  const place = (node: TreeNode, depth: number, from: Placed['from']): void => {
    const x = 1 + Math.min(depth, DEEPEST) * INDENT;
    const room = width - x - 2 * PADDING - SIGN;
    const titles = linesOf(node.title, room / TITLE.character);
    const details = node.details.flatMap((each) => linesOf(each, room / DETAIL.character));
    const padding = node.shape === 'box' ? 2 * PADDING : 4;
    const height = titles.length * TITLE.height + details.length * DETAIL.height + padding;
    placed.push({ node, x, y, height, titles, details, from });
    y += height + GAP;
    const below = { x: x + INDENT / 2, y: y - GAP };
    for (const child of node.children) place(child, depth + 1, below);
  };
  for (const root of roots) place(root, 0, undefined);
  return html`<svg class="tree" viewBox="0 0 ${width} ${y}" role="img" aria-label="${label}">
${placed.map(line)}
${placed.map((each) => draw(each, width))}
</svg>`;
}

function line({ x, y, from }: Placed): Markup | undefined {
  if (from === undefined) return undefined;
  return html`<path class="branch" d="M${from.x} ${from.y}V${y + 16}H${x}"/>`;
}

function draw({ node, x, y, height, titles, details }: Placed, width: number): Markup {
  const isBox = node.shape === 'box';
  const padding = isBox ? PADDING : 2;
  const textX = x + PADDING + SIGN;
  const firstY = y + padding + 14;
  const below = firstY + titles.length * TITLE.height - 2;
  const kind = isBox ? 'title' : 'leaf';
  const box = html`<rect class="box" x="${x}" y="${y}" width="${width - x - 1}" height="${height}" rx="7"/>`;
  return html`<g class="tone-${node.tone}"><title>${[node.title, ...node.details].join(' - ')}</title>
${isBox && box}
<path class="sign" d="${SIGNS[node.tone]}" transform="translate(${x + PADDING} ${firstY - 11})"/>
${titles.map((text, i) => html`<text class="${kind}" x="${textX}" y="${firstY + i * TITLE.height}">${text}</text>`)}
${details.map((text, i) => html`<text class="detail" x="${textX}" y="${below + i * DETAIL.height}">${text}</text>`)}
</g>`;
}

/** A tick, an exclamation mark, a cross, nothing: in a square of 13. */
const SIGNS: Readonly<Record<Tone, string>> = {
  good: 'M1.5 7L5 10.5L12 2.5',
  warn: 'M6.5 1.5V8M6.5 10.8V11.6',
  bad: 'M2 2L11 11M11 2L2 11',
  plain: 'M0 0',
};

/** Breaks at blanks; and within words that have more than a line, behind dots and hyphens where there are some. */
export function linesOf(text: string, room: number): string[] {
  const most = Math.max(8, Math.floor(room));
  const lines: string[] = [];
  let rest = text.trim();
  while (rest.length > most) {
    if (lines.length === MOST_LINES - 1) return [...lines, `${rest.slice(0, most - 1)}…`];
    const line = rest.slice(0, most);
    const blank = rest.lastIndexOf(' ', most);
    const mark = Math.max(line.lastIndexOf('.'), line.lastIndexOf('-')) + 1;
    const end = [blank, mark].find((each) => each > most / 3) ?? most;
    lines.push(rest.slice(0, end));
    rest = rest.slice(end).trimStart();
  }
  return rest === '' && lines.length > 0 ? lines : [...lines, rest];
}
