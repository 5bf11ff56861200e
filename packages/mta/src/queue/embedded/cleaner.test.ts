import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { message, NOW } from '../suite.js';
import { openEmbeddedQueue } from './open.js';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'danelaw-cleaner-'));
});
afterEach(() => rm(directory, { recursive: true }));

describe('a folder of body files', () => {
  it('stays where a visitor has deleted all that was in it, as its owner writes there', async () => {
    const owner = await openEmbeddedQueue({ directory, minFree: 0 });
    await owner.add(message(['a@one.example']));
    const visitor = await openEmbeddedQueue({ directory, minFree: 0, mode: 'visitor' });
    expect(await visitor.change({}, 'delete', NOW)).toBe(1);
    await visitor.close();
    const [folder = ''] = await readdir(join(directory, 'bodies'));
    expect(await readdir(join(directory, 'bodies', folder))).toEqual([]);
    await owner.add(message(['b@one.example']));
    expect(await owner.counts()).toMatchObject({ messages: 1 });
    await owner.close();
  });
});
