/**
 * Power loss. SIGKILL leaves the page cache alone, so it can't show it. A trace of the relay's system calls under load
 * does: it says what was flushed when a client was told "250", and from it the disk is made as it would have been had
 * the power failed at any moment. At each of them the queue has every message that was acknowledged before and not
 * delivered; and of those that were handed over, at most the last one of each connection.
 */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openEmbeddedQueue } from '../packages/mta/src/queue/embedded/open.js';
import { freePort } from '../packages/mta/test/free-port.js';
import { RecordingServer } from '../packages/mta/test/recording-server.js';
import { RelayProcess } from '../packages/mta/test/relay-process.js';
import { Disk } from './disk-after-power-loss.js';
import { Load } from './load.js';
import { readTrace, type SystemCall, textsOf } from './system-calls.js';
import { acknowledged, handedOver, numbersOf, pathOf } from './traced-mail.js';

const MESSAGES = Number(process.env['DANELAW_CRASH_TRACED'] ?? 400);
const MOMENTS = Number(process.env['DANELAW_CRASH_MOMENTS'] ?? 200);
const CALLS = 'openat,lseek,write,writev,pwrite64,pwritev,fsync,fdatasync,unlink,unlinkat,ftruncate';
const STRACE = `strace -D -f -ttt -y -v -xx -s 20000000 -e trace=${CALLS} -o`.split(' ');

let folder: string;
let state: string;
let server: RecordingServer;
let relay: RelayProcess;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'danelaw-power-'));
  state = join(folder, 'state');
  // Slow enough that there is always something in the queue.
  server = new RecordingServer({ delay: () => 10 + Math.random() * 60 });
});
afterEach(async () => {
  await relay.end('SIGKILL');
  await server.close();
  await rm(folder, { recursive: true });
});

describe('a machine that loses its power', () => {
  it('has every message that was acknowledged, at any moment', async () => {
    const port = await freePort();
    relay = new RelayProcess(join(folder, 'danelaw.toml'), configuration(port, await server.listen()));
    const trace = join(folder, 'trace');
    await relay.start([...STRACE, trace]);
    const base = await readFolder(join(state, 'queue'));
    const begun = Date.now();
    const load = new Load({
      ports: [port],
      messages: MESSAGES,
      clients: 8,
      recipient: (number) => `you@d${number % 10}.example`,
      size: 3000,
      signal: AbortSignal.timeout(120_000),
    });
    await load.run();
    while (server.receipts.length < MESSAGES) await new Promise((resolve) => setTimeout(resolve, 20));
    await relay.end('SIGTERM');
    expect(load.acknowledged.size).toBe(MESSAGES);

    const all = readTrace(await readFile(trace, 'latin1'));
    const calls = all.filter(({ time }) => time >= begun);
    const replies = acknowledged(calls);
    expect(replies).toHaveLength(MESSAGES);
    const dots = handedOver(calls, 'relay.example');
    expect(dots).toHaveLength(MESSAGES);
    // First: in what order things were flushed.
    expect(replies.filter(({ id, call }) => !isFlushedBefore(calls, id, call))).toEqual([]);
    // Then: what is there after the power failed. One disk goes through all moments.
    const disk = new Disk(
      join(state, 'queue'),
      base,
      all.filter(({ time }) => time < begun),
    );
    const numbers = numbersOf(calls);
    const returning = [...calls].sort((a, b) => a.returned - b.returned);
    let applied = 0;
    let [waiting, inDoubt] = [0, 0];
    const lost: string[] = [];
    const again: string[] = [];
    const moments = momentsIn(
      calls,
      replies.map(({ call }) => call),
      dots.map(({ call }) => call),
    );
    for (const moment of moments) {
      for (; (returning[applied]?.returned ?? Number.POSITIVE_INFINITY) <= moment.began; applied++) {
        const call = returning[applied];
        if (call !== undefined) disk.apply(call);
      }
      const kept = await keptOn(disk);
      waiting += kept.size;
      const delivered = new Set(
        server.receipts.filter(({ time }) => time <= moment.time + 1).map(({ number }) => number),
      );
      for (const { id, call } of replies) {
        if (call.began > moment.began || kept.has(id)) continue;
        // What is not there any more had been delivered.
        if (!delivered.has(numbers.get(id) ?? '(unknown)')) lost.push(`${id} at ${moment.time}`);
      }
      // When a dot goes out, what became of the message before it is on the disk.
      const sent = dots.filter(({ call }) => call.began <= moment.began);
      inDoubt += sent.filter(({ id }) => kept.has(id)).length;
      for (const { previous } of sent) {
        if (previous !== undefined && kept.has(previous)) again.push(`${previous} at ${moment.time}`);
      }
    }
    const average = (sum: number): string => (sum / MOMENTS).toFixed(1);
    console.log(
      `${MOMENTS} moments among ${calls.length} system calls; on average ${average(waiting)} messages were in ` +
        `the queue, ${average(inDoubt)} of them handed over; the ${dots.length} messages took ` +
        `${dots.filter(({ previous }) => previous === undefined).length} connections`,
    );
    // Else nothing would have been shown.
    expect(waiting).toBeGreaterThan(MOMENTS);
    expect(dots.filter(({ previous }) => previous !== undefined).length).toBeGreaterThan(MESSAGES / 2);
    expect(lost).toEqual([]);
    expect(again).toEqual([]);
  });
});

