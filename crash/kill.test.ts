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
import { startPostgres } from '../interop/postgres.js';
import { freePort } from '../packages/mta/test/free-port.js';
import { RecordingServer } from '../packages/mta/test/recording-server.js';
import { RelayProcess } from '../packages/mta/test/relay-process.js';
import { Load } from './load.js';
import { arrival, judge, sleep } from './verdict.js';

const MESSAGES = Number(process.env['DANELAW_CRASH_MESSAGES'] ?? 20_000);
const KILLS = Number(process.env['DANELAW_CRASH_KILLS'] ?? 100);
/** Kills of a node between two restarts of the database. */
const KILLS_PER_RESTART = 10;
const SERVERS = 4;
/** Milliseconds that the relay lives between two kills, at most. */
const LIFE = 400;
const PATIENCE = 600_000;

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
    let underLoad = 0;
    for (let kill = 0; kill < KILLS; kill++) {
      await sleep(50 + Math.random() * LIFE);
      if (load.left > 0) underLoad += 1;
      await relay.end('SIGKILL');
      await relay.start();
    }
    await loading;
    await arrival(servers.all, load, [relay]);
    expect(await relay.end('SIGTERM')).toBe(0);
    const verdict = judge(servers.all, load);
    console.log(`${KILLS} kills, ${underLoad} of them under load: ${JSON.stringify(verdict.numbers)}`);
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
      messages: MESSAGES,
      clients: 10,
      recipient: (number) => `you@d${number % 40}.example`,
      size: 2000,
      signal: AbortSignal.timeout(PATIENCE),
    });
    const loading = load.run();
    let [underLoad, restarts] = [0, 0];
    for (let kill = 0; kill < KILLS; kill++) {
      await sleep(100 + Math.random() * LIFE);
      if (load.left > 0) underLoad += 1;
      const node = nodes[kill % nodes.length];
      await node?.end('SIGKILL');
      await node?.start();
      if (kill % KILLS_PER_RESTART !== KILLS_PER_RESTART - 1) continue;
      // A crash of the database, or an administrator's restart, with the nodes going on.
      await postgres.stop(restarts++ % 2 === 0 ? 'immediate' : 'fast');
      await sleep(300);
      await postgres.start();
    }
    await loading;
    await arrival(servers.all, load, nodes);
    await sleep(2 * LEASE); // what was claimed by the dead is claimed again by then
    const verdict = judge(servers.all, load);
    console.log(
      `two nodes, ${KILLS} kills, ${underLoad} of them under load, ${restarts} restarts of the database: ` +
        JSON.stringify(verdict.numbers),
    );
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
