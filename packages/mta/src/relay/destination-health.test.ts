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
    health.overloaded(THERE);
    expect(health.limitOf(THERE)).toBe(2);
    health.overloaded(THERE);
    health.overloaded(THERE);
    expect(health.limitOf(THERE)).toBe(1);
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
});
