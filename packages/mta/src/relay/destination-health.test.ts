import { describe, expect, it } from 'vitest';
import { DestinationHealth } from './destination-health.js';
import { DEFAULT_SCHEDULE } from './retry-schedule.js';

const LIMITS = { initial: 4, most: 20 };
const FATE = { reason: 'no connection', host: 'mx.there.example', enhancedStatus: '4.4.1' };
const THERE = 'there.example';

describe('a destination', () => {
  it('begins with a few messages at a time, and gets more as they succeed', () => {
    const health = new DestinationHealth(LIMITS);
    expect(health.limitOf(THERE)).toBe(4);
    for (let i = 0; i < 4; i++) health.succeeded(THERE);
    expect(health.limitOf(THERE)).toBe(6);
    for (let i = 0; i < 1000; i++) health.succeeded(THERE);
    expect(health.limitOf(THERE)).toBe(20);
  });

  it('gets half as many where it is overloaded, and never none', () => {
    const health = new DestinationHealth(LIMITS);
    health.overloaded(THERE, undefined, 1000);
    expect(health.limitOf(THERE)).toBe(2);
    health.overloaded(THERE, undefined, 1000);
    health.overloaded(THERE, undefined, 1000);
    expect(health.limitOf(THERE)).toBe(1);
  });

  it('that refuses some connections is not down, while others get through', () => {
    const health = new DestinationHealth(LIMITS);
    for (let i = 0; i < 4; i++) health.overloaded(THERE, FATE, 1000);
    expect([health.fateOf(THERE), health.limitOf(THERE)]).toEqual([undefined, 1]);
    health.succeeded(THERE);
    for (let i = 0; i < 2; i++) health.overloaded(THERE, FATE, 1000);
    expect(health.fateOf(THERE)).toBeUndefined();
  });

  it('that refuses more connections in a row than there were at a time is down', () => {
    const health = new DestinationHealth(LIMITS);
    for (let i = 0; i < 5; i++) health.overloaded(THERE, FATE, 1000);
    expect(health.fateOf(THERE)).toEqual(FATE);
  });

  it('that was down, and refuses the one message that is tried, is down at once', () => {
    const health = new DestinationHealth(LIMITS);
    health.failed(THERE, FATE, 1000);
    health.drained(THERE, DEFAULT_SCHEDULE, 1000, 0.5);
    health.overloaded(THERE, FATE, 301_000);
    expect(health.drained(THERE, DEFAULT_SCHEDULE, 301_000, 0.5)).toMatchObject({ failures: 2 });
  });

  it('that talks to us, and wants less, is never down', () => {
    const health = new DestinationHealth(LIMITS);
    for (let i = 0; i < 100; i++) health.overloaded(THERE, undefined, 1000);
    expect([health.fateOf(THERE), health.limitOf(THERE)]).toEqual([undefined, 1]);
  });

  it('shares its fate with what is due, pauses, and is then tried with one message', () => {
    const health = new DestinationHealth(LIMITS);
    health.failed(THERE, FATE, 1000);
    expect(health.fateOf(THERE)).toEqual(FATE);
    expect(health.limitOf(THERE)).toBeGreaterThan(100);
    const state = health.drained(THERE, DEFAULT_SCHEDULE, 1000, 0.5);
    expect(state).toEqual({
      destination: THERE,
      notBefore: 301_000,
      failures: 1,
      reason: 'no connection',
    });
    expect(health.fateOf(THERE)).toBeUndefined();
    expect(health.limitOf(THERE)).toBe(1);
  });

  it('counts what failed together as one failure, and what ends during the pause as none', () => {
    const health = new DestinationHealth(LIMITS);
    health.failed(THERE, FATE, 1000);
    health.failed(THERE, FATE, 1000);
    expect(health.drained(THERE, DEFAULT_SCHEDULE, 1000, 0.5)?.failures).toBe(1);
    health.failed(THERE, FATE, 2000);
    expect(health.fateOf(THERE)).toBeUndefined();
    health.failed(THERE, FATE, 301_000);
    expect(health.drained(THERE, DEFAULT_SCHEDULE, 301_000, 0.5)).toMatchObject({
      failures: 2,
      notBefore: 901_000,
    });
  });

  it('is tried every hour at least, however long it has been down', () => {
    const health = new DestinationHealth(LIMITS);
    health.restore({ destination: THERE, notBefore: 0, failures: 500, reason: '' });
    health.failed(THERE, FATE, 1000);
    expect(health.drained(THERE, DEFAULT_SCHEDULE, 1000, 0.5)?.notBefore).toBe(1000 + 3_600_000);
  });

  it('is as at first when a message got through', () => {
    const health = new DestinationHealth(LIMITS);
    health.failed(THERE, FATE, 1000);
    health.drained(THERE, DEFAULT_SCHEDULE, 1000, 0.5);
    expect(health.succeeded(THERE)).toBe(true);
    expect(health.succeeded(THERE)).toBe(false);
    expect(health.limitOf(THERE)).toBe(4);
    expect([...health.down()]).toEqual([]);
  });

  it('is not up again where nobody was told that it was down, and is where a process before told it', () => {
    const health = new DestinationHealth(LIMITS);
    health.failed(THERE, FATE, 1000);
    expect(health.succeeded(THERE)).toBe(false);
    expect(health.fateOf(THERE)).toBeUndefined();
    health.restore({ destination: THERE, notBefore: 0, failures: 1, reason: '' });
    expect(health.succeeded(THERE)).toBe(true);
  });

  it('is forgotten where there are too many: the oldest that is fine, and one that is down not before it', () => {
    const health = new DestinationHealth(LIMITS, 3);
    health.failed('down.example', FATE, 1000);
    health.overloaded('first.example', undefined, 1000);
    health.overloaded('second.example', undefined, 1000);
    health.overloaded('third.example', undefined, 1000);
    expect(health.fateOf('down.example')).toEqual(FATE);
    const limits = ['first.example', 'second.example', 'third.example'].map((each) => health.limitOf(each));
    expect(limits).toEqual([4, 2, 2]);
  });

  it('is forgotten with its fate where all the others are down as well', () => {
    const health = new DestinationHealth(LIMITS, 2);
    for (const name of ['a.example', 'b.example', 'c.example']) health.failed(name, FATE, 1000);
    expect([...health.down()].map(([name]) => name)).toEqual(['b.example', 'c.example']);
    expect(health.fateOf('a.example')).toBeUndefined();
  });
});
