/** A check as one page that needs nothing else: verdicts, servers, findings, and the chain of trust as a picture. */
import { checkedView } from '../page/check-page.js';
import type { CheckedDomain } from '../page/checker.js';
import { card } from '../page/layout.js';
import { html } from '../page/markup.js';
import { standaloneDocument } from '../page/standalone.js';

export async function checkHtml(checked: readonly CheckedDomain[], now: number): Promise<string> {
  const [first, ...others] = checked;
  if (first !== undefined && others.length === 0) {
    return await standaloneDocument({ title: first.check.domain, body: checkedView(first), now });
  }
  const body = html`${checked.map((each) => html`${card(each.check.domain)}${checkedView(each)}`)}`;
  return await standaloneDocument({ title: 'Checked domains', body, now });
}
