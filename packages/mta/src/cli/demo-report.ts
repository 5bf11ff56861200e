/** The table of the demonstration: domain, outcome, and what was proved or which rule stopped it. */
import type { Internet } from '@danelaw/lab';
import { statusPaint } from './delivery-report.js';
import type { LabFiles } from './demo-files.js';
import type { Came } from './demo-judge.js';
import { DEMO_SENDER } from './demo-message.js';
import type { DemoRelay } from './demo-relay.js';
import type { DemoRow } from './demo-run.js';
import { printable } from './printable.js';
import { type Palette, wrap } from './terminal.js';

const STATUS_WIDTH = 'delivered'.length;

export interface DemoTable {
  readonly rows: readonly DemoRow[];
  readonly seconds: number;
  /** With danelaw's own words for each domain, in full. */
  readonly verbose: boolean;
}

export function describeDemo({ rows, seconds, verbose }: DemoTable, paint: Palette, width: number): string[] {
  const domainWidth = Math.max(...rows.map(({ scenario }) => scenario.domain.length));
  const columns = { domain: domainWidth, indent: ' '.repeat(domainWidth + STATUS_WIDTH + 6), width };
  const names = [`  ${'domain'.padEnd(domainWidth)}`, 'outcome'.padEnd(STATUS_WIDTH)];
  const header = [...names, 'what was proved, or which rule stopped it'].join('  ');
  const line = paint.faint('-'.repeat(width));
  const table = rows.flatMap((row) => describeRow(row, columns, verbose, paint));
  return [paint.strong(header), line, ...table, line, ...summaryOf(rows, seconds, paint, width)];
}

function summaryOf(rows: readonly DemoRow[], seconds: number, paint: Palette, width: number): string[] {
  const count = (event: string) => rows.filter(({ story }) => story?.outcome.event === event).length;
  const faulty = rows.filter(({ faults }) => faults.length > 0).length;
  const events = ['delivered', 'deferred', 'bounced', 'refused'];
  const counts = events.map((event) => `${count(event)} ${event}`).join(', ');
  const time = seconds.toFixed(1);
  return faulty === 0
    ? wrap(`${counts}: all as RFC 7672 asks, and the mail servers agree (${time} s).`, width).map(paint.good)
    : wrap(`${counts}: ${faulty} of ${rows.length} not as they should be.`, width).map(paint.bad);
}

interface Columns {
  readonly domain: number;
  readonly indent: string;
  readonly width: number;
}

function describeRow(row: DemoRow, columns: Columns, verbose: boolean, paint: Palette): string[] {
  const { scenario, story, came, faults } = row;
  const word = story?.outcome.event ?? 'nothing';
  const status = statusPaint(came?.status ?? 'failed', paint)(word.padEnd(STATUS_WIDTH));
  const { indent, width } = columns;
  const below = (text: string) => wrap(printable(text), width - indent.length).map((each) => indent + each);
  const [first = '', ...rest] = below(came === undefined ? 'see below' : shortWords(row, came));
  const mark = faults.length === 0 ? ' ' : paint.bad('!');
  const full = verbose || faults.length > 0 ? fullWords(row).flatMap(below) : [];
  return [
    `${mark} ${scenario.domain.padEnd(columns.domain)}  ${status}  ${first.slice(indent.length)}`,
    ...rest,
    ...full.map(paint.faint),
    ...faults.flatMap((fault) => below(`WRONG: ${fault}`)).map(paint.bad),
  ];
}

/** As the log of the relay has it: each step, and the outcome. */
function fullWords({ story }: DemoRow): string[] {
  if (story === undefined) return [];
  const reasons = [...story.steps, story.outcome].map(({ event, reason }) => `${event}: ${String(reason)}`);
  return [...new Set(reasons)];
}

/**
 * What danelaw says was proved; for a refusal that was judged right, the rule in the words of the scenario.
 */
function shortWords({ scenario, expected, faults, story }: DemoRow, came: Came): string {
  if (came.status === 'delivered') return provedWords(came, whyNotMore(scenario, story));
  return expected.status === 'delivered' || faults.length > 0
    ? 'see below'
    : `${expected.because} (${scenario.rule.replace(' section ', ' §')})`;
}

