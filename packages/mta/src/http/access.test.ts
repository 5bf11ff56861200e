import { describe, expect, it } from 'vitest';
import { hasSession, isOwnPost, localPath, noCookie, SESSION_TIME, sessionCookie } from './access.js';

const TOKEN = 'a-token-of-24-characters';
const NOW = 1_700_000_000_000;

/** What a browser sends back of a `Set-Cookie`. */
const sentBack = (set: string): string => set.split(';')[0] ?? '';

describe('a login', () => {
  const cookie = sentBack(sessionCookie(TOKEN, NOW, false));

  it.each([
    ['holds beside other cookies', `theme=dark; ${cookie}; x=y`, TOKEN, NOW, true],
    ['holds to its last millisecond', cookie, TOKEN, NOW + SESSION_TIME - 1, true],
    ['does not hold after it', cookie, TOKEN, NOW + SESSION_TIME, false],
    ['does not hold under another token', cookie, 'another-token-of-24-char', NOW, false],
    ['can not be made longer', cookie.replace(/=(\d)/u, '=9'), TOKEN, NOW, false],
    ['can not be made without the token', 'danelaw=9999999999999.'.padEnd(86, '0'), TOKEN, NOW, false],
    ['is none where the token itself is the cookie', `danelaw=${TOKEN}`, TOKEN, NOW, false],
    ['is none where there is no cookie', undefined, TOKEN, NOW, false],
    ['is none after the logout', sentBack(noCookie(false)), TOKEN, NOW, false],
  ])('%s', (_, header, token, now, expected) => {
    expect(hasSession(header, token, now)).toBe(expected);
  });

  it('is kept from scripts and from requests of other sites, and from clear text where there was TLS', () => {
    expect(sessionCookie(TOKEN, NOW, false)).toMatch(/; Max-Age=43200; HttpOnly; SameSite=Strict$/u);
    expect(sessionCookie(TOKEN, NOW, true)).toMatch(/; Secure$/u);
    expect(sessionCookie(TOKEN, NOW, false)).not.toContain(TOKEN);
  });
});

describe('a post', () => {
  const host = 'relay.example:8025';
  it.each([
    ['of a page of ours', { site: 'same-origin', origin: undefined, host }, true],
    ['of another site', { site: 'cross-site', origin: undefined, host }, false],
    ['of another name of the same site', { site: 'same-site', origin: `http://${host}`, host }, false],
    [
      'of a page of ours, in a browser that says only the origin',
      { site: undefined, origin: `https://${host}`, host },
      true,
    ],
    ['of another origin', { site: undefined, origin: 'https://evil.example', host }, false],
    ['of another port', { site: undefined, origin: 'http://relay.example:80', host }, false],
    ['of an origin that is kept secret', { site: undefined, origin: 'null', host }, false],
    ['of a program', { site: undefined, origin: undefined, host }, true],
  ])('%s', (_, origin, expected) => {
    expect(isOwnPost(origin)).toBe(expected);
  });
});

describe('where a login leads', () => {
  it.each([
    ['/messages?q=a%40b', '/messages?q=a%40b'],
    ['/', '/'],
    [undefined, '/'],
    ['', '/'],
    ['//evil.example/', '/'],
    ['/\\evil.example', '/'],
    ['https://evil.example/', '/'],
    ['/a\r\nset-cookie: x=y', '/'],
    ['javascript:alert(1)', '/'],
  ])('%j leads to %s', (text, expected) => {
    expect(localPath(text)).toBe(expected);
  });
});
