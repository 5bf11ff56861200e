/** The frame of every page: head, navigation, what the page says, and when it was said. */
import { html, type Markup, NOTHING, type Part } from './markup.js';

export interface PageView {
  readonly title: string;
  /** The navigation's entry that it belongs to. */
  readonly section: Section | undefined;
  readonly body: Markup;
}

export type Section = 'overview' | 'messages' | 'destinations' | 'deferrals' | 'check';

const SECTIONS: readonly { readonly section: Section; readonly path: string; readonly name: string }[] = [
  { section: 'overview', path: '/', name: 'Overview' },
  { section: 'messages', path: '/messages', name: 'Messages' },
  { section: 'destinations', path: '/destinations', name: 'Destinations' },
  { section: 'deferrals', path: '/deferrals', name: 'Deferrals' },
  { section: 'check', path: '/check', name: 'Check a domain' },
];

export interface Frame {
  /** The relay's own name. */
  readonly hostname: string;
  readonly now: number;
  /** There is a token, and it was shown: so one can log out. */
  readonly canLogOut: boolean;
}

const LOG_OUT = html`<form class="inline" method="post" action="/logout">
<button class="link">Log out</button></form>`;

export function documentOf({ title, section, body }: PageView, { hostname, now, canLogOut }: Frame): string {
  const document = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<title>${title} - ${hostname}</title>
<link rel="icon" href="/page/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/page/page.css">
</head>
<body>
<a class="skip" href="#content">To the content</a>
<header>
<p class="name"><a href="/">danelaw</a> <span>${hostname}</span></p>
${section === undefined ? NOTHING : navigation(section)}
</header>
<main id="content">
<h1>${title}</h1>
${body}
</main>
<footer>
As of ${timeOf(now)}. ${canLogOut && LOG_OUT}
</footer>
</body>
</html>
`;
  return document.toString();
}

function navigation(current: Section): Markup {
  return html`<nav aria-label="Pages"><ul>
${SECTIONS.map(
  ({ section, path, name }) =>
    html`<li><a href="${path}"${section === current && html` aria-current="page"`}>${name}</a></li>`,
)}
</ul></nav>`;
}

/** A card: a part of a page under a heading. */
export function card(heading: string, ...parts: readonly Part[]): Markup {
  return html`<section class="card"><h2>${heading}</h2>${parts}</section>`;
}

export interface Column {
  readonly name: string;
  /** `number`: at the right; `wide`: not on a telephone. */
  readonly kind?: 'number' | 'wide' | 'wide number';
}

export function table(
  caption: string,
  columns: readonly Column[],
  rows: readonly (readonly Part[])[],
): Markup {
  const kindOf = (index: number): Markup => {
    const kind = columns[index]?.kind;
    return kind === undefined ? NOTHING : html` class="${kind}"`;
  };
  return html`<table><caption>${caption}</caption>
<thead><tr>${columns.map(({ name }, i) => html`<th scope="col"${kindOf(i)}>${name}</th>`)}</tr></thead>
<tbody>${rows.map(
    ([first, ...others]) =>
      html`<tr><th scope="row"${kindOf(0)}>${first}</th>
${others.map((part, i) => html`<td${kindOf(i + 1)}>${part}</td>`)}</tr>
`,
  )}</tbody></table>`;
}

/** A button that checks a domain now. @param kind `link`: as one among words */
export function checkButton(domain: string, words: string, kind: 'button' | 'link'): Markup {
  return html`<form class="inline" method="post" action="/check">
<input type="hidden" name="domain" value="${domain}"><button class="${kind}">${words}</button></form>`;
}

/** `2026-11-25 21:40:02 UTC` */
export function timeOf(milliseconds: number): Markup {
  const iso = new Date(milliseconds).toISOString();
  return html`<time datetime="${iso}">${iso.slice(0, 10)} ${iso.slice(11, 19)} UTC</time>`;
}

/** `12 s`, `5 min`, `4 h`, `3 d` */
export function spanOf(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

/** `1 message`, `2 messages` */
export const counted = (number: number, one: string, many = `${one}s`): string =>
  `${number.toLocaleString('en-US')} ${number === 1 ? one : many}`;

export function octetsOf(octets: number): string {
  if (octets < 10_000) return `${octets} octets`;
  if (octets < 10_000_000) return `${Math.round(octets / 1024)} KiB`;
  return `${Math.round(octets / 1024 / 1024)} MiB`;
}

/** Where a name may be broken, on a telephone: behind its dots and its @. */
export function breakable(name: string): Markup {
  return html`${name.split(/(?<=[.@])/u).map((part, index) => html`${index > 0 && html`<wbr>`}${part}`)}`;
}

export const messagePath = (id: string): string => `/messages/${encodeURIComponent(id)}`;

export const destinationPath = (destination: string): string =>
  `/destinations/${encodeURIComponent(destination)}`;
