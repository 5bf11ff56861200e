import { mkdtemp, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { QueueUnusableError } from '../queue.js';
import { message } from '../suite.js';
import { localDisk } from './disk.js';
import { FORMAT, upgrade } from './format.js';
import { openEmbeddedQueue } from './open.js';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'danelaw-queue-'));
});
afterEach(() => rm(directory, { recursive: true }));
const format = () => readFile(join(directory, 'format'), 'utf8');

describe("the format of the queue's folder", () => {
  it('is written down, and only the user may look into the folder', async () => {
    const inside = join(directory, 'new', 'queue');
    const queue = await openEmbeddedQueue({ directory: inside, minFree: 0 });
    await queue.add(message(['a@one.example']));
    await queue.close();
    expect(await readFile(join(inside, 'format'), 'utf8')).toBe(`${FORMAT}\n`);
    const mode = async (...path: string[]) => ((await stat(join(inside, ...path))).mode & 0o777).toString(8);
    expect(await mode()).toBe('700');
    expect(await mode('bodies')).toBe('700');
    expect(await mode('bodies', '00000000')).toBe('700');
    expect(await mode('bodies', '00000000', '00')).toBe('600');
    expect(await mode('index', 'data.mdb')).toBe('600');
  });

  it('lies in folders whose names are on the disk, too, before anything is acknowledged', async () => {
    const flushed: string[] = [];
    const disk = {
      ...localDisk,
      flushFolder: (path: string) => {
        flushed.push(path);
        return localDisk.flushFolder(path);
      },
    };
    await (
      await openEmbeddedQueue({ directory: join(directory, 'state', 'queue'), disk, minFree: 0 })
    ).close();
    expect(flushed.slice(0, 2)).toEqual([join(directory, 'state'), directory]);
    flushed.length = 0;
    await (
      await openEmbeddedQueue({ directory: join(directory, 'state', 'queue'), disk, minFree: 0 })
    ).close();
    expect(flushed).not.toContain(directory);
  });

  it('is not reached where the system says no, and it is said why', async () => {
    await writeFile(join(directory, 'file'), '');
    const inFile = openEmbeddedQueue({ directory: join(directory, 'file', 'queue') });
    await expect(inFile).rejects.toThrow(QueueUnusableError);
    await expect(inFile).rejects.toThrow(/can't be made: ENOTDIR/u);
    const list = () => Promise.reject(Object.assign(new Error('EIO: i/o error, scandir'), { code: 'EIO' }));
    const failing = openEmbeddedQueue({ directory, disk: { ...localDisk, list } });
    await expect(failing).rejects.toThrow(QueueUnusableError);
    await expect(failing).rejects.toThrow(`The queue in ${directory} can't be used: EIO: i/o error, scandir`);
    await (await openEmbeddedQueue({ directory, minFree: 0 })).close();
  });

  it.each([
    ['newer than this program', `${FORMAT + 1}\n`],
    ['no number', 'new\n'],
  ])('is refused where it is %s, and nothing is changed', async (_, text) => {
    await (await openEmbeddedQueue({ directory, minFree: 0 })).close();
    await writeFile(join(directory, 'format'), text);
    for (const mode of ['owner', 'visitor'] as const) {
      await expect(openEmbeddedQueue({ directory, mode })).rejects.toThrow(QueueUnusableError);
    }
    expect(await format()).toBe(text);
  });

  it('is refused where it is older than any that can be upgraded', async () => {
    await writeFile(join(directory, 'format'), '0\n');
    await expect(openEmbeddedQueue({ directory })).rejects.toThrow(/too old/u);
  });

  it('is needed where there are messages', async () => {
    const queue = await openEmbeddedQueue({ directory, minFree: 0 });
    await queue.add(message(['a@one.example']));
    await queue.close();
    await rm(join(directory, 'format'));
    await expect(openEmbeddedQueue({ directory })).rejects.toThrow(QueueUnusableError);
  });

  it('is not made by a visitor', async () => {
    await expect(openEmbeddedQueue({ directory, mode: 'visitor' })).rejects.toThrow(/no queue/u);
  });

  it('is upgraded step by step, and a step that was interrupted is done again', async () => {
    await writeFile(join(directory, 'format'), '1\n');
    await writeFile(join(directory, 'old'), 'content');
    const failing = new Map([[1, () => Promise.reject(new Error('the disk went away'))]]);
    await expect(upgrade(directory, localDisk, 3, failing)).rejects.toThrow('went away');
    expect(await format()).toBe('1\n');
    const steps = new Map([
      [1, (folder: string) => rename(join(folder, 'old'), join(folder, 'newer'))],
      [2, (folder: string) => rename(join(folder, 'newer'), join(folder, 'newest'))],
    ]);
    await upgrade(directory, localDisk, 3, steps);
    expect(await format()).toBe('3\n');
    expect(await readFile(join(directory, 'newest'), 'utf8')).toBe('content');
  });
});
