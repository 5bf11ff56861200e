import { describe, expect, it } from 'vitest';
import { ConnectionSlots } from './connection-slots.js';
import { LoginThrottle } from './login-throttle.js';

describe('failed logins (RFC 4954 section 9)', () => {
  it('are bounded for each client by itself, and forgotten after ten minutes', () => {
    let now = 0;
    const throttle = new LoginThrottle(2, () => now);
    expect([throttle.begin('a'), throttle.begin('a'), throttle.begin('a')]).toEqual([true, true, false]);
    expect(throttle.begin('b')).toBe(true);
    now = 10 * 60_000 - 1;
    expect(throttle.begin('a')).toBe(false);
    now = 10 * 60_000;
    expect(throttle.begin('a')).toBe(true);
  });

  it('do not count when they were none', () => {
    const throttle = new LoginThrottle(1, () => 0);
    for (let login = 0; login < 10; login++) {
      expect(throttle.begin('a')).toBe(true);
      throttle.takeBack('a');
    }
  });

  it('of many clients take bounded memory: the oldest is forgotten', () => {
    const throttle = new LoginThrottle(1, () => 0);
    for (let client = 0; client <= 50_000; client++) throttle.begin(String(client));
    expect(throttle.begin('0')).toBe(true);
    expect(throttle.begin('50000')).toBe(false);
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
