/**
 * The embedded queue and the processes that use it: killed at any moment, several at a time, on a disk that is
 * really full. The program is the compiled one, as it will run.
 */
import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openEmbeddedQueue } from '../src/queue/embedded/open.js';
import { QueueFullError, QueueUnusableError } from '../src/queue/queue.js';
import { collect, message, NOW, request } from '../src/queue/suite.js';

const PROGRAM = fileURLToPath(new URL('queue-process.js', import.meta.url));
const KILLS = Number(process.env['DANELAW_KILLS'] ?? 12);

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'danelaw-queue-'));
});
afterEach(() => rm(directory, { recursive: true }));

function start(work: string, ...rest: string[]): ChildProcessWithoutNullStreams {
  return spawn(process.execPath, [PROGRAM, work, directory, ...rest], { stdio: 'pipe' });
}

/** Resolves when the process has said that line, or so many lines. */
async function said(child: ChildProcessWithoutNullStreams, enough: string | number): Promise<string[]> {
  let text = '';
  let failure = '';
  child.stderr.on('data', (data: Buffer) => {
    failure += data.toString();
  });
  for await (const data of child.stdout) {
    text += String(data);
    const lines = text.split('\n').slice(0, -1);
    if (typeof enough === 'string' ? lines.includes(enough) : lines.length >= enough) return lines;
  }
  throw new Error(`It ended before it said so: ${failure}`);
}

/** Kills a process after it has said so many lines; gives all that it said until then. */
async function killAfter(child: ChildProcessWithoutNullStreams, lines: number): Promise<string[]> {
  let text = '';
  let failure = '';
  child.stderr.on('data', (data: Buffer) => {
    failure += data.toString();
  });
  child.stdout.on('data', (data: Buffer) => {
    text += data.toString();
    if (text.split('\n').length > lines) child.kill('SIGKILL');
  });
  const [, signal] = await once(child, 'close');
  if (signal !== 'SIGKILL') throw new Error(`It ended by itself: ${failure}`);
  return text.split('\n').slice(0, -1);
}

async function kill(child: ChildProcessWithoutNullStreams): Promise<void> {
  child.kill('SIGKILL');
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
}

const open = (mode: 'owner' | 'visitor' = 'owner') => openEmbeddedQueue({ directory, mode, minFree: 0 });
const ids = (lines: readonly string[], word: string) =>
  new Set(lines.filter((line) => line.startsWith(`${word} `)).map((line) => line.slice(word.length + 1)));

describe('a process that is killed', () => {
  it.each([
    ['keeps its index', false],
    ['loses its index, too', true],
  ])(
    'and %s has lost nothing that it had promised, however often',
    async (_, loseIndex) => {
      const added = new Set<string>();
      const settling = new Set<string>();
      const settled = new Set<string>();
      for (let round = 0; round < KILLS; round++) {
        // Each time at another place: numbers without a common factor.
        const lines = await killAfter(
          start('work', `01hf7yat00${String(round).padStart(2, '0')}`),
          40 + round * 37,
        );
        for (const id of ids(lines, 'added')) added.add(id);
        for (const id of ids(lines, 'settling')) settling.add(id);
        for (const id of ids(lines, 'settled')) settled.add(id);
        if (loseIndex) await unlink(join(directory, 'index', 'data.mdb'));
        const queue = await open();
        const left = (await collect(queue.list({}))).map(({ id }) => id);
        for (const id of left) expect(Buffer.from(await queue.body(id)).toString()).toBe(`body of ${id}`);
        const there = new Set(left);
        const lost = [...added].filter((id) => !there.has(id) && !settling.has(id));
        expect(lost).toEqual([]);
        // Work that was settled comes back only where the index is lost, with what the trace did not hold yet.
        const back = left.filter((id) => settled.has(id));
        if (loseIndex) expect(back.length).toBeLessThanOrEqual(250);
        else expect(back).toEqual([]);
        await queue.close();
      }
      expect(added.size).toBeGreaterThan(KILLS * 10);
      expect(settled.size).toBeGreaterThan(0);
    },
    120_000,
  );
});

