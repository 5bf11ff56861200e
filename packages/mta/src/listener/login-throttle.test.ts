import { describe, expect, it } from 'vitest';
import { ConnectionSlots } from './connection-slots.js';
import { LoginThrottle } from './login-throttle.js';

describe('failed logins (RFC 4954 section 9)', () => {
  it('are bounded for each client by itself, and forgotten after ten minutes', () => {
    let now = 0;
    const throttle = new LoginThrottle(2, () => now);
    const fail = (client: string): string => {
      const begun = throttle.begin(client);
      if (begun === 'go') throttle.end(client, true);
      return begun;
    };
    expect([fail('a'), fail('a'), fail('a')]).toEqual(['go', 'go', 'stop']);
    expect(fail('b')).toBe('go');
    now = 10 * 60_000 - 1;
    expect(fail('a')).toBe('stop');
    now = 10 * 60_000;
    expect(fail('a')).toBe('go');
  });

  it('gain nothing by being many at a time; who waits for others is told so, and has not failed', () => {
    const throttle = new LoginThrottle(2, () => 0);
    const begun = Array.from({ length: 4 }, () => throttle.begin('a'));
    expect(begun).toEqual(['go', 'go', 'wait', 'wait']);
    throttle.end('a', false);
    expect([throttle.begin('a'), throttle.begin('a')]).toEqual(['go', 'wait']);
    throttle.end('a', true);
    throttle.end('a', true);
    expect(throttle.begin('a')).toBe('stop');
  });

  it('do not count when they were none', () => {
    const throttle = new LoginThrottle(1, () => 0);
    for (let login = 0; login < 10; login++) {
      expect(throttle.begin('a')).toBe('go');
      throttle.end('a', false);
    }
  });

  it('of many clients take bounded memory: the oldest is forgotten', () => {
    const throttle = new LoginThrottle(1, () => 0);
    for (let client = 0; client <= 50_000; client++) throttle.begin(String(client));
    expect(throttle.begin('0')).toBe('go');
    expect(throttle.begin('50000')).toBe('wait');
  });
});

describe('connections', () => {
  it('are counted in total and for each client, and given back once', () => {
    const slots = new ConnectionSlots(3, 2);
    const first = slots.take('192.0.2.1');
    expect(first.ok).toBe(true);
    expect(slots.take('::ffff:192.0.2.1').ok).toBe(true);
    expect(slots.take('192.0.2.1')).toEqual({ ok: false, full: 'client' });
    expect(slots.take('192.0.2.2').ok).toBe(true);
    expect(slots.take('192.0.2.3')).toEqual({ ok: false, full: 'all' });
    if (first.ok) {
      first.release();
      first.release();
    }
    expect(slots.taken).toBe(2);
    expect(slots.take('192.0.2.1').ok).toBe(true);
    expect(slots.take('192.0.2.1')).toEqual({ ok: false, full: 'client' });
  });
});
