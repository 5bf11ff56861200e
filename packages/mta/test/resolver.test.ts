/**
 * The resolver on the lab's Internet: forwarding and iterating must say the same of every name of every
 * scenario.
 */
import { createResolver, type Lookup, type Resolver } from '@danelaw/dns';
import { type Internet, SCENARIOS, startInternet } from '@danelaw/lab';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

/** Scenarios whose name servers keep silent: iteration waits for each, which is shown once elsewhere. */
const SILENT = /timeout|silen|malformed/;

describe('one Internet, two ways to ask', () => {
  let internet: Internet;
  let forwarding: Resolver;
  let iterating: Resolver;

  beforeAll(async () => {
    internet = await startInternet(SCENARIOS);
    const { trustAnchors, rootHints, dnsPort, resolver } = internet;
    forwarding = createResolver({
      upstream: `${resolver.address}#${resolver.port}`,
      trustAnchors: [...trustAnchors],
    });
    iterating = createResolver({
      upstream: 'iterate',
      port: dnsPort,
      rootHints,
      trustAnchors: [...trustAnchors],
    });
  });
  afterAll(async () => {
    await forwarding?.close();
    await iterating?.close();
    await internet?.close();
  });

  async function both(name: string, type: string): Promise<Lookup> {
    const [forwarded, iterated] = await Promise.all([
      forwarding.resolve(name, type),
      iterating.resolve(name, type),
    ]);
    expect(essence(iterated), `${name} ${type} iterated`).toEqual(essence(forwarded));
    return forwarded;
  }

  it.each(SCENARIOS.filter(({ domain }) => !SILENT.test(domain)).map(({ domain }) => domain))(
    '%s',
    async (domain) => {
      const mx = await both(domain, 'MX');
      await both(domain, 'A');
      if (mx.status === 'bogus' || mx.status === 'indeterminate') return;
      for (const { data } of mx.records) {
        if (data.type !== 'MX' || data.exchange.isRoot) continue;
        await both(data.exchange.toString(), 'A');
        await both(data.exchange.toString(), 'AAAA');
        await both(`_${internet.smtpPort}._tcp.${data.exchange}`, 'TLSA');
      }
    },
  );

  it('says which zones it went through', async () => {
    const lookup = await forwarding.resolve('mx.good-3-1-1.example', 'A');
    expect(lookup.chain.map((link) => `${link.zone} ${link.status}`)).toEqual([
      '. secure',
      'example secure',
      'good-3-1-1.example secure',
    ]);
  });

  it('a wrong trust anchor makes everything bogus, not insecure', async () => {
    const { resolver } = internet;
    const trustAnchors = [`. IN DS 1 13 2 ${'ab'.repeat(32)}`];
    const wrong = createResolver({ upstream: `${resolver.address}#${resolver.port}`, trustAnchors });
    expect((await wrong.resolve('good-3-1-1.example', 'MX')).status).toBe('bogus');
    expect((await wrong.resolve('unsigned', 'SOA')).status).toBe('bogus');
    await wrong.close();
  });

  it('a clock that is wrong by years makes signed names bogus, not insecure', async () => {
    const { resolver } = internet;
    for (const years of [-5, 5]) {
      const clock = () => Date.now() + years * 365 * 86_400_000;
      const trustAnchors = [...internet.trustAnchors];
      const confused = createResolver({
        upstream: `${resolver.address}#${resolver.port}`,
        trustAnchors,
        clock,
      });
      expect((await confused.resolve('good-3-1-1.example', 'MX')).status).toBe('bogus');
      await confused.close();
    }
  });

  it('a cached answer costs no question', async () => {
    await forwarding.resolve('good-2-1-1.example', 'MX');
    const before = internet.questions().length;
    await forwarding.resolve('good-2-1-1.example', 'MX');
    expect(internet.questions().length).toBe(before);
  });
});

/**
 * What must not depend on the way: the verdict and the data. Failures may be told in other words and codes.
 */
function essence(lookup: Lookup) {
  if (lookup.status === 'bogus' || lookup.status === 'indeterminate') return { status: lookup.status };
  const records = lookup.records.map(
    (record) => `${record.name} ${record.type} ${Buffer.from(record.rdata).toString('hex')}`,
  );
  const { status, rcode, canonicalName, aliases } = lookup;
  return { status, rcode, canonicalName, aliases, records: records.sort() };
}
