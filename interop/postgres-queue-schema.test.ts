/** The schema of the queue in PostgreSQL: made, upgraded under running nodes, and what a claim in it costs. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { openPostgresQueue } from '../packages/mta/src/queue/postgres/postgres-queue.js';
import { MIGRATIONS, type Migration } from '../packages/mta/src/queue/postgres/schema.js';
import { type Queue, QueueUnusableError } from '../packages/mta/src/queue/queue.js';
import { allDone, message, NOW, only, request } from '../packages/mta/src/queue/suite.js';
import { makeFolder, removeFolder } from './folder.js';
import { withNeighbours } from './neighbours.js';
import { type Postgres, postgresPrograms, startPostgres } from './postgres.js';

const OURS = MIGRATIONS.at(-1)?.version ?? 0;
/** As the next version will do it: what it needs is added, and what this version uses is left in place. */
const EXPANDED: Migration = {
  version: OURS + 1,
  oldestCompatible: OURS,
  sql: `alter table message add column priority integer;
    alter table work add column priority integer not null default 0`,
};
const CONTRACTED: Migration = {
  version: OURS + 2,
  oldestCompatible: OURS + 1,
  sql: 'alter table message drop column sender',
};

withNeighbours(
  'The schema of the queue in PostgreSQL',
  () => {
    let folder: string;
    let server: Postgres;
    let schema: string;
    let schemas = 0;
    let opened: Queue[];

    beforeAll(async () => {
      folder = await makeFolder('postgres');
      server = await startPostgres({ folder });
    });
    afterAll(async () => {
      await server?.stop('immediate');
      await removeFolder(folder);
    });
    beforeEach(() => {
      schema = `schema_${++schemas}`;
      opened = [];
    });
    afterEach(async () => {
      await Promise.all(opened.map((queue) => queue.close()));
      await server.query(`drop schema if exists ${schema} cascade`);
    });

    const open = async (migrations: readonly Migration[] = MIGRATIONS) => {
      const queue = await openPostgresQueue({ url: server.url, schema }, migrations);
      opened.push(queue);
      return queue;
    };
    const version = async () =>
      only(await server.query(`select version, oldest_compatible from ${schema}.danelaw_schema`));

    test('is made once by nodes that start together', async () => {
      const nodes = await Promise.all(Array.from({ length: 5 }, () => open()));
      expect(await version()).toEqual({
        version: OURS,
        oldest_compatible: MIGRATIONS.at(-1)?.oldestCompatible,
      });
      for (const node of nodes) await node.add(message(['a@one.example']));
    });

    test('leaves the rest of the database alone', async () => {
      await open();
      const elsewhere = await server.query(
        `select relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
          where nspname not in ('pg_catalog', 'information_schema', 'pg_toast', $1)`,
        [schema],
      );
      expect(elsewhere).toEqual([]);
    });

    test('is upgraded under a running node of the version before, and both go on', async () => {
      const older = await open();
      const before = message(['a@one.example']);
      await older.add(before);
      const newer = await open([...MIGRATIONS, EXPANDED]);
      expect(await version()).toEqual({ version: OURS + 1, oldest_compatible: OURS });
      expect(await newer.read(before.id)).toBeDefined();
      // The older one also starts on what the newer one made.
      const another = await open();
      expect(await version()).toMatchObject({ version: OURS + 1 });
      for (const node of [older, newer, another]) {
        const added = message([`a@${node === older}.example`]);
        await node.add(added);
      }
      for (const node of [older, newer, another]) {
        const claim = only((await node.claim(request({ max: 1 }))).claims);
        expect(await node.settle(claim, { recipients: allDone(claim), followUps: [] })).toEqual({
          status: 'settled',
        });
      }
    });

    test('of a version that has taken away what we use is refused, and a running node stops', async () => {
      const older = await open();
      await older.add(message(['a@one.example']));
      const newest = await open([...MIGRATIONS, EXPANDED, CONTRACTED]);
      await expect(open()).rejects.toThrow(/newer danelaw/u);
      await expect(open()).rejects.toThrow(QueueUnusableError);
      await expect(older.add(message(['a@one.example']))).rejects.toThrow(QueueUnusableError);
      await expect(older.claim(request())).rejects.toThrow(/newer danelaw/u);
      expect(await newest.counts()).toMatchObject({ messages: 1 });
    });

    test('is as it was where an upgrade fails', async () => {
      await (await open()).add(message(['a@one.example']));
      const broken: Migration = { ...EXPANDED, sql: `${EXPANDED.sql}; select 1 / 0` };
      await expect(open([...MIGRATIONS, broken])).rejects.toThrow(/division by zero/u);
      expect(await version()).toMatchObject({ version: OURS });
      expect(await (await open([...MIGRATIONS, EXPANDED])).counts()).toMatchObject({ messages: 1 });
    });

    test('keeps nothing of destinations that are done with, and of nodes that are gone', async () => {
      const queue = await open();
      await queue.add(message(['a@done.example', 'a@open.example']));
      await queue.setDestination('known.example', {
        destination: 'known.example',
        notBefore: NOW,
        failures: 1,
        reason: 'Connection refused.',
      });
      const claims = (await queue.claim(request())).claims;
      const claim = claims.find(({ destination }) => destination === 'done.example');
      if (claim === undefined) throw new Error('a claim was expected');
      await queue.settle(claim, { recipients: allDone(claim), followUps: [] });
      await server.query(`set search_path = ${schema};
        insert into slot (host, leased_until) values ('mx.example', clock_timestamp() - interval '1 second');
        insert into writer values ('of a node that is gone', 1, clock_timestamp() - interval '2 days')`);
      // Each node sweeps when it starts, and every minute; closing waits for that.
      await (await open()).close();
      const names = await server.query(`select name from ${schema}.destination order by name`);
      expect(names).toEqual([{ name: 'known.example' }, { name: 'open.example' }]);
      expect(await server.query(`select from ${schema}.slot`)).toEqual([]);
      expect(await server.query(`select from ${schema}.writer where id like 'of a node%'`)).toEqual([]);
    });

    describe('with many recipients', () => {
      const MANY = 50_000;
      /** Rows that one pass may read, whatever is in the queue: some for each claim. */
      const FEW = 2_000;
      const columns = ['seq_tup_read', 'idx_tup_fetch'] as const;

      test.each([
        ['waits', 3_600_000, 'insert into destination (name, next_due) select destination, min(due)'],
        ['is ready', 0, `insert into destination (name, turn) select destination, nextval('turn')`],
      ])('costs what is claimed, not what %s', async (_, later, insertion) => {
        await (await open()).close();
        const envelope = JSON.stringify(message(['a@b']).envelope);
        // Half of all is one destination's, and the others have one each.
        await server.query(`set search_path = ${schema};
          insert into message
            select 'm' || i, ${NOW}, 100, 'a@b', '${envelope}' from generate_series(1, ${MANY}) i;
          insert into recipient (message, destination, place, address, named, held, due, attempts, warned)
            select 'm' || i, case when i % 2 = 0 then 'big.example' else 'd' || i || '.example' end, 0, 'x@y',
              '{"address":"x@y"}', false, ${NOW} + (i % 2) * ${later}, 0, false
            from generate_series(1, ${MANY}) i;
          insert into work (message, destination, due) select message, destination, due from recipient;
          ${insertion} from work group by 1`);
        const read = async () => {
          const [row] = await server.query<Record<(typeof columns)[number], string>>(
            `select sum(seq_tup_read) as seq_tup_read, sum(coalesce(idx_tup_fetch, 0)) as idx_tup_fetch
              from pg_stat_user_tables where schemaname = $1 and relname <> 'danelaw_schema'`,
            [schema],
          );
          return columns.reduce((sum, column) => sum + Number(row?.[column]), 0);
        };
        for (const statistics of ['without statistics', 'with statistics']) {
          if (statistics === 'with statistics') await server.query(`set search_path = ${schema}; analyze`);
          const before = await read();
          const queue = await open();
          for (let i = 0; i < 5; i++) {
            const { claims } = await queue.claim(request({ max: 10, limitOf: () => 20 }));
            expect(claims).toHaveLength(10);
            await Promise.all(
              claims.map((claim) => queue.settle(claim, { recipients: allDone(claim), followUps: [] })),
            );
            await queue.add(message(['a@big.example']));
          }
          // What sessions did is counted when they end, at the latest.
          await queue.close();
          for (let sessions = 1; sessions > 0; ) {
            const rows = await server.query(
              "select from pg_stat_activity where application_name = 'danelaw'",
            );
            sessions = rows.length;
          }
          const after = await read();
          expect(after).toBeGreaterThan(before);
          expect(after - before, statistics).toBeLessThan(FEW);
        }
      });
    });
  },
  postgresPrograms,
);
