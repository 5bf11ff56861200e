import { Roots } from '@danelaw/dane';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { connectTcp } from './connection.js';
import { MtaSts, type MtaStsOptions, REFRESH_AFTER, RETRY_AFTER } from './mta-sts.js';
import { StsCache } from './mta-sts-cache.js';
import { MAX_POLICY_OCTETS } from './mta-sts-policy.js';
import { leaf, leafKey, webCa } from './testing/certificates.js';
import { a, type Fixed, fixedResolver, txt } from './testing/fixed-resolver.js';
import { startWebServer, type WebServer } from './testing/web-server.js';

const ENFORCE = 'version: STSv1\nmode: enforce\nmx: mx.example.org\nmax_age: 604800\n';
const NOW = Date.now();
const DAY = 86_400_000;
const roots = new Roots([webCa]);

let web: WebServer;
beforeEach(async () => {
  web = await startWebServer(ENFORCE);
});
afterEach(async () => await web.close());

const record = (id: string): Fixed => ({ status: 'insecure', records: [txt('v=STSv1; ', `id=${id};`)] });
const zone = (sts: Fixed): Readonly<Record<string, Fixed>> => ({
  '_mta-sts.example.org TXT': sts,
  'mta-sts.example.org A': { status: 'insecure', records: [a('192.0.2.80')] },
});

function source(more: MtaStsOptions = {}): MtaSts {
  const connect = () => connectTcp({ address: '127.0.0.1', family: 4, port: web.port });
  return new MtaSts({ roots, connect, ...more });
}

async function ask(sts: MtaSts, record: Fixed, now = NOW) {
  return await sts.policyFor('example.org', { resolver: fixedResolver(zone(record)), now });
}

const FOUND = {
  status: 'policy',
  domain: 'example.org',
  policy: { mode: 'enforce', mx: ['mx.example.org'] },
};

describe('MtaSts: discovery', () => {
  it('fetches the policy that the record announces, from the host that the domain names (RFC 8461 section 3.2)', async () => {
    expect(await ask(source(), record('1'))).toMatchObject({
      ...FOUND,
      id: '1',
      from: 'fetch',
      expires: NOW + 7 * DAY,
      problems: [],
    });
    const name = 'mta-sts.example.org';
    expect(web.asked).toEqual([{ url: '/.well-known/mta-sts.txt', host: name, serverName: name }]);
  });

  it('asks no web server without a record, and fetches a version once', async () => {
    const sts = source();
    expect(await ask(sts, {})).toMatchObject({ status: 'none', problems: [] });
    expect(web.asked).toHaveLength(0);
    await ask(sts, record('1'));
    expect(await ask(sts, record('1'))).toMatchObject({ ...FOUND, from: 'cache' });
    expect(web.asked).toHaveLength(1);
  });

  it('fetches once for all who ask at the same time', async () => {
    const sts = source();
    await Promise.all([ask(sts, record('1')), ask(sts, record('1'))]);
    expect(web.asked).toHaveLength(1);
  });

  it('has nothing to say of a literal, or of a name too long for a record', async () => {
    const resolver = fixedResolver({});
    for (const domain of ['[192.0.2.1]', `${'a.'.repeat(124)}org`]) {
      expect(await source().policyFor(domain, { resolver, now: NOW })).toMatchObject({ status: 'none' });
    }
    expect(resolver.asked).toEqual([]);
  });

  it('the mode none is no policy (section 5)', async () => {
    web.answer = 'version: STSv1\nmode: none\nmax_age: 86400\n';
    const sts = source();
    expect(await ask(sts, record('1'))).toMatchObject({ status: 'none', problems: [] });
    await ask(sts, record('1'));
    expect(web.asked).toHaveLength(1);
  });
});

