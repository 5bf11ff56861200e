/** A check in words and in JSON. */
import type { AddressProbe, HostProbe, ProbeReport } from '@danelaw/smtp';
import { distinctViews, type SenderView } from './check-senders.js';
import type { CheckStatus } from './check-verdict.js';
import { describeTls, describeTlsa } from './delivery-report.js';
import type { Finding, Severity } from './finding.js';
import { printable } from './printable.js';
import { hanging, type Paint, type Palette } from './terminal.js';

export interface Check {
  readonly domain: string;
  readonly report: ProbeReport;
  readonly findings: readonly Finding[];
  readonly status: CheckStatus;
  readonly verdict: string;
  /** What other senders do than those with DANE. */
  readonly senders: readonly SenderView[];
}

export function describeCheck(check: Check, paint: Palette, width: number): string[] {
  const { report, findings } = check;
  return [
    paint.strong(printable(check.domain)),
    ...describeSts(report, paint, width),
    ...report.hosts.flatMap((host) => describeHost(host, paint, width)),
    ...(report.hosts.length > 0 ? [''] : []),
    ...hanging('  ', printable(check.verdict), width).map(statusPaint(check.status, paint)),
    ...distinctViews(check.senders).flatMap(({ verdict, status }) =>
      hanging('  ', printable(verdict), width).map(
        status === 'fine' ? paint.faint : statusPaint(status, paint),
      ),
    ),
    ...findings.flatMap((finding) => ['', ...describeFinding(finding, paint, width)]),
  ];
}

/** Shown where there is something to show: a policy, or an attempt to have one. */
function describeSts({ sts }: ProbeReport, paint: Palette, width: number): string[] {
  if (sts?.status !== 'policy') return [];
  const { mode, mx, maxAge } = sts.policy;
  const words = `${mode}, for ${mx.slice(0, MAX_LISTED_MX).join(', ')}${mx.length > MAX_LISTED_MX ? ', ...' : ''}`;
  return hanging('  MTA-STS  ', printable(`${words} (version ${sts.id}, ${maxAge} s)`), width).map(
    paint.faint,
  );
}

/** Patterns of a policy that are shown; `--json` has all of them. */
const MAX_LISTED_MX = 8;

function describeHost(probe: HostProbe, paint: Palette, width: number): string[] {
  const { host, mx } = probe;
  const how = host.preference === undefined ? 'no MX record' : `${mx} MX, preference ${host.preference}`;
  const port = host.port === 25 ? '' : ` port ${host.port}`;
  return [
    `  ${paint.strong(printable(host.host) + port)}  ${paint.faint(how)}`,
    ...describeTlsa(probe.tlsa, paint, width),
    ...probe.addresses.flatMap((address) => describeAddress(address, paint, width)),
    ...(probe.decision.action === 'skip' ? ['    not used'].map(paint.bad) : []),
  ];
}

function describeAddress(address: AddressProbe, paint: Palette, width: number): string[] {
  const { ok, tls } = address;
  const row = (text: string) => hanging(`    ${printable(address.address)}  `, printable(text), width);
  if (ok) {
    const lines = row(tls === null ? 'clear text' : describeTls(tls));
    return tls?.authenticated ? lines.map(paint.good) : lines;
  }
  // Why, is told below, with the rule and the remedy.
  return row(tls === null ? 'refused' : `refused; ${tls.protocol} ${tls.cipher}, not authenticated`).map(
    paint.bad,
  );
}

export function describeFinding(finding: Finding, paint: Palette, width: number): string[] {
  const { severity, host, address } = finding;
  const where = [host, address].filter((each) => each !== null).join(' ');
  const rule = finding.text.includes(finding.rule) ? '' : ` (${finding.rule})`;
  const [first = '', ...rest] = hanging(
    `  ${severity.padEnd(9)}`,
    printable(`${where === '' ? '' : `${where}: `}${finding.text}${rule}`),
    width,
  );
  return [
    `  ${severityPaint(severity, paint)(severity)}${first.slice(2 + severity.length)}`,
    ...rest,
    ...hanging('           ', printable(finding.remedy), width).map(paint.faint),
  ];
}

/** Of a verdict. */
export function statusPaint(status: CheckStatus, paint: Palette): Paint {
  switch (status) {
    case 'fine':
      return paint.good;
    case 'refused':
      return paint.bad;
    case 'unclear':
      return paint.warn;
    default: {
      const never: never = status;
      return never;
    }
  }
}

function severityPaint(severity: Severity, paint: Palette): Paint {
  switch (severity) {
    case 'error':
      return paint.bad;
    case 'unclear':
    case 'warning':
      return paint.warn;
    case 'note':
      return paint.faint;
    default: {
      const never: never = severity;
      return never;
    }
  }
}

export function checkJson({
  domain,
  report,
  findings,
  status,
  verdict,
  senders,
}: Check): Record<string, unknown> {
  const { route, hosts } = report;
  const mx = 'mx' in route ? route.mx : null;
  const reason = 'reason' in route ? route.reason : null;
  return {
    domain,
    status,
    verdict,
    senders,
    route: { status: route.status, via: route.status === 'hosts' ? route.via : null, mx, reason },
    sts: stsJson(report),
    hosts: hosts.map(hostJson),
    findings,
  };
}

function stsJson({ sts }: ProbeReport): Record<string, unknown> | null {
  if (sts === undefined) return null;
  if (sts.status === 'none') return { status: 'none', reason: sts.reason };
  const { id, policy, expires } = sts;
  return { status: 'policy', id, ...policy, expires: new Date(expires).toISOString() };
}

function hostJson({ host, mx, finding, tlsa, decision, addresses }: HostProbe): Record<string, unknown> {
  return {
    host: host.host,
    port: host.port,
    preference: host.preference ?? null,
    mx,
    expandedHost: finding.status === 'reachable' ? finding.expandedHost : null,
    tlsa,
    action: decision.action,
    reason: decision.action === 'skip' ? decision.reason : null,
    addresses,
  };
}
