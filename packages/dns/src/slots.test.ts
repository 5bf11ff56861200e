import { expect, test } from 'vitest';
import { Slots } from './slots.js';

/** Work that ends when the test says so. */
function work(log: string[], name: string): { run: () => Promise<string>; end: () => void } {
  let end = () => {};
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  const run = async () => {
    log.push(name);
    await ended;
    return name;
  };
  return { run, end };
}

const settle = () => new Promise((resolve) => setImmediate(resolve));

test('no more than that many work at a time, and those in line come in their order', async () => {
  const slots = new Slots(2);
  const { signal } = new AbortController();
  const log: string[] = [];
  const [a, b, c, d] = [work(log, 'a'), work(log, 'b'), work(log, 'c'), work(log, 'd')];
  const results = [a, b, c, d].map(({ run }) => slots.use(run, signal));
  await settle();
  expect(log).toEqual(['a', 'b']);
  b.end();
  await settle();
  expect(log).toEqual(['a', 'b', 'c']);
  for (const { end } of [a, c, d]) end();
  expect(await Promise.all(results)).toEqual(['a', 'b', 'c', 'd']);
});

test('who aborts leaves the line, and a slot comes back from work that fails', async () => {
  const slots = new Slots(1);
  const abort = new AbortController();
  const { signal } = new AbortController();
  const log: string[] = [];
  const first = work(log, 'first');
  const failing = slots.use(async () => {
    await first.run();
    throw new Error('failed');
  }, signal);
  const gone = slots.use(work(log, 'gone').run, abort.signal);
  const last = slots.use(async () => 'last', signal);
  abort.abort(new Error('enough'));
  await expect(gone).rejects.toThrow('enough');
  first.end();
  await expect(failing).rejects.toThrow('failed');
  expect(await last).toBe('last');
  expect(log).toEqual(['first']);
  await expect(slots.use(async () => 'again', signal)).resolves.toBe('again');
  await expect(slots.use(async () => 'never', abort.signal)).rejects.toThrow('enough');
});
