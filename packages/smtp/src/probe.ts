/**
 * Everything that a delivery does, but MAIL FROM: for every address of every host of a domain, connect, EHLO,
 * STARTTLS, verify, EHLO, QUIT. Where a delivery stops at the first server that takes the message, a probe
 * goes on to the last.
 */
import { X509Certificate } from 'node:crypto';
import type { HostFinding } from '@danelaw/dane';
import { Assessor } from './assess.js';
import { type ConnectionContext, failedAttempt, overlookedFacts, sessionWords } from './attempt.js';
import { type Client, type ClientOptions, makeClient } from './client.js';
import type { Decision } from './decision.js';
import type { FailureType } from './fault.js';
import { parseDomain } from './mailbox.js';
import { type Attempt, summarizeTlsa, type TlsaSummary } from './outcome.js';
import type { TlsPolicy } from './policy.js';
import type { HostsRoute, Route, RouteHost } from './route.js';
import { openSession } from './session.js';
import type { StsFinding } from './sts-finding.js';
import type { TlsFacts } from './tls-facts.js';

export interface ProbeOptions extends ClientOptions {
  readonly domain: string;
  /** Asks DNS and connects to nobody. */
  readonly dnsOnly?: boolean;
  /**
   * Makes a session when it is the server's turn, or knows what came of an earlier one: for whoever asks many
   * domains that have the same servers.
   */
  readonly turn?: (server: ProbedServer, open: () => Promise<AddressProbe>) => Promise<AddressProbe>;
}

export interface ProbedServer {
  readonly host: string;
  readonly address: string;
  readonly port: number;
  readonly level: TlsPolicy['level'];
}

export interface ProbeReport {
  readonly route: Route;
  /** In the order in which a sender tries them; empty where the route has no hosts. */
  readonly hosts: readonly HostProbe[];
  /** What MTA-STS says of the domain; undefined where there is nobody to ask. */
  readonly sts: StsFinding | undefined;
}

export interface HostProbe {
  readonly host: RouteHost;
  readonly mx: 'secure' | 'insecure';
  readonly finding: HostFinding;
  readonly tlsa: TlsaSummary | null;
  /** What a sender with this policy level does with the host, and why. */
  readonly decision: Decision;
  /** Every address; empty where the host is skipped. */
  readonly addresses: readonly AddressProbe[];
}

export interface PresentedCertificate {
  /** Distinguished names on one line. */
  readonly subject: string;
  readonly issuer: string;
  /** Milliseconds since the epoch. */
  readonly notAfter: number;
}

export interface AddressProbe {
  readonly address: string;
  readonly policy: { readonly level: TlsPolicy['level']; readonly source: string };
  /** True where a message would be handed over under the policy. */
  readonly ok: boolean;
  readonly tls: TlsFacts | null;
  /** What the server presented, its own certificate first; empty where there was no session under TLS. */
  readonly chain: readonly PresentedCertificate[];
  /** What the server offers after TLS (RFC 3207 section 4.2), or in clear where TLS is not used. */
  readonly capabilities: readonly string[];
  readonly reply: string | null;
  readonly enhancedStatus: string | null;
  readonly reason: string;
  readonly failureType: FailureType | null;
  /** What failed and would not stop a delivery. */
  readonly overlooked: Attempt['overlooked'];
}

/** Probes all hosts of a domain. Rejects only when `signal` aborts, or for an impossible `heloName`. */
export async function probe(options: ProbeOptions): Promise<ProbeReport> {
  // Whoever looks from the mail server itself wants to see what others see.
  const client = makeClient({ ...options, ownNames: [] });
  const assessor = new Assessor(client, parseDomain(options.domain) ?? options.domain);
  const route = await assessor.route(client.signal);
  const hosts: HostProbe[] = [];
  if (route.status === 'hosts') {
    for (const host of route.hosts) hosts.push(await probeHost(client, assessor, route, host, options));
  }
  const sts = route.status === 'hosts' ? await assessor.sts(route, client.signal) : undefined;
  return { route, hosts, sts };
}

async function probeHost(
  client: Client,
  assessor: Assessor,
  route: HostsRoute,
  host: RouteHost,
  { dnsOnly = false, turn = (_, open) => open() }: ProbeOptions,
): Promise<HostProbe> {
  const { finding, decision, sts, local } = await assessor.assess(route, host, client.signal);
  const addresses: AddressProbe[] = [];
  if (decision.action === 'connect' && !dnsOnly) {
    const { policy, overlooked } = decision;
    for (const { address, family } of decision.finding.addresses) {
      const context = { route, host, finding, sts, local, address, policy, overlooked };
      const open = (): Promise<AddressProbe> => probeAddress(client, assessor, context, family);
      const server = { host: host.host, address, port: host.port, level: policy.level };
      addresses.push(await turn(server, open));
    }
  }
  return { host, mx: route.mx, finding, tlsa: summarizeTlsa(finding), decision, addresses };
}

async function probeAddress(
  client: Client,
  assessor: Assessor,
  context: ConnectionContext,
  family: 4 | 6,
): Promise<AddressProbe> {
  const { address, policy, overlooked, host } = context;
  const opened = await openSession({
    ...client,
    target: { address, family, port: host.port },
    policy,
    login: assessor.login,
  });
  const facts = { address, policy: { level: policy.level, source: policy.source } };
  if (opened.status === 'open') {
    const { session } = opened;
    session.connection.quit();
    return {
      ...facts,
      ok: true,
      tls: session.tls,
      chain: (session.channel.secured?.chain ?? []).flatMap(presented),
      capabilities: session.capabilities.keywords,
      reply: null,
      enhancedStatus: null,
      reason: [sessionWords(session, context), ...session.notes].join('; '),
      failureType: null,
      overlooked: overlookedFacts([...overlooked, ...session.overlooked]),
    };
  }
  const { tls, reply, enhancedStatus, reason, failureType } = failedAttempt(context, opened);
  return {
    ...facts,
    ok: false,
    tls,
    chain: [],
    capabilities: [],
    reply,
    enhancedStatus,
    reason,
    failureType,
    overlooked: overlookedFacts(overlooked),
  };
}

/** What Node can't read is left out: the verdict has said what it means. */
function presented(der: Uint8Array): PresentedCertificate[] {
  try {
    const { subject, issuer, validTo } = new X509Certificate(der);
    // Node has none for an empty name, whatever its types say.
    const oneLine = (name: string | undefined): string => (name ?? '').replaceAll('\n', ', ');
    return [{ subject: oneLine(subject), issuer: oneLine(issuer), notAfter: Date.parse(validTo) }];
  } catch {
    return [];
  }
}
