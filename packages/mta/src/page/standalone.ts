/** One document with everything in it: nothing is fetched when it is looked at, from a disk or out of a mail. */
import { readAsset } from './asset.js';
import { timeOf } from './layout.js';
import { html, type Markup } from './markup.js';

export interface StandalonePage {
  readonly title: string;
  readonly body: Markup;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** Scripts, and whatever comes from elsewhere, are refused by the browser too. */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";

export async function standaloneDocument({ title, body, now }: StandalonePage): Promise<string> {
  const css = await readAsset('page.css');
  const head = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title} - danelaw</title>
<style>
`;
  const rest = html`
</style>
</head>
<body>
<header><p class="name">danelaw</p></header>
<main id="content">
<h1>${title}</h1>
${body}
</main>
<footer>As of ${timeOf(now)}.</footer>
</body>
</html>
`;
  return `${head}${css}${rest}`;
}
