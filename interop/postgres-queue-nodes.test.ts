/** Several nodes that share a queue in PostgreSQL: limits, leases, fences, and a node that stops or dies. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { openPostgresQueue } from '../packages/mta/src/queue/postgres/postgres-queue.js';
import type { Claim, Queue } from '../packages/mta/src/queue/queue.js';
import { again, allDone, message, NOW, only, request } from '../packages/mta/src/queue/suite.js';
import { makeFolder, removeFolder } from './folder.js';
import { withNeighbours } from './neighbours.js';
import { type Postgres, postgresPrograms, startPostgres } from './postgres.js';

const HOUR = 3_600_000;
const NODES = 3;
const NODE_PROGRAM = fileURLToPath(new URL('queue-node.js', import.meta.url));

withNeighbours(
  'Nodes that share a queue in PostgreSQL',
  () => {
    let folder: string;
    let server: Postgres;
    let schema: string;
    let schemas = 0;
    let nodes: Queue[];
    let first: Queue;
    let second: Queue;

    beforeAll(async () => {
      folder = await makeFolder('postgres');
      server = await startPostgres({ folder });
    });
    afterAll(async () => {
      await server?.stop('immediate');
      await removeFolder(folder);
    });
    beforeEach(async () => {
      schema = `nodes_${++schemas}`;
      // They start together, and make the schema together.
      nodes = await Promise.all(
        Array.from({ length: NODES }, () => openPostgresQueue({ url: server.url, schema })),
      );
      const [one, two] = nodes;
      if (one === undefined || two === undefined) throw new Error('there are two nodes');
      [first, second] = [one, two];
    });
    afterEach(async () => {
      await Promise.all(nodes.map((node) => node.close()));
      await server.query(`drop schema ${schema} cascade`);
    });

    const settleAll = (queue: Queue, claim: Claim) =>
      queue.settle(claim, { recipients: allDone(claim), followUps: [] });

    /** Claims until there is something: leases end by the database's clock. */
    const claimEventually = async (queue: Queue): Promise<Claim> => {
      for (;;) {
        const { claims } = await queue.claim(request());
        if (claims.length > 0) return only(claims);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    };

    test('claim no work twice, and never more of a destination than its limit', async () => {
      for (let i = 0; i < 40; i++) await first.add(message([`a@${i % 2}.example`]));
      const batches = await Promise.all(
        Array.from({ length: 12 }, (_, i) => nodes[i % NODES]?.claim(request({ max: 3, limitOf: () => 7 }))),
      );
      const claims = batches.flatMap((batch) => batch?.claims ?? []);
      // Where two looked at the same moment, one may have got nothing: asked again, the rest is there.
      claims.push(...(await first.claim(request({ limitOf: () => 7 }))).claims);
      expect(new Set(claims.map(({ id }) => id)).size).toBe(claims.length);
      for (const destination of ['0.example', '1.example']) {
        expect(claims.filter((claim) => claim.destination === destination)).toHaveLength(7);
      }
    });

    test('let destinations take turns, from claim to claim and from node to node', async () => {
      for (let i = 0; i < 6; i++) await first.add(message(['a@busy.example']));
      for (let i = 0; i < 3; i++) await first.add(message(['a@one.example']));
      await first.add(message(['a@two.example']));
      const served: string[] = [];
      for (let i = 0; i < 10; i++) {
        const claim = only((await nodes[i % NODES]?.claim(request({ max: 1 })))?.claims ?? []);
        served.push(claim.destination.split('.', 1)[0] ?? '');
      }
      expect(served.slice(0, 3).sort()).toEqual(['busy', 'one', 'two']);
      expect(served.slice(3, 7).sort()).toEqual(['busy', 'busy', 'one', 'one']);
      expect(served.slice(7)).toEqual(['busy', 'busy', 'busy']);
    });

    test('are not kept from a destination by one that is at its limit, nor for longer than that', async () => {
      const limitOf = (destination: string) => (destination === 'full.example' ? 1 : 5);
      for (let i = 0; i < 30; i++) await first.add(message(['a@full.example']));
      const held = only((await first.claim(request({ limitOf }))).claims);
      for (let i = 0; i < 3; i++) {
        await second.add(message([`a@${i}.example`]));
        expect(only((await second.claim(request({ limitOf, max: 1 }))).claims).destination).toBe(
          `${i}.example`,
        );
      }
      await settleAll(first, held);
      expect(only((await second.claim(request({ limitOf }))).claims).destination).toBe('full.example');
    });

    test('take notice of a limit that was raised without a settlement', async () => {
      for (let i = 0; i < 3; i++) await first.add(message(['a@one.example']));
      expect((await first.claim(request({ limitOf: () => 1 }))).claims).toHaveLength(1);
      expect((await first.claim(request({ limitOf: () => 1 }))).claims).toHaveLength(0);
      // A destination at its limit is looked at again after a while, whatever happens.
      const later = await second.claim(request({ limitOf: () => 3, now: NOW + 5_000 }));
      expect(later.claims).toHaveLength(2);
    });

    test('hear of work that another node brings, and of room that it makes', async () => {
      const woken = (act: () => Promise<unknown>) =>
        new Promise<void>((resolve, reject) => {
          const stop = second.onWork(() => {
            stop();
            resolve();
          });
          act().catch(reject);
        });
      // The first call says that the connection stands.
      await woken(() => first.add(message(['a@one.example'])));
      await woken(() => first.add(message(['a@two.example'])));
      await first.add(message(['b@two.example']));
      const one = (await first.claim(request({ limitOf: () => 1 }))).claims.find(
        ({ destination }) => destination === 'two.example',
      );
      if (one === undefined) throw new Error('a claim was expected');
      expect((await second.claim(request({ limitOf: () => 1 }))).claims).toEqual([]);
      await woken(() => settleAll(first, one));
      expect(only((await second.claim(request({ limitOf: () => 1 }))).claims).destination).toBe(
        'two.example',
      );
    });

    test('hear of work again after the connection that listens was lost', async () => {
      let calls = 0;
      second.onWork(() => calls++);
      const until = async (enough: () => boolean) => {
        while (!enough()) await new Promise((resolve) => setTimeout(resolve, 10));
      };
      await first.add(message(['a@one.example']));
      await until(() => calls > 0);
      await server.query(
        `select pg_terminate_backend(pid) from pg_stat_activity
          where query ilike 'listen%' or query = 'select 1'`,
      );
      const before = calls;
      // Being connected again counts as a call: something may have been missed.
      await until(() => calls > before);
    });

    test('take over what a lease ran out of, and the old claim settles nothing', async () => {
      await first.add(message(['a@one.example']));
      const old = only((await first.claim(request({ lease: 1 }))).claims);
      expect(old.leaseUntil).toBe(NOW + 1);
      const taken = await claimEventually(second);
      expect(taken.fence).toBeGreaterThan(old.fence);
      expect([...(await first.renew([old], NOW, HOUR)).keys()]).toEqual([]);
      expect(await settleAll(first, old)).toMatchObject({ status: 'lost' });
      expect(await settleAll(second, taken)).toEqual({ status: 'settled' });
    });

    test('settle late what nobody else has claimed', async () => {
      await first.add(message(['a@one.example']));
      const late = only((await first.claim(request({ lease: 1 }))).claims);
      // A claim that takes the lease back, and may not have the work.
      for (let limit = 1; limit > 0; ) {
        const { claims, nextDue } = await second.claim(request({ limitOf: () => 0 }));
        expect(claims).toEqual([]);
        const [row] = await server.query<{ leased: string }>(
          `select count(*) as leased from ${schema}.work where leased_until is not null`,
        );
        limit = Number(row?.leased);
        expect(nextDue).toBeUndefined();
      }
      expect(await settleAll(first, late)).toEqual({ status: 'settled' });
      expect(await first.counts()).toMatchObject({ messages: 0 });
    });

    test('keep a claim whatever another node takes the time to be', async () => {
      await first.add(message(['a@one.example']));
      const claim = only((await first.claim(request({ lease: HOUR }))).claims);
      expect((await second.claim(request({ now: NOW + 24 * HOUR }))).claims).toEqual([]);
      expect(await settleAll(first, claim)).toEqual({ status: 'settled' });
    });

    test('remove a message whose last two recipients are settled at the same time', async () => {
      for (let i = 0; i < 20; i++) {
        await first.add(message(['a@one.example', 'a@two.example']));
        const [one, two] = (await first.claim(request())).claims;
        if (one === undefined || two === undefined) throw new Error('two claims were expected');
        await Promise.all([settleAll(first, one), settleAll(second, two)]);
        expect(await first.counts()).toMatchObject({ messages: 0, recipients: 0 });
      }
      const [bodies] = await server.query<{ n: string }>(`select count(*) as n from ${schema}.body`);
      expect(Number(bodies?.n)).toBe(0);
    });

    test('share the connections to a host, and get back those of a node that is gone', async () => {
      const mine = await first.takeSlot('mx.example', 1, NOW, HOUR);
      expect(mine).toBeDefined();
      expect(await second.takeSlot('mx.example', 1, NOW, HOUR)).toBeUndefined();
      // As if it had died: nobody renews what stands in the table.
      await server.query(`update ${schema}.slot set leased_until = clock_timestamp()`);
      const theirs = await second.takeSlot('mx.example', 1, NOW, HOUR);
      expect(theirs).toBeDefined();
      await second.close();
      expect(await first.takeSlot('mx.example', 1, NOW, HOUR)).toBeDefined();
    });

    test('hold a slot for longer than its lease', async () => {
      const lease = 200;
      expect(await first.takeSlot('mx.example', 1, NOW, lease)).toBeDefined();
      const [start] = await server.query<{ end: Date }>(`select leased_until as end from ${schema}.slot`);
      for (let end = start?.end; end?.getTime() === start?.end.getTime(); ) {
        [{ end } = { end: undefined }] = await server.query<{ end: Date }>(
          `select leased_until as end from ${schema}.slot`,
        );
      }
      expect(await second.takeSlot('mx.example', 1, NOW, HOUR)).toBeUndefined();
    });

    test('deliver everything once, awake only when they are called or something is due', async () => {
      const total = 300;
      const delivered = new Map<string, number>();
      const retried = new Set<string>();
      const live = new Map<string, number>();
      const limit = 3;
      let highest = 0;
      const finished = new AbortController();
      const work = async (queue: Queue, claim: Claim) => {
        live.set(claim.destination, (live.get(claim.destination) ?? 0) + 1);
        highest = Math.max(highest, ...live.values());
        await new Promise((resolve) => setImmediate(resolve));
        const retry = claim.id.endsWith('7') && !retried.has(claim.id);
        retried.add(claim.id);
        live.set(claim.destination, (live.get(claim.destination) ?? 0) - 1);
        const recipients = retry ? [again(0, NOW)] : allDone(claim);
        expect(await queue.settle(claim, { recipients, followUps: [] })).toEqual({ status: 'settled' });
        if (!retry) delivered.set(claim.id, (delivered.get(claim.id) ?? 0) + 1);
        if (delivered.size === total) finished.abort();
      };
      const deliver = async (queue: Queue) => {
        let called = false;
        let wake = () => {};
        const stop = queue.onWork(() => {
          called = true;
          wake();
        });
        finished.signal.addEventListener('abort', () => wake());
        while (!finished.signal.aborted) {
          called = false;
          const { claims, nextDue } = await queue.claim(request({ max: 4, limitOf: () => limit }));
          await Promise.all(claims.map((claim) => work(queue, claim)));
          if (claims.length > 0 || called || nextDue === NOW) continue;
          const pause = nextDue === undefined ? undefined : setTimeout(() => wake(), nextDue - NOW);
          await new Promise<void>((resolve) => {
            wake = resolve;
            if (called || finished.signal.aborted) resolve();
          });
          clearTimeout(pause);
        }
        stop();
      };
      const bring = async (queue: Queue, count: number) => {
        for (let i = 0; i < count; i++) await queue.add(message([`a@${i % 5}.example`]));
      };
      await Promise.all([...nodes.map(deliver), ...nodes.map((node) => bring(node, total / NODES))]);
      expect([...delivered.values()].every((times) => times === 1)).toBe(true);
      expect(highest).toBeLessThanOrEqual(limit);
    });

    test('get back the work of a node that was killed', async () => {
      const added = message(['a@one.example']);
      await first.add(added);
      const node = await startNode(server.url, schema, 500);
      expect(node.claim.id).toBe(added.id);
      node.child.kill('SIGKILL');
      await once(node.child, 'exit');
      const claim = await claimEventually(first);
      expect(claim.id).toBe(added.id);
      expect(claim.fence).toBeGreaterThan(node.claim.fence);
    });

    test('lose nothing to a node that was stopped past its lease and goes on', async () => {
      const added = message(['a@one.example']);
      await first.add(added);
      const node = await startNode(server.url, schema, 500);
      node.child.kill('SIGSTOP');
      const claim = await claimEventually(first);
      node.child.kill('SIGCONT');
      const said = await node.settle();
      expect(said).toMatchObject({ mayDeliver: false, status: 'lost' });
      expect(await first.read(added.id)).toBeDefined();
      expect(await settleAll(first, claim)).toEqual({ status: 'settled' });
    });
  },
  postgresPrograms,
);

interface NodeProcess {
  readonly child: ChildProcess;
  readonly claim: Claim;
  settle(): Promise<unknown>;
}

/** A node in a process of its own, which has claimed. */
async function startNode(url: string, schema: string, lease: number): Promise<NodeProcess> {
  const child = spawn(process.execPath, [NODE_PROGRAM, url, schema, `${lease}`, `${NOW}`], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const next = async () => {
    const { value } = await lines.next();
    return JSON.parse(String(value));
  };
  const claim: Claim = await next();
  return {
    child,
    claim,
    async settle() {
      child.stdin.write('settle\n');
      const said: unknown = await next();
      child.stdin.end();
      await once(child, 'exit');
      return said;
    },
  };
}
