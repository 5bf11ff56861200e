import { request } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { type Health, type HttpServer, type HttpServerOptions, startHttpServer } from './http-server.js';
import { healthOf, type RootLookup, type RootResolver } from './watching.js';

const TOKEN = 'a-token-of-24-characters';

let server: HttpServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

interface Answer {
  readonly code: number | undefined;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: string;
}

async function start(options: Partial<HttpServerOptions> = {}): Promise<void> {
  server = await startHttpServer({
    address: '127.0.0.1',
    port: 0,
    token: undefined,
    metrics: { contentType: 'text/plain; version=0.0.4', text: () => Promise.resolve('danelaw_claims 0\n') },
    health: () => Promise.resolve({ ok: true, checks: { queue: 'ok' } }),
    clock: () => 0,
    onError: () => {},
    ...options,
  });
}

function ask(path: string, headers: Record<string, string> = {}, method = 'GET', body = ''): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port: server?.port, path, method, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => (text += part));
      response.on('end', () => resolve({ code: response.statusCode, headers: response.headers, body: text }));
    });
    asked.on('error', reject).end(body);
  });
}

describe('the HTTP server of the relay', () => {
  it('gives the metrics, under headers that allow a browser nothing', async () => {
    await start();
    const { code, headers, body } = await ask('/metrics');
    expect({ code, body }).toEqual({ code: 200, body: 'danelaw_claims 0\n' });
    expect(headers['content-type']).toContain('text/plain');
    expect(headers).toMatchObject({
      'content-security-policy': expect.stringContaining("default-src 'none'"),
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'same-origin',
      'cache-control': 'no-store',
    });
  });

  it.each([
    ['no token', {}],
    ['another token', { authorization: 'Bearer a-token-of-24-characterz' }],
    ['the beginning of the token', { authorization: `Bearer ${TOKEN.slice(0, 10)}` }],
    ['an empty token', { authorization: 'Bearer ' }],
    ['the token under another scheme', { authorization: `Basic ${TOKEN}` }],
  ])('refuses %s, for every path', async (_, headers) => {
    await start({ token: TOKEN });
    for (const path of ['/metrics', '/health', '/nothing', `/metrics?token=${TOKEN}`]) {
      const answer = await ask(path, headers);
      expect({ path, code: answer.code }).toEqual({ path, code: 401 });
      expect(answer.headers['www-authenticate']).toBe('Bearer');
      expect(answer.headers['x-content-type-options']).toBe('nosniff');
      expect(answer.body).not.toContain('danelaw_');
    }
  });

  it('takes the right token, under any name of its own', async () => {
    await start({ token: TOKEN });
    const headers = { authorization: `Bearer ${TOKEN}`, host: 'relay.example.net' };
    expect((await ask('/metrics', headers)).code).toBe(200);
  });

  it.each([
    ['127.0.0.1:8025', 200],
    ['[::1]:8025', 200],
    ['localhost:8025', 200],
    ['rebound.example', 421],
    ['localhost.rebound.example:8025', 421],
  ])('without a token, a request for %s gets %i', async (host, code) => {
    await start();
    expect((await ask('/metrics', { host })).code).toBe(code);
  });

  it('answers 503 where something is wrong, and says what', async () => {
    const found: Health = { ok: false, checks: { queue: 'ok', resolver: 'nobody answers' } };
    await start({ health: () => Promise.resolve(found) });
    const { code, body } = await ask('/health');
    expect({ code, body: JSON.parse(body) }).toEqual({ code: 503, body: found });
  });

  it('keeps the words of a failure for the log', async () => {
    const errors: string[] = [];
    const text = (): Promise<string> => Promise.reject(new Error('postgres://secret@db'));
    await start({
      metrics: { contentType: 'text/plain', text },
      onError: ({ message }) => errors.push(message),
    });
    const { code, body } = await ask('/metrics');
    expect(code).toBe(500);
    expect(body).not.toContain('secret');
    expect(errors).toEqual(['postgres://secret@db']);
  });

  it('only reads: no path takes anything', async () => {
    await start();
    expect((await ask('/nothing')).code).toBe(404);
    expect((await ask('/metrics', {}, 'POST')).code).toBe(404);
    expect((await ask('/metrics', { 'content-type': 'text/plain' }, 'PUT', 'x')).code).toBe(404);
  });
});

describe('health', () => {
  const fine = { setDestination: () => Promise.resolve() };
  const says = (root: RootLookup): RootResolver => ({ resolve: () => Promise.resolve(root) });
  const secure = says({ status: 'secure' });
  const cases: readonly [string, typeof fine, RootResolver, Health, trouble?: string][] = [
    [
      'is there where the queue writes and the root is secure',
      fine,
      secure,
      {
        ok: true,
        checks: { queue: 'ok', resolver: 'ok', delivery: 'ok' },
      },
    ],
    [
      'is not where the queue takes no write',
      { setDestination: () => Promise.reject(new Error('disk full')) },
      secure,
      {
        ok: false,
        checks: { queue: 'disk full', resolver: 'ok', delivery: 'ok' },
      },
    ],
    [
      'is not where the root is bogus',
      fine,
      says({ status: 'bogus', reason: 'a signature does not hold' }),
      { ok: false, checks: { queue: 'ok', resolver: 'a signature does not hold', delivery: 'ok' } },
    ],
    [
      'is not where the root is insecure',
      fine,
      says({ status: 'insecure' }),
      {
        ok: false,
        checks: {
          queue: 'ok',
          resolver: expect.stringContaining('nothing can be validated'),
          delivery: 'ok',
        },
      },
    ],
    [
      'is not where no thread delivers',
      fine,
      secure,
      { ok: false, checks: { queue: 'ok', resolver: 'ok', delivery: 'out of memory' } },
      'out of memory',
    ],
  ];
  it.each(cases)('%s', async (_, queue, resolver, expected, trouble) => {
    const sources = { queue, resolver, trouble: () => trouble };
    expect(await healthOf(sources, new AbortController().signal)).toEqual(expected);
  });

  it('waits for nobody longer than its caller does', async () => {
    const never = { setDestination: () => new Promise<void>(() => {}) };
    const caller = new AbortController();
    const found = healthOf({ queue: never, resolver: secure, trouble: () => undefined }, caller.signal);
    caller.abort();
    expect(await found).toMatchObject({ ok: false, checks: { queue: 'no answer in time' } });
  });
});