function provedWords({ tls, mx }: Came, why: string): string {
  switch (tls) {
    case 'none':
      return `clear text: ${why}, and no TLS`;
    case 'unauthenticated':
      return `TLS, not authenticated: ${why}`;
    case 'trusted':
      return 'authenticated by a public authority, as MTA-STS asks';
    case 'fingerprint':
      return 'authenticated by a fingerprint';
    default: {
      const kind = tls.by.startsWith('3 ') ? 'DANE-EE' : 'DANE-TA';
      const how = mx === 'secure' ? 'signed MX' : 'but unsigned MX: the host, not the domain';
      return `${kind} ${tls.by}, ${how}`;
    }
  }
}

function whyNotMore({ local }: DemoRow['scenario'], story: DemoRow['story']): string {
  if (local?.audit !== undefined) return 'local policy only audits';
  if (local?.level === 'may') return 'local policy asks for no more';
  const policy = story?.steps.findLast(({ event }) => event === 'tls')?.['policy'];
  return policy === 'encrypt' ? 'only unusable TLSA records' : 'no secure TLSA records';
}

/** What a person needs to go on alone. */
export function describeLab(internet: Internet, relay: DemoRelay, files: LabFiles): string[] {
  const options = labOptions(internet, files).join(' ');
  const [first] = internet.scenarios;
  const domain = first?.domain ?? 'example';
  const smtp = `${relay.smtp.host}:${relay.smtp.port}`;
  return [
    'The relay and the private Internet go on until you press Ctrl-C.',
    '',
    `  page         ${pageOf(relay)}`,
    `  metrics      ${pageOf(relay)}metrics`,
    `  SMTP         ${smtp}`,
    '',
    'Send through the relay, in another terminal, and look what becomes of it:',
    '',
    `  danelaw sendmail --relay ${smtp} -f ${DEMO_SENDER} you@${domain} \\`,
    `    < ${files.message}`,
    `  swaks --server ${smtp} --from ${DEMO_SENDER} --to you@${domain}`,
    `  danelaw queue list --config ${files.config}`,
    '',
    'Or ask, and send, without it:',
    '',
    `  LAB="${options}"`,
    `  danelaw check $LAB --smtp-port ${internet.smtpPort} ${domain}`,
    `  danelaw send $LAB --smtp-port ${internet.smtpPort} -f ${DEMO_SENDER} -t you@${domain} \\`,
    `    ${files.message}`,
    `  danelaw resolve $LAB _${internet.smtpPort}._tcp.mx.${domain} TLSA`,
    '',
    `Name servers: port ${internet.dnsPort} (root hints: ${files.rootHints})`,
    `Configuration of the relay, with local rules that some domains are about: ${files.config}`,
  ];
}

const pageOf = ({ http }: DemoRelay): string => `http://${http.host}:${http.port}/`;

function labOptions({ resolver }: Internet, { trustAnchor }: LabFiles): string[] {
  return ['--resolver', `${resolver.address}#${resolver.port}`, '--trust-anchor', trustAnchor];
}

/** @param kept what goes on; undefined where nothing does */
export function demoJson(
  rows: readonly DemoRow[],
  internet: Internet,
  kept: { readonly relay: DemoRelay; readonly files: LabFiles } | undefined,
): Record<string, unknown> {
  const { resolver, dnsPort, smtpPort } = internet;
  return {
    ok: rows.every(({ faults }) => faults.length === 0),
    domains: rows.map(({ scenario, expected, story, came, faults }) => ({
      domain: scenario.domain,
      shows: scenario.shows,
      rule: scenario.rule,
      expected,
      came: came ?? null,
      outcome: story?.outcome ?? null,
      steps: story?.steps ?? [],
      faults,
    })),
    relay:
      kept === undefined
        ? null
        : { smtp: kept.relay.smtp, page: pageOf(kept.relay), metrics: `${pageOf(kept.relay)}metrics` },
    lab:
      kept === undefined
        ? null
        : {
            resolver: `${resolver.address}#${resolver.port}`,
            dnsPort,
            smtpPort,
            trustAnchor: kept.files.trustAnchor,
            rootHints: kept.files.rootHints,
            config: kept.files.config,
            message: kept.files.message,
          },
  };
}
