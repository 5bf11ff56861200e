/**
 * The relay beside Postfix: both take messages and deliver them under DANE, durably, into servers that insist on TLS.
 * Started by `npm run bench:relay`; the numbers are printed, and nothing is asserted but that all mail arrived.
 *
 *     a   one destination
 *     b   1,000 domains on 20 hosts
 *     c   1,000 domains on 1,000 hosts, a message each: a full handshake for each message
 *     d   the same once more, when all connections are closed: TLS tickets, look-ups that are known
 *
 * Each side is started anew for each round, with empty caches. It has had 5,000 messages for other domains on 1,500 hosts before
 * the first case, so that processes are there and code is compiled; the domains of the cases it has never heard of.
 */
import { mkdir } from 'node:fs/promises';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, it } from 'vitest';
import { makeFolder, removeFolder } from '../../interop/folder.js';
import { type MailInternet, startMailInternet } from './mail-internet.js';
import { type Measured, measure } from './measure.js';
import { type Row, report } from './report.js';
import { SIDES } from './sides.js';
import { Sink } from './sink-process.js';

const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 2);
const CLIENTS = Number(process.env['BENCH_CONNECTIONS'] ?? 20);
/** Messages of (a) and (b); (c) and (d) have one for each of 1,000 domains. */
const MESSAGES = Number(process.env['BENCH_MESSAGES'] ?? 10_000);
const WARM_UP = Number(process.env['BENCH_WARM_UP'] ?? 5000);
const chosen = (process.env['BENCH_CASES'] ?? 'a,b,c,d').split(',');
const sides = SIDES.filter(({ name }) => new RegExp(process.env['BENCH_SIDES'] ?? '', 'u').test(name));

const CASES = [
  { name: 'a', domains: 'busy', messages: MESSAGES },
  { name: 'b', domains: 'many', messages: MESSAGES },
  { name: 'c', domains: 'own', messages: 1000 },
  { name: 'd', domains: 'own', messages: 1000 },
] as const;

const open: (() => Promise<void> | void)[] = [];
let internet: MailInternet;
let folder: string;
let sink: Sink;
const rows: Row[] = [];

beforeAll(async () => {
  folder = await makeFolder('bench-relay');
  open.unshift(() => removeFolder(folder));
  internet = await startMailInternet(folder);
  open.unshift(() => internet.stop());
  sink = new Sink(['25', internet.hostsFile]);
  open.unshift(() => sink.close());
  await sink.ready();
});
afterAll(async () => {
  for (const close of open) await close();
  console.log(`load of the machine at the end: ${loadavg().map((n) => n.toFixed(1))}`);
  console.log(report(rows));
});

for (let round = 1; round <= ROUNDS; round++) {
  for (const [index, side] of sides.entries()) {
    it(`${side.name}, round ${round}`, async () => {
      const own = join(folder, `${round}-${index}`);
      await mkdir(own);
      const running = await side.start(internet, own);
      const watched = { sink, nameServers: internet.pids };
      const run = async (domains: keyof MailInternet['domains'], messages: number): Promise<Measured> => {
        const load = { messages, clients: CLIENTS, domains: internet.domains[domains] };
        try {
          return await measure(running, watched, load);
        } catch (error) {
          const log = (await running.log()).split('\n').slice(-20).join('\n');
          throw new Error(`${side.name}: ${error}\n${log}`, { cause: error });
        }
      };
      try {
        await run('warm', WARM_UP);
        for (const { name, domains, messages } of CASES) {
          if (!chosen.includes(name) || side.only?.includes(name) === false) continue;
          // No connection of the case before is left to be shared.
          await sink.until(({ open: connections }) => connections === 0, 60_000);
          rows.push({
            side: side.name,
            isReference: side.isReference,
            name,
            ...(await run(domains, messages)),
          });
        }
      } finally {
        await running.stop();
      }
    });
  }
}
