/** What a lock leaves behind; that it is one process's at a time, `state.test.ts` shows. */
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { takeLock } from './process-lock.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'danelaw-lock-'));
});
afterEach(() => rm(folder, { recursive: true }));

it('a lock that finds the disk full leaves nothing there, and can be had when there is room', async () => {
  const full = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
  const onFullDisk = async (file: string): Promise<void> => {
    await writeFile(file, '');
    throw full;
  };
  await expect(takeLock(folder, 'sending', 0o600, onFullDisk)).rejects.toBe(full);
  expect(await readdir(folder)).toEqual([]);
  const release = await takeLock(folder, 'sending', 0o600);
  expect(await readdir(folder)).toEqual(['sending.1.lock']);
  await release?.();
});
