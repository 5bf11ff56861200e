import { describe, expect, it } from 'vitest';
import { clockMoved, type Moment, steadyClock } from './steady-clock.js';

const HOUR = 3_600_000;
const at = (now: number, running: number, boot = 'one'): Moment => ({ now, steady: { boot, running } });

describe('a clock that was set', () => {
  it.each<[what: string, after: Moment, moved: number | undefined]>([
    ['is told from one that goes on', at(HOUR, HOUR), 0],
    ['is told from one that was corrected by seconds', at(HOUR + 20_000, HOUR), 0],
    ['is found where it was put forward', at(3 * HOUR, HOUR), 2 * HOUR],
    ['is found where it was put back', at(-HOUR, HOUR), -2 * HOUR],
    ['is told from one that runs a little fast for a month', at(720.5 * HOUR, 720 * HOUR), 0],
    ['can not be told after the machine was started anew', at(3 * HOUR, HOUR, 'two'), undefined],
    ['can not be told without another clock', { now: 3 * HOUR, steady: null }, undefined],
  ])('%s', (_, after, moved) => {
    expect(clockMoved(at(0, 0), after)).toBe(moved);
  });

  it.runIf(process.platform === 'linux')(
    'is held against the time that the machine has been running',
    async () => {
      expect(await steadyClock()).toEqual({
        boot: expect.stringMatching(/^[0-9a-f-]{36}$/),
        running: expect.any(Number),
      });
    },
  );
});
