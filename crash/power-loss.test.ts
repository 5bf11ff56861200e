/**
 * Power loss. SIGKILL leaves the page cache alone, so it can't show it. A trace of the relay's system calls under load
 * does: it says what was flushed when a client was told "250", and from it the disk is made as it would have been had
 * the power failed at any moment. At each of them the queue has every message that was acknowledged before and not
 * delivered.
 */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { freePort } from '../interop/free-port.js';
import { openEmbeddedQueue } from '../packages/mta/src/queue/embedded/open.js';
import { RecordingServer } from '../packages/mta/test/recording-server.js';
import { RelayProcess } from '../packages/mta/test/relay-process.js';
import { Disk } from './disk-after-power-loss.js';
import { Load } from './load.js';
import { descriptorOf, readTrace, type SystemCall, textsOf } from './system-calls.js';

const MESSAGES = Number(process.env['DANELAW_CRASH_TRACED'] ?? 400);
const MOMENTS = Number(process.env['DANELAW_CRASH_MOMENTS'] ?? 200);
const CALLS = 'openat,write,writev,pwrite64,pwritev,fsync,fdatasync,unlink,unlinkat,ftruncate';
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
    const acknowledged = calls.flatMap((call) => {
      const id = /queued as ([0-9a-z]{18})/u.exec(socketText(call))?.[1];
      return id === undefined ? [] : [{ id, call }];
    });
    expect(acknowledged).toHaveLength(MESSAGES);
    // First: in what order things were flushed.
    expect(acknowledged.filter(({ id, call }) => !isFlushedBefore(calls, id, call))).toEqual([]);
    // Then: what is there after the power failed.
    const moments = Array.from({ length: MOMENTS }, () => acknowledged[Math.floor(Math.random() * MESSAGES)])
      .flatMap((each) => each?.call ?? [])
      .sort((a, b) => a.began - b.began);
    // One disk goes through all of them.
    const disk = new Disk(
      join(state, 'queue'),
      base,
      all.filter(({ time }) => time < begun),
    );
    const returning = [...calls].sort((a, b) => a.returned - b.returned);
    let applied = 0;
    let waiting = 0;
    const lost: string[] = [];
    for (const moment of moments) {
      for (; (returning[applied]?.returned ?? Number.POSITIVE_INFINITY) <= moment.began; applied++) {
        const call = returning[applied];
        if (call !== undefined) disk.apply(call);
      }
      const kept = await keptOn(disk);
      waiting += kept.size;
      for (const { id, call } of acknowledged) {
        if (call.began > moment.began || kept.has(id)) continue;
        // What is not there any more had been delivered.
        const delivered = server.receipts.some(
          ({ number, time }) => number === numberOf(calls, id) && time <= moment.time + 1,
        );
        if (!delivered) lost.push(`${id} at ${moment.time}`);
      }
    }
    console.log(`${MOMENTS} moments, ${(waiting / MOMENTS).toFixed(1)} messages in the queue on average`);
    expect(waiting).toBeGreaterThan(MOMENTS); // else nothing would have been shown
    expect(lost).toEqual([]);
  });
});

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

/** What was written to a socket. */
function socketText(call: SystemCall): string {
  if (call.name !== 'write' && call.name !== 'writev') return '';
  if (descriptorOf(call.arguments)?.path.startsWith('socket:') !== true) return '';
  return Buffer.concat(textsOf(call.arguments)).toString('latin1');
}

const pathOf = ({ arguments: text }: SystemCall): string => descriptorOf(text)?.path ?? '';

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
  const queue = await openEmbeddedQueue({ directory: copy, minFree: 0 });
  const ids = new Set<string>();
  for await (const { id } of queue.list({})) {
    await queue.body(id); // rejects where it is not whole
    ids.add(id);
  }
  await queue.close();
  return ids;
}

const numbers = new Map<string, string>();
const FIELD = 'X-Number: ';

/** The number that the load gave to a message. */
function numberOf(calls: readonly SystemCall[], id: string): string {
  if (numbers.size === 0) {
    for (const call of calls.filter(({ name }) => name.startsWith('write'))) {
      if (!pathOf(call).includes('/bodies/')) continue;
      const text = Buffer.concat(textsOf(call.arguments)).toString('latin1');
      for (const match of text.matchAll(/ id ([0-9a-z]{18})\b/gu)) {
        const at = text.indexOf(FIELD, match.index);
        const number = at === -1 ? '' : String(Number.parseInt(text.slice(at + FIELD.length, at + 20), 10));
        if (match[1] !== undefined) numbers.set(match[1], number);
      }
    }
  }
  return numbers.get(id) ?? '(unknown)';
}
