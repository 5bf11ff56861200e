import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { NEW_STATE } from './deploy.js';
import {
  type DeployDisk,
  DeployFolder,
  DeployFolderError,
  idOf,
  localDeployDisk,
  type Pair,
} from './deploy-folder.js';

const pairOf = (name: string): Pair => ({
  key: Buffer.from(`key ${name}\n`),
  chain: Buffer.from(`chain ${name}\n`),
});
const OLD = pairOf('old');
const NEXT = pairOf('next');

let path: string;
beforeEach(async () => {
  path = await mkdtemp(join(tmpdir(), 'danelaw-deploy-'));
});
afterEach(async () => {
  await rm(path, { recursive: true });
});

async function install(pair: Pair, disk: DeployDisk = localDeployDisk): Promise<void> {
  const folder = await DeployFolder.open(path, disk);
  await folder.clear();
  await folder.store(pair);
  await folder.writeState({ ...NEW_STATE, unfinished: idOf(pair) });
  const before = await folder.idAt('current');
  if (before !== undefined) await folder.point('previous', before);
  await folder.point('current', idOf(pair));
  await folder.clearPlace('waiting');
  await folder.writeState(NEW_STATE);
  await folder.clear();
}

/** What a server reads that starts now. */
async function read(): Promise<string> {
  const files = ['privkey.pem', 'fullchain.pem', 'combined.pem'].map((name) =>
    readFile(join(path, 'current', name), 'utf8'),
  );
  const [key, chain, combined] = await Promise.all(files);
  expect(combined).toBe(`${key}${chain}`);
  return `${key}${chain}`;
}

/** Works until so many things were done, and then nothing does: as after a kill. */
function dying(after: number): { disk: DeployDisk; done: () => number } {
  let done = 0;
  const alive = async (work: () => Promise<void>): Promise<void> => {
    if (done >= after) throw new Error('killed');
    done++;
    await work();
  };
  const local = localDeployDisk;
  const disk: DeployDisk = {
    write: (file, octets, mode) =>
      alive(async () => {
        // Killed in the middle of the last one.
        await local.write(file, done === after ? octets.subarray(0, 3) : octets, mode);
      }),
    makeFolder: (folder, mode) => alive(() => local.makeFolder(folder, mode)),
    flushFolder: (folder) => alive(() => local.flushFolder(folder)),
    rename: (from, to) => alive(() => local.rename(from, to)),
    link: (to, link) => alive(() => local.link(to, link)),
    unlink: (file) => alive(() => local.unlink(file)),
    removeFolder: (folder) => alive(() => local.removeFolder(folder)),
  };
  return { disk, done: () => done };
}

describe('DeployFolder', () => {
  it('has a pair in the place of another, and the one before beside it', async () => {
    await install(OLD);
    await install(NEXT);
    expect(await read()).toBe('key next\nchain next\n');
    const names = (await readdir(path)).sort();
    expect(names).toEqual([idOf(OLD), idOf(NEXT), 'current', 'deploy.json', 'previous'].sort());
    await install(pairOf('third'));
    expect(await readdir(path)).not.toContain(idOf(OLD));
  });

  it('shows one pair or the other, whole, whenever it is killed; and the next run does the rest', async () => {
    await install(OLD);
    const all = dying(Number.POSITIVE_INFINITY);
    await install(NEXT, all.disk);
    const steps = all.done();
    expect(steps).toBeGreaterThan(20);
    const seen = new Set<string>();
    for (let after = 0; after < steps; after++) {
      await rm(path, { recursive: true });
      await mkdir(path);
      await install(OLD);
      await expect(install(NEXT, dying(after).disk)).rejects.toThrow('killed');
      seen.add(await read());
      await install(NEXT);
      expect(await read()).toBe('key next\nchain next\n');
      expect((await readdir(path)).filter((name) => name.startsWith('.'))).toEqual([]);
    }
    expect([...seen].sort()).toEqual(['key next\nchain next\n', 'key old\nchain old\n']);
  });

  it('leaves the old pair where it is when the disk is full', async () => {
    await install(OLD);
    const full = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    const disk: DeployDisk = {
      ...localDeployDisk,
      write: async (file, octets, mode) => {
        await localDeployDisk.write(file, octets.subarray(0, 5), mode);
        throw full;
      },
    };
    await expect(install(NEXT, disk)).rejects.toBe(full);
    expect(await read()).toBe('key old\nchain old\n');
  });

  it.each([
    ['for the owner alone', 0o700, 0o600, 0o700],
    ['for the group of a folder with the set-group-ID bit', 0o2750, 0o640, 0o2750],
  ])('keys are readable %s', async (_, mode, keyMode, folderMode) => {
    await rm(path, { recursive: true });
    await localDeployDisk.makeFolder(path, mode);
    await install(OLD);
    const modeOf = async (...names: string[]) => (await stat(join(path, ...names))).mode & 0o7777;
    expect(await modeOf('current', 'privkey.pem')).toBe(keyMode);
    expect(await modeOf('current', 'combined.pem')).toBe(keyMode);
    expect(await modeOf('current')).toBe(folderMode);
  });

  it('does not touch what others have put in its place', async () => {
    await mkdir(join(path, 'current'));
    const folder = await DeployFolder.open(path);
    await expect(folder.idAt('current')).rejects.toBeInstanceOf(DeployFolderError);
    await symlink('/etc', join(path, 'waiting'));
    await expect(folder.idAt('waiting')).rejects.toBeInstanceOf(DeployFolderError);
    await expect(folder.clear()).rejects.toBeInstanceOf(DeployFolderError);
  });

  it('refuses a pair that was changed by hand, and a state that it did not write', async () => {
    await install(OLD);
    const folder = await DeployFolder.open(path);
    await writeFile(join(path, 'current', 'fullchain.pem'), 'another');
    await expect(folder.store(OLD)).rejects.toThrow('was changed');
    for (const text of ['{', 'null', '{"format":1}', '{"format":2,"candidate":null}']) {
      await writeFile(join(path, 'deploy.json'), text);
      await expect(folder.readState()).rejects.toBeInstanceOf(DeployFolderError);
    }
  });

  it('reads the state that it wrote', async () => {
    const folder = await DeployFolder.open(path);
    expect(await folder.readState()).toEqual(NEW_STATE);
    const state = {
      candidate: idOf(OLD),
      completeSince: 17,
      steady: { boot: 'x', running: 5 },
      ttl: 3600,
      unfinished: idOf(NEXT),
    };
    await folder.writeState(state);
    expect(await folder.readState()).toEqual(state);
  });
});
