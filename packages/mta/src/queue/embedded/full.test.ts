import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { QueueFullError } from '../queue.js';
import { allDone, collect, message, NOW, only, request } from '../suite.js';
import { type Disk, localDisk } from './disk.js';
import { openEmbeddedQueue } from './open.js';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'danelaw-queue-'));
});
afterEach(() => rm(directory, { recursive: true }));

/** A disk of which one operation fails while `failing.on` says so. */
function failingDisk(operation: 'writeFile' | 'flushFolder' | 'makeFolder', code: string) {
  const failing = { on: false };
  const fail = async () => {
    throw Object.assign(new Error(`${code}: no room`), { code });
  };
  const disk: Disk = {
    ...localDisk,
    // What a full disk leaves: a file that is there, and cut off.
    async writeFile(path, parts) {
      if (!failing.on || operation !== 'writeFile') return localDisk.writeFile(path, parts);
      await localDisk.writeFile(path, [parts[0]?.subarray(0, 20) ?? new Uint8Array()]);
      return fail();
    },
    flushFolder: (path) => (failing.on && operation === 'flushFolder' ? fail() : localDisk.flushFolder(path)),
    async openFolder(path) {
      const { flush, close } = await localDisk.openFolder(path);
      return { flush: () => (failing.on && operation === 'flushFolder' ? fail() : flush()), close };
    },
    makeFolder: (path) => (failing.on && operation === 'makeFolder' ? fail() : localDisk.makeFolder(path)),
  };
  return { disk, failing };
}

describe('a full disk', () => {
  it.each([
    ['a body is written', 'writeFile', 'ENOSPC'],
    ['the quota is used up', 'writeFile', 'EDQUOT'],
    ['a folder is flushed', 'flushFolder', 'ENOSPC'],
    ['a folder is made', 'makeFolder', 'ENOSPC'],
  ] as const)(
    'when %s leaves nothing behind, and mail is taken again afterwards',
    async (_, operation, code) => {
      const { disk, failing } = failingDisk(operation, code);
      const queue = await openEmbeddedQueue({ directory, disk, minFree: 0 });
      failing.on = true;
      const refused = Array.from({ length: 5 }, () => message(['a@one.example']));
      const results = await Promise.allSettled(refused.map((one) => queue.add(one)));
      for (const result of results) {
        expect(result.status === 'rejected' && result.reason).toBeInstanceOf(QueueFullError);
      }
      expect(await queue.counts()).toMatchObject({ messages: 0 });
      failing.on = false;
      const taken = message(['b@one.example']);
      await queue.add(taken);
      await queue.close();
      const next = await openEmbeddedQueue({ directory, minFree: 0 });
      expect((await collect(next.list({}))).map(({ id }) => id)).toEqual([taken.id]);
      await next.close();
    },
  );

  it('when a bounce is written leaves the claim, which can be settled again', async () => {
    const { disk, failing } = failingDisk('writeFile', 'ENOSPC');
    const queue = await openEmbeddedQueue({ directory, disk, minFree: 0 });
    await queue.add(message(['a@one.example']));
    const claim = only((await queue.claim(request())).claims);
    const settlement = { recipients: allDone(claim), followUps: [message(['sender@origin.example'])] };
    failing.on = true;
    await expect(queue.settle(claim, settlement)).rejects.toThrow(QueueFullError);
    expect((await queue.claim(request())).claims).toEqual([]);
    failing.on = false;
    expect(await queue.settle(claim, settlement)).toEqual({ status: 'settled' });
    expect((await collect(queue.list({}))).map(({ id }) => id)).toEqual([settlement.followUps[0]?.id]);
    await queue.close();
  });

  it('is told from one that fails: then the reason is what the system said', async () => {
    const { disk, failing } = failingDisk('writeFile', 'EIO');
    const queue = await openEmbeddedQueue({ directory, disk, minFree: 0 });
    failing.on = true;
    await expect(queue.add(message(['a@one.example']))).rejects.toThrow(/^EIO/u);
    expect(await queue.counts()).toMatchObject({ messages: 0 });
    await queue.close();
  });
});

describe('a bound', () => {
  it('of messages is kept, also by those that come at a time', async () => {
    const queue = await openEmbeddedQueue({ directory, minFree: 0, maxMessages: 3 });
    const results = await Promise.allSettled(
      Array.from({ length: 10 }, () => queue.add(message(['a@one.example']))),
    );
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(3);
    await expect(queue.add(message(['a@one.example']))).rejects.toThrow(QueueFullError);
    await queue.change({}, 'delete', NOW);
    await queue.add(message(['a@one.example']));
    await queue.close();
  });

  it('of free space is kept by messages that come at a time, also by the first', async () => {
    const free = () => new Promise<number>((resolve) => setImmediate(() => resolve(10_000)));
    const disk = { ...localDisk, free };
    const queue = await openEmbeddedQueue({ directory, disk, minFree: 5_000, clock: () => NOW });
    const results = await Promise.allSettled(
      Array.from({ length: 10 }, () => queue.add(message(['a@one.example'], {}, Buffer.alloc(2_000)))),
    );
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(2);
    await queue.close();
  });

  it('of free space that can not be asked for refuses all of them, and not only the first', async () => {
    const free = async () => {
      throw Object.assign(new Error('EIO: no'), { code: 'EIO' });
    };
    const queue = await openEmbeddedQueue({ directory, disk: { ...localDisk, free }, clock: () => NOW });
    const adding = [message(['a@one.example']), message(['a@one.example'])].map((one) => queue.add(one));
    for (const { status } of await Promise.allSettled(adding)) expect(status).toBe('rejected');
    await expect(queue.add(message(['a@one.example']))).rejects.toThrow('EIO');
    await queue.close();
  });

  it('of free space is kept for new messages, and not for bounces', async () => {
    let now = NOW;
    let free = 10_000;
    const disk = { ...localDisk, free: async () => free };
    const queue = await openEmbeddedQueue({ directory, disk, minFree: 5_000, clock: () => now });
    await queue.add(message(['a@one.example'], {}, Buffer.alloc(3_000)));
    // The disk is not asked again within a second, but what was taken since counts.
    await expect(queue.add(message(['a@one.example'], {}, Buffer.alloc(3_000)))).rejects.toThrow(
      QueueFullError,
    );
    const claim = only((await queue.claim(request())).claims);
    const bounce = message(['sender@origin.example'], {}, Buffer.alloc(3_000));
    await queue.settle(claim, { recipients: allDone(claim), followUps: [bounce] });
    free = 20_000;
    now += 1_000;
    await queue.add(message(['a@one.example'], {}, Buffer.alloc(3_000)));
    await queue.close();
    expect((await readdir(join(directory, 'bodies', '00000000'))).length).toBe(2);
  });
});
