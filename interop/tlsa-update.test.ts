/**
 * TLSA records published and retired by updates, in zones that BIND and Knot sign: what is carried out, what
 * they refuse, and what is made of that.
 */
import { readFile } from 'node:fs/promises';
import type { TlsaRecord } from '@danelaw/dane';
import {
  createNetworkTransport,
  createResolver,
  formatUpdate,
  Name,
  type NetworkTransport,
  parseTsigKey,
  type Resolver,
  RRTYPE,
  sendUpdate,
  TsigKey,
  type Update,
  type UpdateOutcome,
} from '@danelaw/dns';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  carryOutUpdate,
  planUpdate,
  type UpdateJob,
  type UpdatePath,
} from '../packages/mta/src/tlsa/publish-by-update.js';
import { freePort } from '../packages/mta/test/free-port.js';
import { answers } from './dig.js';
import {
  type DynamicZone,
  type DynamicZoneOptions,
  startBindZone,
  startKnotZone,
  UPDATE_KEY,
} from './dynamic-zone.js';
import { makeFolder, removeFolder } from './folder.js';
import { updatePrograms, withNeighbours } from './neighbours.js';

const ADDRESS = '127.0.0.1';
const SECOND = 1000;

interface Behaviour {
  readonly title: string;
  readonly start: (options: DynamicZoneOptions) => Promise<DynamicZone>;
  /** How it says that the key may not change a name, and that it has not a zone. */
  readonly forbidden: UpdateOutcome;
  readonly elsewhere: UpdateOutcome;
  /** What has to be changed, as people are told. */
  readonly rule: string;
}

const SERVERS: readonly Behaviour[] = [
  {
    title: 'BIND',
    start: startBindZone,
    forbidden: { status: 'refused', rcode: 'REFUSED' },
    elsewhere: { status: 'refused', rcode: 'NOTAUTH' },
    rule: 'update-policy { grant update.key name _25._tcp.other.dynamic.example. TLSA; }',
  },
  {
    title: 'Knot',
    start: startKnotZone,
    forbidden: { status: 'key-refused', error: 'BADKEY', isSigned: false },
    elsewhere: { status: 'unproved', rcode: 'NOTAUTH', reason: 'it is not signed' },
    rule: 'in Knot, no acl lets it update TLSA records of _25._tcp.other.dynamic.example',
  },
];

const record = (octet: number): TlsaRecord => ({
  usage: 3,
  selector: 1,
  matchingType: 1,
  data: new Uint8Array(32).fill(octet),
});
const rdata = ({ data }: TlsaRecord): Uint8Array => Uint8Array.of(3, 1, 1, ...data);

