/**
 * What every engine of the queue must do, as tests: called once for each engine, from its own test file, so
 * that they can't drift apart. An engine tests beside it what only it has: files that are torn, leases that
 * run out.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  BodyLostError,
  type Claim,
  type ClaimRequest,
  type LastTry,
  type NewMessage,
  type NewRecipient,
  type Queue,
  type QueueAction,
  type QueuedEnvelope,
  type QueueEntry,
  type QueueFilter,
  type RecipientSettlement,
} from './queue.js';
import { makeQueueId } from './queue-id.js';

/** Where a queue under test lives, empty at first. */
export interface QueueStore {
  /** Opens the queue; what is in it is what the one before left, which was closed. */
  open(): Promise<Queue>;
  /** Removes everything. What was opened is closed by then. */
  remove(): Promise<void>;
}

/** The time at which all of it happens. */
export const NOW = 1_800_000_000_000;
const MINUTE = 60_000;
const LEASE = 10 * MINUTE;
/** More than any test has. */
const PLENTY = 1000;
/** The part of an id that chance makes otherwise. */
const RANDOM_OCTETS = 5;
const SERIAL_DIGITS = 8;

let counter = 0;

/** Makes a message with an id of its own; later ones sort later. */
export function message(
  recipients: readonly (string | NewRecipient)[],
  envelope: Partial<QueuedEnvelope> = {},
  body: Uint8Array = new TextEncoder().encode('Subject: test\r\n\r\nHello.\r\n'),
): NewMessage {
  const arrived = envelope.arrived ?? NOW;
  counter++;
  const time = makeQueueId(arrived, () => new Uint8Array(RANDOM_OCTETS)).slice(0, -SERIAL_DIGITS);
  return {
    id: time + String(counter).padStart(SERIAL_DIGITS, '0'),
    envelope: {
      from: 'sender@origin.example',
      requireTls: false,
      smtpUtf8: false,
      eightBit: false,
      utf8Header: false,
      tlsRequiredNo: false,
      origin: { kind: 'smtp' },
      ...envelope,
      arrived,
    },
    recipients: recipients.map((recipient) =>
      typeof recipient === 'string' ? { address: recipient, destination: domainOf(recipient) } : recipient,
    ),
    body,
  };
}

function domainOf(address: string): string {
  return address.slice(address.lastIndexOf('@') + 1);
}

/** A claim request for everything that is due. */
export function request(changes: Partial<ClaimRequest> = {}): ClaimRequest {
  return { now: NOW, max: PLENTY, limitOf: () => PLENTY, lease: LEASE, ...changes };
}

export function lastTry(reason: string): LastTry {
  return { time: NOW, enhancedStatus: '4.4.1', reply: null, host: 'mx.destination.example', reason };
}

export function again(index: number, due: number, reason = 'Connection refused.'): RecipientSettlement {
  return { index, outcome: 'again', due, warned: false, last: lastTry(reason) };
}

export function done(index: number): RecipientSettlement {
  return { index, outcome: 'done' };
}

