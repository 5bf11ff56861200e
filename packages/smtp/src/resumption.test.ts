/**
 * TLS sessions of earlier connections, against a real TLS server that resumes whatever it issued: what is
 * offered to it, what never is, and that a resumed session is judged by the chain of its full handshake.
 */
import { formatTlsa } from '@danelaw/dane';
import { afterEach, describe, expect, it } from 'vitest';
import { parsePolicyTable } from './policy-table-parser.js';
import { ca, leaf, other, tlsaFor } from './testing/certificates.js';
import { endSenders, oneHost, type Sender, startSender, tlsaRecord } from './testing/delivery.js';
import { mx } from './testing/fixed-resolver.js';
import type { Script } from './testing/scripted-server.js';
import { TicketStore } from './ticket-store.js';
import type { Secured } from './tls-facts.js';

afterEach(endSenders);

const SIGNED = oneHost([tlsaRecord(leaf, 3)]);

/** Each message has a connection of its own. */
const start = (answers = SIGNED, script: Script = {}): Promise<Sender> =>
  startSender(answers, script, { limits: { messages: 1 } });

/** Whether the server saw a resumption, connection by connection; it may learn of its handshake after us. */
const resumed = (sender: Sender): unknown[] => sender.heard().map(({ tls }) => tls?.resumed);

describe.each(['TLSv1.2', 'TLSv1.3'] as const)('a session under %s', (maxTls) => {
  it('is resumed, and the stored chain is judged by what the TLSA records say now', async () => {
    const sender = await start(SIGNED, { maxTls });
    const first = await sender.send('example.org');
    sender.publish(oneHost([tlsaRecord(ca, 2)]));
    const second = await sender.send('example.net');
    expect([first.summary, second.summary]).toEqual(['delivered, new', 'delivered, resumed']);
    expect([first.proof, second.proof]).toEqual([leafRecord(3), formatTlsa(tlsaFor(ca, 2))]);
    await expect.poll(() => resumed(sender)).toEqual([false, true]);
    expect(second.outcome.tls).toMatchObject({ protocol: maxTls, serverName: 'mx.example.org' });
  });

  it('is not offered where its chain matches no more: the server shows what it has now', async () => {
    const sender = await start(SIGNED, { maxTls });
    await sender.send('example.org');
    sender.publish(oneHost([tlsaRecord(other, 3)]));
    expect((await sender.send('example.org')).summary).toBe('deferred, new');
    await expect.poll(() => resumed(sender)).toEqual([false, false]);
    sender.publish(SIGNED);
    expect((await sender.send('example.org')).summary).toBe('delivered, resumed');
  });

  it('is not offered for a domain that the certificate is not for (RFC 7672 section 3.2.2)', async () => {
    const sender = await start(oneHost([tlsaRecord(ca, 2)], { host: 'mx.example.com' }), { maxTls });
    expect((await sender.send('example.org')).summary).toBe('delivered, new');
    expect((await sender.send('example.net')).summary).toBe('deferred, new');
    expect((await sender.send('example.org')).summary).toBe('delivered, resumed');
  });

  it('is not kept where the server was refused', async () => {
    const sender = await start(oneHost([tlsaRecord(other, 3)]), { maxTls });
    expect((await sender.send('example.org')).summary).toBe('deferred, new');
    sender.publish(SIGNED);
    expect((await sender.send('example.org')).summary).toBe('delivered, new');
    await expect.poll(() => resumed(sender)).toEqual([false, false]);
  });

  it('that an audit overlooked is no verdict for anybody (RFC 7672 section 9.1)', async () => {
    const sender = await start(oneHost([tlsaRecord(other, 3)]), { maxTls });
    const audit = { reason: 'first look', expires: '2999-01-01' };
    sender.set({ policyTable: parsePolicyTable([{ domain: 'example.org', level: 'dane', audit }]) });
    expect((await sender.send('example.org')).summary).toBe('delivered, new');
    expect((await sender.send('example.net')).summary).toBe('deferred, new');
  });

  it('is never offered under another server name, at the same address and port', async () => {
    const second = oneHost([tlsaRecord(leaf, 3)], { host: 'other.example.org' });
    const sender = await start(
      { ...second, ...SIGNED, 'example.net MX': { records: [mx(10, 'other.example.org')] } },
      { maxTls },
    );
    await sender.send('example.org');
    expect((await sender.send('example.net')).summary).toBe('delivered, new');
    expect(sender.heard().map(({ tls }) => [tls?.serverName, tls?.resumed])).toEqual([
      ['mx.example.org', false],
      ['other.example.org', false],
    ]);
    expect((await sender.send('example.org')).summary).toBe('delivered, resumed');
  });

  it('that the server declines leads to a full handshake, whose chain is judged', async () => {
    const sender = await start(SIGNED, { maxTls });
    await sender.send('example.org');
    // Another server behind the same address: it knows nothing of that session, and sends no issuer.
    await sender.serve({ maxTls, chain: leaf });
    const declined = await sender.send('example.org');
    expect([declined.summary, declined.proof]).toEqual(['delivered, new', leafRecord(3)]);
    // The chain of the first server would do, so its other session is offered. What comes would not.
    sender.publish(oneHost([tlsaRecord(ca, 2)]));
    expect((await sender.send('example.org')).summary).toBe('deferred, new');
    await expect.poll(() => resumed(sender)).toEqual([false, false]);
  });
});

