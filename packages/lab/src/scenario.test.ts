import { describe, expect, it } from 'vitest';
import { startInternet } from './internet.js';
import { type Expected, expectedUnder, mailDomain, type Scenario } from './scenario.js';

const HOST = 'mx.a.example';
const delivered = { status: 'delivered', host: HOST, mx: 'secure' } as const;
const proved: Expected = { ...delivered, tls: { by: '3 1 1', baseDomain: HOST } };
const bare: Expected = { ...delivered, tls: 'unauthenticated' };

const EVIDENCE = { enhancedStatus: '5.1.1', failure: null, stage: null };

const scenario = (more: Partial<Scenario>): Scenario => ({
  domain: 'a.example',
  shows: '',
  rule: '',
  zones: { 'a.example': { records: [`@ MX 10 {address ${HOST}}.`] } },
  hosts: { [HOST]: {} },
  expected: proved,
  ...more,
});

describe('what is expected under "dane-only"', () => {
  it.each<[string, Partial<Scenario>, Expected['status']]>([
    ['a host that DANE authenticates', {}, 'delivered'],
    ['the same behind insecure MX records', { expected: { ...proved, mx: 'insecure' } }, 'deferred'],
    ['TLS that nobody authenticated', { expected: bare }, 'deferred'],
    ['the same where a local rule allows it', { expected: bare, local: { level: 'may' } }, 'delivered'],
    ['what fails anyway', { expected: { status: 'failed', because: '', evidence: EVIDENCE } }, 'failed'],
    ['what the scenario says itself', { expected: bare, expectedDaneOnly: proved }, 'delivered'],
  ])('%s', (_, more, status) => {
    expect(expectedUnder(scenario(more), 'dane-only').status).toBe(status);
    expect(expectedUnder(scenario(more), 'dane')).toBe(scenario(more).expected);
    expect(expectedUnder(scenario(more), 'dane-only')).not.toHaveProperty('evidence');
  });
});

describe('addresses in scenarios', () => {
  it('stand in records, and in the place of the domain', async () => {
    const internet = await startInternet([scenario({})]);
    try {
      const [address] = internet.mailServers.get(HOST)?.addresses ?? [];
      expect(address).toMatch(/^127\./u);
      expect(mailDomain(scenario({ literal: HOST }), internet.mailServers)).toBe(`[${address}]`);
      expect(mailDomain(scenario({}), internet.mailServers)).toBe('a.example');
      expect(() => mailDomain(scenario({ literal: 'mx.b.example' }), internet.mailServers)).toThrow(
        RangeError,
      );
    } finally {
      await internet.close();
    }
  });

  it('of hosts that are not there are an error', async () => {
    const zones = { 'a.example': { records: ['@ MX 10 {address mx.b.example}.'] } };
    await expect(startInternet([scenario({ zones })])).rejects.toThrow('there is no mail host mx.b.example');
  });
});
