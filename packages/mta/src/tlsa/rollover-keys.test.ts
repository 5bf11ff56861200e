import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { lstat, mkdtemp, readdir, readFile, readlink, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { makeFolder } from '../make-folder.js';
import { RolloverStateError } from './rollover-folder.js';
import { adoptKey, type KeptKey, linkKeys, makeKey, nextKeyOf } from './rollover-keys.js';

let base: string;
let folder: string;
let runs = 0;
beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), 'danelaw-test-'));
});
beforeEach(async () => {
  folder = join(base, String(++runs));
  await makeFolder(folder);
});
afterAll(() => rm(base, { recursive: true }));

const newPem = (): string =>
  generateKeyPairSync('ec', { namedCurve: 'P-256' })
    .privateKey.export({ format: 'pem', type: 'pkcs8' })
    .toString();
const keysOf = (current: KeptKey | null, next: KeptKey | null) => ({
  keys: { current: current?.name ?? null, next: next?.name ?? null },
});
const read = (name: string): Promise<string> => readFile(join(folder, name), 'utf8');

describe('the keys of a roll-over', () => {
  it('are made with a request beside them, for their owner alone, and named after themselves', async () => {
    const key = await makeKey(folder, 'p256', 'mx.example.org');
    expect((await readdir(join(folder, 'keys'))).sort()).toEqual([`${key.name}.csr`, `${key.name}.key`]);
    expect((await stat(join(folder, 'keys', `${key.name}.key`))).mode & 0o777).toBe(0o600);
    expect((await stat(join(folder, 'keys'))).mode & 0o777).toBe(0o700);
    expect(await read(`keys/${key.name}.csr`)).toContain('BEGIN CERTIFICATE REQUEST');
  });

  it.each([
    ['rsa2048', 2048],
    ['rsa3072', 3072],
  ] as const)('are made as %s', async (type, bits) => {
    const { name } = await makeKey(folder, type, 'mx.example.org');
    const key = createPrivateKey(await read(`keys/${name}.key`));
    expect(key.asymmetricKeyDetails?.modulusLength).toBe(bits);
  });

  it('are linked as the state has it, however often, and from whatever was left half done', async () => {
    const [one, two] = [await makeKey(folder, 'p256', 'mx'), await makeKey(folder, 'p256', 'mx')];
    await linkKeys(folder, keysOf(null, one));
    await linkKeys(folder, keysOf(one, two));
    await rm(join(folder, 'next.key'));
    await linkKeys(folder, keysOf(one, two));
    await linkKeys(folder, keysOf(one, two));
    expect(await readlink(join(folder, 'current.key'))).toBe(`keys/${one.name}.key`);
    expect(await readlink(join(folder, 'next.key'))).toBe(`keys/${two.name}.key`);
    expect(await readlink(join(folder, 'next.csr'))).toBe(`keys/${two.name}.csr`);
    await linkKeys(folder, keysOf(two, null));
    expect((await readdir(folder)).sort()).toEqual(['current.key', 'keys']);
  });

  it('are taken from what lies there, which is kept; what is not theirs is never overwritten', async () => {
    const pem = newPem();
    await writeFile(join(folder, 'next.key'), pem);
    const key = await adoptKey(folder, 'mx');
    expect(key).toBeDefined();
    await linkKeys(folder, keysOf(null, key ?? null));
    expect([(await lstat(join(folder, 'next.key'))).isSymbolicLink(), await read('next.key')]).toEqual([
      true,
      pem,
    ]);
    expect(await adoptKey(folder, 'mx')).toBeUndefined();
    const strange = newPem();
    await rm(join(folder, 'next.key'));
    await writeFile(join(folder, 'next.key'), strange);
    await expect(linkKeys(folder, keysOf(null, key ?? null))).rejects.toThrow(RolloverStateError);
    expect(await read('next.key')).toBe(strange);
  });

  it('are said to be unreadable, or readable for too many', async () => {
    const key = await makeKey(folder, 'p256', 'mx');
    const file = join(folder, 'keys', `${key.name}.key`);
    expect(await nextKeyOf(folder, keysOf(null, key))).toEqual({ spki: key.spki, isExposed: false });
    await rm(file);
    await writeFile(file, newPem(), { mode: 0o604 });
    expect(await nextKeyOf(folder, keysOf(null, key))).toMatchObject({ isExposed: true });
    await writeFile(file, 'junk');
    await expect(nextKeyOf(folder, keysOf(null, key))).rejects.toThrow('is not a private key');
  });
});
