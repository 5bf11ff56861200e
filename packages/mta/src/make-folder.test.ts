import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeFolder } from './make-folder.js';

let base: string;
beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), 'danelaw-make-folder-'));
});
afterAll(() => rm(base, { recursive: true }));

describe('a folder', () => {
  it('is made with those above it, for its owner alone, and the highest of them is told', async () => {
    const path = join(base, 'a', 'b', 'c');
    expect(await makeFolder(path)).toBe(join(base, 'a'));
    expect((await stat(join(base, 'a', 'b'))).mode & 0o777).toBe(0o700);
    expect(await makeFolder(path)).toBeUndefined();
    expect(await makeFolder(join(path, 'd'))).toBe(join(path, 'd'));
  });

  it('that several make at once is made for all', async () => {
    const path = join(base, 'together', 'x', 'y');
    await Promise.all(Array.from({ length: 8 }, () => makeFolder(path)));
    expect((await stat(path)).isDirectory()).toBe(true);
  });

  it('is not made in a file, nor in place of one', async () => {
    await writeFile(join(base, 'file'), '');
    await expect(makeFolder(join(base, 'file', 'x'))).rejects.toThrow('ENOTDIR');
    await expect(makeFolder(join(base, 'file'))).rejects.toThrow('EEXIST');
  });

  it.runIf(process.platform === 'linux')('is not tried for ever where the system makes none', async () => {
    await expect(makeFolder('/proc/danelaw/x')).rejects.toThrow('ENOENT');
  });
});
