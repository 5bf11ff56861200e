import { beforeEach, describe, expect, it } from 'vitest';
import { QueueFullError, QueueUnavailableError } from '../queue.js';
import { Interrupted } from './failure.js';
import { GroupCommit } from './group-commit.js';

const LATER = 10_000;

describe('group commit', () => {
  let now: number;
  let closing: AbortController;
  /** What each transaction was given. */
  let batches: string[][];
  /** What becomes of the next transactions; then all succeed. */
  let failures: ((members: readonly string[]) => Error | undefined)[];
  /** Transactions wait for it. */
  let gate: Promise<void>;
  let atOnce: number;
  let most: number;
  let writers: Set<string>;

  beforeEach(() => {
    now = 0;
    closing = new AbortController();
    batches = [];
    failures = [];
    gate = Promise.resolve();
    atOnce = 0;
    most = 0;
    writers = new Set();
  });

  const make = (changes: { width?: number; maxMembers?: number; maxWeight?: number } = {}) =>
    new GroupCommit<string, string>({
      database: {
        closing: closing.signal,
        pause: async (milliseconds) => {
          now += milliseconds;
        },
      },
      monotonic: () => now,
      width: 1,
      maxMembers: 10,
      maxWeight: 100,
      weigh: (member) => member.length,
      ...changes,
      commit: async (members, writer) => {
        batches.push([...members]);
        most = Math.max(most, ++atOnce);
        writers.add(writer);
        try {
          await gate;
          const failure = failures.shift()?.(members);
          if (failure !== undefined) throw failure;
          return members.map((member) => `${member}!`);
        } finally {
          atOnce--;
        }
      },
    });

  /** Pushes them at a time. */
  const push = (group: GroupCommit<string, string>, members: readonly string[], giveUpAt = LATER) =>
    Promise.allSettled(members.map((member) => group.push(member, giveUpAt)));
  const values = (results: readonly PromiseSettledResult<string>[]) =>
    results.map((result) => (result.status === 'fulfilled' ? result.value : result.reason));

  it('does together what is asked for at the same time, each with its own result', async () => {
    expect(values(await push(make(), ['a', 'b', 'c']))).toEqual(['a!', 'b!', 'c!']);
    expect(batches).toEqual([['a', 'b', 'c']]);
  });

  it('does together what is asked for while a transaction is on its way', async () => {
    let open = () => {};
    gate = new Promise((resolve) => {
      open = resolve;
    });
    const group = make();
    const first = group.push('a', LATER);
    await Promise.resolve();
    await Promise.resolve();
    const others = push(group, ['b', 'c']);
    open();
    await Promise.all([first, others]);
    expect(batches).toEqual([['a'], ['b', 'c']]);
  });

  it.each([
    ['members', { maxMembers: 2 }, ['a', 'b', 'c'], [['a', 'b'], ['c']]],
    ['weight', { maxWeight: 5 }, ['aaa', 'bb', 'c'], [['aaa', 'bb'], ['c']]],
    ['weight, but for one that has more alone', { maxWeight: 2 }, ['aaa', 'b'], [['aaa'], ['b']]],
  ])('bounds a batch by its %s', async (_, bounds, members, expected) => {
    await push(make(bounds), members);
    expect(batches).toEqual(expected);
  });

  it('has as many transactions at a time as its width, each with a writer of its own', async () => {
    const group = make({ width: 2, maxMembers: 1 });
    await push(group, ['a', 'b', 'c', 'd']);
    expect(batches).toHaveLength(4);
    expect(most).toBe(2);
    expect(writers.size).toBe(2);
  });

  it('does a batch again one by one where one member fails it', async () => {
    const failure = new Error('b is wrong');
    const fail = (members: readonly string[]) => (members.includes('b') ? failure : undefined);
    failures = [fail, fail, fail, fail];
    expect(values(await push(make(), ['a', 'b', 'c']))).toEqual(['a!', failure, 'c!']);
    expect(batches).toEqual([['a', 'b', 'c'], ['a'], ['b'], ['c']]);
  });

  it('fails a batch as a whole where the reason is none of its members', async () => {
    const full = new QueueFullError('no room');
    failures = [() => full];
    expect(values(await push(make(), ['a', 'b']))).toEqual([full, full]);
    expect(batches).toHaveLength(1);
  });

  it('tries again what was interrupted, and gives up each member at its own time', async () => {
    const interrupted = new Interrupted('gone', true, undefined);
    failures = Array.from({ length: 5 }, () => () => interrupted);
    const group = make();
    const [soon, late] = await Promise.allSettled([group.push('soon', 100), group.push('late', LATER)]);
    expect(soon).toMatchObject({ status: 'rejected', reason: expect.any(QueueUnavailableError) });
    expect(late).toEqual({ status: 'fulfilled', value: 'late!' });
    expect(batches.at(-1)).toEqual(['late']);
  });

  it('waits for nothing once the queue is closed', async () => {
    closing.abort();
    failures = [() => new Interrupted('gone', true, undefined)];
    const [result] = await push(make(), ['a']);
    expect(result).toMatchObject({ status: 'rejected', reason: expect.any(QueueUnavailableError) });
    expect(batches).toHaveLength(1);
  });

  it('drains when everything that was asked for is done', async () => {
    const group = make({ maxMembers: 1 });
    const done: string[] = [];
    for (const member of ['a', 'b', 'c']) void group.push(member, LATER).then(() => done.push(member));
    await group.drain();
    expect(done).toEqual(['a', 'b', 'c']);
  });
});