describe('the owner of a queue', () => {
  it('is one process; when it is killed, another may be it at once', async () => {
    const child = start('own');
    await said(child, 'open');
    await expect(open()).rejects.toThrow(QueueUnusableError);
    await kill(child);
    await (await open()).close();
  });

  it('is one of many that start at a time', async () => {
    const results = await Promise.allSettled([open(), open(), open()]);
    const owners = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    expect(owners).toHaveLength(1);
    for (const owner of owners) await owner.close();
  });

  it('hears what visitors change and add, and delivers it', async () => {
    const queue = await open();
    const added = message(['a@one.example']);
    await queue.add(added);
    const heard = () => new Promise<void>((resolve) => queue.onWork(resolve));
    let change = heard();
    const [, held] = await said(start('change', 'hold'), 2);
    expect(held).toBe('1');
    await change;
    expect((await queue.claim(request())).claims).toEqual([]);
    change = heard();
    await once(start('add', '01hf7yat00abcdefgh', '01hf7yat00abcdefgj'), 'close');
    await change;
    const { claims } = await queue.claim(request());
    expect(claims.map(({ id }) => id)).toEqual(['01hf7yat00abcdefgh', '01hf7yat00abcdefgj']);
    await queue.close();
  });

  it('and visitors may change things at the same time', async () => {
    const queue = await open();
    await Promise.all(Array.from({ length: 50 }, () => queue.add(message(['a@one.example']))));
    const children = ['hold', 'release', 'retry'].map((action) => start('change', action));
    const ended = Promise.all(children.map((child) => once(child, 'close')));
    const adding = Array.from({ length: 50 }, () => message(['b@two.example']));
    for (const one of adding) await queue.add(one);
    expect((await ended).map(([code]) => code)).toEqual([0, 0, 0]);
    expect(await queue.counts()).toMatchObject({ messages: 100, recipients: 100 });
    await queue.close();
  });

  it('claims, and visitors do not', async () => {
    const queue = await open();
    await queue.close();
    const visitor = await open('visitor');
    await expect(visitor.claim(request())).rejects.toThrow(/owner/u);
    await visitor.close();
  });
});

/** Where a file system of its own may be mounted. */
function mayMount(): boolean {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false;
  try {
    execFileSync('unshare', ['--mount', 'true'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

describe.runIf(mayMount())('on a disk that is really full', () => {
  it.each([
    ['bodies fill it', 20_000],
    ['the index fills it', 10],
  ])(
    'where %s, mail is refused, what was taken stays, and mail is taken again when there is room',
    async (_, octets) => {
      const disk = join(directory, 'disk');
      execFileSync('mkdir', [disk]);
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', disk]);
      try {
        const place = join(disk, 'queue');
        let queue = await openEmbeddedQueue({ directory: place, minFree: 0 });
        await writeFile(join(disk, 'ballast'), Buffer.alloc(1_500_000));
        const taken: string[] = [];
        let refused = 0;
        while (refused < 20) {
          const some = Array.from({ length: 10 }, () =>
            message(['a@one.example'], {}, Buffer.alloc(octets, 'x')),
          );
          const results = await Promise.allSettled(some.map((one) => queue.add(one)));
          for (const [i, result] of results.entries()) {
            if (result.status === 'fulfilled') taken.push(some[i]?.id ?? '');
            else expect(result.reason).toBeInstanceOf(QueueFullError);
          }
          refused += results.filter(({ status }) => status === 'rejected').length;
        }
        expect(taken.length).toBeGreaterThan(20);
        expect((await collect(queue.list({}))).map(({ id }) => id).sort()).toEqual([...taken].sort());
        await unlink(join(disk, 'ballast'));
        const again = message(['b@two.example']);
        await queue.add(again);
        await queue.close();
        queue = await openEmbeddedQueue({ directory: place, minFree: 0 });
        const left = (await collect(queue.list({}))).map(({ id }) => id);
        expect(left.sort()).toEqual([...taken, again.id].sort());
        expect((await queue.body(taken[0] ?? '')).length).toBe(octets);
        expect(await queue.change({}, 'delete', NOW)).toBe(taken.length + 1);
        await queue.close();
      } finally {
        execFileSync('umount', ['--lazy', disk]);
      }
    },
    60_000,
  );
});
