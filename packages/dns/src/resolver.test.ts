import { describe, expect, it } from 'vitest';
import type { LookupTold } from './caching-resolver.js';
import { parseRecords } from './master-file.js';
import { encodeMessage, type Message, parseMessage, type ResourceRecord } from './message.js';
import { createResolver } from './resolver.js';
import type { Transport } from './transport.js';

/** A resolver on loopback that answers every query by a function; `asked` lists the questions. */
function scripted(reply: (query: Message) => Partial<Message>) {
  const asked: string[] = [];
  const transport: Transport = {
    async exchange(octets) {
      const query = parseMessage(octets);
      asked.push(`${query.questions[0]?.name} ${query.questions[0]?.type}`);
      const flags = { ...query.flags, qr: true, ra: true };
      return encodeMessage({ ...query, flags, ...reply(query) });
    },
  };
  return { transport, asked };
}

const records = (text: string): ResourceRecord[] => parseRecords(text);
const flags = { qr: true, aa: false, tc: false, rd: true, ra: true, ad: false, cd: false };
const authenticated = { ...flags, ad: true };
const SOA = 'example. 300 IN SOA ns.example. root.example. 1 2 3 4 60';

function believing(reply: (query: Message) => Partial<Message>) {
  const script = scripted(reply);
  const resolver = createResolver({ upstream: '127.0.0.1', trust: 'ad', transport: script.transport });
  return { resolver, ...script };
}

describe("trust: 'ad'", () => {
  it('the AD bit makes an answer secure (RFC 6840 section 5.8)', async () => {
    const { resolver } = believing(() => ({
      flags: authenticated,
      answer: records('mx.example. 60 IN A 192.0.2.1'),
    }));
    expect(await resolver.resolve('mx.example', 'A')).toMatchObject({
      status: 'secure',
      rcode: 'NOERROR',
      ttl: 60,
      records: [{ name: 'mx.example', type: 'A', ttl: 60, data: { type: 'A', address: '192.0.2.1' } }],
    });
  });

  it('without it the answer is insecure, aliases included (RFC 7672 section 2.1.3)', async () => {
    const answer = records('mx.example. 60 IN CNAME a.example.\na.example. 60 IN A 192.0.2.1');
    const { resolver } = believing(() => ({ flags, answer }));
    expect(await resolver.resolve('mx.example', 'A')).toMatchObject({
      status: 'insecure',
      canonicalName: 'a.example',
      aliases: [{ from: 'mx.example', to: 'a.example', status: 'insecure' }],
    });
  });

  it('asks with AD set and CD clear, so that the resolver validates', async () => {
    let seen: Message | undefined;
    const { resolver } = believing((query) => {
      seen = query;
      return { flags, authority: records(SOA) };
    });
    await resolver.resolve('mx.example', 'A');
    expect(seen?.flags).toMatchObject({ ad: true, cd: false, rd: true });
  });

  it('an alias without its target is followed by another question (RFC 7672 section 2.1.3)', async () => {
    const { resolver, asked } = believing((query) =>
      query.questions[0]?.name.toString() === 'a.example'
        ? { flags: authenticated, answer: records('a.example. 60 IN CNAME b.example.') }
        : { flags, answer: records('b.example. 60 IN A 192.0.2.1') },
    );
    const lookup = await resolver.resolve('a.example', 'A');
    expect(asked).toEqual(['a.example 1', 'b.example 1']);
    expect(lookup).toMatchObject({
      status: 'insecure',
      aliases: [{ status: 'secure' }],
      canonicalName: 'b.example',
    });
  });

  it('aliases that lead in a circle end as indeterminate', async () => {
    const { resolver } = believing(() => ({
      answer: records('a.example. 60 IN CNAME b.example.\nb.example. 60 IN CNAME a.example.'),
    }));
    expect(await resolver.resolve('a.example', 'A')).toMatchObject({ status: 'indeterminate' });
  });

  it('SERVFAIL is indeterminate, and bogus where the resolver says so (RFC 8914)', async () => {
    const plain = believing(() => ({ rcode: 2 }));
    expect(await plain.resolver.resolve('x.example', 'A')).toMatchObject({
      status: 'indeterminate',
      rcode: 'SERVFAIL',
    });
    const option = { code: 15, data: Uint8Array.of(0, 6) };
    const telling = believing(() => ({
      rcode: 2,
      edns: { udpSize: 1232, version: 0, do: false, options: [option] },
    }));
    expect(await telling.resolver.resolve('x.example', 'A')).toMatchObject({
      status: 'bogus',
      ede: { code: 6 },
    });
  });

  it.each([1, 4, 5])(
    'response code %i is a failure, never an absence (RFC 7672 section 2.1.1)',
    async (rcode) => {
      const lookup = await believing(() => ({ flags: authenticated, rcode })).resolver.resolve(
        'x.example',
        'TLSA',
      );
      expect(lookup.status).toBe('indeterminate');
      expect(lookup).not.toHaveProperty('records');
    },
  );

  it('absence is kept for as long as the SOA says (RFC 2308 section 5)', async () => {
    const { resolver } = believing(() => ({ flags: authenticated, rcode: 3, authority: records(SOA) }));
    expect(await resolver.resolve('x.example', 'A')).toMatchObject({
      status: 'secure',
      rcode: 'NXDOMAIN',
      ttl: 60,
      records: [],
    });
  });

  it('malformed records of the type that was asked for make a failure', async () => {
    const [record] = records('x.example. 60 IN A 192.0.2.1');
    const answer = record === undefined ? [] : [{ ...record, rdata: Uint8Array.of(1, 2) }];
    expect(await believing(() => ({ answer })).resolver.resolve('x.example', 'A')).toMatchObject({
      status: 'indeterminate',
    });
  });

  it('is refused for a resolver elsewhere, with the reason (RFC 4035 section 4.9.3)', () => {
    expect(() => createResolver({ upstream: '192.0.2.53', trust: 'ad' })).toThrow(/not this machine/);
    expect(() => createResolver({ upstream: 'iterate', trust: 'ad' })).toThrow(TypeError);
    expect(() => createResolver({ upstream: '192.0.2.53', trust: 'ad', trustRemoteAd: true })).not.toThrow();
  });
});

