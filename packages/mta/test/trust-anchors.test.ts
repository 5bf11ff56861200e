/** Where trust begins: anchors at the root, below it, several of them, and zones that ask too much of a validator. */
import { createResolver, formatRdata, type Lookup, type ResolverOptions, RRTYPE } from '@danelaw/dns';
import { type Internet, SCENARIOS, type Scenario, startInternet } from '@danelaw/lab';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

/** RFC 9276: more iterations than validators compute. */
const COSTLY: Scenario = {
  domain: 'costly.example',
  shows: 'NSEC3 with 300 iterations',
  rule: 'RFC 9276 section 3.2',
  zones: {
    'costly.example': { records: ['www A 192.0.2.1'], signing: { denial: { iterations: 300 } } },
  },
  expected: { status: 'failed', because: 'it has no mail server' },
};

const DOMAINS = ['good-3-1-1.example', 'plain.unsigned', 'island.unsigned', 'signed.optout'];

describe('trust anchors', () => {
  let internet: Internet;
  beforeAll(async () => {
    internet = await startInternet([...SCENARIOS.filter(({ domain }) => DOMAINS.includes(domain)), COSTLY]);
  });
  afterAll(async () => {
    await internet?.close();
  });

  async function lookUp(name: string, type: string, options: ResolverOptions = {}): Promise<Lookup> {
    const { resolver: at, trustAnchors } = internet;
    const upstream = `${at.address}#${at.port}`;
    const resolver = createResolver({ upstream, trustAnchors: [...trustAnchors], ...options });
    try {
      return await resolver.resolve(name, type);
    } finally {
      await resolver.close();
    }
  }

  /** The zone's key-signing key, as an administrator would copy it. */
  async function keyOf(zone: string): Promise<string> {
    const keys = await lookUp(zone, 'DNSKEY');
    if (!('records' in keys)) throw new Error(keys.reason);
    const entry = keys.records.find(({ data }) => data.type === 'DNSKEY' && data.flags === 257);
    if (entry === undefined) throw new Error(`${zone} has no key-signing key`);
    return `${zone}. IN DNSKEY ${formatRdata(RRTYPE.DNSKEY, entry.rdata)}`;
  }

  it('one below the root: its zone is secure, everything else is insecure (RFC 4035 section 4.3)', async () => {
    const trustAnchors = [await keyOf('example')];
    const inside = await lookUp('good-3-1-1.example', 'MX', { trustAnchors });
    expect(inside.status).toBe('secure');
    expect(inside.chain.map(({ zone }) => zone)).toEqual(['example', 'good-3-1-1.example']);
    expect(await lookUp('plain.unsigned', 'MX', { trustAnchors })).toMatchObject({ status: 'insecure' });
    expect(await lookUp('signed.optout', 'MX', { trustAnchors })).toMatchObject({ status: 'insecure' });
  });

  it('two of them: an island of security below an unsigned zone is secure with its own', async () => {
    const root = [...internet.trustAnchors];
    expect(await lookUp('island.unsigned', 'MX')).toMatchObject({ status: 'insecure' });
    const trustAnchors = [...root, await keyOf('island.unsigned')];
    expect(await lookUp('island.unsigned', 'MX', { trustAnchors })).toMatchObject({ status: 'secure' });
    expect(await lookUp('good-3-1-1.example', 'MX', { trustAnchors })).toMatchObject({ status: 'secure' });
    expect(await lookUp('plain.unsigned', 'MX', { trustAnchors })).toMatchObject({ status: 'insecure' });
  });

  it('the closest one counts: a wrong one is not made good by the root (RFC 6840 appendix C.1)', async () => {
    const wrong = `example. IN DS 1 13 2 ${'ab'.repeat(32)}`;
    const trustAnchors = [...internet.trustAnchors, wrong];
    expect(await lookUp('good-3-1-1.example', 'MX', { trustAnchors })).toMatchObject({ status: 'bogus' });
    expect(await lookUp('signed.optout', 'MX', { trustAnchors })).toMatchObject({ status: 'secure' });
  });

  describe('NSEC3 with more iterations than are computed (RFC 9276 section 3.2)', () => {
    it('makes an absence insecure, with the code for it', async () => {
      expect(await lookUp('nothing.costly.example', 'A')).toMatchObject({
        status: 'insecure',
        rcode: 'NXDOMAIN',
        ede: { code: 27 },
      });
    });

    it('leaves what is signed secure', async () => {
      expect(await lookUp('www.costly.example', 'A')).toMatchObject({ status: 'secure' });
    });

    it('is a failure where the resolver is strict', async () => {
      const lookup = await lookUp('nothing.costly.example', 'A', { strict: true });
      expect(lookup).toMatchObject({
        status: 'indeterminate',
        reason: expect.stringContaining('300 iterations'),
      });
      expect(await lookUp('www.costly.example', 'A', { strict: true })).toMatchObject({ status: 'secure' });
    });
  });
});
