import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Lookup, Resolver } from '@danelaw/dns';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { StsPolicies } from './sts-policies.js';

const DAY = 86_400_000;
const NOW = 1_800_000_000_000;
const POLICY = { mode: 'enforce', maxAge: 604_800, mx: ['mx.example.org'] } as const;

let folder: string;
let said: string[];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'danelaw-sts-'));
  said = [];
});
afterEach(() => rm(folder, { recursive: true }));

/** With a policy that is two days old. */
async function policies(file: string): Promise<StsPolicies> {
  const opened = await StsPolicies.open({ file, clock: () => NOW, say: (words) => said.push(words) });
  const cached = { domain: 'example.org', id: '1', policy: POLICY, fetched: NOW - 2 * DAY };
  opened.source.cache.set(cached, NOW);
  return opened;
}

const resolverThat = (resolve: () => Promise<Lookup>): Resolver => ({ resolve, close: async () => {} });

describe('MTA-STS policies of a program that runs for years', () => {
  it('survive a resolver that is closed in the middle of a look-up', async () => {
    const opened = await policies(join(folder, 'mta-sts'));
    const closed = resolverThat(() => Promise.reject(new Error('the resolver is closed')));
    await opened.refresh(closed, new AbortController().signal);
    expect(said).toEqual(['MTA-STS policies could not be fetched anew: the resolver is closed']);
    await opened.close();
  });

  it('say nothing where the program ends', async () => {
    const opened = await policies(join(folder, 'mta-sts'));
    const ended = new AbortController();
    const waiting = resolverThat(() => {
      ended.abort();
      return Promise.reject(ended.signal.reason);
    });
    await opened.refresh(waiting, ended.signal);
    expect(said).toEqual([]);
    await opened.close();
  });

  it('are not asked for anew while they are asked for', async () => {
    const opened = await policies(join(folder, 'mta-sts'));
    let asked = 0;
    let fail = (_: Error): void => {};
    const slow = resolverThat(() => {
      asked += 1;
      return new Promise<never>((_, reject) => (fail = reject));
    });
    const { signal } = new AbortController();
    const first = opened.refresh(slow, signal);
    await opened.refresh(slow, signal);
    expect(asked).toBe(1);
    fail(new Error('it was slow'));
    await first;
    await opened.close();
  });

  it('leave no half-written files where they can not be kept, however often that is tried', async () => {
    const file = join(folder, 'mta-sts');
    const opened = await policies(file);
    await mkdir(file); // nothing can be renamed to that
    await writeFile(join(file, 'x'), '');
    await Promise.all([opened.save(), opened.save()]);
    await opened.close();
    expect(said).toHaveLength(3);
    expect(await readdir(folder)).toEqual(['mta-sts']);
  });

  it('are not begun anew where their file is there and can not be read', async () => {
    const file = join(folder, 'mta-sts');
    await mkdir(file);
    await expect(policies(file)).rejects.toThrow(
      new RegExp(`^can't read the MTA-STS policies in ${file}: EISDIR.*remove it`, 'u'),
    );
  });
});
