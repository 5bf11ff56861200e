/** When which way is taken, by a clock and timers that the test moves. What makes a way fit is tested in the lab. */
import { createPrivateKey, generateKeyPairSync, sign } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { Timer } from './abort.js';
import { keyTag } from './dnssec/key.js';
import { parseRecords } from './master-file.js';
import { encodeMessage, type Message, parseMessage, type ResourceRecord } from './message.js';
import { Name } from './name.js';
import { RCODE, RRTYPE } from './rrtype.js';
import { parseServer, type ServerAddress } from './server-address.js';
import type { Source } from './source.js';
import type { Endpoint } from './transport.js';
import { parseTrustAnchors } from './trust-anchor.js';
import { HEAD_START_MS, ITERATE_PROBE_MS } from './way-search.js';
import { createWaysOut, RECONSIDER_MS, REPROBE_MS, RETRY_MS } from './ways-out.js';
import { concatBytes } from './wire.js';

const NOW = Date.parse('2026-01-15T00:00:00Z');
const ED25519 = 15;
const ZONE = Name.parse('example');
const pair = generateKeyPairSync('ed25519');
const privateKey = createPrivateKey(pair.privateKey.export({ format: 'pem', type: 'pkcs8' }));
const publicKey = Buffer.from(pair.publicKey.export({ format: 'jwk' }).x ?? '', 'base64url');
const DNSKEY = `example. 300 IN DNSKEY 257 3 ${ED25519} ${publicKey.toString('base64')}`;
const tag = keyTag(parseRecords(DNSKEY)[0]?.rdata ?? new Uint8Array(0));
const u16 = (value: number) => Uint8Array.of(value >> 8, value & 0xff);
const u32 = (value: number) => concatBytes([u16(value >>> 16), u16(value & 0xffff)]);

/** One record and its signature (RFC 4034 section 3.1.8.1). */
function signed(text: string): ResourceRecord[] {
  const [record] = parseRecords(text);
  if (record === undefined) throw new Error('no record');
  const { name, type, ttl, rdata } = record;
  const until = NOW / 1000 + 10 * 86_400;
  const head = concatBytes([
    ...[u16(type), Uint8Array.of(ED25519, name.labelCount), u32(ttl)],
    ...[u32(until), u32(NOW / 1000 - 86_400), u16(tag), ZONE.canonical()],
  ]);
  const data = [head, name.canonical(), u16(type), u16(1), u32(ttl), u16(rdata.length), rdata];
  const signature = sign(null, concatBytes(data), privateKey);
  return [record, { ...record, type: RRTYPE.RRSIG, rdata: concatBytes([head, signature]) }];
}

/** A trust anchor below the root does as well. */
const anchors = parseTrustAnchors(DNSKEY);
const KEYS = signed(DNSKEY);
const DENIAL = [
  ...signed('example. 300 IN NSEC child.example. NS SOA RRSIG NSEC DNSKEY'),
  ...signed('child.example. 300 IN NSEC zz.example. NS DS RRSIG NSEC'),
];
const DS = signed(`child.example. 300 IN DS 1 ${ED25519} 2 ${'ab'.repeat(32)}`);

function honest(query: Message): Message {
  const [question] = query.questions;
  const flags = { ...query.flags, qr: true, ra: true };
  const empty = { ...query, flags, rcode: RCODE.NOERROR, answer: [], authority: [], additional: [] };
  if (question?.type === RRTYPE.DNSKEY) return { ...empty, answer: KEYS };
  if (question?.type === RRTYPE.DS) return { ...empty, answer: DS };
  if (question?.name.toString() === 'www.example') return { ...empty, answer: parseRecords(WWW) };
  return { ...empty, rcode: RCODE.NXDOMAIN, authority: DENIAL };
}

const WWW = 'www.example. 300 IN A 192.0.2.1';
const QUESTION = { name: Name.parse('www.example'), type: RRTYPE.A };
const LIE = parseRecords('www.example. 300 IN A 192.0.2.66');
const SYSTEM = parseServer('192.0.2.53');
const OTHER = parseServer('192.0.2.54');
const OVER_TLS = parseServer('tls://192.0.2.55');

type Behaviour = 'honest' | 'silent' | 'refuses' | 'lies-over-udp' | Promise<'honest'>;

interface World {
  system?: Behaviour;
  other?: Behaviour;
  overTls?: Behaviour;
  iterating?: Behaviour | 'broken';
  servers?: readonly ServerAddress[];
}

