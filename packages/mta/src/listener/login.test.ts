import { describe, expect, it } from 'vitest';
import type { ListenerLog } from './listener-log.js';
import { checkLogin } from './login.js';
import { LoginThrottle } from './login-throttle.js';

const log = (problems: string[]): ListenerLog => ({
  connected: () => {},
  tls: () => {},
  authenticated: () => {},
  refused: () => {},
  received: () => {},
  disconnected: () => {},
  certificate: () => {},
  connectionFailed: () => {},
  problem: (what) => problems.push(what),
});

describe('a login', () => {
  it("that can not be checked is put off, told, and counted as nobody's failure", async () => {
    const problems: string[] = [];
    const relay = {
      throttle: new LoginThrottle(1, () => 0),
      passwords: { check: () => Promise.reject(new Error('no memory')) },
      log: log(problems),
    };
    for (let i = 0; i < 3; i++) {
      const identity = { authcid: 'me', authzid: '', username: 'me', password: 'secret' };
      const auth = { method: 'PLAIN', ...identity, validatePassword: () => false } as const;
      expect(await checkLogin(relay, '192.0.2.1', auth)).toEqual({
        status: 'refused',
        answer: { code: 454, enhanced: '4.7.0', text: 'Too many logins at once; try later' },
      });
    }
    expect(problems).toEqual(Array(3).fill('a password could not be checked: no memory'));
  });
});
