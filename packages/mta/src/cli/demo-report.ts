/** The table of the demonstration: domain, outcome, and what was proved or which rule stopped it. */
import type { Internet } from '@danelaw/lab';
import type { Delivery, RecipientOutcome } from '@danelaw/smtp';
import { statusPaint, verdictSentence } from './delivery-report.js';
import type { LabFiles } from './demo-files.js';
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
  return [paint.strong(header), line, ...table, line, summaryOf(rows, seconds, paint)];
}

function summaryOf(rows: readonly DemoRow[], seconds: number, paint: Palette): string {
  const count = (status: string) => rows.filter((row) => outcomeOf(row)?.status === status).length;
  const faulty = rows.filter(({ faults }) => faults.length > 0).length;
  const counts = `${count('delivered')} delivered, ${count('deferred')} deferred, ${count('failed')} failed`;
  return faulty === 0
    ? paint.good(`${counts}: all as RFC 7672 asks, and the mail servers agree (${seconds.toFixed(1)} s).`)
    : paint.bad(`${counts}: ${faulty} of ${rows.length} not as they should be.`);
}

interface Columns {
  readonly domain: number;
  readonly indent: string;
  readonly width: number;
}

function describeRow(row: DemoRow, columns: Columns, verbose: boolean, paint: Palette): string[] {
  const { scenario, delivery, faults } = row;
  const outcome = outcomeOf(row);
  const status = outcome?.status ?? 'failed';
  const word = statusPaint(status, paint)(status.padEnd(STATUS_WIDTH));
  const { indent, width } = columns;
  const below = (text: string) => wrap(printable(text), width - indent.length).map((each) => indent + each);
  const [first = '', ...rest] = below(outcome === undefined ? 'no outcome' : shortWords(row, outcome));
  const mark = faults.length === 0 ? ' ' : paint.bad('!');
  const full =
    outcome !== undefined && (verbose || faults.length > 0) ? below(verdictSentence(outcome, delivery)) : [];
  return [
    `${mark} ${scenario.domain.padEnd(columns.domain)}  ${word}  ${first.slice(indent.length)}`,
    ...rest,
    ...full.map(paint.faint),
    ...faults.flatMap((fault) => below(`WRONG: ${fault}`)).map(paint.bad),
  ];
}

function outcomeOf({ delivery, recipient }: DemoRow): RecipientOutcome | undefined {
  return delivery.recipients.find((each) => each.recipient === recipient);
}

/**
 * What danelaw says was proved; for a refusal that was judged right, the rule in the words of the scenario.
 */
function shortWords({ scenario, faults, delivery }: DemoRow, outcome: RecipientOutcome): string {
  if (outcome.status === 'delivered') return provedWords(outcome, delivery);
  const { expected, rule } = scenario;
  return expected.status === 'delivered' || faults.length > 0
    ? 'see below'
    : `${expected.because} (${rule.replace(' section ', ' §')})`;
}

function provedWords({ tls, mx, host, address }: RecipientOutcome, { attempts }: Delivery): string {
  const decisive = attempts.find((attempt) => attempt.host === host && attempt.address === address);
  const why = decisive?.tlsa?.status === 'unusable' ? 'only unusable TLSA records' : 'no secure TLSA records';
  if (tls === null) return `clear text: ${why}, and no TLS`;
  if (tls.authenticated === null) return `TLS, not authenticated: ${why}`;
  if (tls.authenticated.by !== 'dane') return `authenticated by ${tls.authenticated.by}`;
  const [usage, selector, matchingType] = tls.authenticated.record.split(' ');
  const kind = tls.authenticated.usage === 3 ? 'DANE-EE' : 'DANE-TA';
  return (
    `${kind} ${usage} ${selector} ${matchingType}, ` +
    `${mx === 'secure' ? 'signed MX' : 'but unsigned MX: the host, not the domain'}`
  );
}

/** What a person needs to go on alone. */
export function describeLab(internet: Internet, files: LabFiles): string[] {
  const options = labOptions(internet, files).join(' ');
  const [first] = internet.scenarios;
  const domain = first?.domain ?? 'example';
  return [
    'The private Internet goes on until you press Ctrl-C. Try in another terminal:',
    '',
    `  LAB="${options}"`,
    `  danelaw check $LAB --smtp-port ${internet.smtpPort} ${domain}`,
    `  danelaw send $LAB --smtp-port ${internet.smtpPort} -f me@home.example -t you@${domain} \\`,
    `    ${files.message}`,
    `  danelaw resolve $LAB _${internet.smtpPort}._tcp.mx.${domain} TLSA`,
    '',
    `Name servers: port ${internet.dnsPort} (root hints: ${files.rootHints})`,
    `Local rules that some domains are about: --config ${files.config}`,
  ];
}

function labOptions({ resolver }: Internet, { trustAnchor }: LabFiles): string[] {
  return ['--resolver', `${resolver.address}#${resolver.port}`, '--trust-anchor', trustAnchor];
}

export function demoJson(
  rows: readonly DemoRow[],
  internet: Internet,
  files: LabFiles | undefined,
): Record<string, unknown> {
  const { resolver, dnsPort, smtpPort } = internet;
  return {
    ok: rows.every(({ faults }) => faults.length === 0),
    domains: rows.map(({ scenario, recipient, delivery, faults }) => ({
      domain: scenario.domain,
      shows: scenario.shows,
      rule: scenario.rule,
      expected: scenario.expected,
      outcome: delivery.recipients.find((each) => each.recipient === recipient) ?? null,
      attempts: delivery.attempts,
      faults,
    })),
    lab:
      files === undefined
        ? null
        : {
            resolver: `${resolver.address}#${resolver.port}`,
            dnsPort,
            smtpPort,
            trustAnchor: files.trustAnchor,
            rootHints: files.rootHints,
            config: files.config,
            message: files.message,
          },
  };
}