/** A network whose parts the test may change, and the source that finds its way in it. */
function start(world: World) {
  let now = NOW;
  const timers = new Set<{ readonly milliseconds: number; readonly done: () => void }>();
  const timer: Timer = (milliseconds, done) => {
    const entry = { milliseconds, done };
    timers.add(entry);
    return () => timers.delete(entry);
  };
  const notices: string[] = [];
  const asked: string[] = [];
  const reply = async (behaviour: Behaviour, octets: Uint8Array, udp: boolean): Promise<Uint8Array> => {
    const query = parseMessage(octets);
    const is = await behaviour;
    switch (is) {
      case 'silent':
        return new Promise(() => {});
      case 'refuses':
        return encodeMessage({ ...honest(query), rcode: RCODE.REFUSED, answer: [], authority: [] });
      case 'lies-over-udp':
        return encodeMessage(udp ? { ...honest(query), answer: LIE, authority: [] } : honest(query));
      case 'honest':
        return encodeMessage(honest(query));
    }
  };
  const exchange = (query: Uint8Array, { address, protocol }: Endpoint) => {
    asked.push(`${address} ${protocol} ${parseMessage(query).questions[0]?.name}`);
    const behaviours = new Map([
      [SYSTEM.address, world.system],
      [OTHER.address, world.other],
      [OVER_TLS.address, world.overTls],
    ]);
    return reply(behaviours.get(address) ?? 'silent', query, protocol === 'udp');
  };
  const iterator: Source = {
    via: 'iterating from the root',
    async ask({ name, type }, signal) {
      asked.push(`iterating ${name}`);
      const { iterating = 'silent' } = world;
      if (iterating === 'broken') throw new RangeError('a fault of ours');
      const query = {
        ...parseMessage(encodeMessage(honest({ ...EMPTY, questions: [{ name, type, class: 1 }] }))),
      };
      const aborted = new Promise<never>((_, reject) => {
        signal?.addEventListener('abort', () => reject(signal.reason));
      });
      const octets = await Promise.race([reply(iterating, encodeMessage(query), false), aborted]);
      return { kind: 'reply', message: parseMessage(octets), server: '192.0.2.99#53' };
    },
    close: async () => {},
  };
  const source = createWaysOut({
    systemServers: async () => world.servers ?? [SYSTEM],
    ...{ iterator, fallback: [OVER_TLS], anchors, timer, transport: { exchange }, clock: () => now },
    onNotice: ({ code }) => notices.push(code),
  });
  return {
    ...{ source, world, notices, asked },
    pass: (milliseconds: number) => (now += milliseconds),
    /** Waits until something waits this long, and lets that time be over. */
    async elapse(milliseconds: number) {
      await expect.poll(() => [...timers].some((entry) => entry.milliseconds === milliseconds)).toBe(true);
      for (const entry of [...timers]) {
        if (entry.milliseconds !== milliseconds) continue;
        timers.delete(entry);
        entry.done();
      }
    },
    isWaitedFor: (milliseconds: number) => [...timers].some((entry) => entry.milliseconds === milliseconds),
  };
}

const EMPTY: Message = parseMessage(Uint8Array.of(0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0));

describe('the way out', () => {
  it("is the system's resolver where that is fit, and its first answer is used", async () => {
    const { source, asked, notices } = start({ system: 'honest' });
    expect(await source.ask(QUESTION)).toMatchObject({ kind: 'reply', server: '192.0.2.53#53' });
    expect(asked.filter((line) => line.endsWith('www.example'))).toEqual(['192.0.2.53 udp www.example']);
    expect(source.via).toBe('forwarding to 192.0.2.53#53');
    expect(notices).toEqual([]);
    await source.close();
  });

  it('is TCP where somebody rewrites what comes over UDP; what came so before does not count', async () => {
    const { source } = start({ system: 'lies-over-udp' });
    const answer = await source.ask(QUESTION);
    expect(answer).toMatchObject({
      kind: 'reply',
      message: { answer: [{ rdata: Uint8Array.of(192, 0, 2, 1) }] },
    });
    expect(source.via).toBe('forwarding to 192.0.2.53#53 over TCP');
    await source.close();
  });

  it('is the next one after a second of silence, and the better one as soon as it answers', async () => {
    let wake = (_: 'honest') => {};
    const system = new Promise<'honest'>((resolve) => {
      wake = resolve;
    });
    const { source, elapse, notices } = start({ system, iterating: 'honest' });
    const answer = source.ask(QUESTION);
    await elapse(HEAD_START_MS);
    expect(await answer).toMatchObject({ kind: 'reply', server: '192.0.2.99#53' });
    expect(source.via).toBe('iterating from the root');
    wake('honest');
    await expect.poll(() => source.via).toBe('forwarding to 192.0.2.53#53');
    expect(notices).toEqual(['iterating', 'forwarding']);
    await source.close();
  });

  it('is the last one where the others fail, the second of them by its deadline', async () => {
    const { source, elapse, notices } = start({ system: 'refuses', iterating: 'silent', overTls: 'honest' });
    const answer = source.ask(QUESTION);
    await elapse(ITERATE_PROBE_MS);
    expect(await answer).toMatchObject({ kind: 'reply', server: 'tls://192.0.2.55#853' });
    expect(notices).toEqual(['fallback']);
    await source.close();
  });

  it('is all fit resolvers together', async () => {
    const servers = [SYSTEM, OTHER];
    const { source } = start({ servers, system: 'honest', other: 'honest' });
    await source.ask(QUESTION);
    await expect.poll(() => source.via).toContain('192.0.2.53#53');
    await expect.poll(() => source.via).toContain('192.0.2.54#53');
    await source.close();
  });
});

