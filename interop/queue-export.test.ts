/**
 * `danelaw queue export` and `import` between the embedded queue and PostgreSQL: everything arrives as it was, on the
 * way there and back.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openEmbeddedQueue } from '../packages/mta/src/queue/embedded/open.js';
import { again, message, NOW } from '../packages/mta/src/queue/suite.js';
import { run } from '../packages/mta/test/program.js';
import { makeFolder, removeFolder } from './folder.js';
import { withNeighbours } from './neighbours.js';
import { type Postgres, postgresPrograms, startPostgres } from './postgres.js';

withNeighbours(
  'PostgreSQL',
  () => {
    let folder: string;
    let postgres: Postgres;
    /** A configuration for each queue: the first embedded one, PostgreSQL, another embedded one. */
    let configs: Record<'from' | 'postgres' | 'to', string>;

    beforeAll(async () => {
      folder = await makeFolder('queue-export');
      postgres = await startPostgres({ folder });
      const embedded = (name: string) => `state = "${join(folder, name)}"\n`;
      configs = {
        from: await file('from.toml', embedded('from')),
        postgres: await file('postgres.toml', `[queue]\nengine = "postgres"\nurl = "${postgres.url}"\n`),
        to: await file('to.toml', embedded('to')),
      };
      await fill(join(folder, 'from', 'queue'));
    });
    afterAll(async () => {
      await postgres?.stop('immediate');
      await removeFolder(folder);
    });

    const file = async (name: string, text: string): Promise<string> => {
      await writeFile(join(folder, name), text);
      return join(folder, name);
    };
    const exported = async (config: string) => (await run(['queue', 'export', '--config', config])).out;
    const imported = (config: string, text: string) => run(['queue', 'import', '--config', config], text);

    test('from the embedded queue to PostgreSQL, and back into a folder where there is none', async () => {
      const first = await exported(configs.from);
      const bodies = first.match(/"sha256":"[0-9a-f]{64}"/gu);
      expect(bodies).toHaveLength(3);
      expect(await imported(configs.postgres, first)).toMatchObject({ code: 0 });
      const second = await exported(configs.postgres);
      expect(entries(second)).toEqual(entries(first));
      expect(await imported(configs.to, second)).toMatchObject({ code: 0 });
      expect(entries(await exported(configs.to))).toEqual(entries(first));
      expect((await imported(configs.postgres, first)).out).toBe('0 messages added, 3 were there already\n');
    });

    test('by a filter', async () => {
      await imported(configs.postgres, await exported(configs.from));
      const { out } = await run(['queue', 'export', '--config', configs.postgres, '--reason', 'refused']);
      expect(entries(out).flatMap((entry) => entry.recipients.map(({ address }) => address))).toEqual([
        'put-off@b.example',
      ]);
    });
  },
  postgresPrograms,
);

/** Lines without the order of their fields. */
const entries = (text: string): { recipients: { address: string }[] }[] =>
  text
    .split('\n')
    .filter((line) => line.includes('"id"'))
    .map((line) => JSON.parse(line));

/** Octets of all kinds, recipients in all states. */
async function fill(directory: string): Promise<void> {
  const queue = await openEmbeddedQueue({ directory });
  const octets = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
  await queue.add({
    ...message(['new@a.example', 'held@a.example'], { envid: 'a b', ret: 'hdrs' }),
    body: octets,
  });
  await queue.add({ ...message(['put-off@b.example']), body: Buffer.alloc(300_000, 'x\r\n') });
  await queue.add(message(['jörg@c.example'], { from: '', smtpUtf8: true, requireTls: true }));
  await queue.change({ to: 'held@a.example' }, 'hold', NOW);
  const { claims } = await queue.claim({ now: NOW, max: 10, limitOf: () => 10, lease: 1000 });
  for (const claim of claims) {
    if (claim.destination === 'b.example') {
      await queue.settle(claim, { recipients: [again(0, NOW + 1000)], followUps: [] });
    }
  }
  await queue.close();
}
