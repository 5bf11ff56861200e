/** The page by HTTP: what each route says of mail that has met the lab's Internet, to whom, and in which form. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HOSTILE_REPLY, type PageLab, SENDER, startPageLab, TOKEN } from './page-lab.js';

let lab: PageLab;
beforeAll(async () => {
  lab = await startPageLab();
}, 60_000);
afterAll(() => lab?.end());

const BEARER = { authorization: `Bearer ${TOKEN}` };

const ask = (path: string, headers: Record<string, string> = {}, form?: Record<string, string>) =>
  fetch(lab.url + path, {
    redirect: 'manual',
    headers: { ...BEARER, ...headers },
    ...(form === undefined ? {} : { method: 'POST', body: new URLSearchParams(form) }),
  });

const page = async (path: string): Promise<string> => {
  const answer = await ask(path, { accept: 'text/html' });
  expect({ path, status: answer.status }).toEqual({ path, status: 200 });
  return await answer.text();
};

const json = async (path: string, form?: Record<string, string>): Promise<unknown> =>
  await (await ask(path, { accept: 'application/json' }, form)).json();

const idOf = (domain: string): string => lab.ids.get(domain) ?? '';

const PATHS = ['/', '/messages', '/destinations', '/destinations/plain.unsigned', '/deferrals', '/check'];

describe('the page', () => {
  it.each(PATHS)('%s allows a browser nothing but its own styles, and has no script', async (path) => {
    const answer = await ask(path);
    expect(answer.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'content-security-policy': expect.stringMatching(
        /^default-src 'none'; style-src 'self'; img-src 'self';/u,
      ),
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'same-origin',
      'cache-control': 'no-store',
    });
    const text = await answer.text();
    expect(text).not.toMatch(/<script|<img|javascript:|style=|https?:\/\//iu);
    expect(text).toContain('<h1>');
  });

  it.each(PATHS)('%s says the same as JSON', async (path) => {
    const answer = await ask(path, { accept: 'application/json' });
    expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(typeof (await answer.json())).toBe('object');
  });

  it('tells of the queue now', async () => {
    expect(await json('/')).toMatchObject({
      health: { ok: true },
      survey: { counts: { messages: 5, held: 0 } },
    });
    expect(await page('/')).toContain('All is well');
  });

  it('tells how mail to each destination was protected', async () => {
    const protections = { dane: 0, sts: 0, local: 0, encrypted: 0, clear: 0, deferred: 0, failed: 0 };
    const expected = [
      ['second-host.example', { ...protections, dane: 1 }],
      ['sts-enforce.unsigned', { ...protections, sts: 1 }],
      ['plain.unsigned', { ...protections, encrypted: 1 }],
      ['no-tlsa-no-starttls.example', { ...protections, clear: 1 }],
      ['swapped-certificate.example', { ...protections, deferred: 1 }],
      ['null-mx.example', { ...protections, failed: 1 }],
    ].map(([destination, tally]) => ({ destination, tally }));
    expect(await json('/destinations')).toMatchObject({ destinations: expect.arrayContaining(expected) });
  });

  it('groups deferrals by cause, with the advice', async () => {
    const expected = [
      ['swapped-certificate.example', 'dane'],
      ['stripped-starttls.example', 'no-starttls'],
      ['tlsa-bogus.example', 'bogus'],
      ['mx-servfail.example', 'look-up'],
      ['hostile.example', 'server-busy'],
    ].map(([destination, cause]) =>
      expect.objectContaining({
        cause,
        destinations: [expect.objectContaining({ destination, recipients: 1 })],
      }),
    );
    expect(await json('/deferrals')).toMatchObject({ deferrals: expect.arrayContaining(expected) });
    expect(await page('/deferrals')).toContain('the usual cause is a new key without a new record');
  });

  it('tells the whole story of a message that has left the queue', async () => {
    const text = await page(`/messages/${idOf('good-3-1-1.example')}`);
    expect(text).toContain('It is not in the queue any more');
    expect(text).toMatch(
      /Taken from 127\.0\.0\.1.*under TLSv1\.3, authenticated by TLSA 3 1 1 .*Delivered to you@good-3-1-1\.example/su,
    );
    const story = await json(`/messages/${idOf('null-mx.example')}`);
    expect(story).toMatchObject({
      entry: null,
      story: { events: [{ event: 'received' }, { event: 'bounced' }, { event: 'reported' }] },
    });
    expect(await page(`/messages/${idOf('null-mx.example')}`)).toMatch(
      /A report to the sender.*href="\/messages\/[0-9a-z]{18}"/su,
    );
  });

  it('tells of a message that waits what the queue has of it, and what can be done', async () => {
    const text = await page(`/messages/${idOf('stripped-starttls.example')}`);
    expect(text).toContain('Recipients that wait');
    expect(text).toContain('a firewall');
    expect(text).toContain(SENDER);
  });

  it('finds messages by id, recipient, sender and domain', async () => {
    const id = idOf('hostile.example');
    expect((await ask(`/messages?q=${id}`)).headers.get('location')).toBe(`/messages/${id}`);
    for (const query of ['you@hostile.example', 'hostile.example']) {
      expect(await json(`/messages?q=${encodeURIComponent(query)}`)).toMatchObject({ entries: [{ id }] });
    }
    expect(await json(`/messages?q=${encodeURIComponent(SENDER)}`)).toMatchObject({ entries: { length: 5 } });
    expect(await json('/messages?held=1')).toMatchObject({ entries: [], stories: [] });
  });

  it.each(['/messages/01kbq3w8nd7k2m9xq4', '/messages/..%2f..%2fetc', '/messages/%3Cscript%3E'])(
    'has no %s',
    async (path) => {
      const answer = await ask(path);
      expect(answer.status).toBe(404);
      expect(await answer.text()).not.toContain('<script');
    },
  );

  it('shows what a hostile server says, and what a hostile client asks for, as text', async () => {
    const escaped = HOSTILE_REPLY.replaceAll('<', '&lt;')
      .replaceAll('>', '&gt;')
      .replaceAll('"', '&quot;')
      .replaceAll("'", '&#39;');
    for (const path of [
      '/deferrals',
      '/destinations/hostile.example',
      `/messages/${idOf('hostile.example')}`,
    ]) {
      const text = await page(path);
      expect(text, path).toContain(escaped);
      expect(text, path).not.toContain('<img');
    }
    const asked = encodeURIComponent(HOSTILE_REPLY);
    for (const path of [`/messages?q=${asked}`, `/check?domain=${asked}`, `/destinations/${asked}`]) {
      expect(await page(path), path).not.toMatch(/<script|<img/u);
    }
    const refused = await ask('/check', {}, { domain: HOSTILE_REPLY });
    expect(refused.status).toBe(400);
    expect(await refused.text()).not.toMatch(/<script|<img/u);
  });
});

describe('a check by the page', () => {
  it('says what danelaw check says, and draws the chain of trust and the servers', async () => {
    const text = await (await ask('/check', {}, { domain: ' second-host.example ' })).text();
    expect(text).toContain('They pass over mx1.second-host.example.');
    expect(text.match(/<svg class="tree"/gu)).toHaveLength(4);
    expect(text).toMatch(/\. \(the root\).*TLSA of _[0-9]+\._tcp\.mx\.second-host\.example: signed/su);
    const found = await json('/check', { domain: 'tlsa-bogus.example' });
    expect(found).toMatchObject({
      status: 'checked',
      check: { domain: 'tlsa-bogus.example', status: 'refused', findings: [{ code: 'host-bogus' }] },
    });
    expect(JSON.stringify(found)).toContain('"status":"bogus"');
  });

  it('knows what MTA-STS demands here', async () => {
    const found = await json('/check', { domain: 'sts-enforce.unsigned' });
    expect(found).toMatchObject({
      check: { sts: { mode: 'enforce' }, hosts: [{ addresses: [{ ok: true }] }] },
    });
  });

  it.each([
    ['another site', { 'sec-fetch-site': 'cross-site' }],
    ['another origin', { origin: 'https://evil.example' }],
  ])('is not made for a form of %s', async (_, headers) => {
    const answer = await ask('/check', headers, { domain: 'plain.unsigned' });
    expect(answer.status).toBe(403);
  });

  it('is not made by looking', async () => {
    expect(await json('/check?domain=plain.unsigned')).toEqual({ error: 'post "domain" to check it' });
  });

  it.each([
    ['a form that is too long', new URLSearchParams({ domain: 'a'.repeat(5000) }), 413],
    ['what is no form', new Blob(['{"domain":"plain.unsigned"}'], { type: 'application/json' }), 415],
  ])('takes not %s', async (_, body, status) => {
    const answer = await fetch(`${lab.url}/check`, { method: 'POST', headers: BEARER, body });
    expect(answer.status).toBe(status);
  });
});

describe('who has not shown the token', () => {
  it.each([...PATHS, '/messages/01kbq3w8nd7k2m9xq4', '/nothing', '/login/x', '/page/../messages'])(
    'is not told %s',
    async (path) => {
      const answer = await fetch(lab.url + path, { headers: { accept: 'application/json' } });
      expect(answer.status).toBe(401);
      expect(await answer.json()).toEqual({ error: 'a token is needed' });
    },
  );

  it('is led to the login with a browser, and from there to where it wanted', async () => {
    const led = await fetch(`${lab.url}/messages?q=a%40b`, {
      headers: { accept: 'text/html' },
      redirect: 'manual',
    });
    expect([led.status, led.headers.get('location')]).toEqual([303, '/login?next=%2Fmessages%3Fq%3Da%2540b']);
    const form = await fetch(lab.url + (led.headers.get('location') ?? ''));
    expect(await form.text()).toContain('name="next" value="/messages?q=a%40b"');
    const logIn = (token: string, next: string, headers = {}) =>
      fetch(`${lab.url}/login`, {
        method: 'POST',
        redirect: 'manual',
        headers,
        body: new URLSearchParams({ token, next }),
      });
    const refused = await logIn('not-the-token-of-this-page', '/messages');
    expect([refused.status, refused.headers.get('set-cookie')]).toEqual([403, null]);
    const [taken, abroad] = await Promise.all([logIn(TOKEN, '/deferrals'), logIn(TOKEN, '//evil.example')]);
    expect([taken.status, taken.headers.get('location')]).toEqual([303, '/deferrals']);
    expect(abroad.headers.get('location')).toBe('/');
    const [cookie = ''] = (taken.headers.get('set-cookie') ?? '').split(';');
    expect((await fetch(`${lab.url}/deferrals`, { headers: { cookie } })).status).toBe(200);
    expect((await logIn(TOKEN, '/', { 'sec-fetch-site': 'cross-site' })).status).toBe(403);
  });

  it('may have what says nothing: the styles and the icon', async () => {
    for (const [path, type] of [
      ['/page/page.css', 'text/css; charset=utf-8'],
      ['/page/icon.svg', 'image/svg+xml'],
    ]) {
      expect((await fetch(`${lab.url}${path}`)).headers.get('content-type')).toBe(type);
    }
  });
});

describe('after a restart', () => {
  it('the past is still there', async () => {
    const id = idOf('good-3-1-1.example');
    const before = await json(`/messages/${id}`);
    await lab.relay.end('SIGTERM');
    await lab.relay.start();
    expect(await json(`/messages/${id}`)).toEqual(before);
    expect(before).toMatchObject({ story: { events: { length: 3 } } });
    expect(await json('/destinations/plain.unsigned')).toMatchObject({ tally: { encrypted: 1 } });
  });
});
