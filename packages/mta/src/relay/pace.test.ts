import { describe, expect, it } from 'vitest';
import { FEW, LOOK_EVERY, Pace, STEP } from './pace.js';

let now: number;
let idle: number[];

function pace(threads = 2): Pace {
  now = 1000;
  idle = Array.from({ length: threads }, () => 0);
  return new Pace({ idleTimes: () => [...idle], monotonic: () => now });
}

/** So many milliseconds pass, and each thread is idle for this part of them. */
function pass(milliseconds: number, ...parts: number[]): void {
  now += milliseconds;
  idle = idle.map((time, i) => time + milliseconds * (parts[i] ?? 0));
}

describe('how many more messages are begun', () => {
  it('is a few for each thread at once, idle or not', () => {
    const { room } = at(pace());
    expect(room(0)).toBe(2 * FEW);
    expect(room(FEW)).toBe(FEW);
    expect(room(2 * FEW)).toBe(0);
    expect(room(1000)).toBe(0);
  });

  it.each([
    ['one at a look, where both threads are busy', [0.1, 0.2], 100, 1],
    ['a step, where one of two has time', [0, 0.5], 2 * FEW, STEP],
    ['a step, where both have time', [1, 1], 2 * FEW, STEP],
    ['a quarter of what is under way, where that is more', [1, 1], 1000, 250],
    ['what is missing of the few, where that is more', [1, 1], 2, 2 * FEW - 2],
  ])('is %s', (_, parts, underWay, expected) => {
    const { room } = at(pace());
    pass(LOOK_EVERY, ...parts);
    expect(room(underWay)).toBe(expected);
  });

  it('is learnt once a look: who asks more often learns nothing new', () => {
    const { room } = at(pace());
    pass(LOOK_EVERY, 1, 1);
    expect(room(500)).toBe(125);
    expect(room(625)).toBe(0);
    pass(LOOK_EVERY - 1, 1, 1);
    expect(room(625)).toBe(0);
    pass(1, 1, 1);
    expect(room(625)).toBe(156);
  });

  it('grows to thousands within a second, where all wait for other servers', () => {
    const { room } = at(pace());
    let underWay = 0;
    for (let looks = 0; looks < 1000 / LOOK_EVERY; looks++) {
      pass(LOOK_EVERY, 0.9, 0.9);
      underWay += room(underWay);
    }
    expect(underWay).toBeGreaterThan(2000);
  });

  it('goes on where a thousand hang and the threads are busy with others', () => {
    const { room } = at(pace());
    for (let looks = 0; looks < 5; looks++) {
      pass(LOOK_EVERY, 0, 0);
      expect(room(1000)).toBe(1);
    }
  });

  it('takes a thread that is new, and has not been idle for long, for no sign', () => {
    const { room } = at(pace());
    pass(10_000, 1, 1);
    room(100);
    pass(LOOK_EVERY, 0, 0);
    idle[0] = LOOK_EVERY; // the one before had been idle for ten seconds
    expect(room(100)).toBe(1);
    pass(LOOK_EVERY, 1, 0);
    expect(room(100)).toBe(25);
  });
});

const at = (made: Pace) => ({ room: (underWay: number) => made.room(underWay) });
