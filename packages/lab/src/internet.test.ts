/**
 * The Internet as a whole, asked by software that is not ours: Node's own stub resolver (c-ares) and sockets.
 */
import { Resolver } from 'node:dns/promises';
import { connect } from 'node:net';
import { createResolver, parseRootHints } from '@danelaw/dns';
import { describe, expect, it } from 'vitest';
import { type Internet, startInternet } from './internet.js';
import { LabError } from './loopback.js';
import type { Scenario } from './scenario.js';
import { SCENARIOS } from './scenarios/index.js';

async function withInternet<T>(
  scenarios: readonly Scenario[],
  use: (internet: Internet) => Promise<T>,
): Promise<T> {
  const internet = await startInternet(scenarios);
  try {
    return await use(internet);
  } finally {
    await internet.close();
  }
}

function stub({ address, port }: { address: string; port: number }): Resolver {
  const resolver = new Resolver();
  resolver.setServers([`${address}:${port}`]);
  return resolver;
}

function greeting(address: string, port: number): Promise<string> {
  const socket = connect(port, address);
  return new Promise<string>((resolve, reject) => {
    socket.once('data', (data) => resolve(data.toString()));
    socket.once('error', reject);
  }).finally(() => socket.destroy());
}

describe('startInternet', () => {
  it('holds all scenarios at once, each with a domain, hosts and names of its own', async () => {
    await withInternet(SCENARIOS, async (internet) => {
      expect(internet.mailServers.size).toBe(
        SCENARIOS.flatMap(({ hosts = {} }) => Object.keys(hosts)).length,
      );
      expect(new Set(SCENARIOS.map(({ domain }) => domain)).size).toBe(SCENARIOS.length);
      const addresses = [...internet.mailServers.values()].flatMap((server) => server.addresses);
      expect(new Set(addresses).size).toBe(addresses.length);
      for (const server of internet.mailServers.values()) expect(server.port).toBe(internet.smtpPort);
    });
  });

  it('leads a stub from the domain to a mail server that answers', async () => {
    const scenarios = SCENARIOS.filter(({ domain }) => domain === 'good-3-1-1.example');
    await withInternet(scenarios, async (internet) => {
      const resolver = stub(internet.resolver);
      // Newer Node.js adds the type.
      expect(await resolver.resolveMx('good-3-1-1.example')).toMatchObject([
        { priority: 10, exchange: 'mx.good-3-1-1.example' },
      ]);
      const [address = ''] = await resolver.resolve4('mx.good-3-1-1.example');
      expect(internet.mailServers.get('mx.good-3-1-1.example')?.addresses).toEqual([address]);
      expect(await greeting(address, internet.smtpPort)).toMatch(/^220 /);
      expect(internet.questions()).toContainEqual({
        server: 'good-3-1-1.example',
        name: 'good-3-1-1.example',
        type: 'MX',
        protocol: 'udp',
      });
    });
  });

  it('has name servers that refer from the root to the domain, at one port', async () => {
    const scenarios = SCENARIOS.filter(({ domain }) => domain === 'plain.unsigned');
    await withInternet(scenarios, async ({ rootHints, rootHintsFile, nameServers, dnsPort }) => {
      expect(parseRootHints(rootHintsFile)).toEqual(rootHints);
      expect(rootHints).toEqual([{ name: 'ns', address: nameServers.get('.') }]);
      const domainServer = stub({ address: nameServers.get('plain.unsigned') ?? '', port: dnsPort });
      expect(await domainServer.resolveMx('plain.unsigned')).toHaveLength(1);
      const rootServer = stub({ address: nameServers.get('.') ?? '', port: dnsPort });
      await expect(rootServer.resolveMx('plain.unsigned')).rejects.toMatchObject({ code: 'ENODATA' });
    });
  });

  it('has a validating resolver, too, whose AD bit tells secure from insecure', async () => {
    const wanted = ['good-3-1-1.example', 'insecure.optout', 'mx-bogus.example', 'nonexistent.example'];
    const scenarios = SCENARIOS.filter(({ domain }) => wanted.includes(domain));
    await withInternet(scenarios, async (internet) => {
      const { address, port } = await internet.startValidatingResolver();
      const resolver = createResolver({ upstream: `${address}#${port}`, trust: 'ad' });
      const statuses = await Promise.all(
        wanted.map(async (name) => (await resolver.resolve(name, 'MX')).status),
      );
      await resolver.close();
      expect(statuses).toEqual(['secure', 'insecure', 'indeterminate', 'secure']);
    });
  });

  it('gives everything back when it is closed, so that the same ports can be had again', async () => {
    const scenarios = SCENARIOS.slice(0, 2);
    const first = await startInternet(scenarios);
    const { dnsPort, smtpPort, resolver } = first;
    await first.close();
    const again = await startInternet(scenarios, { dnsPort, smtpPort, resolverPort: resolver.port });
    expect(again).toMatchObject({ dnsPort, smtpPort, resolver });
    await again.close();
  });

  it('can run twice at the same time', async () => {
    await withInternet(SCENARIOS.slice(0, 2), (one) =>
      withInternet(SCENARIOS.slice(0, 2), async (two) => {
        expect(two.dnsPort).not.toBe(one.dnsPort);
        expect(two.smtpPort).not.toBe(one.smtpPort);
      }),
    );
  });

  it('says what to do where a port is taken', async () => {
    await withInternet(SCENARIOS.slice(0, 1), async ({ dnsPort }) => {
      const second = startInternet(SCENARIOS.slice(0, 1), { dnsPort });
      await expect(second).rejects.toThrow(LabError);
      await expect(second).rejects.toThrow(/another lab may be running/);
    });
  });

  it('refuses two scenarios with the same zone', async () => {
    const [scenario] = SCENARIOS;
    if (scenario === undefined) throw new Error('there are scenarios');
    await expect(startInternet([scenario, scenario])).rejects.toThrow('two scenarios have');
  });
});

describe('the scenarios', () => {
  it.each(SCENARIOS.map((scenario) => [scenario.domain, scenario] as const))(
    '%s says what it shows',
    (_, scenario) => {
      expect(scenario.shows).toMatch(/^[A-Z].*\.$/);
      expect(scenario.rule).toMatch(/^RFC \d{4}( section \d+(\.\d+)*)?$/);
      if (scenario.expected.status !== 'delivered') expect(scenario.expected.because).not.toBe('');
    },
  );
});
