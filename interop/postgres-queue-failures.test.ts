/** A queue in PostgreSQL when the database fails: commits cut in two, restarts, no room, no right. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  openPostgresQueue,
  type PostgresQueueOptions,
} from '../packages/mta/src/queue/postgres/postgres-queue.js';
import {
  BodyLostError,
  type Claim,
  type NewMessage,
  type Queue,
  QueueFullError,
  QueueUnavailableError,
  QueueUnusableError,
} from '../packages/mta/src/queue/queue.js';
import { allDone, collect, lastTry, message, NOW, only, request } from '../packages/mta/src/queue/suite.js';
import { type Cut, type CuttingProxy, startCuttingProxy } from './cutting-proxy.js';
import { makeFolder, removeFolder } from './folder.js';
import { withNeighbours } from './neighbours.js';
import { type Postgres, postgresPrograms, startPostgres } from './postgres.js';

const PASSWORD = 'a secret, with % and @';
const CUTS: Cut[] = ['before the server heard of the commit', 'before the client heard of it'];
/** For this clock the 20 seconds of patience are 20 milliseconds. */
const hasty = () => performance.now() * 1000;

withNeighbours(
  'A queue in PostgreSQL, when the database fails',
  () => {
    let folder: string;
    let server: Postgres;
    let schema: string;
    let schemas = 0;
    let opened: Queue[];

    const open = async (options: Partial<PostgresQueueOptions> = {}) => {
      const queue = await openPostgresQueue({ url: server.url, schema, ...options });
      opened.push(queue);
      return queue;
    };
    const settleAll = (queue: Queue, claim: Claim, followUps: NewMessage[] = []) =>
      queue.settle(claim, { recipients: allDone(claim), followUps });

    beforeAll(async () => {
      folder = await makeFolder('postgres');
      server = await startPostgres({ folder });
      await server.query(`create role danelaw login superuser password '${PASSWORD}'`);
    });
    afterAll(async () => {
      await server?.stop('immediate');
      await removeFolder(folder);
    });
    beforeEach(() => {
      schema = `failures_${++schemas}`;
      opened = [];
    });
    afterEach(async () => {
      await Promise.all(opened.map((queue) => queue.close()));
      await server.query(`drop schema if exists ${schema} cascade`);
    });

    describe.each(CUTS)('a connection that is lost %s', (cut) => {
      let proxy: CuttingProxy;
      let queue: Queue;

      beforeEach(async () => {
        proxy = await startCuttingProxy(server.port);
        queue = await open({ url: server.urlOf('danelaw', PASSWORD).replace(/:\d+\//u, `:${proxy.port}/`) });
      });
      afterEach(async () => {
        await queue.close();
        await proxy.close();
      });

      test('neither loses nor doubles what is added', async () => {
        proxy.arm(cut);
        const added = [message(['a@one.example']), message(['a@two.example'])];
        await Promise.all(added.map((one) => queue.add(one)));
        expect(proxy.cuts).toBe(1);
        expect(await queue.counts()).toMatchObject({ messages: 2, recipients: 2 });
      });

      test('leaves no doubt about a settlement', async () => {
        await queue.add(message(['a@one.example']));
        const claim = only((await queue.claim(request())).claims);
        proxy.arm(cut);
        const bounce = message(['sender@origin.example']);
        expect(await settleAll(queue, claim, [bounce])).toEqual({ status: 'settled' });
        expect(proxy.cuts).toBe(1);
        expect((await collect(queue.list({}))).map(({ id }) => id)).toEqual([bounce.id]);
      });

      test('leaves no claim that nobody knows of', async () => {
        await queue.add(message(['a@one.example']));
        proxy.arm(cut);
        const claim = only((await queue.claim(request())).claims);
        expect(proxy.cuts).toBe(1);
        expect(await settleAll(queue, claim)).toEqual({ status: 'settled' });
      });

      test('changes what an administrator asked for once', async () => {
        await queue.add(message(['a@one.example', 'b@two.example']));
        proxy.arm(cut);
        expect(await queue.change({}, 'hold', NOW)).toBe(2);
        expect(proxy.cuts).toBe(1);
        expect(await queue.counts()).toMatchObject({ held: 2 });
      });
    });

    test('a node that stands still in a transaction does not hold the others up for ever', async () => {
      const proxy = await startCuttingProxy(server.port);
      const slow = await open({
        url: server.urlOf('danelaw', PASSWORD).replace(/:\d+\//u, `:${proxy.port}/`),
      });
      const other = await open();
      await slow.add(message(['a@one.example']));
      const claim = only((await slow.claim(request())).claims);
      proxy.arm('not at all: it stands still');
      const settling = settleAll(slow, claim);
      while (proxy.cuts === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      // It waits for a row that the other has locked, until the server ends the idle session.
      expect(await other.change({}, 'hold', NOW)).toBe(1);
      expect(await settling).toEqual({ status: 'settled' });
      await slow.close();
      await proxy.close();
    });

    test('a network that swallows everything does not keep the queue from closing', async () => {
      const proxy = await startCuttingProxy(server.port);
      const url = server.urlOf('danelaw', PASSWORD).replace(/:\d+\//u, `:${proxy.port}/`);
      const queue = await open({ url });
      await queue.add(message(['a@one.example']));
      proxy.freeze();
      const failed = [
        queue.add(message(['a@one.example'])),
        queue.body(message(['a@one.example']).id),
        queue.counts(),
      ].map((asked) => expect(asked).rejects.toThrow(QueueUnavailableError));
      const claiming = queue.claim(request());
      const began = performance.now();
      await queue.close();
      expect(performance.now() - began).toBeLessThan(25_000);
      await Promise.all(failed);
      expect(await claiming).toEqual({ claims: [], nextDue: undefined });
      await proxy.close();
    });

    test('what is added is acknowledged when the standby has it, where there has to be one', async () => {
      const queue = await open();
      const set = async (standbys: string) => {
        await server.query(`alter system set synchronous_standby_names = '${standbys}'`);
        await server.query('select pg_reload_conf()');
      };
      await set('nobody');
      try {
        let acknowledged = false;
        const adding = queue.add(message(['a@one.example'])).then(() => {
          acknowledged = true;
        });
        for (let waiting = 0; waiting === 0; ) {
          const rows = await server.query("select from pg_stat_activity where wait_event = 'SyncRep'");
          waiting = rows.length;
        }
        expect(acknowledged).toBe(false);
        await set('');
        await adding;
      } finally {
        await set('');
      }
    });

    test('a crash of the database under load loses nothing that was acknowledged', async () => {
      const queue = await open();
      const total = 400;
      const acknowledged = new Set<string>();
      const delivered: string[] = [];
      const bring = async () => {
        while (acknowledged.size < total) {
          const added = message([`a@${acknowledged.size % 3}.example`]);
          await queue.add(added);
          acknowledged.add(added.id);
        }
      };
      const deliver = async () => {
        while (delivered.length < acknowledged.size || acknowledged.size < total) {
          const { claims } = await queue.claim(request({ max: 5 }));
          await Promise.all(
            claims.map(async (claim) => {
              const { status } = await settleAll(queue, claim);
              if (status === 'settled') delivered.push(claim.id);
            }),
          );
        }
      };
      const crash = async () => {
        for (const at of [100, 250]) {
          while (acknowledged.size < at) await new Promise((resolve) => setTimeout(resolve, 5));
          await server.stop('immediate');
          await server.start();
        }
      };
      await Promise.all([bring(), bring(), bring(), bring(), deliver(), crash()]);
      expect(new Set(delivered).size).toBe(delivered.length);
      for (const id of acknowledged) expect(delivered).toContain(id);
      expect(await queue.counts()).toMatchObject({ messages: 0, recipients: 0 });
    });

    describe('a database that is away', () => {
      afterEach(async () => {
        await server.start();
      });

      test('puts off what is added, after a time, and keeps nothing of it', async () => {
        const queue = await open({ monotonic: hasty });
        await server.stop('fast');
        await expect(queue.add(message(['a@one.example']))).rejects.toThrow(QueueUnavailableError);
        await expect(queue.counts()).rejects.toThrow(QueueUnavailableError);
        await expect(queue.body(message(['a@one.example']).id)).rejects.toThrow(QueueUnavailableError);
      });

      test('is waited for by a settlement until the lease ends', async () => {
        const queue = await open({ monotonic: hasty });
        await queue.add(message(['a@one.example']));
        const claim = only((await queue.claim(request({ lease: 100_000 }))).claims);
        await server.stop('fast');
        await expect(settleAll(queue, claim)).rejects.toThrow(QueueUnavailableError);
      });

      test('is waited for by a claim for as long as it takes, and by one who closes not at all', async () => {
        const queue = await open({ monotonic: hasty });
        await server.stop('fast');
        let answered = false;
        const claiming = queue.claim(request()).finally(() => {
          answered = true;
        });
        await expect(queue.counts()).rejects.toThrow(QueueUnavailableError);
        expect(answered).toBe(false);
        await queue.close();
        expect(await claiming).toEqual({ claims: [], nextDue: undefined });
      });

      test('cannot be opened', async () => {
        await server.stop('fast');
        await expect(open({ monotonic: hasty })).rejects.toThrow(QueueUnavailableError);
      });
    });

    test('a claim goes on when the database is back', async () => {
      const queue = await open();
      const added = message(['a@one.example']);
      await queue.add(added);
      await server.stop('fast');
      const claiming = queue.claim(request());
      await server.start();
      const { claims } = await claiming;
      expect(only(claims).id).toBe(added.id);
    });

    test('no room for one message is said to its sender, and the queue goes on', async () => {
      const queue = await open();
      await server.query(`set search_path = ${schema};
        create function refuse() returns trigger language plpgsql as
          $$ begin raise exception 'No space left on device' using errcode = 'disk_full'; end $$;
        create trigger no_room before insert on body execute function refuse()`);
      await expect(queue.add(message(['a@one.example']))).rejects.toThrow(QueueFullError);
      expect(await queue.counts()).toMatchObject({ messages: 0, recipients: 0 });
      await server.query(`drop trigger no_room on ${schema}.body`);
      await queue.add(message(['a@one.example']));
    });

    test('no room that shows only at the commit is the same', async () => {
      const queue = await open();
      await server.query(`set search_path = ${schema};
        create function refuse() returns trigger language plpgsql as
          $$ begin raise exception 'No space left on device' using errcode = 'disk_full'; end $$;
        create constraint trigger no_room after insert on body deferrable initially deferred
          for each row execute function refuse()`);
      await expect(queue.add(message(['a@one.example']))).rejects.toThrow(QueueFullError);
      expect(await queue.counts()).toMatchObject({ messages: 0, recipients: 0 });
      await server.query(`drop trigger no_room on ${schema}.body`);
      await queue.add(message(['a@one.example']));
    });

    test('no room for a bounce leaves the claim as it was', async () => {
      const queue = await open();
      await queue.add(message(['a@one.example']));
      const claim = only((await queue.claim(request())).claims);
      await server.query(`set search_path = ${schema};
        create function refuse() returns trigger language plpgsql as
          $$ begin raise exception 'No space left on device' using errcode = 'disk_full'; end $$;
        create trigger no_room before insert on body execute function refuse()`);
      const bounce = message(['sender@origin.example']);
      await expect(settleAll(queue, claim, [bounce])).rejects.toThrow(QueueFullError);
      await server.query(`drop trigger no_room on ${schema}.body`);
      expect(await settleAll(queue, claim, [bounce])).toEqual({ status: 'settled' });
    });

    test('one message that the database refuses does not fail the others of its batch', async () => {
      const queue = await open();
      const good = Array.from({ length: 20 }, () => message(['a@one.example']));
      const bad = message([{ address: 'a@one.example', destination: 'one\0.example' }]);
      const results = await Promise.allSettled(
        [...good, bad, ...good.slice(0, 1)].map((one) => queue.add(one)),
      );
      expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(good.length);
      expect(await queue.counts()).toMatchObject({ messages: good.length });
    });

    test('what a remote server wrote is kept, also what no text of the database can have', async () => {
      const queue = await open();
      await queue.add(message(['a@one.example']));
      const claim = only((await queue.claim(request())).claims);
      const last = { ...lastTry('Said \0 and \ud800.'), reply: '451 \0\ud800 "\\' };
      await queue.settle(claim, {
        recipients: [{ index: 0, outcome: 'again', due: NOW, warned: false, last }],
        followUps: [],
      });
      expect((await queue.read(claim.id))?.recipients[0]?.state.last).toEqual(last);
      expect(await collect(queue.list({ reason: 'said' }))).toHaveLength(1);
    });

    test.each([
      ['changed', `update SCHEMA.body set octets = octets || 'x'`],
      ['gone', 'delete from SCHEMA.body'],
    ])('a body that is %s is not delivered', async (_, statement) => {
      const queue = await open();
      const added = message(['a@one.example']);
      await queue.add(added);
      await server.query(statement.replace('SCHEMA', schema));
      await expect(queue.body(added.id)).rejects.toThrow(BodyLostError);
    });

    describe('is not opened', () => {
      const refusal = async (options: Partial<PostgresQueueOptions>) => {
        const error: unknown = await open(options).then(
          () => undefined,
          (reason: unknown) => reason,
        );
        expect(error).toBeInstanceOf(QueueUnusableError);
        const text = error instanceof Error ? `${error.message}\n${error.stack}` : '';
        expect(text).not.toContain(PASSWORD);
        expect(text).not.toContain('secret');
        return text;
      };

      test('with a wrong password', async () => {
        const url = server.urlOf('danelaw', 'not the secret');
        expect(await refusal({ url })).toMatch(/password authentication failed/u);
      });

      test('without a password, where the server wants one', async () => {
        const url = server.urlOf('danelaw', '').replace(':@', '@');
        expect(await refusal({ url })).toMatch(/password/u);
      });

      test('over TLS with a server that has none', async () => {
        const url = `${server.urlOf('danelaw', PASSWORD)}?sslmode=verify-full`;
        expect(await refusal({ url })).toMatch(/SSL/u);
      });

      test('where the database is none', async () => {
        const url = server.urlOf('danelaw', PASSWORD, 'nowhere');
        expect(await refusal({ url })).toMatch(/nowhere/u);
      });

      test('by one who may not make its schema', async () => {
        await server.query(`create role guest login password '${PASSWORD}'`);
        expect(await refusal({ url: server.urlOf('guest', PASSWORD) })).toMatch(/permission denied/u);
      });

      test('by one who may not use its tables', async () => {
        await open();
        await server.query(`create role reader login password '${PASSWORD}'`);
        const url = server.urlOf('reader', PASSWORD);
        expect(await refusal({ url })).toMatch(/"reader" may not use the schema/u);
        await server.query(`grant usage on schema ${schema} to reader`);
        expect(await refusal({ url })).toMatch(/permission denied/u);
      });

      test('in a database of another encoding', async () => {
        await server.query(`create database latin encoding 'LATIN1' locale 'C' template template0`);
        const url = server.url.replace('/postgres?', '/latin?');
        expect(await refusal({ url })).toMatch(/LATIN1.*UTF8/u);
      });

      test.each([
        ['an address that is none', { url: `postgresql://danelaw:${PASSWORD}@[nowhere/` }, /no URL/u],
        ['an address with a broken password', { url: 'postgresql://danelaw:%zz@localhost/' }, /no URL/u],
        ['an address of something else', { url: 'mysql://localhost/' }, /postgresql:/u],
        ['a schema that has to be quoted', { schema: 'x"; drop table message' }, /schema/u],
        ['too few connections', { connections: 3 }, /connections/u],
        ['a password file that is not there', { passwordFile: '/nowhere/password' }, /ENOENT/u],
      ])('with %s', async (_, options, expected) => {
        const url = server.urlOf('danelaw', '').replace(':@', '@');
        expect(await refusal({ url, ...options })).toMatch(expected);
      });
    });

    test('takes the password from a file', async () => {
      const passwordFile = join(folder, 'password');
      await writeFile(passwordFile, `${PASSWORD}\n`);
      const url = server.urlOf('danelaw', '').replace(':@', '@');
      const queue = await open({ url, passwordFile });
      await queue.add(message(['a@one.example']));
    });
  },
  postgresPrograms,
);

withNeighbours(
  'A PostgreSQL that is not set up for a queue',
  () => {
    let folder: string;
    let server: Postgres;

    beforeEach(async () => {
      folder = await makeFolder('postgres');
    });
    afterEach(async () => {
      await server?.stop('immediate');
      await removeFolder(folder);
    });

    test('is warned about where it does not flush', async () => {
      server = await startPostgres({ folder, settings: { fsync: 'off', full_page_writes: 'off' } });
      const warnings: string[] = [];
      const queue = await openPostgresQueue({ url: server.url, onWarning: (text) => warnings.push(text) });
      await queue.close();
      expect(warnings).toEqual([
        expect.stringContaining('fsync = off'),
        expect.stringContaining('full_page_writes = off'),
      ]);
    });

    test('flushes for the queue whatever its own setting says', async () => {
      server = await startPostgres({ folder, settings: { synchronous_commit: 'off' } });
      const warnings: string[] = [];
      const queue = await openPostgresQueue({ url: server.url, onWarning: (text) => warnings.push(text) });
      await queue.add(message(['a@one.example']));
      await queue.close();
      expect(warnings).toEqual([]);
    });

    test('is refused as a standby, also by a queue that was opened before', async () => {
      server = await startPostgres({ folder });
      const queue = await openPostgresQueue({ url: server.url });
      await server.stop('fast');
      await writeFile(join(folder, 'data', 'standby.signal'), '');
      await server.start();
      await expect(openPostgresQueue({ url: server.url })).rejects.toThrow(/standby/u);
      await expect(queue.add(message(['a@one.example']))).rejects.toThrow(QueueUnusableError);
      await queue.close();
    });
  },
  postgresPrograms,
);