describe('MtaSts: never weaker than what is known (sections 3.3 and 5.1)', () => {
  it.each<[string, Fixed]>([
    ['the record is gone', {}],
    ['the record is malformed', { records: [txt('v=STSv1; id=')] }],
    ['there are two', { records: [txt('v=STSv1; id=a'), txt('v=STSv1; id=b')] }],
    ['the look-up fails', { status: 'indeterminate' }],
    ['the look-up is bogus', { status: 'bogus' }],
  ])('goes by the policy that is known where %s, and reports it', async (_, fixed) => {
    const sts = source();
    expect(await ask(sts, fixed)).toMatchObject({ status: 'none' });
    await ask(sts, record('1'));
    const problems = [{ failureType: 'sts-policy-fetch-error' }];
    expect(await ask(sts, fixed)).toMatchObject({ ...FOUND, from: 'cache', problems });
  });

  it('a new version takes its place; one that can’t be had does not', async () => {
    const sts = source();
    await ask(sts, record('1'));
    web.answer = ENFORCE.replace('enforce', 'testing');
    expect(await ask(sts, record('2'))).toMatchObject({
      policy: { mode: 'testing' },
      id: '2',
      from: 'fetch',
    });
    web.answer = 'gone';
    expect(await ask(sts, record('3'))).toMatchObject({
      policy: { mode: 'testing' },
      id: '2',
      from: 'cache',
      problems: [{ failureType: 'sts-policy-invalid' }],
    });
  });

  it('binds until it expires, and not longer', async () => {
    const sts = source();
    await ask(sts, record('1'));
    expect(await ask(sts, {}, NOW + 7 * DAY - 1)).toMatchObject(FOUND);
    expect(await ask(sts, {}, NOW + 7 * DAY)).toMatchObject({ status: 'none' });
  });

  it('a failed fetch is not tried again for five minutes, for this version', async () => {
    const sts = source();
    web.answer = 'broken';
    await ask(sts, record('1'));
    expect(await ask(sts, record('1'), NOW + RETRY_AFTER - 1)).toMatchObject({
      status: 'none',
      problems: [{ failureType: 'sts-policy-invalid' }],
    });
    expect(web.asked).toHaveLength(1);
    web.answer = ENFORCE;
    expect(await ask(sts, record('2'))).toMatchObject(FOUND);
    expect(await ask(sts, record('1'), NOW + RETRY_AFTER)).toMatchObject(FOUND);
    expect(web.asked).toHaveLength(3);
  });

  it('is fetched again after a day, behind the mail’s back', async () => {
    const sts = source();
    await ask(sts, record('1'));
    web.answer = ENFORCE.replace('604800', '1209600');
    expect(await ask(sts, record('1'), NOW + REFRESH_AFTER)).toMatchObject({
      from: 'cache',
      expires: NOW + 7 * DAY,
    });
    await sts.settled();
    expect(await ask(sts, record('1'), NOW + REFRESH_AFTER)).toMatchObject({ expires: NOW + 15 * DAY });
    expect(web.asked).toHaveLength(2);
  });

  it('refresh() fetches what is older than a day, and says what failed', async () => {
    const sts = source();
    await ask(sts, record('1'));
    const resolver = fixedResolver(zone({}));
    expect(await sts.refresh({ resolver, now: NOW + DAY - 1 })).toEqual([]);
    expect(web.asked).toHaveLength(1);
    expect(await sts.refresh({ resolver, now: NOW + DAY })).toEqual([]);
    expect(await ask(sts, {}, NOW + 8 * DAY - 1)).toMatchObject(FOUND);
    web.answer = 'broken';
    expect(await sts.refresh({ resolver, now: NOW + 2 * DAY })).toMatchObject([
      { domain: 'example.org', failureType: 'sts-policy-invalid' },
    ]);
  });

  it('outlives a restart as text', async () => {
    const sts = source();
    await ask(sts, record('1'));
    const text = sts.cache.save(NOW);
    const cache = new StsCache();
    cache.load(text, NOW);
    expect(await ask(source({ cache }), {})).toMatchObject({ ...FOUND, id: '1', from: 'cache' });
    expect(web.asked).toHaveLength(1);
  });
});

