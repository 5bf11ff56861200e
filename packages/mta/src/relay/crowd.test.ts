import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Crowd } from './crowd.js';

let asked: number[];
let wakes: number;
let crowd: Crowd;

beforeEach(() => {
  vi.useFakeTimers();
  asked = [];
  wakes = 0;
  crowd = new Crowd({ giveWay: (most) => asked.push(most), wake: () => wakes++, beat: 1000 });
});
afterEach(() => {
  crowd.stop();
  vi.useRealTimers();
});

describe('a crowd', () => {
  it('is asked to give way once a second, however often it is said that all is full', () => {
    for (let i = 0; i < 10; i++) crowd.full();
    expect(asked).toEqual([200]);
    vi.advanceTimersByTime(1000);
    expect(wakes).toBe(1);
    crowd.full();
    expect(asked).toEqual([200, 200]);
  });

  it('lets a destination whose message has left in again after five seconds, and wakes until then', () => {
    crowd.left('a.example');
    vi.advanceTimersByTime(2000);
    crowd.left('b.example');
    crowd.left('a.example');
    vi.advanceTimersByTime(4999);
    expect([crowd.isOut('a.example'), crowd.isOut('b.example'), crowd.isOut('c.example')]).toEqual([
      true,
      true,
      false,
    ]);
    vi.advanceTimersByTime(1);
    expect([crowd.isOut('a.example'), crowd.isOut('b.example')]).toEqual([false, false]);
    expect(wakes).toBe(7);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('lets a destination in at once where a message gets through', () => {
    crowd.left('a.example');
    crowd.works('a.example');
    expect(crowd.isOut('a.example')).toBe(false);
  });
});