export function allDone(claim: Claim): readonly RecipientSettlement[] {
  return claim.recipients.map(({ index }) => done(index));
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** The only one of a list; a test that has none or several fails here. */
export function only<T>(items: readonly T[]): T {
  expect(items).toHaveLength(1);
  const [item] = items;
  if (item === undefined) throw new Error('unreachable');
  return item;
}

export function describeQueue(engine: string, makeStore: () => Promise<QueueStore>): void {
  let store: QueueStore;
  let queue: Queue;

  beforeEach(async () => {
    store = await makeStore();
    queue = await store.open();
  });
  afterEach(async () => {
    await queue.close();
    await store.remove();
  });

  const claimAll = async (changes: Partial<ClaimRequest> = {}) =>
    (await queue.claim(request(changes))).claims;
  const claimOne = async (changes: Partial<ClaimRequest> = {}) => only(await claimAll(changes));
  const list = (filter: QueueFilter = {}): Promise<QueueEntry[]> => collect(queue.list(filter));
  const addresses = (entries: readonly { recipients: readonly { address: string }[] }[]) =>
    entries.flatMap(({ recipients }) => recipients.map(({ address }) => address));
  const reopen = async () => {
    await queue.close();
    queue = await store.open();
  };

  describe(`${engine}: adding`, () => {
    it('keeps all that is known of a message', async () => {
      const envelope: QueuedEnvelope = {
        from: 'sénder@origin.example',
        envid: 'an id+with=signs',
        ret: 'hdrs',
        requireTls: true,
        smtpUtf8: true,
        eightBit: true,
        utf8Header: true,
        tlsRequiredNo: true,
        arrived: NOW - 5,
        origin: {
          kind: 'sendmail',
          client: '192.0.2.1',
          helo: 'client.example',
          user: 'someone',
          uid: 33,
          protocol: 'ESMTPSA',
        },
      };
      const added = message(
        [
          { address: 'a@one.example', destination: 'one.example', notify: 'never' },
          {
            address: 'b@one.example',
            destination: 'one.example',
            notify: ['success', 'delay'],
            orcpt: 'rfc822;old@example.org',
          },
        ],
        envelope,
      );
      await queue.add(added);
      const claim = await claimOne();
      expect(claim.id).toBe(added.id);
      expect(claim.destination).toBe('one.example');
      expect(claim.envelope).toEqual(envelope);
      expect(claim.size).toBe(added.body.length);
      const state = { held: false, due: NOW - 5, attempts: 0, warned: false, last: undefined };
      expect(claim.recipients).toEqual([
        { ...added.recipients[0], index: 0, state },
        { ...added.recipients[1], index: 1, state },
      ]);
    });

    it('keeps every octet of a body', async () => {
      const body = Uint8Array.from({ length: 100_000 }, (_, i) => (i * 31 + (i >> 8)) & 255);
      const added = message(['a@one.example'], {}, body);
      await queue.add(added);
      expect(Buffer.compare(await queue.body(added.id), body)).toBe(0);
      await reopen();
      expect(Buffer.compare(await queue.body(added.id), body)).toBe(0);
    });

    it('keeps an empty body', async () => {
      const added = message(['a@one.example'], {}, new Uint8Array());
      await queue.add(added);
      await reopen();
      expect((await queue.body(added.id)).length).toBe(0);
    });

    it('keeps many messages that are added at a time', async () => {
      const many = Array.from({ length: 200 }, (_, i) =>
        message([`a@d${i % 7}.example`], {}, new TextEncoder().encode(`number ${i}`)),
      );
      await Promise.all(many.map((one) => queue.add(one)));
      await reopen();
      expect(await queue.counts()).toMatchObject({ messages: 200, recipients: 200 });
      for (const one of many) expect(Buffer.compare(await queue.body(one.id), one.body)).toBe(0);
    });

    it('takes the state of a recipient that comes from another queue', async () => {
      const state = { held: true, due: NOW + 5, attempts: 7, warned: true, last: lastTry('Was down.') };
      const added = message([{ address: 'a@one.example', destination: 'one.example', state }]);
      await queue.add(added);
      await reopen();
      expect((await queue.read(added.id))?.recipients[0]?.state).toEqual(state);
    });

    it('refuses a second message of the same id, and keeps the first', async () => {
      const first = message(['a@one.example']);
      await queue.add(first);
      const second = { ...first, body: new TextEncoder().encode('another') };
      await expect(queue.add(second)).rejects.toThrow(first.id);
      expect(Buffer.compare(await queue.body(first.id), first.body)).toBe(0);
      expect(await queue.counts()).toMatchObject({ messages: 1, recipients: 1 });
    });

    it.each([
      ['without recipients', { recipients: [] }],
      ['whose id is a path', { id: '../../../etc/passwd' }],
    ])('refuses a message %s', async (_, change) => {
      await expect(queue.add({ ...message(['a@one.example']), ...change })).rejects.toThrow(RangeError);
      expect(await queue.counts()).toMatchObject({ messages: 0 });
    });

    it('has no body for a message that is not in it', async () => {
      await expect(queue.body(message(['a@one.example']).id)).rejects.toThrow(BodyLostError);
    });
  });

  describe(`${engine}: claiming`, () => {
    it('gives nothing where nothing is', async () => {
      expect(await queue.claim(request())).toEqual({ claims: [], nextDue: undefined });
    });

    it('gives the recipients at one destination as one claim, and those at another as another', async () => {
      const added = message(['a@one.example', 'b@two.example', 'c@one.example']);
      await queue.add(added);
      const claims = await claimAll();
      const seen = claims.map(({ destination, recipients }) => [destination, recipients.map((r) => r.index)]);
      expect(seen.sort()).toEqual([
        ['one.example', [0, 2]],
        ['two.example', [1]],
      ]);
    });

    it('gives no work twice while its claim lives', async () => {
      await queue.add(message(['a@one.example']));
      await claimOne();
      expect(await queue.claim(request())).toEqual({ claims: [], nextDue: undefined });
    });

    it('gives nothing before it is due, and says when that is', async () => {
      await queue.add(message(['a@one.example'], { arrived: NOW + 2 * MINUTE }));
      await queue.add(message(['a@two.example'], { arrived: NOW + MINUTE }));
      expect(await queue.claim(request())).toEqual({ claims: [], nextDue: NOW + MINUTE });
      const { claims, nextDue } = await queue.claim(request({ now: NOW + MINUTE }));
      expect(only(claims).destination).toBe('two.example');
      expect(nextDue).toBe(NOW + 2 * MINUTE);
    });

    it('gives only the recipients that are due, and the others not before the claim has ended', async () => {
      const later = {
        held: false,
        due: NOW + MINUTE,
        attempts: 1,
        warned: false,
        last: lastTry('Greylisted.'),
      };
      await queue.add(
        message(['a@one.example', { address: 'b@one.example', destination: 'one.example', state: later }]),
      );
      const first = await claimOne();
      expect(addresses([first])).toEqual(['a@one.example']);
      expect(await claimAll({ now: NOW + MINUTE })).toEqual([]);
      await queue.settle(first, { recipients: allDone(first), followUps: [] });
      expect(addresses(await claimAll({ now: NOW + MINUTE }))).toEqual(['b@one.example']);
    });

    it('gives the oldest due of a destination first', async () => {
      const added = [3, 1, 2].map((minutes) =>
        message(['a@one.example'], { arrived: NOW - minutes * MINUTE }),
      );
      for (const one of added) await queue.add(one);
      const claims = await claimAll();
      expect(claims.map(({ id }) => id)).toEqual([added[0]?.id, added[2]?.id, added[1]?.id]);
    });

    it('lets destinations take turns', async () => {
      for (let i = 0; i < 5; i++) await queue.add(message(['a@busy.example']));
      await queue.add(message(['a@one.example']));
      await queue.add(message(['a@two.example']));
      const claims = await claimAll({ max: 3 });
      expect(claims.map(({ destination }) => destination).sort()).toEqual([
        'busy.example',
        'one.example',
        'two.example',
      ]);
      expect(await claimAll({ max: 2 })).toHaveLength(2);
      expect(await claimAll()).toHaveLength(2);
    });

    it('keeps the limit of a destination over all live claims', async () => {
      for (let i = 0; i < 5; i++) await queue.add(message(['a@one.example']));
      await queue.add(message(['a@closed.example']));
      const limitOf = (destination: string) => (destination === 'one.example' ? 3 : 0);
      expect(await claimAll({ limitOf, max: 2 })).toHaveLength(2);
      const third = await claimOne({ limitOf });
      expect(await queue.claim(request({ limitOf }))).toEqual({ claims: [], nextDue: undefined });
      await queue.settle(third, { recipients: allDone(third), followUps: [] });
      expect((await claimOne({ limitOf })).destination).toBe('one.example');
    });

    it('gives released work again, untried, with a higher fence', async () => {
      await queue.add(message(['a@one.example']));
      const first = await claimOne();
      await queue.release(first);
      const second = await claimOne();
      expect(second.id).toBe(first.id);
      expect(second.fence).toBeGreaterThan(first.fence);
      expect(second.recipients[0]?.state.attempts).toBe(0);
    });

    it('gives the claims of one who closes back', async () => {
      await queue.add(message(['a@one.example']));
      const first = await claimOne();
      await reopen();
      const second = await claimOne();
      expect(second.id).toBe(first.id);
      expect(second.fence).toBeGreaterThan(first.fence);
    });

    it('renews claims that live, and only those', async () => {
      await queue.add(message(['a@one.example']));
      await queue.add(message(['a@two.example']));
      const [kept, returned] = await claimAll();
      if (kept === undefined || returned === undefined) throw new Error('two claims were expected');
      await queue.release(returned);
      const renewed = await queue.renew([kept, returned], NOW + MINUTE, LEASE);
      expect([...renewed.keys()]).toEqual([kept]);
      const end = renewed.get(kept);
      if (kept.leaseUntil === undefined) expect(end).toBeUndefined();
      else expect(end).toBeGreaterThan(kept.leaseUntil);
    });
  });

  describe(`${engine}: settling`, () => {
    it('forgets a message when its last recipient is done', async () => {
      const added = message(['a@one.example', 'b@two.example']);
      await queue.add(added);
      const [first, second] = await claimAll();
      if (first === undefined || second === undefined) throw new Error('two claims were expected');
      expect(await queue.settle(first, { recipients: allDone(first), followUps: [] })).toEqual({
        status: 'settled',
      });
      expect(addresses(await list())).toEqual(addresses([second]));
      await queue.settle(second, { recipients: allDone(second), followUps: [] });
      expect(await queue.read(added.id)).toBeUndefined();
      expect(await queue.counts()).toEqual({ messages: 0, recipients: 0, held: 0, octets: 0 });
      await expect(queue.body(added.id)).rejects.toThrow(BodyLostError);
      await reopen();
      expect(await list()).toEqual([]);
    });

    it('keeps a recipient that is tried again, with what is known of the try', async () => {
      const added = message(['a@one.example', 'b@one.example']);
      await queue.add(added);
      const claim = await claimOne();
      const last = lastTry('Mailbox busy.');
      await queue.settle(claim, {
        recipients: [done(0), { index: 1, outcome: 'again', due: NOW + MINUTE, warned: true, last }],
        followUps: [],
      });
      await reopen();
      expect(await queue.claim(request())).toEqual({ claims: [], nextDue: NOW + MINUTE });
      const next = await claimOne({ now: NOW + MINUTE });
      expect(next.recipients).toEqual([
        {
          ...added.recipients[1],
          index: 1,
          state: { held: false, due: NOW + MINUTE, attempts: 1, warned: true, last },
        },
      ]);
      await queue.settle(next, { recipients: [again(1, NOW + 2 * MINUTE)], followUps: [] });
      expect((await claimOne({ now: NOW + 2 * MINUTE })).recipients[0]?.state.attempts).toBe(2);
    });

    it('adds the bounces that come of it', async () => {
      const added = message(['a@one.example']);
      await queue.add(added);
      const claim = await claimOne();
      const bounce = message(['sender@origin.example'], { from: '', origin: { kind: 'bounce' } });
      await queue.settle(claim, { recipients: allDone(claim), followUps: [bounce] });
      await reopen();
      const next = await claimOne();
      expect(next.id).toBe(bounce.id);
      expect(next.envelope.from).toBe('');
      expect(Buffer.compare(await queue.body(bounce.id), bounce.body)).toBe(0);
    });

    it('is lost the second time, and then adds no bounces', async () => {
      await queue.add(message(['a@one.example']));
      const claim = await claimOne();
      await queue.settle(claim, { recipients: [again(0, NOW + MINUTE)], followUps: [] });
      const late = await queue.settle(claim, {
        recipients: allDone(claim),
        followUps: [message(['sender@origin.example'])],
      });
      expect(late).toMatchObject({ status: 'lost', reason: expect.any(String) });
      expect(await queue.counts()).toMatchObject({ messages: 1, recipients: 1 });
    });

    it('is lost for a claim that was given back and claimed again', async () => {
      await queue.add(message(['a@one.example']));
      const old = await claimOne();
      await queue.release(old);
      const live = await claimOne();
      expect(await queue.settle(old, { recipients: allDone(old), followUps: [] })).toMatchObject({
        status: 'lost',
      });
      await queue.release(old);
      expect(await queue.settle(live, { recipients: allDone(live), followUps: [] })).toEqual({
        status: 'settled',
      });
    });

    it('is lost for a claim of before a restart', async () => {
      await queue.add(message(['a@one.example']));
      const old = await claimOne();
      await reopen();
      expect(await queue.settle(old, { recipients: allDone(old), followUps: [] })).toMatchObject({
        status: 'lost',
      });
      expect(await queue.counts()).toMatchObject({ messages: 1 });
    });

    it.each<[string, readonly RecipientSettlement[]]>([
      ['leaves a recipient out', [done(0)]],
      ['names a recipient that is not in the claim', [done(0), done(1), done(2)]],
      ['names a recipient twice', [done(0), done(0)]],
    ])('refuses a settlement that %s, and the claim goes on', async (_, recipients) => {
      await queue.add(message(['a@one.example', 'b@one.example', 'c@two.example']));
      const claim = (await claimAll()).find(({ destination }) => destination === 'one.example');
      if (claim === undefined) throw new Error('a claim was expected');
      await expect(queue.settle(claim, { recipients, followUps: [] })).rejects.toThrow(RangeError);
      expect(await queue.settle(claim, { recipients: allDone(claim), followUps: [] })).toEqual({
        status: 'settled',
      });
    });

    it('settles many claims at a time', async () => {
      for (let i = 0; i < 100; i++) await queue.add(message([`a@d${i % 5}.example`]));
      const claims = await claimAll();
      const settled = await Promise.all(
        claims.map((claim, i) =>
          queue.settle(claim, {
            recipients: i % 2 === 0 ? allDone(claim) : [again(0, NOW + MINUTE)],
            followUps: [],
          }),
        ),
      );
      expect(settled.filter(({ status }) => status === 'settled')).toHaveLength(100);
      await reopen();
      expect(await queue.counts()).toMatchObject({ messages: 50, recipients: 50 });
    });
  });

  describe(`${engine}: destinations`, () => {
    const down = (destination: string, notBefore: number) => ({
      destination,
      notBefore,
      failures: 3,
      reason: 'Connection timed out.',
    });

    it('are not tried before their time, and the others are', async () => {
      await queue.add(message(['a@down.example', 'a@up.example']));
      await queue.setDestination('down.example', down('down.example', NOW + MINUTE));
      const { claims, nextDue } = await queue.claim(request());
      expect(only(claims).destination).toBe('up.example');
      expect(nextDue).toBe(NOW + MINUTE);
      expect((await claimOne({ now: NOW + MINUTE })).destination).toBe('down.example');
    });

    it('are remembered over a restart, with or without work', async () => {
      const states = [down('idle.example', NOW + 5), down('down.example', NOW + MINUTE)];
      for (const state of states) await queue.setDestination(state.destination, state);
      await queue.add(message(['a@down.example']));
      await reopen();
      const known = await collect(queue.destinations());
      expect(known.sort((a, b) => a.notBefore - b.notBefore)).toEqual(states);
      expect(await queue.claim(request())).toEqual({ claims: [], nextDue: NOW + MINUTE });
    });

    it('are fine again when they are forgotten', async () => {
      await queue.add(message(['a@down.example']));
      await queue.setDestination('down.example', down('down.example', NOW + MINUTE));
      await queue.setDestination('down.example', undefined);
      expect(await collect(queue.destinations())).toEqual([]);
      expect((await claimOne()).destination).toBe('down.example');
    });

    it('say what was said last', async () => {
      await queue.add(message(['a@down.example']));
      await queue.setDestination('down.example', down('down.example', NOW + MINUTE));
      await queue.setDestination('down.example', down('down.example', NOW + 2 * MINUTE));
      expect(await queue.claim(request({ now: NOW + MINUTE }))).toEqual({
        claims: [],
        nextDue: NOW + 2 * MINUTE,
      });
    });
  });

  describe(`${engine}: connections to a host`, () => {
    it('are counted host by host', async () => {
      const first = await queue.takeSlot('mx.example', 2, NOW, LEASE);
      const second = await queue.takeSlot('mx.example', 2, NOW, LEASE);
      expect(first).toBeDefined();
      expect(second).toBeDefined();
      expect(await queue.takeSlot('mx.example', 2, NOW, LEASE)).toBeUndefined();
      expect(await queue.takeSlot('other.example', 2, NOW, LEASE)).toBeDefined();
    });

    it('are given back once, however often that is said', async () => {
      const first = await queue.takeSlot('mx.example', 1, NOW, LEASE);
      first?.release();
      first?.release();
      const taken = await eventually(() => queue.takeSlot('mx.example', 1, NOW, LEASE));
      expect(taken).toBeDefined();
      expect(await queue.takeSlot('mx.example', 1, NOW, LEASE)).toBeUndefined();
    });
  });

  describe(`${engine}: listeners`, () => {
    const woken = async (act: () => Promise<unknown>) => {
      let calls = 0;
      const stop = queue.onWork(() => {
        calls++;
      });
      await act();
      const result = await eventually(async () => (calls > 0 ? true : undefined));
      stop();
      return result;
    };

    it('hear of a new message', async () => {
      expect(await woken(() => queue.add(message(['a@one.example'])))).toBe(true);
    });

    it('hear of a bounce', async () => {
      await queue.add(message(['a@one.example']));
      const claim = await claimOne();
      const followUps = [message(['sender@origin.example'])];
      expect(await woken(() => queue.settle(claim, { recipients: allDone(claim), followUps }))).toBe(true);
    });

    it.each<[string, QueueAction]>([
      ['released', 'release'],
      ['to be retried', 'retry'],
    ])('hear of what is %s', async (_, action) => {
      await queue.add(message(['a@one.example']));
      await queue.change({}, 'hold', NOW);
      expect(await woken(() => queue.change({}, action, NOW))).toBe(true);
    });

    it('hear nothing more once they have stopped', async () => {
      let calls = 0;
      queue.onWork(() => {
        calls++;
      })();
      await queue.add(message(['a@one.example']));
      await claimOne();
      expect(calls).toBe(0);
    });
  });

  describe(`${engine}: listing and changing`, () => {
    const fill = async () => {
      const held = { held: true, due: NOW, attempts: 0, warned: false, last: undefined };
      const tried = {
        held: false,
        due: NOW + MINUTE,
        attempts: 2,
        warned: false,
        last: lastTry('No TLS here.'),
      };
      const first = message(['a@one.example', 'b@two.example'], { arrived: NOW - 3 * MINUTE });
      const second = message(
        [{ address: 'C@Three.example', destination: 'three.example', state: held }, 'd@one.example'],
        { arrived: NOW - 2 * MINUTE, from: '' },
      );
      const third = message([{ address: 'e@four.example', destination: 'relay.example', state: tried }], {
        arrived: NOW - MINUTE,
        from: 'Other@Origin.example',
      });
      for (const one of [third, first, second]) await queue.add(one);
      return { first, second, third };
    };
    const everything = [
      'a@one.example',
      'b@two.example',
      'C@Three.example',
      'd@one.example',
      'e@four.example',
    ];

    it('lists by arrival', async () => {
      const { first, second, third } = await fill();
      const entries = await list();
      expect(entries.map(({ id }) => id)).toEqual([first.id, second.id, third.id]);
      expect(addresses(entries)).toEqual(everything);
      expect(entries[0]).toMatchObject({ size: first.body.length, envelope: first.envelope });
    });

    const rows: [string, QueueFilter, string[]][] = [
      ['a sender', { from: 'SENDER@origin.example' }, ['a@one.example', 'b@two.example']],
      [
        'a domain of senders',
        { from: '@ORIGIN.example' },
        ['a@one.example', 'b@two.example', 'e@four.example'],
      ],
      ['the null sender', { from: '<>' }, ['C@Three.example', 'd@one.example']],
      ['a recipient', { to: 'c@three.example' }, ['C@Three.example']],
      ['a domain of recipients', { to: '@one.example' }, ['a@one.example', 'd@one.example']],
      ['no part of a domain', { to: '@example' }, []],
      ['a destination', { destination: 'relay.example' }, ['e@four.example']],
      ['what arrived before', { arrivedBefore: NOW - 2 * MINUTE }, ['a@one.example', 'b@two.example']],
      ['what arrived after', { arrivedAfter: NOW - 2 * MINUTE }, ['e@four.example']],
      ['what is tried next after', { dueAfter: NOW }, ['e@four.example']],
      ['a reason', { reason: 'no tls' }, ['e@four.example']],
      [
        'a reason that some destinations are down for',
        { reason: 'no tls', downFor: ['one.example'] },
        ['a@one.example', 'd@one.example', 'e@four.example'],
      ],
      ['what is held', { state: 'held' }, ['C@Three.example']],
      ['what is not held', { state: 'queued', from: '<>' }, ['d@one.example']],
      ['several things at a time', { to: '@one.example', from: '<>' }, ['d@one.example']],
      ['an id that is none', { id: 'no-id' }, []],
    ];
    it.each(rows)('names by %s', async (_, filter, expected) => {
      await fill();
      expect(addresses(await list(filter))).toEqual(expected);
      expect(await queue.change(filter, 'delete', NOW)).toBe(expected.length);
      expect(addresses(await list())).toEqual(everything.filter((address) => !expected.includes(address)));
    });

    it('names by id', async () => {
      const { second } = await fill();
      expect(addresses(await list({ id: second.id }))).toEqual(['C@Three.example', 'd@one.example']);
      expect(await queue.change({ id: second.id }, 'delete', NOW)).toBe(2);
      expect(await queue.read(second.id)).toBeUndefined();
    });

    it('reads one message', async () => {
      const { second } = await fill();
      const entry = await queue.read(second.id);
      expect(entry).toMatchObject({ id: second.id, envelope: second.envelope, size: second.body.length });
      expect(entry?.recipients.map(({ index, address }) => [index, address])).toEqual([
        [0, 'C@Three.example'],
        [1, 'd@one.example'],
      ]);
      expect(await queue.read('no-id')).toBeUndefined();
    });

    it('counts', async () => {
      const { first, second, third } = await fill();
      const octets = first.body.length + second.body.length + third.body.length;
      expect(await queue.counts()).toEqual({ messages: 3, recipients: 5, held: 1, octets });
      await queue.change({ to: '@one.example' }, 'hold', NOW);
      expect(await queue.counts()).toMatchObject({ held: 3 });
      await reopen();
      expect(await queue.counts()).toEqual({ messages: 3, recipients: 5, held: 3, octets });
    });

    it('knows how many messages arrived before a time, to within five minutes', async () => {
      const HOUR = 60 * MINUTE;
      const arrivals = [NOW - 30 * HOUR, NOW - 2 * HOUR, NOW - 2 * HOUR + 1, NOW];
      for (const arrived of arrivals) {
        await queue.add(message(['a@one.example', 'b@two.example'], { arrived }));
      }
      const times = [NOW - 24 * HOUR, NOW - HOUR, NOW - 6 * MINUTE, NOW + 6 * MINUTE];
      expect(await queue.arrivedBefore(times)).toEqual([1, 3, 3, 4]);
      const claim = await claimOne({ max: 1 });
      await queue.settle(claim, { recipients: allDone(claim), followUps: [] });
      // One of its recipients is still there.
      expect(await queue.arrivedBefore(times)).toEqual([1, 3, 3, 4]);
      await queue.change({ id: claim.id }, 'delete', NOW);
      await queue.change({ arrivedAfter: NOW - 1 }, 'delete', NOW);
      const left = arrivals.filter((arrived) => arrived !== claim.envelope.arrived && arrived !== NOW);
      const expected = times.map((time) => left.filter((arrived) => arrived < time).length);
      await reopen();
      expect(await queue.arrivedBefore(times)).toEqual(expected);
      await queue.change({}, 'delete', NOW);
      expect(await queue.arrivedBefore(times)).toEqual([0, 0, 0, 0]);
    });

    it('does not try what is held until it is released', async () => {
      await queue.add(message(['a@one.example', 'b@one.example']));
      expect(await queue.change({ to: 'a@one.example' }, 'hold', NOW)).toBe(1);
      await reopen();
      const claim = await claimOne();
      expect(addresses([claim])).toEqual(['b@one.example']);
      await queue.settle(claim, { recipients: allDone(claim), followUps: [] });
      expect(await queue.claim(request())).toEqual({ claims: [], nextDue: undefined });
      expect(await queue.change({}, 'release', NOW)).toBe(1);
      expect(addresses([await claimOne()])).toEqual(['a@one.example']);
    });

    it('makes due what is to be retried, and forgets that its destination was down', async () => {
      const { third } = await fill();
      for (const destination of ['relay.example', 'one.example']) {
        await queue.setDestination(destination, {
          destination,
          notBefore: NOW + 60,
          failures: 1,
          reason: 'x',
        });
      }
      expect(await queue.change({ id: third.id }, 'retry', NOW)).toBe(1);
      const claim = await claimOne({ limitOf: (destination) => (destination === 'two.example' ? 0 : 1) });
      expect(claim.id).toBe(third.id);
      expect(claim.recipients[0]?.state).toMatchObject({ attempts: 2, last: lastTry('No TLS here.') });
      expect((await collect(queue.destinations())).map(({ destination }) => destination)).toEqual([
        'one.example',
      ]);
    });

    it('keeps held what is made due', async () => {
      await queue.add(message(['a@one.example']));
      await queue.change({}, 'hold', NOW);
      await queue.change({}, 'retry', NOW);
      expect(await claimAll()).toEqual([]);
    });

    it('lets work go on whose recipient was held meanwhile, and holds it afterwards', async () => {
      await queue.add(message(['a@one.example', 'b@one.example']));
      const claim = await claimOne();
      expect(await queue.change({}, 'hold', NOW)).toBe(2);
      expect(
        await queue.settle(claim, { recipients: [done(0), again(1, NOW + MINUTE)], followUps: [] }),
      ).toEqual({ status: 'settled' });
      expect(await queue.claim(request({ now: NOW + MINUTE }))).toEqual({ claims: [], nextDue: undefined });
      expect((await list({ state: 'held' })).map(({ recipients }) => recipients.map((r) => r.index))).toEqual(
        [[1]],
      );
    });

    it('settles nothing of what was deleted meanwhile', async () => {
      const added = message(['a@one.example']);
      await queue.add(added);
      const claim = await claimOne();
      await queue.change({}, 'delete', NOW);
      const followUps = [message(['sender@origin.example'])];
      expect(await queue.settle(claim, { recipients: [again(0, NOW + MINUTE)], followUps })).toMatchObject({
        status: 'lost',
      });
      expect(await queue.counts()).toEqual({ messages: 0, recipients: 0, held: 0, octets: 0 });
      expect(await queue.claim(request({ now: NOW + MINUTE }))).toEqual({ claims: [], nextDue: undefined });
    });

    it('settles the others where one recipient was deleted meanwhile', async () => {
      await queue.add(message(['a@one.example', 'b@one.example']));
      const claim = await claimOne();
      await queue.change({ to: 'a@one.example' }, 'delete', NOW);
      expect(
        await queue.settle(claim, {
          recipients: [again(0, NOW + MINUTE), again(1, NOW + MINUTE)],
          followUps: [],
        }),
      ).toEqual({ status: 'settled' });
      expect(addresses(await list())).toEqual(['b@one.example']);
    });
  });

  describe(`${engine}: closing`, () => {
    it('can be said twice', async () => {
      await queue.close();
      await queue.close();
    });

    it('waits for what is being added', async () => {
      const added = message(['a@one.example']);
      const adding = queue.add(added);
      await queue.close();
      await adding;
      queue = await store.open();
      expect(await queue.read(added.id)).toBeDefined();
    });

    it('takes nothing any more', async () => {
      await queue.close();
      await expect(queue.add(message(['a@one.example']))).rejects.toThrow();
    });
  });
}

/** Asks again, briefly, where an answer may travel through a server. */
async function eventually<T>(ask: () => Promise<T | undefined>): Promise<T | undefined> {
  for (let i = 0; i < 100; i++) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return undefined;
}
