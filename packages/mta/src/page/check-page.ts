/** The form that checks a domain, and what came of it: verdict, servers and chain of trust as pictures, findings. */
import { checkJson } from '../cli/check-report.js';
import { distinctViews } from '../cli/check-senders.js';
import type { Finding } from '../cli/finding.js';
import { lookupJson } from '../cli/resolve-report.js';
import { forBoth } from './chart.js';
import type { CheckedDomain, CheckResult } from './checker.js';
import { hostsTree } from './hosts-picture.js';
import { card, type PageView } from './layout.js';
import { html, type Markup, NOTHING } from './markup.js';
import { type Tone, type TreeNode, treePicture } from './tree-picture.js';
import { trustTree } from './trust-picture.js';

/** @param text what was asked for, as it was typed */
export function checkPage(text: string, result: CheckResult | undefined): PageView {
  return {
    title: result?.status === 'checked' ? `Check of ${result.checked.check.domain}` : 'Check a domain',
    section: 'check',
    body: html`${form(text)}${result === undefined ? NOTHING : resultOf(result)}`,
  };
}

function form(text: string): Markup {
  return html`<form class="card ask" method="post" action="/check">
<label for="domain">Domain, as it stands behind the @ of an address</label>
<div class="row"><input id="domain" name="domain" value="${text}" required maxlength="253" inputmode="url"
autocomplete="off" autocapitalize="none" spellcheck="false"><button>Check</button></div>
<p class="note">Asks DNS and every mail server of the domain as a delivery does, short of handing a message over.
It takes some seconds; silent servers take up to a minute.</p>
</form>`;
}

function resultOf(result: CheckResult): Markup {
  switch (result.status) {
    case 'checked':
      return checkedView(result.checked);
    case 'invalid':
    case 'busy':
    case 'too-late':
      return html`<p class="health tone-bad" role="alert">${result.reason}</p>`;
    default: {
      const never: never = result;
      return never;
    }
  }
}

const STATUS_TONES = { fine: 'good', refused: 'bad', unclear: 'warn' } as const;

/** Mail that flows without proof of whom it reaches is no reason for joy. */
function toneOf({ status, findings }: CheckedDomain['check']): Tone {
  const isWarned = status === 'fine' && findings.some(({ severity }) => severity === 'warning');
  return isWarned ? 'warn' : STATUS_TONES[status];
}

export function checkedView({ check, lookups }: CheckedDomain): Markup {
  const { domain, verdict, findings, senders } = check;
  const trust = trustTree(lookups);
  const others = distinctViews(senders).map(
    (each) => html`<li class="tone-${STATUS_TONES[each.status]}"><p>${each.verdict}</p></li>`,
  );
  return html`<p class="health tone-${toneOf(check)}" role="status"><strong>${verdict}</strong></p>
${others.length > 0 && card('Other senders', html`<ul class="findings">${others}</ul>`)}
${card(
  'Servers',
  picture(
    hostsTree(check),
    `The mail servers of ${domain}, their TLSA records, and the session with each address`,
  ),
)}
${findings.length > 0 && card('Findings', html`<ul class="findings">${findings.map(findingItem)}</ul>`)}
${card(
  'Chain of trust',
  trust.length === 0
    ? html`<p>There is no chain to draw: nothing was asked of DNS, or the relay believes its resolver
(dns.trust = "ad").</p>`
    : picture(
        trust,
        `The zones from the root of DNS down to ${domain} and its servers, with who vouches for each`,
      ),
)}`;
}

/** As a picture, and as nested lists for those who do not see it. */
function picture(tree: readonly TreeNode[], label: string): Markup {
  return html`<figure>${forBoth((width) => treePicture(tree, label, width))}
<figcaption><details><summary>The same in words</summary>${listOf(tree)}</details></figcaption></figure>`;
}

const TONE_WORDS: Readonly<Record<Tone, string>> = {
  good: ' (good)',
  warn: ' (warning)',
  bad: ' (fault)',
  plain: '',
};

function listOf(nodes: readonly TreeNode[]): Markup {
  if (nodes.length === 0) return NOTHING;
  return html`<ul>${nodes.map(
    ({ title, details, tone, children }) =>
      html`<li><b>${title}</b>${TONE_WORDS[tone]}${details.map((each) => `; ${each}`)}${listOf(children)}</li>`,
  )}</ul>`;
}

const SEVERITY_TONES = { error: 'bad', unclear: 'warn', warning: 'warn', note: 'plain' } as const;

function findingItem({ severity, host, address, text, rule, remedy }: Finding): Markup {
  const where = [host, address].filter((each) => each !== null).join(' ');
  const place = where !== '' && html`<b>${where}:</b> `;
  const named = !text.includes(rule) && html` <span class="note">(${rule})</span>`;
  return html`<li class="tone-${SEVERITY_TONES[severity]}">
<p><span class="tag">${severity}</span> ${place}${text}${named}</p>
<p class="note">${remedy}</p></li>`;
}

export function checkResultJson(result: CheckResult): Record<string, unknown> {
  if (result.status !== 'checked') return { status: result.status, reason: result.reason };
  const { check, lookups } = result.checked;
  return { status: 'checked', check: checkJson(check), lookups: lookups.map(lookupJson) };
}
