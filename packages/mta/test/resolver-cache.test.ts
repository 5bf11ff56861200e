/** What the resolver keeps, on the lab's Internet: proofs, answers past their time, dumps, trust anchors. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  createNetworkTransport,
  createResolver,
  type NetworkTransport,
  parseMessage,
  type ResolverOptions,
  type Transport,
} from '@danelaw/dns';
import { type Internet, SCENARIOS, startInternet } from '@danelaw/lab';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

describe('what a resolver keeps', () => {
  let internet: Internet;
  let network: NetworkTransport;

  beforeAll(async () => {
    internet = await startInternet(SCENARIOS);
    network = createNetworkTransport();
  });
  afterAll(async () => {
    await network?.close();
    await internet?.close();
  });

  function resolverWith(options: ResolverOptions = {}) {
    const { resolver, trustAnchors } = internet;
    const upstream = `${resolver.address}#${resolver.port}`;
    return createResolver({ upstream, trustAnchors: [...trustAnchors], transport: network, ...options });
  }

  /** A network in which questions that `isLost` picks get no answer. */
  function losing(isLost: (name: string, type: number) => boolean): Transport {
    return {
      exchange(query, ...rest) {
        const [question] = parseMessage(query).questions;
        const isGone =
          question === undefined || isLost(question.name.toString().toLowerCase(), question.type);
        return isGone ? Promise.reject(new Error('lost')) : network.exchange(query, ...rest);
      },
    };
  }

  it('one proof denies more names than the one that was asked for (RFC 8198)', async () => {
    const resolver = resolverWith();
    const zone = 'good-3-1-1.example';
    expect(await resolver.resolve(`nothing.${zone}`, 'TLSA')).toMatchObject({
      status: 'secure',
      rcode: 'NXDOMAIN',
    });
    const before = internet.questions().length;
    expect(await resolver.resolve(`nothing.${zone}`, 'A')).toMatchObject({
      status: 'secure',
      rcode: 'NXDOMAIN',
    });
    expect(await resolver.resolve(`_25._tcp.nothing.${zone}`, 'TLSA')).toMatchObject({ rcode: 'NXDOMAIN' });
    expect(internet.questions().length).toBe(before);
  });

  describe('past its time (RFC 8767)', () => {
    const host = 'plain.unsigned';
    async function afterItsTime(isLost: (name: string, type: number) => boolean) {
      let now = Date.now();
      let isBroken = false;
      const transport = losing((name, type) => isBroken && isLost(name, type));
      const resolver = resolverWith({ transport, clock: () => now });
      const first = await resolver.resolve(host, 'MX');
      now += ('ttl' in first ? first.ttl : 0) * 1_000 + 1_000;
      isBroken = true;
      return { first, later: await resolver.resolve(host, 'MX') };
    }

    it('an insecure answer serves while its servers are silent, and says so', async () => {
      const { first, later } = await afterItsTime((name, type) => name === host && type === 15);
      expect(first).toMatchObject({ status: 'insecure' });
      expect(later).toMatchObject({ status: 'insecure', ttl: 30, ede: { code: 3 } });
      expect('records' in later && later.records.length).toBe('records' in first && first.records.length);
    });

    it("not where it can't be said that its zone is still unsigned", async () => {
      const { later } = await afterItsTime(() => true);
      expect(later.status).toBe('indeterminate');
    });
  });

  it('a dump makes a restart warm, under the same trust anchors', async () => {
    const first = resolverWith();
    const truth = await first.resolve('good-3-1-1.example', 'MX');
    const dump = first.saveCache();
    const cut = { exchange: () => Promise.reject(new Error('no network')) };
    const warm = resolverWith({ transport: cut });
    expect(warm.loadCache(dump)).toBe(1);
    const loaded = await warm.resolve('good-3-1-1.example', 'MX');
    // Neither the proof nor the way is kept.
    expect(loaded).toEqual({ ...truth, chain: [], via: undefined });
    const other = resolverWith({ trustAnchors: [`. IN DS 1 13 2 ${'00'.repeat(32)}`] });
    expect(other.loadCache(dump)).toBe(0);
  });

  describe('trust anchors in a file (RFC 5011)', () => {
    it("the zone's key is found and written down", async () => {
      const folder = await mkdtemp(join(tmpdir(), 'danelaw-5011-'));
      try {
        const trustAnchorState = join(folder, 'root.key');
        const resolver = resolverWith({ trustAnchorState });
        expect((await resolver.resolve('good-3-1-1.example', 'MX')).status).toBe('secure');
        await vi.waitFor(
          async () => expect(await readFile(trustAnchorState, 'utf8')).toMatch(/state=valid/),
          10_000,
        );
        const again = resolverWith({ trustAnchorState });
        expect((await again.resolve('good-3-1-1.example', 'MX')).status).toBe('secure');
      } finally {
        await rm(folder, { recursive: true });
      }
    });

    it("that can't be read stop every look-up", async () => {
      const resolver = resolverWith({ trustAnchorState: '/dev/null/root.key' });
      for (const explain of [false, true]) {
        const lookup = await resolver.resolve('good-3-1-1.example', 'MX', { explain });
        expect(lookup).toMatchObject({
          status: 'indeterminate',
          reason: expect.stringContaining('/dev/null/root.key'),
        });
      }
    });
  });
});
