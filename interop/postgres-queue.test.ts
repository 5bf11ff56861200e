/** The queue's suite of tests, on a real PostgreSQL. */
import { afterAll, beforeAll, expect } from 'vitest';
import { openPostgresQueue } from '../packages/mta/src/queue/postgres/postgres-queue.js';
import { describeQueue } from '../packages/mta/src/queue/suite.js';
import { makeFolder, removeFolder } from './folder.js';
import { withNeighbours } from './neighbours.js';
import { type Postgres, postgresPrograms, startPostgres } from './postgres.js';

withNeighbours(
  'PostgreSQL',
  () => {
    let folder: string;
    let server: Postgres;
    let schemas = 0;

    beforeAll(async () => {
      folder = await makeFolder('postgres');
      server = await startPostgres({ folder });
    });
    afterAll(async () => {
      await server?.stop('immediate');
      await removeFolder(folder);
    });

    describeQueue('postgres', async () => {
      const schema = `suite_${++schemas}`;
      const warnings: string[] = [];
      return {
        open: () => openPostgresQueue({ url: server.url, schema, onWarning: (text) => warnings.push(text) }),
        async remove() {
          expect(warnings).toEqual([]);
          await server.query(`drop schema ${schema} cascade`);
        },
      };
    });
  },
  postgresPrograms,
);
