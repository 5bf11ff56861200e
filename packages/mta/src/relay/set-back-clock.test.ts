import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openEmbeddedQueue } from '../queue/embedded/open.js';
import type { Queue } from '../queue/queue.js';
import { message, NOW } from '../queue/suite.js';
import { DEFAULT_SCHEDULE } from './retry-schedule.js';
import { bringBack, ClockWatch } from './set-back-clock.js';

const HOUR = 3_600_000;

describe('a look at the clock', () => {
  it.each<[what: string, wall: number, wentBack: boolean]>([
    ['that went on', 1000, false],
    ['that was set ahead by a day', 24 * HOUR, false],
    ['that was set back by half a minute', 1000 - 30_000, false],
    ['that was set back by an hour', 1000 - HOUR, true],
  ])('%s', (_, wall, wentBack) => {
    const watch = new ClockWatch();
    expect(watch.wentBack(NOW, 5)).toBe(false);
    expect(watch.wentBack(NOW + wall, 1005)).toBe(wentBack);
    expect(watch.wentBack(NOW + wall + 1, 1006)).toBe(false);
  });
});

describe('what a clock that was ahead has left', () => {
  let directory: string;
  let queue: Queue;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'danelaw-clock-'));
    queue = await openEmbeddedQueue({ directory, minFree: 0 });
  });
  afterEach(async () => {
    await queue.close();
    await rm(directory, { recursive: true });
  });

  it('is due now, and what any schedule could have set waits', async () => {
    const state = (due: number) => ({ held: false, due, attempts: 3, warned: false, last: undefined });
    const late = NOW + 28 * HOUR;
    const soon = NOW + 4.5 * HOUR; // the longest pause, and chance
    await queue.add(message([{ address: 'a@one.example', destination: 'one.example', state: state(late) }]));
    await queue.add(message([{ address: 'b@two.example', destination: 'two.example', state: state(soon) }]));
    const down = { failures: 2, reason: 'no answer' };
    await queue.setDestination('one.example', { destination: 'one.example', notBefore: late, ...down });
    const two = { destination: 'two.example', notBefore: NOW + HOUR, ...down };
    await queue.setDestination('two.example', two);
    expect(await bringBack(queue, DEFAULT_SCHEDULE, NOW)).toEqual({ recipients: 1, destinations: 1 });
    const dues: Record<string, number> = {};
    for await (const { recipients } of queue.list({})) {
      for (const { address, state: now } of recipients) dues[address] = now.due;
    }
    expect(dues).toEqual({ 'a@one.example': NOW, 'b@two.example': soon });
    const destinations = [];
    for await (const each of queue.destinations()) destinations.push(each);
    expect(destinations).toEqual([two]);
    expect(await bringBack(queue, DEFAULT_SCHEDULE, NOW)).toEqual({ recipients: 0, destinations: 0 });
  });
});
