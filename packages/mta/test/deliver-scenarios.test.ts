/** What `danelaw send` comes to, and says, where the policy or the way to the host is another one than usual. */
import { createResolver } from '@danelaw/dns';
import { expectedUnder, SCENARIOS, startInternet } from '@danelaw/lab';
import { describe, expect, it } from 'vitest';
import { verdictSentence } from '../src/cli/delivery-report.js';
import { deliverScenarios } from './deliver-scenarios.js';

/** Domains whose mail is delivered whatever the policy: some of each kind are enough. */
const EVERY = 8;

describe('delivery without a relay', () => {
  it('under "dane-only" delivers only what DANE authenticated (RFC 7672 section 6)', async () => {
    const changed = SCENARIOS.filter(
      (scenario) => expectedUnder(scenario, 'dane-only').status !== expectedUnder(scenario, 'dane').status,
    );
    const others = SCENARIOS.filter((scenario) => !changed.includes(scenario));
    const some = others.filter(({ local }, index) => local !== undefined || index % EVERY === 0);
    const internet = await startInternet([...changed, ...some]);
    const { dnsPort: port, rootHints, trustAnchors } = internet;
    const resolver = createResolver({ upstream: 'iterate', rootHints, trustAnchors, port });
    try {
      const { signal } = new AbortController();
      const rows = await deliverScenarios(internet, signal, { level: 'dane-only', resolver });
      const faulty = rows.filter(({ faults }) => faults.length > 0);
      expect(faulty.map(({ scenario, faults }) => [scenario.domain, faults])).toEqual([]);
      // But for what a local rule allows.
      const ruled = new Set(SCENARIOS.flatMap(({ domain, local }) => (local?.level ? [domain] : [])));
      const delivered = rows.filter(({ delivery }) => delivery.recipients[0]?.status === 'delivered');
      const bare = delivered.filter(({ scenario, delivery: { recipients } }) => {
        const [outcome] = recipients;
        const proved = outcome?.mx === 'secure' && outcome.tls?.authenticated?.by === 'dane';
        return !proved && !ruled.has(scenario.domain);
      });
      expect(bare.map(({ scenario }) => scenario.domain)).toEqual([]);
      expect({ delivered: delivered.length > 5, changed: changed.length > 20 }).toEqual({
        delivered: true,
        changed: true,
      });
    } finally {
      await resolver.close();
      await internet.close();
    }
  });

  it('never calls mail through insecure MX records secure (RFC 7672 section 2.2.1)', async () => {
    const insecureOnes = SCENARIOS.filter(
      ({ expected }) => expected.status === 'delivered' && expected.mx === 'insecure',
    );
    const internet = await startInternet(insecureOnes);
    try {
      const rows = await deliverScenarios(internet, new AbortController().signal);
      const claims = rows.flatMap(({ scenario, delivery }) => {
        const [outcome] = delivery.recipients;
        if (outcome === undefined) return [scenario.domain];
        const said = JSON.stringify([
          verdictSentence(outcome, delivery),
          delivery.attempts.map(({ mx }) => mx),
        ]);
        return /proved to be a server|"secure"/u.test(said) ? [`${scenario.domain}: ${said}`] : [];
      });
      expect(claims).toEqual([]);
      expect(
        rows.filter(({ delivery }) => delivery.recipients[0]?.tls?.authenticated?.by === 'dane').length,
      ).toBe(3);
      const aliased = rows.find(({ scenario }) => scenario.domain === 'hosted-alias.unsigned');
      expect(aliased?.delivery.recipients).toMatchObject([{ host: 'mx.hosted-alias-provider.example' }]);
      expect(JSON.stringify(aliased?.delivery.attempts.map(({ host }) => host))).not.toContain('real.');
    } finally {
      await internet.close();
    }
  });
});
