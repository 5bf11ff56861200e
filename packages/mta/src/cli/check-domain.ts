/** Checks one domain: asks everything that a sender does, and says what is worth telling about the answers. */
import type { Resolver, ZoneFault } from '@danelaw/dns';
import { type HostProbe, probe } from '@danelaw/smtp';
import { findingsOf } from './check-findings.js';
import type { Check } from './check-report.js';
import { otherSenders } from './check-senders.js';
import { statusOf, verdictOf } from './check-verdict.js';
import { faultOf } from './zone-fault-findings.js';

export type CheckContext = Omit<Parameters<typeof probe>[0], 'domain'>;

/** @throws (rejects) only when the signal aborts */
export async function checkDomain(domain: string, context: CheckContext): Promise<Check> {
  const [report, senders] = await Promise.all([probe({ domain, ...context }), otherSenders(domain, context)]);
  const findings = findingsOf(report, await bogusHosts(report.hosts, context.resolver));
  const [status, verdict] = [statusOf(findings), verdictOf(report, findings)];
  return { domain, report, findings, status, verdict, senders };
}

/**
 * Of the hosts whose look-ups failed, those where they are bogus: an attack or a broken zone, not a bad
 * moment. With each the fault of the zone, where it is known.
 */
async function bogusHosts(
  hosts: readonly HostProbe[],
  resolver: Resolver,
): Promise<Map<string, ZoneFault | undefined>> {
  const bogus = new Map<string, ZoneFault | undefined>();
  for (const { host, decision } of hosts) {
    if (decision.action !== 'skip' || decision.cause !== 'look-up') continue;
    const lookups = await Promise.all([
      resolver.resolve(host.host, 'A'),
      resolver.resolve(host.host, 'AAAA'),
      resolver.resolve(`_${host.port}._tcp.${host.host}`, 'TLSA'),
    ]);
    if (lookups.some(({ status }) => status === 'bogus')) {
      bogus.set(
        host.host,
        lookups.map(faultOf).find((fault) => fault !== undefined),
      );
    }
  }
  return bogus;
}
