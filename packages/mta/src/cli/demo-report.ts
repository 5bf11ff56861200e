/** The table of the demonstration: domain, outcome, and what was proved or which rule stopped it. */
import type { Internet } from '@danelaw/lab';
import { statusPaint, verdictSentence } from './delivery-report.js';
import type { LabFiles } from './demo-files.js';
import type { DemoRow } from './demo-run.js';
import { printable } from './printable.js';
import { type Palette, wrap } from './terminal.js';

const STATUS_WIDTH = 'delivered'.length;

export function describeDemo(
  rows: readonly DemoRow[],
  seconds: number,
  paint: Palette,
  width: number,
): string[] {
  const domainWidth = Math.max(...rows.map(({ scenario }) => scenario.domain.length));
  const textWidth = width - domainWidth - STATUS_WIDTH - 6;
  const header = `  ${'domain'.padEnd(domainWidth)}  ${'outcome'.padEnd(STATUS_WIDTH)}  what was proved, or which rule stopped it`;
  const faulty = rows.filter(({ faults }) => faults.length > 0).length;
  const summary =
    faulty === 0
      ? paint.good(
          `All ${rows.length} outcomes are as RFC 7672 asks, and the mail servers agree (${seconds.toFixed(1)} s).`,
        )
      : paint.bad(`${faulty} of ${rows.length} outcomes are not as they should be.`);
  const table = rows.flatMap((row) => describeRow(row, domainWidth, textWidth, paint));
  return [
    paint.strong(header),
    paint.faint('-'.repeat(width)),
    ...table,
    paint.faint('-'.repeat(width)),
    summary,
  ];
}

function describeRow(row: DemoRow, domainWidth: number, textWidth: number, paint: Palette): string[] {
  const { scenario, delivery, faults, recipient } = row;
  const outcome = delivery.recipients.find((each) => each.recipient === recipient);
  const status = outcome?.status ?? 'failed';
  const text = outcome === undefined ? 'no outcome' : verdictSentence(outcome, delivery);
  const indent = ' '.repeat(domainWidth + STATUS_WIDTH + 6);
  const [first = '', ...rest] = wrap(printable(text), textWidth);
  const mark = faults.length === 0 ? ' ' : paint.bad('!');
  return [
    `${mark} ${scenario.domain.padEnd(domainWidth)}  ${statusPaint(status, paint)(status.padEnd(STATUS_WIDTH))}  ${first}`,
    ...rest.map((line) => indent + line),
    ...faults.flatMap((fault) =>
      wrap(`WRONG: ${printable(fault)}`, textWidth).map((line) => indent + paint.bad(line)),
    ),
  ];
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
    `  danelaw send $LAB --smtp-port ${internet.smtpPort} -f me@home.example -t you@${domain} ${files.message}`,
    `  danelaw resolve $LAB _${internet.smtpPort}._tcp.mx.${domain} TLSA`,
    '',
    `Name servers: port ${internet.dnsPort} (root hints: ${files.rootHints})`,
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
            message: files.message,
          },
  };
}
