import { describe, expect, it } from 'vitest';
import type { LogEvent } from './demo-relay.js';
import { cameTo, Stories } from './demo-story.js';

const TO = 'you@a.example';
const WHERE = { id: '1', host: 'mx.a.example', address: '127.25.0.1' };
const DANE = { by: 'dane', usage: 3, record: '3 1 1 abcd', baseDomain: 'mx.a.example', name: null };
const tls: LogEvent = { event: 'tls', ...WHERE, authenticated: DANE };
const failedAttempt: LogEvent = {
  event: 'attempt',
  ...WHERE,
  status: 'failed',
  stage: 'handshake',
  failure: 'certificate-expired',
};
const delivered: LogEvent = {
  event: 'delivered',
  ...WHERE,
  to: TO,
  mx: 'secure',
  tls: 'TLSv1.3',
  enhancedStatus: '2.0.0',
};
const deferred: LogEvent = { ...delivered, event: 'deferred', tls: null, enhancedStatus: '4.7.5' };
const nowhere = { host: null, address: null };

async function storyOf(...events: readonly LogEvent[]) {
  const stories = new Stories();
  for (const event of events) stories.hear(event);
  return await stories.of(TO);
}

describe('the story of a message, from the log of the relay', () => {
  it.each([
    ['authenticated', [tls, delivered], { tls: { by: '3 1 1', baseDomain: 'mx.a.example' }, mx: 'secure' }],
    [
      'at a second server, after one that failed',
      [{ ...failedAttempt, host: 'mx1.a.example' }, tls, delivered],
      {
        tls: { by: '3 1 1', baseDomain: 'mx.a.example' },
        failure: null,
        stage: null,
      },
    ],
    ['by a public authority', [{ ...tls, authenticated: { by: 'pkix' } }, delivered], { tls: 'trusted' }],
    [
      'by a fingerprint',
      [{ ...tls, authenticated: { by: 'fingerprint' } }, delivered],
      { tls: 'fingerprint' },
    ],
    ['encrypted', [{ ...tls, authenticated: null }, delivered], { tls: 'unauthenticated' }],
    ['in clear text', [{ ...delivered, tls: null }], { tls: 'none' }],
  ])('delivered, %s', async (_, events, expected) => {
    expect(cameTo(await storyOf(...events))).toMatchObject({ status: 'delivered', ...expected });
  });

  it.each([
    [
      'a session that failed',
      [failedAttempt, deferred],
      { stage: 'handshake', failure: 'certificate-expired' },
    ],
    [
      'a host that was passed over, before a session that failed and decided',
      [{ event: 'attempt', ...WHERE, ...nowhere, failure: 'dnssec-invalid' }, failedAttempt, deferred],
      { failure: 'certificate-expired' },
    ],
    [
      'bogus MX records',
      [
        { event: 'attempt', id: '1', ...nowhere, failure: 'dnssec-invalid', stage: null },
        { ...deferred, ...nowhere },
      ],
      { host: null, failure: 'dnssec-invalid', stage: null },
    ],
    ['the server said so', [tls, deferred], { failure: null, stage: null, tls: 'none' }],
  ])('deferred: %s', async (_, events, expected) => {
    expect(cameTo(await storyOf(...events))).toMatchObject({ status: 'deferred', ...expected });
  });

  it('is of the first try, and of nobody else', async () => {
    const story = await storyOf(
      { ...tls, id: '2' },
      { ...delivered, id: '2', to: 'me@b.example' },
      deferred,
      delivered,
    );
    expect(story).toEqual({ id: '1', steps: [], outcome: deferred });
    expect(cameTo({ ...story, outcome: { ...deferred, event: 'refused' } }).status).toBe('failed');
  });

  const bounced: LogEvent = { ...deferred, event: 'bounced' };
  const queued: LogEvent = { event: 'queued', id: '9', about: '1', to: ['me@home.example'] };
  const told: LogEvent = { ...delivered, id: '9', to: 'me@home.example' };
  it.each([
    ['after somebody asked', [], [queued, told]],
    ['before', [queued, told], []],
    ['in part before', [queued], [told]],
    ['in the other order', [told], [queued]],
  ])('goes on until its sender has heard of it: %s', async (_, before, after) => {
    const stories = new Stories();
    for (const event of [bounced, ...before]) stories.hear(event);
    const reported = stories.reported(await stories.of(TO));
    let isReported = false;
    void reported.then(() => {
      isReported = true;
    });
    await Promise.resolve();
    expect(isReported).toBe(after.length === 0);
    for (const event of after) stories.hear(event);
    await reported;
  });

  it('passes over what is not about a message', async () => {
    const story = await storyOf({ event: 'started' }, { event: 'received', id: '1' }, delivered);
    expect(story.steps).toEqual([]);
  });
});
