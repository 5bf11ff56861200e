/** Checks one domain: asks everything that a sender does, and says what is worth telling about the answers. */
import type { Resolver, ZoneFault } from '@danelaw/dns';
import { type HostProbe, probe } from '@danelaw/smtp';
import { findingsOf } from './check-findings.js';
import type { Check } from './check-report.js';
import { otherSenders } from './check-senders.js';
import { statusOf, verdictOf } from './check-verdict.js';
import { SharedVisits } from './shared-visits.js';
import { faultOf } from './zone-fault-findings.js';

export type CheckContext = Omit<Parameters<typeof probe>[0], 'domain'>;

/** @throws (rejects) only when the signal aborts */
export async function checkDomain(domain: string, context: CheckContext): Promise<Check> {
  const visits = new SharedVisits();
  const report = probe({ domain, ...context, turn: visits.lead }).finally(() => visits.endLead());
  // Our own rules may ask for something that the others know nothing of, like a login.
  if ((context.policyTable?.rules.length ?? 0) > 0) visits.endLead();
  const [seen, senders] = await Promise.all([
    report,
    otherSenders(domain, { ...context, turn: visits.follow }),
  ]);
  const findings = findingsOf(seen, await bogusHosts(seen.hosts, context.resolver));
  const [status, verdict] = [statusOf(findings), verdictOf(seen, findings)];
  return { domain, report: seen, findings, status, verdict, senders };
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
