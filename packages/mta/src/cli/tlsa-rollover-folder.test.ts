import { describe, expect, it } from 'vitest';
import type { Rollover } from '../tlsa/rollover.js';
import { withinTime } from './tlsa-rollover-folder.js';

const NOW = Date.parse('2026-11-24T12:00:00Z');
const HOUR = 3_600_000;
const RECORD = `3 1 1 ${'aa'.repeat(32)}`;
const found: Rollover = {
  ...{ host: 'mx.example.org', port: 25, name: '_25._tcp.mx.example.org', starttls: 'smtp' },
  ...{ direction: 'forward', changes: 'key', order: 'before', old: [RECORD], next: [RECORD], chains: [] },
  ...{ since: { [RECORD]: NOW - HOUR }, ttl: 300, ttlSeen: NOW - HOUR, retired: false, retiring: [] },
  ...{ hold: false, standby: null, keys: { current: null, next: null }, begun: NOW - HOUR, lastLook: NOW },
  steady: { boot: 'one', running: HOUR },
};
const look = (now: number, running: number, boot = 'one') => {
  let said = '';
  const io = {
    stdout: { write: () => {} },
    stderr: { write: (text: string) => (said += text) },
    stdin: { async *[Symbol.asyncIterator]() {} },
    env: {},
    signal: new AbortController().signal,
  };
  const { since, lastLook } = withinTime(found, { now, steady: { boot, running } }, io);
  return { since, lastLook, said };
};

describe('a clock that is wrong', () => {
  it('waits anew where it was put forward, and nobody knows how long it has been', () => {
    const { since, said } = look(NOW + 5 * HOUR, HOUR + 60_000);
    expect([since, said]).toEqual([{}, expect.stringContaining('set forward by 17940 s')]);
  });

  it('waits anew where it was put right after it had been ahead', () => {
    const { since, lastLook, said } = look(NOW - 5 * HOUR, HOUR + 60_000);
    expect([since, lastLook, said]).toEqual([{}, NOW - 5 * HOUR, expect.stringContaining('set back')]);
  });

  it('does nothing where it is earlier than at the last look, and the machine was started in between', () => {
    expect(() => look(NOW - HOUR, 1000, 'two')).toThrow('the clock was set back');
  });

  it('goes on where both clocks agree, or the machine was started in between', () => {
    const { since } = found;
    expect(look(NOW + HOUR, 2 * HOUR)).toMatchObject({ since, said: '' });
    expect(look(NOW + HOUR, 1000, 'two')).toMatchObject({ since, said: '' });
  });
});
