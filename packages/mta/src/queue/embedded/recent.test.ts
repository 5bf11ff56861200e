import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Claim } from '../queue.js';
import { again, allDone, done, message, NOW, only, request } from '../suite.js';
import type { EmbeddedQueue } from './embedded-queue.js';
import { openEmbeddedQueue } from './open.js';
import { NOTHING_RECENT, Recent, type RecentMessage } from './recent.js';

const addresses = (claims: readonly Claim[]): string[] =>
  claims.flatMap(({ recipients }) => recipients.map(({ address }) => address));

describe('a message that came lately', () => {
  let directory: string;
  let owner: EmbeddedQueue;
  let visitor: EmbeddedQueue;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'danelaw-recent-'));
    owner = await openEmbeddedQueue({ directory, minFree: 0 });
    visitor = await openEmbeddedQueue({ directory, minFree: 0, mode: 'visitor' });
  });
  afterEach(async () => {
    await visitor.close();
    await owner.close();
    await rm(directory, { recursive: true });
  });

  const claim = async (now = NOW): Promise<readonly Claim[]> => (await owner.claim(request({ now }))).claims;

  it('is claimed as another process has changed it', async () => {
    const added = message(['held@one.example', 'sent@one.example']);
    await owner.add(added);
    await visitor.change({ to: 'held@one.example' }, 'hold', NOW);
    expect(addresses(await claim())).toEqual(['sent@one.example']);
  });

  it('is not claimed where another process has deleted it', async () => {
    await owner.add(message(['gone@one.example']));
    await owner.add(message(['sent@one.example']));
    await visitor.change({ to: 'gone@one.example' }, 'delete', NOW);
    expect(addresses(await claim())).toEqual(['sent@one.example']);
  });

  it('is lost to its claim where another process has deleted it meanwhile', async () => {
    await owner.add(message(['gone@one.example']));
    const claimed = only(await claim());
    await visitor.change({}, 'delete', NOW);
    const settled = await owner.settle(claimed, { recipients: allDone(claimed), followUps: [] });
    expect(settled.status).toBe('lost');
    expect(await owner.counts()).toMatchObject({ messages: 0, recipients: 0 });
  });

  it('stays held where it was held while another was being settled', async () => {
    await owner.add(message(['first@one.example']));
    await owner.add(message(['held@one.example']));
    const first = only((await owner.claim(request({ max: 1 }))).claims);
    await visitor.change({ to: 'held@one.example' }, 'hold', NOW);
    await owner.settle(first, { recipients: allDone(first), followUps: [] });
    await owner.add(message(['last@one.example']));
    expect(addresses(await claim())).toEqual(['last@one.example']);
    expect(await owner.counts()).toMatchObject({ messages: 2, held: 1 });
  });

  it('is settled destination by destination, and leaves the queue with the last', async () => {
    await owner.add(message(['a@one.example', 'b@two.example', 'c@two.example']));
    const [one, two] = await claim();
    if (one === undefined || two === undefined) throw new Error('there are two destinations');
    await owner.settle(one, { recipients: allDone(one), followUps: [] });
    expect(await owner.counts()).toMatchObject({ messages: 1, recipients: 2 });
    await owner.settle(two, { recipients: [done(1), again(2, NOW + 1000)], followUps: [] });
    expect(await owner.counts()).toMatchObject({ messages: 1, recipients: 1 });
    const last = only(await claim(NOW + 1000));
    expect(last.recipients).toMatchObject([{ address: 'c@two.example', state: { attempts: 1 } }]);
    await owner.settle(last, { recipients: allDone(last), followUps: [] });
    expect(await owner.counts()).toMatchObject({ messages: 0, recipients: 0, octets: 0 });
  });
});

