import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createAcceptance } from '../acceptance/acceptance.js';
import { openEmbeddedQueue } from '../queue/embedded/open.js';
import { type Queue, QueueFullError } from '../queue/queue.js';
import { leaveMessage } from './leave-message.js';
import { Maildrop } from './maildrop.js';
import type { SpooledEnvelope } from './spooled-message.js';

const NOW = 1_800_000_000_000;
const user = process.getuid?.() ?? 0;
const id = (digit: string): string => digit.repeat(18);
/** Octets of a message, small so that a larger one is soon made. */
const LARGEST = 100_000;

let place: string;
let folder: string;
let queue: Queue;
let said: Record<string, unknown>[];
const opened: Maildrop[] = [];

beforeEach(async () => {
  place = mkdtempSync(join(tmpdir(), 'danelaw-maildrop-'));
  folder = join(place, 'drop');
  queue = await openEmbeddedQueue({ directory: join(place, 'queue') });
  said = [];
});
afterEach(async () => {
  for (const maildrop of opened.splice(0)) await maildrop.stop();
  await queue.close();
  rmSync(place, { recursive: true });
});

function open(
  changes: { queue?: Pick<Queue, 'add' | 'read'>; user?: number; recipients?: number } = {},
): Maildrop {
  const log = (event: string, fields: object): void => void said.push({ event, ...fields });
  const store = changes.queue ?? queue;
  const maildrop = new Maildrop({
    folder,
    named: true,
    messageOctets: LARGEST,
    user: changes.user ?? user,
    queue: store,
    acceptance: createAcceptance({
      queue: store,
      hostname: 'relay.example',
      clock: () => NOW,
      random: (octets) => new Uint8Array(octets),
      limits: { recipients: changes.recipients ?? 10, messageOctets: LARGEST },
    }),
    hostname: () => 'relay.example',
    dkim: undefined,
    clock: () => NOW,
    log: { info: log, warn: log, error: log },
  });
  opened.push(maildrop);
  return maildrop;
}

async function take(maildrop: Maildrop): Promise<void> {
  maildrop.look();
  await maildrop.idle();
}

/** A relay that has begun, in front of an empty folder. */
async function begun(changes: Parameters<typeof open>[0] = {}): Promise<Maildrop> {
  const maildrop = open(changes);
  await maildrop.finishLast();
  return maildrop;
}

async function leave(name: string, changes: Partial<SpooledEnvelope> = {}, text = 'Hello.'): Promise<void> {
  const envelope = { from: 'ann@a.example', to: ['you@b.example'], ...changes };
  const octets = Buffer.from(`Subject: x\r\n\r\n${text}\r\n`);
  const left = await leaveMessage({ envelope, octets }, { folder, id: name, user });
  if (left.status !== 'left') throw new Error(left.reason);
}

async function queued(): Promise<string[]> {
  const ids: string[] = [];
  for await (const entry of queue.list({})) ids.push(entry.id);
  return ids;
}

const bad = (): string[] => readdirSync(join(folder, 'bad'));
const files = (): string[] => readdirSync(folder).filter((name) => name !== 'bad');
const reasons = (): string => said.map(({ event, reason }) => `${event} ${reason}`).join('\n');

