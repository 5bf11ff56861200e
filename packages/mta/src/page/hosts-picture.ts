/** A domain's mail servers as a tree: each with its TLSA records, and each address with the session there. */
import type { AddressProbe, HostProbe } from '@danelaw/smtp';
import type { Check } from '../cli/check-report.js';
import { type HostStanding, standingOf } from '../cli/check-verdict.js';
import { describeTls, shortTlsa } from '../cli/delivery-report.js';
import type { Tone, TreeNode } from './tree-picture.js';

export function hostsTree(check: Check): TreeNode[] {
  const { report, domain, findings, status } = check;
  const { route, hosts } = report;
  const details =
    route.status === 'hosts'
      ? [`${route.via === 'implicit-mx' ? 'no MX record; the domain itself' : 'MX records'}, ${route.mx}`]
      : [route.reason];
  const sts = report.sts?.status === 'policy' ? [`MTA-STS policy: ${report.sts.policy.mode}`] : [];
  return [
    {
      title: domain,
      details: [...details, ...sts],
      tone: ({ fine: 'plain', refused: 'bad', unclear: 'warn' } as const)[status],
      shape: 'box',
      children: hosts.map((host) => hostNode(host, standingOf(host, findings))),
    },
  ];
}

function hostNode(probe: HostProbe, standing: HostStanding): TreeNode {
  const { host, decision, addresses } = probe;
  const port = host.port === 25 ? '' : ` port ${host.port}`;
  const preference = host.preference === undefined ? '' : `, preference ${host.preference}`;
  return {
    title: `${host.host}${port}${preference}`,
    details: [...tlsaLines(probe), ...(decision.action === 'skip' ? [`not used: ${decision.reason}`] : [])],
    tone: toneOf(standing),
    shape: 'box',
    children: addresses.map((each) => addressNode(each, host.host)),
  };
}

function tlsaLines({ tlsa, decision }: HostProbe): string[] {
  // Why a host is not used says why its records could not be had.
  if (tlsa === null || (tlsa.status === 'failed' && decision.action === 'skip')) return [];
  if (tlsa.records.length === 0)
    return [`TLSA: ${tlsa.status}${tlsa.reason === null ? '' : `, ${tlsa.reason}`}`];
  return tlsa.records.map(
    ({ record, setAside }) =>
      `TLSA ${shortTlsa(record)}${setAside === null ? '' : `, set aside: ${setAside}`}`,
  );
}

function addressNode({ address, ok, tls, reason }: AddressProbe, host: string): TreeNode {
  const isProved = tls !== null && tls.authenticated !== null;
  // Where it was, the picture says.
  const prefix = `${host} [${address}]: `;
  const why = reason.startsWith(prefix) ? reason.slice(prefix.length) : reason;
  const words = !ok ? why : tls === null ? 'in clear text' : describeTls(tls);
  return {
    title: address,
    details: [words],
    tone: !ok ? 'bad' : isProved ? 'good' : 'warn',
    shape: 'leaf',
    children: [],
  };
}

function toneOf(standing: HostStanding): Tone {
  switch (standing) {
    case 'authenticated':
      return 'good';
    case 'encrypted':
    case 'clear':
    case 'unclear':
      return 'warn';
    case 'refused':
      return 'bad';
    default: {
      const never: never = standing;
      return never;
    }
  }
}