withNeighbours(
  'updates signed with TSIG',
  () => {
    describe.each(SERVERS)('$title', ({ start, forbidden, elsewhere, rule }) => {
      const origin = 'dynamic.example';
      const owner = `_25._tcp.mx.${origin}`;
      let folder: string;
      let zone: DynamicZone;
      let key: TsigKey;
      let transport: NetworkTransport;
      let resolver: Resolver;
      let path: UpdatePath;

      beforeAll(async () => {
        folder = await makeFolder('update');
        zone = await start({
          ...{ origin, address: ADDRESS, port: await freePort(), folder, ttl: 2 },
          records: `mx IN A 127.0.0.2\n_25._tcp.alias IN CNAME _25._tcp.mx`,
          changeable: ['_25._tcp.mx', '_25._tcp.alias'],
        });
        key = parseTsigKey(await readFile(zone.keyFile, 'utf8'));
        transport = createNetworkTransport();
        resolver = createResolver({ upstream: `${ADDRESS}#${zone.port}`, trust: 'ad' });
        path = {
          ...{ resolver, transport, key, port: zone.port, clock: Date.now },
          signal: new AbortController().signal,
        };
      });
      afterAll(async () => {
        await transport?.close();
        await resolver?.close();
        await zone?.stop();
        await removeFolder(folder);
      });

      const update = (name: string, of = origin): Update => ({
        zone: Name.parse(of),
        prerequisites: [{ kind: 'rrset-absent', name: Name.parse(name), type: RRTYPE.CNAME }],
        changes: [
          {
            kind: 'add',
            name: Name.parse(name),
            type: RRTYPE.TLSA,
            ttl: 2,
            rdata: rdata(record(1)),
          },
        ],
      });
      const send = (meant: Update, as = key, clock = Date.now): Promise<UpdateOutcome> =>
        sendUpdate({
          transport,
          server: { address: ADDRESS, port: zone.port },
          key: as,
          update: meant,
          clock,
        });
      const job = (
        action: UpdateJob['action'],
        records: readonly TlsaRecord[],
        keep: readonly TlsaRecord[] = [],
      ): UpdateJob => ({ action, name: owner, ttl: 2, records, keep });
      const done = async (meant: UpdateJob) => {
        const plan = await planUpdate(meant, path);
        return plan.status === 'failed' ? plan : await carryOutUpdate(plan, path);
      };
      /** Last octets of the records; those that the signed zone has, which follows the update. */
      const published = async (count: number): Promise<readonly string[]> => {
        for (;;) {
          const { answer } = await answers({ port: zone.port, name: owner, type: 'TLSA' }, '+dnssec');
          const records = answer.filter((line) => line.includes(' IN TLSA '));
          const isSigned = count === 0 || answer.some((line) => line.includes(' RRSIG TLSA '));
          if (records.length === count && isSigned) return records.map((line) => line.slice(-2)).sort();
        }
      };

      test('publishes, retires, and leaves what is to stay', async () => {
        const [one, two] = [record(0x11), record(0x22)];
        expect(await done(job('publish', [one]))).toEqual({
          status: 'done',
          server: `ns.${origin} [${ADDRESS}#${zone.port}]`,
        });
        expect(await published(1)).toEqual(['11']);
        expect(await done(job('publish', [one, two]))).toMatchObject({ status: 'done' });
        expect(await published(2)).toEqual(['11', '22']);
        expect(await done(job('retire', [one], [two]))).toMatchObject({ status: 'done' });
        expect(await published(1)).toEqual(['22']);
        expect(await done(job('retire', [two], [one]))).toMatchObject({
          kind: 'temporary',
          reason: expect.stringContaining('has not the record that is to stay'),
        });
        expect(await done(job('retire', [two], []))).toMatchObject({ status: 'done' });
        expect(await published(0)).toEqual([]);
      });

      test('says which rule stands in the way of a name that the key may not change', async () => {
        expect(
          await done({ ...job('publish', [record(1)]), name: `_25._tcp.other.${origin}` }),
        ).toMatchObject({
          kind: 'forbidden',
          reason: expect.stringContaining(rule),
        });
      });

      test('changes nothing where somebody else changed the records in the meantime', async () => {
        const [one, two, three] = [record(0x11), record(0x22), record(0x33)];
        await done(job('publish', [one, two]));
        await published(2);
        const plan = await planUpdate(job('retire', [one], [two]), path);
        await done(job('publish', [three]));
        if (plan.status === 'failed') throw new Error(plan.reason);
        expect(formatUpdate(plan.update)).toContain(`update delete ${owner}. IN TLSA 3 1 1 1111`);
        expect(await carryOutUpdate(plan, path)).toMatchObject({
          kind: 'temporary',
          reason: expect.stringContaining('changed in this moment'),
        });
        expect(await published(3)).toEqual(['11', '22', '33']);
        await done(job('retire', [one, two, three]));
      });

      test.each<[string, () => Promise<UpdateOutcome>, () => UpdateOutcome]>([
        [
          'a name that the key may not change',
          () => send(update(`_25._tcp.other.${origin}`)),
          () => forbidden,
        ],
        [
          'a zone that is elsewhere',
          () => send(update('_25._tcp.mx.elsewhere.example', 'elsewhere.example')),
          () => elsewhere,
        ],
        [
          'a record beside an alias (RFC 2136 section 3.4.2.2)',
          () => send(update(`_25._tcp.alias.${origin}`)),
          () => ({ status: 'refused', rcode: 'YXRRSET' }),
        ],
        [
          'another secret (RFC 8945 section 5.2.2)',
          () => send(update(owner), new TsigKey(key.name, key.algorithm, new Uint8Array(64).fill(1))),
          () => ({ status: 'key-refused', error: 'BADSIG', isSigned: false }),
        ],
        [
          'another key (RFC 8945 section 5.2.1)',
          () => send(update(owner), new TsigKey(Name.parse('who.key'), key.algorithm, new Uint8Array(64))),
          () => ({ status: 'key-refused', error: 'BADKEY', isSigned: false }),
        ],
        [
          'another algorithm',
          () => send(update(owner), new TsigKey(Name.parse(UPDATE_KEY), 'hmac-sha384', new Uint8Array(64))),
          () => ({ status: 'key-refused', error: 'BADKEY', isSigned: false }),
        ],
        [
          'a clock that is behind (RFC 8945 section 5.2.3)',
          () => send(update(owner), key, () => Date.now() - 1000 * SECOND),
          () => ({ status: 'clock', ahead: expect.closeTo(1000, -1), isRejected: true, isSigned: true }),
        ],
        [
          'a clock that is ahead',
          () => send(update(owner), key, () => Date.now() + 1000 * SECOND),
          () => ({ status: 'clock', ahead: expect.closeTo(-1000, -1), isRejected: true, isSigned: true }),
        ],
      ])('refuses %s, and changes nothing', async (_what, refused, outcome) => {
        expect(await refused()).toEqual(outcome());
        expect(await published(0)).toEqual([]);
      });
    });
  },
  updatePrograms,
);