describe('the maildrop', () => {
  it('is made where the configuration names it, open to everybody and safe from everybody (sticky, setgid)', async () => {
    await begun();
    expect((statSync(folder).mode & 0o7777).toString(8)).toBe('3777');
    expect((statSync(join(folder, 'bad')).mode & 0o7777).toString(8)).toBe('700');
  });

  it('gives a message to the queue, says who left it, and removes the file', async () => {
    const maildrop = await begun();
    await leave(id('1'), {
      to: ['you@b.example', 'she@c.example'],
      notify: ['delay'],
      envid: 'e1',
      ret: 'hdrs',
    });
    expect((statSync(join(folder, id('1'))).mode & 0o7777).toString(8)).toBe('640');
    await take(maildrop);
    expect(files()).toEqual([]);
    const entry = await queue.read(id('1'));
    expect(entry).toMatchObject({
      envelope: { from: 'ann@a.example', envid: 'e1', ret: 'hdrs', origin: { kind: 'sendmail', uid: user } },
      recipients: [
        { address: 'you@b.example', notify: ['delay'], state: { due: NOW + 2000, attempts: 0 } },
        { address: 'she@c.example' },
      ],
    });
    const text = Buffer.from(await queue.body(id('1'))).toString();
    expect(text).toMatch(new RegExp(`^Received: from localhost \\(local, uid ${user}\\)\r\n\tby relay`, 'u'));
    expect(text).toContain('Message-ID: ');
    expect(said).toEqual([
      { event: 'received', id: id('1'), uid: user, from: 'ann@a.example', recipients: 2, octets: 22 },
    ]);
  });

  it('is looked at when something comes', async () => {
    const maildrop = await begun();
    maildrop.start();
    await maildrop.idle();
    await leave(id('1'));
    while ((await queued()).length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(await queued()).toEqual([id('1')]);
  });

  it('takes a message once, where a crash came before its file was removed', async () => {
    const maildrop = await begun();
    await leave(id('1'), { to: ['you@b.example', 'me@relay.example'] });
    renameSync(join(folder, id('1')), join(place, 'kept'));
    writeFileSync(join(folder, id('1')), readFileSync(join(place, 'kept')));
    await take(maildrop);
    const before = await queued();
    expect(before).toHaveLength(2); // and the report about me@relay.example
    renameSync(join(place, 'kept'), join(folder, id('1')));
    await begun();
    expect(await queued()).toEqual(before);
    expect(files()).toEqual([]);
  });

  it('takes nothing new before the relay delivers: only what the queue has', async () => {
    await begun();
    await leave(id('2'));
    await begun();
    expect([files(), await queued()]).toEqual([[id('2')], []]);
  });

  it('keeps what the queue has no room for, and takes it later', async () => {
    let full = true;
    const store = {
      read: (name: string) => queue.read(name),
      add: async (message: Parameters<Queue['add']>[0]) => {
        if (full) throw new QueueFullError('it is full');
        await queue.add(message);
      },
    };
    const maildrop = await begun({ queue: store });
    await leave(id('1'));
    await take(maildrop);
    expect(files()).toEqual([id('1')]);
    expect(reasons()).toContain('not taken for now: 452 4.3.1');
    full = false;
    await take(maildrop);
    expect([files(), await queued()]).toEqual([[], [id('1')]]);
  });

  it.each<[string, Partial<SpooledEnvelope>, string, number]>([
    ['some of its recipients', { to: ['you@b.example', 'me@relay.example'] }, '5.4.6', 2],
    ['all of its recipients', { to: ['me@relay.example'] }, '5.4.6', 1],
    [
      'more recipients than a message may have',
      { to: Array.from({ length: 11 }, (_, i) => `u${i}@b.example`) },
      'Action: failed',
      1,
    ],
  ])('tells its sender where the relay refuses %s', async (_, envelope, words, messages) => {
    const maildrop = await begun();
    await leave(id('1'), envelope);
    await take(maildrop);
    expect(files()).toEqual([]);
    const ids = await queued();
    expect(ids).toHaveLength(messages);
    const report = ids.find((each) => each !== id('1')) ?? '';
    expect(await queue.read(report)).toMatchObject({
      envelope: { from: '' },
      recipients: [{ address: 'ann@a.example' }],
    });
    expect(Buffer.from(await queue.body(report)).toString()).toContain(words);
    expect(said.filter(({ event }) => event === 'refused').length).toBeGreaterThan(0);
  });

  const write = (name: string, text: string | Uint8Array) => () => writeFileSync(join(folder, name), text);
  it.each<[string, () => void | Promise<void>, RegExp]>([
    ['garbage', write(id('1'), 'hello'), /no message that danelaw sendmail wrote/u],
    ['nothing', write(id('1'), ''), /no message that danelaw sendmail wrote/u],
    ['a name that is none', write('hello', 'hello'), /it is no message/u],
    ['what is too large', write(id('1'), new Uint8Array(2_000_000)), /2000000 octets, and .* is the limit/u],
    [
      'a symbolic link, which is not followed',
      () => symlinkSync(join(place, 'secret'), join(folder, id('1'))),
      /symbolic link/u,
    ],
    [
      'a second name of a file',
      () => {
        writeFileSync(join(place, 'other'), 'another user wrote it');
        linkSync(join(place, 'other'), join(folder, id('1')));
      },
      /it has other names/u,
    ],
    [
      'a pipe, which is not waited for',
      () => void execFileSync('mkfifo', [join(folder, id('1'))]),
      /it is no file/u,
    ],
    ['a folder', () => mkdirSync(join(folder, id('1'))), /it is no file/u],
    [
      'a sender that is no address',
      () => leave(id('1'), { from: 'a..b' }),
      /refused, and nobody can be told: 501/u,
    ],
    [
      'what the null sender can not be told of',
      () => leave(id('1'), { from: '', to: ['me@relay.example'] }),
      /refused, and nobody can be told: me@relay\.example: 550 5\.4\.6/u,
    ],
    ['a message with NUL', () => leave(id('1'), {}, 'a\0b'), /refused, and nobody can be told: 554 5\.6\.0/u],
    [
      'a draft of long ago',
      () => {
        const draft = join(folder, `.draft-${id('1')}`);
        writeFileSync(draft, 'half of');
        utimesSync(draft, NOW / 1000 - 90_000, NOW / 1000 - 90_000);
      },
      /ended before it was whole/u,
    ],
  ])('sets aside %s, says so, and goes on', async (_, put, reason) => {
    const maildrop = await begun();
    writeFileSync(join(place, 'secret'), 'secret');
    await put();
    await leave(id('z'));
    await take(maildrop);
    expect(files()).toEqual([]);
    expect(bad()).toHaveLength(1);
    expect(reasons()).toMatch(reason);
    expect(await queued()).toEqual([id('z')]);
  });

  it('leaves a draft alone that somebody may be writing', async () => {
    const maildrop = await begun();
    const draft = join(folder, `.draft-${id('1')}`);
    writeFileSync(draft, 'half of');
    utimesSync(draft, NOW / 1000, NOW / 1000);
    await take(maildrop);
    expect(files()).toEqual([`.draft-${id('1')}`]);
  });

  it('tells once of what it can not set aside', async () => {
    const maildrop = await begun();
    rmSync(join(folder, 'bad'), { recursive: true });
    writeFileSync(join(folder, 'bad'), 'somebody was quicker');
    writeFileSync(join(folder, id('1')), 'garbage');
    await take(maildrop);
    await take(maildrop);
    expect(said.filter(({ file }) => file === id('1'))).toHaveLength(1);
    expect(reasons()).toMatch(/it stays where it is \(.*bad is not the relay's/u);
    expect(existsSync(join(folder, id('1')))).toBe(true);
  });

  it.each<[string, () => void, number, RegExp]>([
    ['belongs to somebody else', () => {}, user + 1, /belongs to user \d+ and not to the relay's/u],
    ['lets others take files out', () => chmodSync(folder, 0o777), user, /chmod \+t/u],
    [
      'is a link',
      () => {
        renameSync(folder, join(place, 'elsewhere'));
        symlinkSync(join(place, 'elsewhere'), folder);
      },
      user,
      /it is no folder/u,
    ],
  ])('takes nothing from a folder that %s', async (_, change, owner, reason) => {
    await begun();
    await leave(id('1'));
    change();
    const other = open({ user: owner });
    await take(other);
    expect(reasons()).toMatch(reason);
    expect(await queued()).toEqual([]);
  });
});

describe('leaveMessage', () => {
  const message = {
    envelope: { from: 'ann@a.example', to: ['you@b.example'] },
    octets: Buffer.from('Subject: x\r\n\r\n'),
  };
  it.each<[string, () => void, number, RegExp]>([
    ['is not there', () => rmSync(folder, { recursive: true }), user, /it is not there/u],
    ['lets others take files out', () => chmodSync(folder, 0o2777), user, /chmod 3777/u],
    ['makes files that the relay can not read', () => chmodSync(folder, 0o1777), user + 1, /chmod 3777/u],
    [
      'has a message of that name',
      () => mkdirSync(join(folder, id('1'), 'x'), { recursive: true }),
      user,
      /EISDIR|ENOTEMPTY|directory/u,
    ],
  ])('leaves nothing where the folder %s', async (_, change, caller, reason) => {
    await begun();
    change();
    const left = await leaveMessage(message, { folder, id: id('1'), user: caller });
    expect(left).toEqual({ status: 'not-left', reason: expect.stringMatching(reason) });
    if (existsSync(folder))
      expect(readdirSync(folder).filter((name) => name.startsWith('.draft'))).toEqual([]);
  });

  it('makes files that the relay can read whatever the umask is', async () => {
    await begun();
    const before = process.umask(0o077);
    try {
      expect((await leaveMessage(message, { folder, id: id('1'), user })).status).toBe('left');
    } finally {
      process.umask(before);
    }
    expect(lstatSync(join(folder, id('1'))).mode & 0o777).toBe(0o640);
  });
});
