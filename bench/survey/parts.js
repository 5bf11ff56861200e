/** Whose code a function of the profile is: the parts of a survey. */
import { ownTimes } from '../dns/attribute.js';

export const IDLE = 'idle: waiting for name servers';

/** The first that fits. Node's own are marked by name. @type {readonly (readonly [part: string, url: RegExp, name?: RegExp])[]} */
const PARTS = [
  [IDLE, /^$/u, /^\(idle\)$/u],
  ['garbage collection', /^$/u, /^\(garbage collector\)$/u],
  ['event loop and system calls', /^$/u],
  ['crypto: signatures handed to other threads, keys', /^node:(internal\/)?crypto/u],
  ['sockets, timers, events, aborts (Node.js)', /^node:/u],
  ['DNSSEC: signatures and denials', /\/dns\/dist\/(dnssec\/|validate|proof-cache|handed-ds)/u],
  [
    'DNS messages: names, records, reading, writing',
    /\/dns\/dist\/(message|name|record|rrtype|wire|presentation|packed-answer|base|reply-match|scrub)/u,
  ],
  ['the resolver: iterating, cache, transport', /\/dns\/dist\//u],
  ['who is asked, and what it means: survey, TLSA, MX', /\/(mta|smtp|dane)\/dist\//u],
  ['the rest', /./u],
];

/** @param {readonly import('node:inspector').Profiler.Profile[]} profiles */
export function byPart(profiles) {
  const parts = new Map(PARTS.map(([part]) => [part, 0]));
  const functions = new Map();
  for (const { url, functionName, time } of profiles.flatMap((profile) => [...ownTimes(profile)])) {
    const part = PARTS.find(([, place, name]) => place.test(url) && (name?.test(functionName) ?? true))?.[0];
    parts.set(part ?? 'the rest', (parts.get(part ?? 'the rest') ?? 0) + time);
    const called = `${url.replace(/^.*\/packages\//u, '')} ${functionName}`;
    functions.set(called, (functions.get(called) ?? 0) + time);
  }
  return { parts, functions };
}
