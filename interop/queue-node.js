/**
 * A node of a queue in PostgreSQL, for the tests that stop and kill one: claims one piece of work, prints the
 * claim, and settles it when a line comes.
 *
 * Usage: node queue-node.js URL SCHEMA LEASE NOW
 */
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { openPostgresQueue } from '../packages/mta/dist/queue/postgres/postgres-queue.js';

const [url = '', schema = '', lease, now] = process.argv.slice(2);
const started = performance.now();
const print = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

const queue = await openPostgresQueue({ url, schema });
const { claims } = await queue.claim({ now: Number(now), max: 1, limitOf: () => 1, lease: Number(lease) });
const [claim] = claims;
print(claim ?? null);
await once(createInterface(process.stdin), 'line');
// The clock of this node began at the `now` that it was told.
const mayDeliver = Number(now) + performance.now() - started < claim.leaseUntil;
const recipients = claim.recipients.map(({ index }) => ({ index, outcome: 'done' }));
print({ mayDeliver, ...(await queue.settle(claim, { recipients, followUps: [] })) });
await queue.close();
