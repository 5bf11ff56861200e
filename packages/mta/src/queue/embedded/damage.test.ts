import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BodyLostError, type NewMessage, QueueUnusableError } from '../queue.js';
import { again, allDone, collect, message, NOW, only, request } from '../suite.js';
import { localDisk } from './disk.js';
import { checkIndex } from './index-check.js';
import { type EmbeddedOptions, openEmbeddedQueue } from './open.js';

const PAGE = 4096;

let directory: string;
let repairs: string[];
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'danelaw-queue-'));
  repairs = [];
});
afterEach(() => rm(directory, { recursive: true }));

const open = (changes: Partial<EmbeddedOptions> = {}) =>
  openEmbeddedQueue({ directory, minFree: 0, onRepair: (text) => repairs.push(text), ...changes });
const indexFile = () => join(directory, 'index', 'data.mdb');
const bodyFiles = async () => {
  const all = await readdir(join(directory, 'bodies'), { recursive: true, withFileTypes: true });
  return all.filter((one) => one.isFile()).map((one) => join(one.parentPath, one.name));
};

/** A queue that has put these into one file. */
async function openWith(...messages: readonly NewMessage[]) {
  const queue = await open();
  const first = message(['first@first.example']);
  await queue.add(first); // the disk was asked for its room, and is not asked again: the others go together
  await Promise.all(messages.map((one) => queue.add(one)));
  await queue.change({ id: first.id }, 'delete', NOW);
  return queue;
}

/** A queue with some hundred messages, closed. */
async function fill(): Promise<ReadonlyMap<string, Uint8Array>> {
  const queue = await open();
  const messages = Array.from({ length: 300 }, (_, i) =>
    message([`a@d${i}.example`, `b@d${i}.example`], {}, new TextEncoder().encode(`body ${i}`)),
  );
  await Promise.all(messages.map((one) => queue.add(one)));
  await queue.close();
  return new Map(messages.map(({ id, body }) => [id, body]));
}

async function overwrite(path: string, at: number, octets: Uint8Array): Promise<void> {
  const content = await readFile(path);
  content.set(octets, at);
  await writeFile(path, content);
}

describe('an index that was', () => {
  const rows: [string, (size: number) => Promise<void>][] = [
    ['deleted', () => unlink(indexFile())],
    ['deleted with its folder', () => rm(join(directory, 'index'), { recursive: true })],
    ['emptied', () => truncate(indexFile(), 0)],
    ['cut off within its first page', () => truncate(indexFile(), 100)],
    ['cut off after its first page', () => truncate(indexFile(), PAGE)],
    ['cut off after its first two pages', () => truncate(indexFile(), 2 * PAGE)],
    ['cut in half', (size) => truncate(indexFile(), size >> 1)],
    ['filled with zeroes', (size) => writeFile(indexFile(), Buffer.alloc(size))],
    ['filled with garbage', (size) => writeFile(indexFile(), randomBytes(size))],
    [
      'zeroed behind its first pages',
      (size) => overwrite(indexFile(), 2 * PAGE, Buffer.alloc(size - 2 * PAGE)),
    ],
    [
      'overwritten behind its first pages',
      (size) => overwrite(indexFile(), 2 * PAGE, randomBytes(size - 2 * PAGE)),
    ],
    ['zeroed in its first page', () => overwrite(indexFile(), 0, Buffer.alloc(PAGE))],
    ['overwritten in its second page', () => overwrite(indexFile(), PAGE, randomBytes(PAGE))],
  ];
  it.each(rows)('%s is made anew from the body files', async (_, damage) => {
    const bodies = await fill();
    await damage((await stat(indexFile())).size);
    const queue = await open();
    expect(repairs.at(-1)).toContain('300 messages');
    expect(await queue.counts()).toMatchObject({ messages: 300, recipients: 600 });
    for (const [id, body] of bodies) expect(Buffer.compare(await queue.body(id), body)).toBe(0);
    expect((await queue.claim(request())).claims).toHaveLength(300);
    await queue.close();
  });

  it('damaged is kept under another name', async () => {
    await fill();
    const garbage = randomBytes(10_000);
    await writeFile(indexFile(), garbage);
    await (await open({ clock: () => NOW })).close();
    const kept = await readFile(join(directory, `index.damaged-${NOW}`, 'data.mdb'));
    expect(Buffer.compare(kept, garbage)).toBe(0);
    expect(repairs[0]).toContain(`index.damaged-${NOW}`);
  });

  it('overwritten in any one page that it uses is noticed, and no other', async () => {
    await fill();
    const content = await readFile(indexFile());
    let noticed = 0;
    for (let page = 2; page * PAGE < content.length; page++) {
      const damaged = Buffer.from(content);
      damaged.fill(0xa5, page * PAGE, (page + 1) * PAGE);
      await writeFile(join(directory, 'copy'), damaged);
      if (checkIndex(join(directory, 'copy')) !== undefined) noticed++;
    }
    // Pages of transactions before the last are free, and may hold anything.
    expect(noticed).toBeGreaterThan(30);
    await writeFile(join(directory, 'copy'), content);
    expect(checkIndex(join(directory, 'copy'))).toBeUndefined();
  });

  it('damaged within an entry is noticed when that is read, and made anew at the next start', async () => {
    await fill();
    const content = await readFile(indexFile());
    for (let at = content.indexOf('"arrived"'); at >= 0; at = content.indexOf('"arrived"', at)) {
      content.write('"arrivex"', at, 'latin1');
    }
    await writeFile(indexFile(), content);
    const queue = await open();
    expect(repairs).toEqual([]);
    for (let i = 0; i < 3; i++) await expect(queue.claim(request())).rejects.toThrow(QueueUnusableError);
    expect((await readFile(join(directory, 'index', 'damaged'), 'utf8')).split('\n')).toHaveLength(2);
    await queue.close();
    const next = await open();
    expect((await next.claim(request())).claims).toHaveLength(300);
    await next.close();
  });

  it('damaged where a destination stands is noticed by the message that goes there, and made anew', async () => {
    await fill();
    const content = await readFile(indexFile());
    // The table of destinations: `{"head":1800000000000}`.
    for (let at = content.indexOf('{"head"'); at >= 0; at = content.indexOf('{"head"', at)) {
      content.write('{"hea!"', at, 'latin1');
      content.write('x', at, 'latin1');
    }
    await writeFile(indexFile(), content);
    const queue = await open();
    await expect(queue.add(message(['c@d1.example']))).rejects.toThrow(QueueUnusableError);
    await expect(queue.add(message(['c@d2.example']))).rejects.toThrow(QueueUnusableError);
    await queue.close();
    const next = await open();
    expect((await next.claim(request())).claims).toHaveLength(300);
    await next.close();
  });

  it('damaged again and again leaves its last three states', async () => {
    await fill();
    for (let time = 1; time <= 5; time++) {
      await truncate(indexFile(), PAGE);
      await (await open({ clock: () => NOW + time })).close();
    }
    const kept = (await readdir(directory)).filter((name) => name.startsWith('index.damaged-'));
    expect(kept.sort()).toEqual([3, 4, 5].map((time) => `index.damaged-${NOW + time}`));
  });

  it('damaged is not touched by a visitor', async () => {
    await fill();
    await truncate(indexFile(), 2 * PAGE);
    await expect(open({ mode: 'visitor' })).rejects.toThrow(QueueUnusableError);
    expect((await stat(indexFile())).size).toBe(2 * PAGE);
  });
});

