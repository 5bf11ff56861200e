/**
 * Who may ask the HTTP server.
 *
 * - Where a token is configured, every request has to show it: programs as `Authorization: Bearer TOKEN`, browsers
 *   once, at the login, for a cookie that holds for half a day. The cookie is made from the token, so a new token ends
 *   all of them; it is for no script and for no request that another site makes (HttpOnly, SameSite=Strict).
 * - Where none is, the server is on loopback, and a request has to be for an address or `localhost`: else any page in a
 *   browser on this machine could read it under a name of its own (DNS rebinding).
 * - What is posted has to come from a page of this server (no cross-site request forgery).
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { isIP } from 'node:net';

/** Milliseconds that a login holds: a working day. */
export const SESSION_TIME = 12 * 3_600_000;
const COOKIE = 'danelaw';

export function isOwnName(hostname: string): boolean {
  return hostname === 'localhost' || isIP(hostname.replace(/^\[(.*)\]$/u, '$1')) !== 0;
}

/** RFC 6750 section 2.1. */
export function showsToken(authorization: string | undefined, token: string): boolean {
  return isToken(/^Bearer +(\S+)$/iu.exec(authorization ?? '')?.[1] ?? '', token);
}

/** Digests are compared, as they have one length. */
export function isToken(text: string, token: string): boolean {
  return timingSafeEqual(digest(text), digest(token));
}

/** The `Set-Cookie` of a login. @param isSecure the browser came over TLS */
export function sessionCookie(token: string, now: number, isSecure: boolean): string {
  const until = String(now + SESSION_TIME);
  return cookie(`${until}.${proof(until, token)}`, SESSION_TIME / 1000, isSecure);
}

/** Forgets the login. */
export const noCookie = (isSecure: boolean): string => cookie('', 0, isSecure);

export function hasSession(header: string | undefined, token: string, now: number): boolean {
  const values = (header ?? '').split(';').map((each) => each.trim());
  return values.some((each) => {
    const [, until = '', shown = ''] = /^danelaw=([0-9]{1,16})\.([0-9a-f]{64})$/u.exec(each) ?? [];
    return Number(until) > now && timingSafeEqual(digest(shown), digest(proof(until, token)));
  });
}

export interface PostOrigin {
  /** `Sec-Fetch-Site`: a browser says it, and no page can change it. */
  readonly site: string | undefined;
  readonly origin: string | undefined;
  readonly host: string | undefined;
}

/** Programs say neither of the two, and no page can make a browser say neither. */
export function isOwnPost({ site, origin, host }: PostOrigin): boolean {
  if (site !== undefined) return site === 'same-origin';
  return origin === undefined || /^https?:\/\/([^/]+)$/u.exec(origin)?.[1] === host;
}

/** A path of this server to go to, of what a form says; nowhere else. */
export function localPath(text: string | undefined): string {
  return text !== undefined && /^\/(?![/\\])[\x21-\x5b\x5d-\x7e]{0,500}$/u.test(text) ? text : '/';
}

function cookie(value: string, seconds: number, isSecure: boolean): string {
  return `${COOKIE}=${value}; Path=/; Max-Age=${seconds}; HttpOnly; SameSite=Strict${isSecure ? '; Secure' : ''}`;
}

const proof = (until: string, token: string): string =>
  createHmac('sha256', token).update(`danelaw page until ${until}`).digest('hex');

const digest = (text: string): Uint8Array => createHash('sha256').update(text).digest();