describe('MtaSts: what web servers do (section 3.3)', () => {
  type Answer = Extract<WebServer['answer'], (...input: never[]) => void>;
  const text = { 'content-type': 'text/plain' };
  it.each<[string, Answer, RegExp]>([
    [
      'redirects',
      (_, response) => response.writeHead(302, { location: '/elsewhere' }).end(),
      /HTTP status 302/,
    ],
    ['404', (_, response) => response.writeHead(404, text).end(ENFORCE), /HTTP status 404/],
    [
      'HTML',
      (_, response) => response.writeHead(200, { 'content-type': 'text/html' }).end(ENFORCE),
      /media type/,
    ],
    ['no media type', (_, response) => response.writeHead(200).end(ENFORCE), /media type/],
    [
      'an encoding that nobody asked for',
      (_, response) => response.writeHead(200, { ...text, 'content-encoding': 'gzip' }).end(ENFORCE),
      /encoding/,
    ],
    [
      'a length of a gigabyte',
      (_, response) => response.writeHead(200, { ...text, 'content-length': 2 ** 30 }).write('x'),
      /more than 65536 octets/,
    ],
    ['a broken connection', (request) => request.socket.destroy(), /mta-sts\.example\.org/],
    [
      'half a policy',
      (request, response) => {
        response
          .writeHead(200, { ...text, 'content-length': 500 })
          .write(ENFORCE, () => request.socket.destroy());
      },
      /aborted|broke off/,
    ],
    [
      'headers without end',
      (request) => request.socket.write(`HTTP/1.1 200 OK\r\nx: ${'x'.repeat(100_000)}\r\n`),
      /mta-sts\.example\.org/,
    ],
  ])('%s is no policy', async (_, answer, reason) => {
    web.answer = answer;
    const found = await ask(source(), record('1'));
    expect(found).toMatchObject({ status: 'none', problems: [{ failureType: 'sts-policy-fetch-error' }] });
    expect(found.status === 'none' ? found.reason : '').toMatch(reason);
    expect(web.asked).toHaveLength(1);
  });

  it('a policy without end is cut off', async () => {
    let sent = 0;
    let ended: Promise<void> | undefined;
    web.answer = (request, response) => {
      ended = new Promise((resolve) => request.socket.once('close', () => resolve()));
      response.writeHead(200, text);
      const block = Buffer.alloc(16_384, 'x: y\n');
      const more = (): void => {
        while (!response.destroyed && sent < 2 ** 30) {
          sent += block.length;
          if (!response.write(block)) return void response.once('drain', more);
        }
      };
      more();
    };
    const found = await ask(source(), record('1'));
    expect(found.status === 'none' ? found.reason : '').toContain(`more than ${MAX_POLICY_OCTETS} octets`);
    await ended;
    expect(sent).toBeLessThan(2 ** 26); // what buffers of sockets hold, not what was to come
  });

  it('one that says nothing is waited for as long as the time-out says', async () => {
    web.answer = () => {};
    const found = await ask(source({ timeout: 50 }), record('1'));
    expect(found).toMatchObject({
      status: 'none',
      reason: expect.stringContaining('did not answer within 0.05 s'),
    });
  });

  it('media type parameters are ignored', async () => {
    web.answer = (_, response) =>
      response.writeHead(200, { 'content-type': 'Text/Plain;charset=utf-8' }).end(ENFORCE);
    expect(await ask(source(), record('1'))).toMatchObject(FOUND);
  });

  it('a certificate of a root that is not trusted is none', async () => {
    const found = await ask(source({ roots: new Roots([]) }), record('1'));
    expect(found).toMatchObject({ status: 'none', problems: [{ failureType: 'sts-webpki-invalid' }] });
    expect(web.asked).toHaveLength(0);
  });

  it('nor is one for another host, and not a word of HTTP is said', async () => {
    await web.close();
    web = await startWebServer(ENFORCE, { cert: leaf, key: leafKey });
    const found = await ask(source(), record('1'));
    expect(found).toMatchObject({ problems: [{ failureType: 'sts-webpki-invalid' }] });
    expect(web.asked).toHaveLength(0);
  });

  it('a caller who gives up is let go', async () => {
    web.answer = () => {};
    const sts = source();
    const controller = new AbortController();
    const { signal } = controller;
    const found = sts.policyFor('example.org', {
      resolver: fixedResolver(zone(record('1'))),
      now: NOW,
      signal,
    });
    controller.abort(new Error('enough'));
    await expect(found).rejects.toThrow('enough');
    await sts.close();
  });
});

describe('StsCache', () => {
  const policy = { mode: 'enforce', maxAge: 86_400, mx: ['mx.example'] } as const;
  const cached = (name: string, fetched = NOW) => ({ domain: `${name}.example`, id: '1', policy, fetched });

  it('takes no newcomer where it is full, rather than to forget a policy', () => {
    const cache = new StsCache(2);
    expect(cache.set(cached('a'), NOW)).toBe(true);
    expect(cache.set(cached('b', NOW - DAY), NOW)).toBe(true);
    expect(cache.set(cached('c'), NOW)).toBe(true); // b has expired
    expect(cache.set(cached('d'), NOW)).toBe(false);
    expect(cache.entries(NOW).map(({ domain }) => domain)).toEqual(['a.example', 'c.example']);
    expect(cache.set({ ...cached('a'), id: '2' }, NOW)).toBe(true);
  });

  it('reads what it wrote, and leaves out what it does not understand', () => {
    const cache = new StsCache();
    cache.set(cached('a'), NOW);
    const text = cache.save(NOW);
    const broken = [
      '',
      'garbage',
      '{}',
      '{"domain":"x y"}',
      text.split('\n')[1]?.replace('a.example', 'A.Example'),
    ];
    const copy = new StsCache();
    copy.load(text + broken.join('\n'), NOW);
    expect(copy.save(NOW)).toBe(text);
    const other = new StsCache();
    other.load(text.replace('danelaw-mta-sts-1', 'danelaw-mta-sts-2'), NOW);
    expect(other.entries(NOW)).toEqual([]);
  });

  it('never throws for what stands in the file', () => {
    const line = fc.record({
      domain: fc.string(),
      id: fc.anything(),
      fetched: fc.anything(),
      maxAge: fc.nat(),
    });
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(
            fc.string(),
            fc.json(),
            line.map((each) => JSON.stringify(each)),
          ),
        ),
        (lines) => {
          const cache = new StsCache();
          cache.load(['{"format":"danelaw-mta-sts-1"}', ...lines].join('\n'), NOW);
          return cache.entries(NOW).length === 0;
        },
      ),
    );
  });

  it('keeps the later of two fetches', () => {
    const cache = new StsCache();
    const older = new StsCache();
    older.set(cached('a', NOW - 1000), NOW);
    const text = older.save(NOW);
    cache.set({ ...cached('a'), id: '2' }, NOW);
    cache.load(text, NOW);
    expect(cache.get('a.example', NOW)).toMatchObject({ id: '2' });
  });
});