/** In turn: just before a client is told "250", just before a final dot goes out, and any. */
function momentsIn(...kinds: readonly (readonly SystemCall[])[]): SystemCall[] {
  return Array.from({ length: MOMENTS }, (_, i) => kinds[i % kinds.length] ?? [])
    .flatMap((calls) => calls[Math.floor(Math.random() * calls.length)] ?? [])
    .sort((a, b) => a.began - b.began);
}

const configuration = (port: number, sink: number): string => `
hostname = "relay.example"
state = "${state}"
[[listen]]
address = "127.0.0.1:${port}"
[dns]
resolver = ["127.0.0.1#1"]
[sts]
enabled = false
[[policy]]
domain = "*"
level = "none"
relay = "[127.0.0.1]:${sink}"
`;

async function readFolder(root: string): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile()) files.set(relative(root, path), await readFile(path));
  }
  return files;
}

/** Its file, the file's folder and the index were flushed, in this order, before the client was told. */
function isFlushedBefore(calls: readonly SystemCall[], id: string, reply: SystemCall): boolean {
  const flushOf = (path: string, after: number): SystemCall | undefined =>
    calls.find((call) => /^f(data)?sync$/u.test(call.name) && pathOf(call) === path && call.began > after);
  const holds = (call: SystemCall): boolean => textsOf(call.arguments).some((text) => text.includes(id));
  const body = calls.find(
    (call) => call.name.startsWith('write') && pathOf(call).includes('/bodies/') && holds(call),
  );
  if (body === undefined) return false;
  const file = pathOf(body);
  const flushed = flushOf(file, body.returned);
  const named = flushed && flushOf(file.slice(0, file.lastIndexOf('/')), body.began);
  if (flushed === undefined || named === undefined) return false;
  const durable = Math.max(flushed.returned, named.returned);
  // Whether the index has the message then is seen after the power loss; here, that it was flushed once more.
  const index = calls.find(
    (call) => /^f(data)?sync$/u.test(call.name) && pathOf(call).endsWith('data.mdb') && call.began > durable,
  );
  // The page that makes a transaction count goes through a descriptor that flushes each write.
  const commit =
    index &&
    calls.find(
      (call) =>
        call.name.startsWith('pwrite') && pathOf(call).endsWith('data.mdb') && call.began > index.returned,
    );
  return commit !== undefined && commit.returned < reply.began;
}

/** The ids that are in the queue when it is opened on such a disk. */
async function keptOn(disk: Disk): Promise<Set<string>> {
  const copy = await mkdtemp(join(folder, 'after-'));
  // It is kept: LMDB knows files by their inodes, and must not take another disk's for this one's.
  await disk.store(copy);
  const repairs: string[] = [];
  const queue = await openEmbeddedQueue({
    directory: copy,
    minFree: 0,
    onRepair: (text) => repairs.push(text),
  });
  // An index that has to be made anew has forgotten what was delivered.
  expect(repairs.filter((text) => text.includes('index'))).toEqual([]);
  const ids = new Set<string>();
  for await (const { id } of queue.list({})) {
    await queue.body(id); // rejects where it is not whole
    ids.add(id);
  }
  await queue.close();
  return ids;
}