describe('an index that is made anew', () => {
  it('leaves out what is known to have left the queue', async () => {
    const queue = await open();
    const messages = Array.from({ length: 20 }, () => message(['a@one.example', 'b@two.example']));
    await Promise.all(messages.map((one) => queue.add(one)));
    const { claims } = await queue.claim(request());
    const done = claims.filter(({ destination }, i) => destination === 'one.example' || i % 2 === 0);
    for (const claim of done) await queue.settle(claim, { recipients: allDone(claim), followUps: [] });
    const before = await collect(queue.list({}));
    await queue.close();
    await unlink(indexFile());
    const next = await open();
    expect(await collect(next.list({}))).toEqual(before);
    await next.close();
  });

  it('holds what an administrator held, and nothing that was released', async () => {
    const queue = await open();
    const imported = { held: true, due: NOW, attempts: 0, warned: false, last: undefined };
    const there = ['a', 'b', 'c', 'd'].map((name) => ({
      address: `${name}@one.example`,
      destination: 'one.example',
    }));
    const one = message([
      ...there,
      { address: 'e@one.example', destination: 'one.example', state: imported },
    ]);
    const two = message(['a@one.example', 'b@two.example']);
    await Promise.all([queue.add(one), queue.add(two)]);
    await queue.change({ id: one.id }, 'hold', NOW);
    await queue.change({ to: 'b@one.example' }, 'release', NOW);
    await queue.change({ to: 'e@one.example' }, 'release', NOW);
    await queue.change({ to: 'b@two.example' }, 'hold', NOW);
    await queue.change({ to: 'c@one.example' }, 'delete', NOW);
    const before = await collect(queue.list({}));
    await queue.close();
    await unlink(indexFile());
    const next = await open();
    expect(await collect(next.list({}))).toEqual(before);
    const names = (await next.claim(request())).claims.flatMap(({ recipients }) => recipients);
    expect(names.map(({ address }) => address).sort()).toEqual([
      'a@one.example',
      'b@one.example',
      'e@one.example',
    ]);
    await next.close();
  });

  it('has a message that was deleted and came again, whatever is known of the one before', async () => {
    const [again, other] = [message(['a@one.example']), message(['b@two.example'])];
    const queue = await openWith(again, other);
    await queue.change({ id: again.id }, 'delete', NOW);
    await queue.add(again);
    await queue.close();
    await unlink(indexFile());
    const next = await open();
    expect((await collect(next.list({}))).map(({ id }) => id)).toEqual([again.id, other.id]);
    await next.close();
  });

  it('has a message whose body is damaged, so that its sender hears of it, and keeps the file', async () => {
    const [lost, whole] = [
      message(['a@one.example'], {}, Buffer.alloc(900, 'x')),
      message(['b@two.example']),
    ];
    await (await openWith(lost, whole)).close();
    const file = only(await bodyFiles());
    const written = await readFile(file);
    await overwrite(file, written.indexOf('xxxx'), Buffer.from('!'));
    const damaged = await readFile(file);
    await unlink(indexFile());
    const next = await open({ clock: () => Date.now() + 7_200_000 });
    expect(repairs).toEqual([
      expect.stringMatching(
        /^bodies\/0+\/01 is damaged .* kept as bodies\.damaged\/0+-01\..* 1 whole .* 1 that/u,
      ),
      expect.stringContaining('2 messages'),
    ]);
    await expect(next.body(lost.id)).rejects.toThrow(BodyLostError);
    expect(Buffer.compare(await next.body(whole.id), whole.body)).toBe(0);
    await next.change({}, 'delete', NOW);
    await next.close();
    expect(await bodyFiles()).toEqual([]);
    const kept = only(await readdir(join(directory, 'bodies.damaged')));
    expect(Buffer.compare(await readFile(join(directory, 'bodies.damaged', kept)), damaged)).toBe(0);
  });

  it.each([
    ['was cut off', (path: string) => truncate(path, 500)],
    ['is nothing but zeroes', (path: string) => overwrite(path, 0, Buffer.alloc(600))],
  ])('keeps a file that %s, though nothing can be read in it', async (_, damage) => {
    const queue = await open();
    await queue.add(message(['a@one.example'], {}, Buffer.alloc(900, 'x')));
    await queue.close();
    const file = only(await bodyFiles());
    await damage(file);
    const damaged = await readFile(file);
    await unlink(indexFile());
    const next = await open();
    expect(await next.counts()).toMatchObject({ messages: 0 });
    await next.close();
    expect(await bodyFiles()).toEqual([]);
    const kept = only(await readdir(join(directory, 'bodies.damaged')));
    expect(Buffer.compare(await readFile(join(directory, 'bodies.damaged', kept)), damaged)).toBe(0);
    expect(repairs).toHaveLength(1);
  });

  it('goes on with new files beside the old ones', async () => {
    await fill();
    await unlink(indexFile());
    const queue = await open();
    const files = await bodyFiles();
    await queue.add(message(['c@new.example']));
    expect(await queue.counts()).toMatchObject({ messages: 301 });
    expect((await bodyFiles()).length).toBe(files.length + 1);
    await queue.close();
  });

  it('is made from the start again where that was interrupted', async () => {
    await fill();
    await rm(join(directory, 'index'), { recursive: true });
    const interrupted = join(directory, 'index.new');
    await mkdir(interrupted);
    await writeFile(join(interrupted, 'data.mdb'), randomBytes(9000));
    const queue = await open();
    expect(await queue.counts()).toMatchObject({ messages: 300 });
    await queue.close();
  });
});

