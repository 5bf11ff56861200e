/**
 * The relay is killed at random moments while 20,000 messages go through it: every message that was acknowledged
 * arrives, and none arrives twice but those that were in doubt at a kill - the last one on a connection that a
 * kill broke.
 *
 * SIGKILL leaves the page cache alone, so this says nothing about power loss; `power-loss.test.ts` does.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { type Receipt, RecordingServer } from '../packages/mta/test/recording-server.js';
import { RelayProcess } from '../packages/mta/test/relay-process.js';
import { Load } from './load.js';

const MESSAGES = Number(process.env['DANELAW_CRASH_MESSAGES'] ?? 20_000);
const KILLS = Number(process.env['DANELAW_CRASH_KILLS'] ?? 100);
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
    await arrival(servers.all, load, relay);
    expect(await relay.end('SIGTERM')).toBe(0);
    const verdict = judge(servers.all, load);
    console.log(`${kills} kills: ${JSON.stringify(verdict.numbers)}`);
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
state = "${join(folder, 'state')}"

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

/** Until everything that was acknowledged is there, or nothing has come for long. */
async function arrival(servers: readonly RecordingServer[], load: Load, relay: RelayProcess): Promise<void> {
  let before = -1;
  let still = 0;
  for (;;) {
    const arrived = new Set(servers.flatMap(({ receipts }) => receipts.map(({ number }) => Number(number))));
    if ([...load.acknowledged].every((number) => arrived.has(number))) break;
    still = arrived.size === before ? still + 1 : 0;
    before = arrived.size;
    if (still > 60) {
      console.log(relay.lines.slice(-40).join('\n'));
      return;
    }
    await sleep(500);
  }
  // What is still under way may be a second copy.
  await sleep(3000);
}

interface Verdict {
  /** Acknowledged, and never delivered. */
  readonly lost: readonly number[];
  /** Delivered twice, though the first time was not the last message of a connection that broke. */
  readonly unexplained: readonly string[];
  /** Delivered, and never handed in. */
  readonly unknown: readonly string[];
  readonly numbers: Readonly<Record<string, number>>;
}

function judge(servers: readonly RecordingServer[], load: Load): Verdict {
  const byNumber = new Map<string, { receipt: Receipt; server: RecordingServer }[]>();
  for (const server of servers) {
    for (const receipt of server.receipts) {
      const list = byNumber.get(receipt.number) ?? [];
      list.push({ receipt, server });
      byNumber.set(receipt.number, list);
    }
  }
  const unexplained: string[] = [];
  let twice = 0;
  for (const [number, receipts] of byNumber) {
    // All copies but one must have been in doubt on our side, or on the client's.
    const certain = receipts.filter(({ receipt, server }) => !isInDoubt(receipt, server));
    if (receipts.length > 1) twice += 1;
    if (certain.length > 1) unexplained.push(number);
  }
  const lost = [...load.acknowledged].filter((number) => !byNumber.has(String(number)));
  const known = (number: string): boolean =>
    load.acknowledged.has(Number(number)) || load.inDoubt.has(Number(number));
  const unknown = [...byNumber.keys()].filter((number) => !known(number));
  const numbers = {
    acknowledged: load.acknowledged.size,
    inDoubtAtTheClient: load.inDoubt.size,
    delivered: byNumber.size,
    twice,
    connections: servers.reduce((sum, { connections }) => sum + connections, 0),
  };
  return { lost, unexplained, unknown, numbers };
}

/** It was the last message on a connection that did not end with QUIT. */
function isInDoubt({ connection, place }: Receipt, server: RecordingServer): boolean {
  return !server.quit.has(connection) && place === (server.counts.get(connection) ?? 0) - 1;
}

const sleep = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise<void>((resolve) => server.close(() => resolve()));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