describe('an attempt', () => {
  const took = async (sender: Sender): Promise<unknown[]> =>
    (await sender.send('example.org')).attempts.map(({ connection, handshake }) => [
      connection,
      handshake === null ? null : handshake > 0 && handshake < 60_000,
    ]);

  it('tells how long its handshake took, full or resumed, and whatever came of it', async () => {
    const sender = await start(oneHost([tlsaRecord(other, 3)]));
    expect(await took(sender)).toEqual([['new', true]]);
    sender.publish(SIGNED);
    expect(await took(sender)).toEqual([['new', true]]);
    expect(await took(sender)).toEqual([['resumed', true]]);
  });

  it('has no handshake on a shared connection, or where it failed', async () => {
    const sharing = await startSender(SIGNED, {}, {});
    expect(await took(sharing)).toEqual([['new', true]]);
    expect(await took(sharing)).toEqual([['shared', null]]);
    const breaking = await start(SIGNED, { handshake: 'garbage' });
    expect(await took(breaking)).toEqual([['new', null]]);
  });
});

const leafRecord = (usage: 2 | 3): string => formatTlsa(tlsaFor(leaf, usage));

describe('a session is not offered', () => {
  const AUTH: Script = { offersUnderTls: ['AUTH PLAIN'], replies: { AUTH: '235 2.7.0 welcome' } };

  it('under another login', async () => {
    const sender = await start(SIGNED, AUTH);
    const rule = (domain: string, credentials: string): object => ({
      ...{ domain, level: 'dane', relay: '[mx.example.org]', credentials },
    });
    sender.set({
      policyTable: parsePolicyTable([rule('example.org', 'first'), rule('example.net', 'second')]),
      credentials: (username) => ({ username, password: 'secret' }),
    });
    await sender.send('example.org');
    expect((await sender.send('example.net')).summary).toBe('delivered, new');
    expect((await sender.send('example.org')).summary).toBe('delivered, resumed');
  });

  it('for a higher minimum version, whatever it was made with', async () => {
    const sender = await start();
    await sender.send('example.org');
    sender.set({
      policyTable: parsePolicyTable([{ domain: '*', level: 'dane', min_tls: 'TLSv1.3' }]),
    });
    expect((await sender.send('example.org')).summary).toBe('delivered, new');
    await expect.poll(() => resumed(sender)).toEqual([false, false]);
  });

  it('where the caller has no pool', async () => {
    const sender = await start();
    sender.set({ pool: undefined });
    await sender.send('example.org');
    expect((await sender.send('example.org')).summary).toBe('delivered, new');
    await expect.poll(() => resumed(sender)).toEqual([false, false]);
  });

  it('under TLS 1.3 more than once (RFC 8446 appendix C.4)', () => {
    const store = new TicketStore({ keys: 10, age: 1000 }, () => 0);
    const { keep, offer } = store.for('key');
    keep({ session: Buffer.from('1'), secured: secured('TLSv1.3') }, undefined);
    expect(offer(() => true)?.session.toString()).toBe('1');
    expect(offer(() => true)).toBeUndefined();
  });
});

const secured = (protocol: string): Secured => ({ protocol, cipher: '', serverName: null, chain: [] });

describe('sessions that are kept', () => {
  const ticket = (name: string, protocol = 'TLSv1.2') => ({
    session: Buffer.from(name),
    secured: secured(protocol),
  });
  const newest = (store: TicketStore, key: string) =>
    store
      .for(key)
      .offer(() => true)
      ?.session.toString();

  it('serve again under TLS 1.2, whose servers send no new ones', () => {
    const store = new TicketStore({ keys: 10, age: 1000 }, () => 0);
    store.for('key').keep(ticket('1'), undefined);
    expect([newest(store, 'key'), newest(store, 'key')]).toEqual(['1', '1']);
  });

  it('are as old as the full handshake, however often they were resumed', () => {
    let now = 0;
    const store = new TicketStore({ keys: 10, age: 1000 }, () => now);
    store.for('key').keep(ticket('1'), undefined);
    now = 900;
    const resumedOne = store.for('key').offer(() => true);
    store.for('key').keep(ticket('2'), resumedOne);
    expect(newest(store, 'key')).toBe('2');
    now = 1001;
    expect(newest(store, 'key')).toBeUndefined();
  });

  it('are bounded: four for a key, and the keys that were used longest ago go', () => {
    const store = new TicketStore({ keys: 2, age: 1000 }, () => 0);
    for (const name of ['1', '2', '3', '4', '5']) {
      store.for('a').keep(ticket(name, 'TLSv1.3'), undefined);
    }
    expect(Array.from({ length: 5 }, () => newest(store, 'a'))).toEqual(['5', '4', '3', '2', undefined]);
    for (const key of ['a', 'b', 'c']) store.for(key).keep(ticket(key), undefined);
    expect(['a', 'b', 'c'].map((key) => newest(store, key))).toEqual([undefined, 'b', 'c']);
  });

  it('are not kept where they are larger than any real one', () => {
    const store = new TicketStore({ keys: 2, age: 1000 }, () => 0);
    store.for('a').keep({ session: Buffer.alloc(20_000), secured: secured('TLSv1.3') }, undefined);
    expect(newest(store, 'a')).toBeUndefined();
  });
});