describe('a body that', () => {
  it('is gone is said to be lost, and its message stays', async () => {
    const queue = await open();
    const added = message(['a@one.example']);
    await queue.add(added);
    await queue.close();
    await unlink(only(await bodyFiles()));
    const next = await open();
    await expect(next.body(added.id)).rejects.toThrow(BodyLostError);
    const claim = only((await next.claim(request())).claims);
    await next.settle(claim, { recipients: [again(0, NOW + 1)], followUps: [] });
    expect(await next.counts()).toMatchObject({ messages: 1 });
    const last = only((await next.claim(request({ now: NOW + 1 }))).claims);
    expect(await next.settle(last, { recipients: allDone(last), followUps: [] })).toEqual({
      status: 'settled',
    });
    await next.close();
  });

  it.each([
    ['was overwritten', (path: string) => overwrite(path, 400, Buffer.from('!'))],
    ['was cut off', (path: string) => truncate(path, 400)],
  ])('%s is said to be lost', async (_, damage) => {
    const queue = await open();
    const added = message(['a@one.example'], {}, Buffer.alloc(1000, 'x'));
    await queue.add(added);
    await queue.close();
    await damage(only(await bodyFiles()));
    const next = await open();
    await expect(next.body(added.id)).rejects.toThrow(BodyLostError);
    await next.close();
  });
});

describe('a body that can not be read now', () => {
  it.each(['EMFILE', 'EIO', 'EACCES'])('(%s) is not said to be lost', async (code) => {
    const queue = await open();
    const added = message(['a@one.example']);
    await queue.add(added);
    await queue.close();
    const readPart = () => Promise.reject(Object.assign(new Error(`${code}: no`), { code }));
    const next = await open({ disk: { ...localDisk, readPart } });
    const error: unknown = await next.body(added.id).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code });
    expect(error).not.toBeInstanceOf(BodyLostError);
    await next.close();
  });
});

describe('body files', () => {
  it('go when their last message goes', async () => {
    const queue = await open();
    const messages = Array.from({ length: 50 }, () => message(['a@one.example']));
    await Promise.all(messages.map((one) => queue.add(one)));
    expect((await bodyFiles()).length).toBeLessThan(10);
    await queue.change({}, 'delete', NOW);
    await queue.close();
    expect(await bodyFiles()).toEqual([]);
  });
});