describe('the way is looked for again', () => {
  it('after some time, beside the questions and without haste', async () => {
    const { source, world, pass, notices, isWaitedFor } = start({ system: 'honest', iterating: 'honest' });
    await source.ask(QUESTION);
    world.system = 'refuses';
    pass(REPROBE_MS - 1);
    await source.ask(QUESTION);
    expect(notices).toEqual([]);
    pass(1);
    // Still by the old way, which now refuses: nobody waits for the search.
    expect(await source.ask(QUESTION)).toMatchObject({ kind: 'failure', rcode: 'REFUSED' });
    expect(isWaitedFor(HEAD_START_MS)).toBe(false);
    await expect.poll(() => notices).toEqual(['iterating']);
    expect(await source.ask(QUESTION)).toMatchObject({ kind: 'reply', server: '192.0.2.99#53' });
    await source.close();
  });

  it('after a failure, but not at once after it was found', async () => {
    const { source, world, pass } = start({ system: 'honest', iterating: 'honest' });
    await source.ask(QUESTION);
    world.system = 'refuses';
    pass(RECONSIDER_MS - 1);
    expect(await source.reconsider?.()).toBe(false);
    pass(1);
    expect(await source.reconsider?.()).toBe(true);
    expect(source.via).toBe('iterating from the root');
    pass(RECONSIDER_MS);
    // Nothing has changed: asking again is of no use.
    expect(await source.reconsider?.()).toBe(false);
    await source.close();
  });

  it('for the next question where there was none, after a while', async () => {
    const { source, world, pass, asked, notices } = start({
      system: 'refuses',
      iterating: 'refuses',
      overTls: 'refuses',
    });
    expect(await source.ask(QUESTION)).toMatchObject({
      kind: 'failure',
      reason: expect.stringMatching(/Ways out:/),
    });
    const before = asked.length;
    pass(RETRY_MS - 1);
    expect(await source.ask(QUESTION)).toMatchObject({ kind: 'failure' });
    expect(asked.length).toBe(before);
    world.system = 'honest';
    pass(1);
    expect(await source.ask(QUESTION)).toMatchObject({ kind: 'reply', server: '192.0.2.53#53' });
    expect(notices).toEqual(['no-way-out', 'forwarding']);
    await source.close();
  });

  it('by new trust anchors where they have changed (RFC 5011)', async () => {
    const { source, pass, notices } = start({ system: 'honest', iterating: 'refuses', overTls: 'refuses' });
    await source.ask(QUESTION);
    await setImmediate(); // The first search ends.
    source.trust?.(parseTrustAnchors(`example. IN DS 1 ${ED25519} 2 ${'ab'.repeat(32)}`));
    pass(RECONSIDER_MS);
    expect(await source.reconsider?.()).toBe(false);
    expect(notices).toEqual(['no-way-out']);
    await source.close();
  });
});

it('a fault of ours is told to whoever waits, and is over with the next search', async () => {
  const { source, world, pass } = start({ system: 'refuses', iterating: 'broken' });
  await expect(source.ask(QUESTION)).rejects.toThrow('a fault of ours');
  world.iterating = 'honest';
  pass(RETRY_MS);
  expect(await source.ask(QUESTION)).toMatchObject({ kind: 'reply', server: '192.0.2.99#53' });
  await source.close();
});

it('closing ends a search, and those who wait for it', async () => {
  const { source } = start({});
  const answer = source.ask(QUESTION);
  await source.close();
  expect(await answer).toMatchObject({ kind: 'failure' });
});

it('an abort ends the wait of one, and not the search', async () => {
  const { source, elapse } = start({ system: 'silent', iterating: 'honest' });
  const abort = new AbortController();
  const given = source.ask(QUESTION, abort.signal);
  const kept = source.ask(QUESTION);
  abort.abort(new Error('enough'));
  await expect(given).rejects.toThrow('enough');
  await elapse(HEAD_START_MS);
  expect(await kept).toMatchObject({ kind: 'reply' });
  await source.close();
});