describe('every resolver', () => {
  const answer = () => ({ flags: authenticated, answer: records('x.example. 60 IN A 192.0.2.1') });

  it('asks once for equal look-ups at the same time, and not again while the answer holds', async () => {
    const { resolver, asked } = believing(answer);
    const lookups = ['x.example', 'X.Example.', 'x.example'].map((name) => resolver.resolve(name, 'A'));
    await Promise.all(lookups);
    await resolver.resolve('x.EXAMPLE', 'A');
    expect(asked).toHaveLength(1);
  });

  it('tells of each look-up that was answered, and whether the cache had it', async () => {
    const told: LookupTold[] = [];
    const { transport } = scripted(({ questions: [question] }) =>
      `${question?.name}`.startsWith('x.') ? answer() : { rcode: 2 },
    );
    const onLookup = (each: LookupTold) => told.push(each);
    const resolver = createResolver({ upstream: '127.0.0.1', trust: 'ad', transport, onLookup });
    await Promise.all([resolver.resolve('x.example', 'A'), resolver.resolve('x.example', 'A')]);
    await resolver.resolve('x.example', 'A');
    await resolver.resolve('broken.example', 'A');
    await expect(resolver.resolve('x.example', 'NONE')).rejects.toThrow(TypeError);
    await expect(resolver.resolve('y.example', 'A', { signal: AbortSignal.abort() })).rejects.toThrow();
    expect(told).toEqual([
      { status: 'secure', cached: false },
      { status: 'secure', cached: false },
      { status: 'secure', cached: true },
      { status: 'indeterminate', cached: false },
    ]);
  });

  it('asks again after a failure', async () => {
    let calls = 0;
    const { resolver } = believing(() => (calls++ === 0 ? { rcode: 2 } : answer()));
    expect((await resolver.resolve('x.example', 'A')).status).toBe('indeterminate');
    expect((await resolver.resolve('x.example', 'A')).status).toBe('secure');
  });

  it('rejects when the signal aborts; others who wait for the same answer get it', async () => {
    let release = () => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const script = scripted(answer);
    const transport: Transport = {
      exchange: (...args) => gate.then(() => script.transport.exchange(...args)),
    };
    const resolver = createResolver({ upstream: '127.0.0.1', trust: 'ad', transport });
    const controller = new AbortController();
    const impatient = resolver.resolve('x.example', 'A', { signal: controller.signal });
    const patient = resolver.resolve('x.example', 'A');
    controller.abort(new Error('enough'));
    await expect(impatient).rejects.toThrow('enough');
    release();
    expect((await patient).status).toBe('secure');
  });

  it.each([
    ['', 'A'],
    ['a..b', 'A'],
    ['x.example', 'NOSUCHTYPE'],
    [`${'a'.repeat(64)}.example`, 'A'],
    ['ä.example', 'A'],
  ])('rejects the invalid question %j %s with a TypeError', async (name, type) => {
    const { resolver } = believing(answer);
    await expect(resolver.resolve(name, type)).rejects.toThrow(TypeError);
  });

  it.each([
    [{ upstream: [] }, /upstream/],
    [{ upstream: 'resolver.example' }, /address/],
    [{ trustAnchors: ['example. IN A 192.0.2.1'] }, /trustAnchors/],
    [{ upstream: 'iterate', rootHints: [] }, /rootHints/],
    [{ upstream: 'iterate', rootHints: [{ name: 'a.example', address: 'b' }] }, /rootHints/],
  ])('is not made from wrong options: %j', (options, message) => {
    expect(() => createResolver(options)).toThrow(message);
  });
});

describe("trust: 'validate'", () => {
  it('never believes the AD bit, and asks with CD set', async () => {
    const seen: Message[] = [];
    const { transport } = scripted((query) => {
      seen.push(query);
      return { flags: authenticated, answer: records('x.example. 60 IN A 192.0.2.1') };
    });
    const resolver = createResolver({ upstream: '192.0.2.53', transport });
    const lookup = await resolver.resolve('x.example', 'A');
    expect(lookup.status).toBe('bogus');
    expect(seen.every((query) => query.flags.cd && query.edns?.do)).toBe(true);
  });

  it('a name under no trust anchor is insecure (RFC 7672 section 2.1.1)', async () => {
    const { transport } = scripted(() => ({ answer: records('x.example. 60 IN A 192.0.2.1') }));
    const trustAnchors = [`other. IN DS 1 13 2 ${'00'.repeat(32)}`];
    const resolver = createResolver({ upstream: '192.0.2.53', transport, trustAnchors });
    expect(await resolver.resolve('x.example', 'A')).toMatchObject({
      status: 'insecure',
      records: [{ type: 'A' }],
    });
  });

  it('a silent or closed network is indeterminate', async () => {
    const transport: Transport = { exchange: () => Promise.reject(new Error('no network')) };
    const resolver = createResolver({ upstream: '192.0.2.53', transport });
    expect(await resolver.resolve('x.example', 'A')).toMatchObject({ status: 'indeterminate' });
  });
});
