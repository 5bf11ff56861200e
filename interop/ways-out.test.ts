/** Networks that stand in the way of DNSSEC: what `danelaw` makes of each, as its users start it, with nothing but a resolv.conf. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { danelawIn, jsonOf } from './danelaw.js';
import { ADDRESS, DOT_NAME, LIE, type NamespaceDns, startNamespaceDns } from './namespace-servers.js';
import { namespaceObstacle } from './namespaces.js';
import { networkPrograms, obstacle, withNeighbours } from './neighbours.js';
import type { ZonePlan } from './signed-zone.js';

const p256 = { signer: 'ldns', algorithm: 'ECDSAP256SHA256', keys: 'two' } as const;
const ZONES: readonly ZonePlan[] = [
  { origin: '.', records: '', signing: { ...p256, denial: 'nsec' } },
  { origin: 'example', records: '', signing: { ...p256, denial: 'nsec' } },
  {
    origin: 'signed.example',
    records: '@ IN MX 10 mx\nmx IN A 192.0.2.25',
    signing: { ...p256, denial: 'nsec3' },
  },
  { origin: 'unsigned.example', records: '@ IN MX 10 mx\nmx IN A 192.0.2.25', signing: 'unsigned' },
];

const DNS = 'meta l4proto { tcp, udp } th dport 53';
const blocked = { drop: [DNS] };
const interceptedBy = (address: string) => ({ dnat: [`${DNS} dnat to ${address}`] });

/** With the programs there, a machine that permits no namespaces is no failure, in CI neither. */
const forbidden = obstacle(networkPrograms) === undefined ? await namespaceObstacle() : undefined;
if (forbidden !== undefined) {
  console.warn(`\n*** SKIPPED: ways out: ${forbidden} ***\n`);
  describe.skip(`ways out (SKIPPED: ${forbidden})`, () => test('nothing', () => {}));
} else {
  withNeighbours('ways out', waysOut, networkPrograms);
}