describe('work of a destination', () => {
  let directory: string;
  let queue: EmbeddedQueue;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'danelaw-recent-'));
    queue = await openEmbeddedQueue({ directory, minFree: 0 });
  });
  afterEach(async () => {
    await queue.close();
    await rm(directory, { recursive: true });
  });

  const claim = async (changes: Parameters<typeof request>[0] = {}): Promise<readonly Claim[]> =>
    (await queue.claim(request(changes))).claims;

  it.each([
    ['that was given back', async (first: Claim) => await queue.release(first)],
    [
      'that was put off to a time that has come',
      async (first: Claim) => {
        await queue.settle(first, { recipients: [again(0, NOW - 1000)], followUps: [] });
      },
    ],
  ])('is found again before what is in hand: one %s', async (_, end) => {
    for (const local of ['a', 'b', 'c']) await queue.add(message([`${local}@one.example`]));
    const first = only(await claim({ max: 1 }));
    const second = only(await claim({ max: 1 }));
    await end(first);
    expect(addresses(await claim())).toEqual(['a@one.example', 'c@one.example']);
    expect(addresses([second])).toEqual(['b@one.example']);
  });

  it('is found where it comes in before what is in hand', async () => {
    await queue.add(message(['a@one.example']));
    await queue.add(message(['b@one.example']));
    await claim({ max: 1 });
    await queue.add(message(['early@one.example'], { arrived: NOW - 60_000 }));
    expect(addresses(await claim())).toEqual(['early@one.example', 'b@one.example']);
  });
});

describe('what is remembered', () => {
  const remembered = (arrived: number, recipients = 1): RecentMessage => {
    const { envelope } = message(['a@one.example'], { arrived });
    const state = { held: false, due: arrived, attempts: 0, warned: false, last: undefined };
    const work = Array.from({ length: recipients }, (_, index) => {
      return { index, address: `a${index}@one.example`, destination: 'one.example', state };
    });
    const place = { file: '00000000/00', number: 0, offset: 0, size: 1, crc: 0 };
    return { envelope, place, works: new Map([['one.example', work]]) };
  };
  const changes = (messages: readonly (readonly [string, RecentMessage | undefined])[]) => ({
    messages: new Map(messages),
    destinations: new Map([['one.example', { head: NOW, state: undefined }]]),
  });

  it('holds for the state of the index that it was made of, and no other', () => {
    const recent = new Recent();
    recent.apply(7, changes([['a', remembered(NOW)]]));
    expect(recent.at(7)).toBe(NOTHING_RECENT);
    expect(recent.at(9)).toBe(NOTHING_RECENT);
    expect(recent.at(8).message('a')).toBeDefined();
    expect(recent.at(8).destination('one.example')).toEqual({ head: NOW, state: undefined });
  });

  it('is forgotten where somebody else has made a change between two of our own', () => {
    const recent = new Recent();
    recent.apply(7, changes([['a', remembered(NOW)]]));
    recent.apply(9, { messages: new Map([['b', remembered(NOW)]]), destinations: new Map() });
    expect(recent.at(10).message('a')).toBeUndefined();
    expect(recent.at(10).destination('one.example')).toBeUndefined();
    expect(recent.at(10).message('b')).toBeDefined();
  });

  it('is bounded: the first stay for a while, and those that wait for long make room', () => {
    const recent = new Recent();
    const many = Array.from({ length: 2000 }, (_, i) => [`m${i}`, remembered(NOW)] as const);
    recent.apply(1, changes(many));
    recent.apply(2, changes([['soon', remembered(NOW + 1000)]]));
    recent.apply(3, changes([['late', remembered(NOW + 10_000)]]));
    const reader = recent.at(4);
    expect(['soon', 'late', 'm0', 'm1'].map((id) => reader.message(id) !== undefined)).toEqual([
      false,
      true,
      false,
      true,
    ]);
  });

  it('is no message with many recipients', () => {
    const recent = new Recent();
    recent.apply(1, changes([['large', remembered(NOW, 17)]]));
    expect(recent.at(2).message('large')).toBeUndefined();
  });
});
