/**
 * The relay is killed at random moments while 20,000 messages go through it: every message that was acknowledged
 * arrives, and none arrives twice but those that were in doubt at a kill - the last one on a connection that a
 * kill broke.
 *
 * SIGKILL leaves the page cache alone, so this says nothing about power loss; `power-loss.test.ts` does.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { makeFolder, removeFolder } from '../interop/folder.js';
import { freePort } from '../interop/free-port.js';
import { startPostgres } from '../interop/postgres.js';
import { RecordingServer } from '../packages/mta/test/recording-server.js';
import { RelayProcess } from '../packages/mta/test/relay-process.js';
import { Load } from './load.js';
import { arrival, judge, sleep } from './verdict.js';

const MESSAGES = Number(process.env['DANELAW_CRASH_MESSAGES'] ?? 20_000);
const KILLS = Number(process.env['DANELAW_CRASH_KILLS'] ?? 100);
/** Of the test with two nodes on PostgreSQL. */
const NODE_MESSAGES = Math.ceil(MESSAGES / 2);
const NODE_KILLS = KILLS;
const SERVERS = 4;
/** Milliseconds that the relay lives between two kills, at most. */
const LIFE = 600;
const PATIENCE = 300_000;

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

describe('a relay that is killed again and again', () => {
  it('loses no acknowledged message on its embedded queue, and sends none twice but those in doubt', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'danelaw-crash-'));
    cleanups.push(() => rmSync(folder, { recursive: true }));
    const servers = await startServers();
    const port = await freePort();
    const relay = new RelayProcess(join(folder, 'danelaw.toml'), configuration(folder, port, servers.ports));
    cleanups.push(async () => {
      await relay.end('SIGKILL');
    });
    await relay.start();
    const load = new Load({
      ports: [port],
      messages: MESSAGES,
      clients: 10,
      recipient: (number) => `you@d${number % 40}.example`,
      size: 2000,
      signal: AbortSignal.timeout(PATIENCE),
    });
    const loading = load.run();
    let kills = 0;
    for (; kills < KILLS; kills++) {
      await sleep(50 + Math.random() * LIFE);
      await relay.end('SIGKILL');
      await relay.start();
    }
    await loading;
    await arrival(servers.all, load, [relay]);
    expect(await relay.end('SIGTERM')).toBe(0);
    const verdict = judge(servers.all, load);
    console.log(`${kills} kills: ${JSON.stringify(verdict.numbers)}`);
    expect(verdict.lost).toEqual([]);
    expect(verdict.unexplained).toEqual([]);
    expect(verdict.unknown).toEqual([]);
  });
});

/** Milliseconds that a claim lives: short, so that what a dead node had is not waited for. */
const LEASE = 6000;

describe('nodes of a relay that are killed again and again, and their database', () => {
  it('lose no acknowledged message, and send none twice but those in doubt', async () => {
    const folder = await makeFolder('crash-postgres');
    cleanups.push(() => removeFolder(folder));
    const postgres = await startPostgres({ folder });
    cleanups.push(() => postgres.stop('immediate'));
    const servers = await startServers();
    const ports = [await freePort(), await freePort()];
    const nodes = ports.map((port) => {
      const queue = `[queue]\nengine = "postgres"\nurl = "${postgres.url}"\nlease = "${LEASE}ms"\n`;
      const timeouts = '[delivery.timeouts]\ndata_end = "2s"\n';
      const own = join(folder, `node-${port}`);
      const toml = `${configuration(own, port, servers.ports)}\n${queue}\n${timeouts}`;
      return new RelayProcess(`${own}.toml`, toml);
    });
    cleanups.push(async () => {
      for (const node of nodes) await node.end('SIGKILL');
    });
    for (const node of nodes) await node.start();
    const load = new Load({
      ports,
      messages: NODE_MESSAGES,
      clients: 10,
      recipient: (number) => `you@d${number % 40}.example`,
      size: 2000,
      signal: AbortSignal.timeout(PATIENCE),
    });
    const loading = load.run();
    for (let kill = 0; kill < NODE_KILLS; kill++) {
      await sleep(100 + Math.random() * LIFE);
      const node = nodes[kill % nodes.length];
      if (kill % 10 === 9) {
        // A crash of the database now and then, or an administrator's restart, with the nodes going on.
        await postgres.stop(kill % 20 === 9 ? 'immediate' : 'fast');
        await sleep(300);
        await postgres.start();
      } else {
        await node?.end('SIGKILL');
        await node?.start();
      }
    }
    await loading;
    await arrival(servers.all, load, nodes);
    await sleep(2 * LEASE); // what was claimed by the dead is claimed again by then
    const verdict = judge(servers.all, load);
    console.log(`two nodes, ${NODE_KILLS} kills: ${JSON.stringify(verdict.numbers)}`);
    expect(verdict.lost).toEqual([]);
    expect(verdict.unexplained).toEqual([]);
    expect(verdict.unknown).toEqual([]);
  });
});

async function startServers(): Promise<{ all: RecordingServer[]; ports: number[] }> {
  const all = Array.from({ length: SERVERS }, () => new RecordingServer());
  const ports = await Promise.all(all.map((server) => server.listen()));
  cleanups.push(async () => {
    await Promise.all(all.map((server) => server.close()));
  });
  return { all, ports };
}

/** Forty domains on four servers; no DNS, which is not what this is about. */
function configuration(folder: string, port: number, servers: readonly number[]): string {
  const rules = Array.from(
    { length: 40 },
    (_, i) =>
      `[[policy]]\ndomain = "d${i}.example"\nlevel = "none"\nrelay = "[127.0.0.1]:${servers[i % servers.length]}"\n`,
  );
  return `
hostname = "relay.example"
state = "${folder}-state"

[[listen]]
address = "127.0.0.1:${port}"

[retry]
first = "1s"
longest = "2s"

[dns]
resolver = ["127.0.0.1#1"]

[sts]
enabled = false

${rules.join('\n')}`;
}