function waysOut(): void {
  let dns: NamespaceDns;
  beforeAll(async () => {
    dns = await startNamespaceDns(ZONES);
  });
  afterAll(async () => {
    await dns?.stop();
  });

  interface Seen {
    readonly code: number | null;
    readonly err: string;
    readonly status: string;
    readonly via: string;
    readonly reason: string;
    readonly data: string[];
  }

  async function resolve(name: string, type: string, ...options: string[]): Promise<Seen> {
    const anchors = ['--trust-anchor', dns.trustAnchorFile, '--root-hints', dns.rootHintsFile];
    const environment = [`NODE_EXTRA_CA_CERTS=${dns.certificateFile}`];
    const command = ['resolve', '--json', ...anchors, ...options, name, type];
    const finished = await danelawIn(dns.network.client, command, environment);
    const lookup = Object(jsonOf(finished));
    const data = (lookup.records ?? []).map((record: { data: string }) => record.data);
    const { status, via, reason } = lookup;
    // Words are broken into lines for the terminal; here it is the words that count.
    return { code: finished.code, err: finished.stderr.replace(/\s+/g, ' '), status, via, reason, data };
  }

  async function bothAre(via: string, words: RegExp | '', ...options: string[]): Promise<void> {
    const [signed, unsigned] = await Promise.all(
      ['mx.signed.example', 'mx.unsigned.example'].map((name) => resolve(name, 'A', ...options)),
    );
    expect(signed).toMatchObject({ code: 0, status: 'secure', data: ['192.0.2.25'], via });
    expect(unsigned).toMatchObject({ code: 0, status: 'insecure', data: ['192.0.2.25'], via });
    for (const { err = '' } of [signed ?? {}, unsigned ?? {}]) {
      if (words === '') expect(err).toBe('');
      else expect(err).toMatch(words);
    }
  }

  async function nothingIsSaid(words: RegExp, ...options: string[]): Promise<void> {
    const names = ['mx.signed.example', 'mx.unsigned.example', 'nothing.example'];
    for (const seen of await Promise.all(names.map((name) => resolve(name, 'A', ...options)))) {
      expect(seen).toMatchObject({ code: 75, status: 'indeterminate', data: [] });
      expect(seen.reason).toMatch(words);
      expect(seen.reason).toContain('Ways out:');
      expect(seen.err).toContain('Ways out:');
      expect(JSON.stringify(seen)).not.toContain(LIE);
    }
  }

  const overTls = (identity = '') => ['--dns-fallback', `tls://${ADDRESS.honest}${identity}`];

  describe('an open network', () => {
    beforeAll(() => dns.network.filter({}));

    test('with a good resolver: it is asked, and nothing is said', async () => {
      await dns.network.useResolvers(ADDRESS.honest);
      await bothAre(`forwarding to ${ADDRESS.honest}#53`, '');
    });

    test('with one that strips signatures: the root is asked, and that is said', async () => {
      await dns.network.useResolvers(ADDRESS.stripping);
      await bothAre('iterating from the root', /198\.51\.100\.11#53 leaves .* out/);
    });

    test('with one that lies: the root is asked', async () => {
      await dns.network.useResolvers(ADDRESS.lying);
      await bothAre('iterating from the root', /198\.51\.100\.12#53/);
    });

    test('with one that is not there: the root is asked', async () => {
      await dns.network.useResolvers(ADDRESS.dead);
      await bothAre('iterating from the root', /198\.51\.100\.99#53/);
    });

    test('with one good among bad ones: only that one is asked', async () => {
      await dns.network.useResolvers(ADDRESS.dead, ADDRESS.stripping, ADDRESS.honest);
      await bothAre(`forwarding to ${ADDRESS.honest}#53`, '');
    });

    test.each([
      ['as it is', () => ''],
      ['by its name', () => `/${DOT_NAME}`],
      ['by its key, as openssl computes it', () => `?pin=sha256-${dns.pin}`],
    ])("Unbound's DNS over TLS is asked where told so, %s", async (_how, identity) => {
      await dns.network.useResolvers(ADDRESS.dead);
      const server = `tls://${ADDRESS.honest}${identity()}`;
      const seen = await resolve('mx.signed.example', 'A', '--resolver', server);
      expect(seen).toMatchObject({ code: 0, status: 'secure', err: '' });
    });
  });

  describe('a network that blocks port 53', () => {
    beforeAll(async () => {
      await dns.network.filter(blocked);
      await dns.network.useResolvers(ADDRESS.honest);
    });

    test('nothing is said of any name but what was tried', async () => {
      await nothingIsSaid(
        /198\.51\.100\.10#53 does not answer.*From the root: it does not answer.*none is configured/,
      );
    });

    test('mail waits, with the same words', async () => {
      const message = 'Subject: test\n\nHello.\n';
      const anchors = ['--trust-anchor', dns.trustAnchorFile, '--root-hints', dns.rootHintsFile];
      const envelope = ['-f', 'me@signed.example', '-t', 'you@unsigned.example'];
      const finished = await danelawIn(
        dns.network.client,
        ['send', '--json', ...anchors, ...envelope],
        [],
        message,
      );
      expect(finished.code).toBe(75);
      expect(jsonOf(finished)).toMatchObject({
        recipients: [{ status: 'deferred', reason: expect.stringContaining('Ways out:') }],
      });
    });

    test.each([
      ['as it is', () => ''],
      ['by its name', () => `/${DOT_NAME}`],
      ['by its key', () => `?pin=sha256-${dns.pin}`],
    ])('DNS over TLS is asked where it is configured, %s', async (_how, identity) => {
      const name = identity().startsWith('/') ? identity() : '';
      const via = `forwarding to tls://${ADDRESS.honest}#853${name}`;
      await bothAre(via, /DNS over TLS to tls:\/\/198\.51\.100\.10#853/, ...overTls(identity()));
    });

    test('DNS over TLS to someone else than configured is refused', async () => {
      await nothingIsSaid(/does not prove that it is other\.example/, ...overTls('/other.example'));
      await nothingIsSaid(/which is not pinned/, ...overTls(`?pin=sha256-${'A'.repeat(43)}=`));
    });
  });

  test('a network that blocks UDP alone: the resolver is asked over TCP', async () => {
    await dns.network.filter({ drop: ['udp dport 53'] });
    await dns.network.useResolvers(ADDRESS.honest);
    await bothAre(`forwarding to ${ADDRESS.honest}#53 over TCP`, '');
  });

  test.each([
    ['strips signatures', ADDRESS.stripping],
    ['lies', ADDRESS.lying],
  ])(
    'a network that leads UDP alone to someone who %s: the resolver is asked over TCP',
    async (_what, captor) => {
      await dns.network.filter({ dnat: [`udp dport 53 dnat to ${captor}`] });
      await dns.network.useResolvers(ADDRESS.honest);
      await bothAre(`forwarding to ${ADDRESS.honest}#53 over TCP`, '');
    },
  );

  describe.each([
    ['strips signatures', ADDRESS.stripping],
    ['lies', ADDRESS.lying],
  ])('a network that leads port 53 to someone who %s', (_what, captor) => {
    beforeAll(async () => {
      await dns.network.filter(interceptedBy(captor));
      await dns.network.useResolvers(ADDRESS.honest);
    });

    test('is never believed', async () => {
      await nothingIsSaid(/198\.51\.100\.10#53/);
    });

    test('is gone around over TLS where that is configured', async () => {
      await bothAre(`forwarding to tls://${ADDRESS.honest}#853`, /DNS over TLS/, ...overTls());
    });

    test('is not believed by one who was told to iterate, nor by one who was told to forward', async () => {
      for (const resolver of ['iterate', ADDRESS.honest]) {
        for (const name of ['mx.signed.example', 'mx.unsigned.example']) {
          const seen = await resolve(name, 'A', '--resolver', resolver);
          expect(seen.code).toBe(75);
          expect(['bogus', 'indeterminate']).toContain(seen.status);
          expect(seen.data).toEqual([]);
        }
      }
    });
  });

  test('a network that leads port 53 to another honest resolver does no harm', async () => {
    await dns.network.filter(interceptedBy(ADDRESS.honest));
    await dns.network.useResolvers(ADDRESS.dead);
    await bothAre(`forwarding to ${ADDRESS.dead}#53`, '');
  });
}
