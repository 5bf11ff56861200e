/** Bounds of the pool, and leave to open connections. */
import { afterEach, describe, expect, it } from 'vitest';
import type { ConnectionReport } from './admission.js';
import type { SessionPool } from './session-pool.js';
import { leaf } from './testing/certificates.js';
import { ADDRESS, endSenders, oneHost, type Sender, startSender, tlsaRecord } from './testing/delivery.js';
import { Gatekeeper } from './testing/gatekeeper.js';
import type { Heard, Script } from './testing/scripted-server.js';

afterEach(endSenders);

const SIGNED = oneHost([tlsaRecord(leaf, 3)]);
const start = (
  limits: NonNullable<ConstructorParameters<typeof SessionPool>[0]>['limits'] = {},
  script: Script = {},
  clock?: () => number,
): Promise<Sender> =>
  startSender(SIGNED, script, {
    limits: { ticketKeys: 0, ...limits },
    ...(clock === undefined ? {} : { clock }),
  });

const ended = ({ commands, closed }: Heard): Promise<string | undefined> =>
  closed.then(() => commands.at(-1));
const first = (sender: Sender, index = 0): Heard => {
  const heard = sender.heard()[index];
  if (heard === undefined) throw new Error('nobody came');
  return heard;
};

describe('a pool ends with QUIT', () => {
  it('connections that nobody wanted for the idle time', async () => {
    const sender = await start({ idleTime: 10 });
    await sender.send('example.org');
    expect(await ended(first(sender))).toBe('QUIT');
    expect(sender.pool.statistics.idle).toBe(0);
  });

  it('connections that have carried their number of messages', async () => {
    const sender = await start({ messages: 2 });
    for (const summary of ['delivered, new', 'delivered, shared', 'delivered, new']) {
      expect((await sender.send('example.org')).summary).toBe(summary);
    }
    expect(await ended(first(sender))).toBe('QUIT');
    expect(first(sender).data).toHaveLength(2);
  });

  it('connections that are too old', async () => {
    let now = 0;
    const sender = await start({ age: 1000 }, {}, () => now);
    await sender.send('example.org');
    now = 999;
    expect((await sender.send('example.org')).summary).toBe('delivered, shared');
    now = 1000;
    expect((await sender.send('example.org')).summary).toBe('delivered, shared');
    expect((await sender.send('example.org')).summary).toBe('delivered, new');
  });

  it('the longest idle where there are too many of one key', async () => {
    const sender = await start({ idlePerKey: 2 });
    await Promise.all(['example.org', 'example.net', 'example.com'].map((domain) => sender.send(domain)));
    expect([sender.dialled.length, sender.pool.statistics.idle]).toEqual([3, 2]);
  });

  it('the longest idle where there are too many in all', async () => {
    const sender = await start({ idle: 2 });
    for (const heloName of ['a.example', 'b.example', 'c.example']) {
      sender.set({ heloName });
      await sender.send('example.org');
    }
    expect(await ended(first(sender))).toBe('QUIT');
    expect(sender.pool.statistics.idle).toBe(2);
  });

  it('everything that is idle when it is closed, and keeps nothing from then on', async () => {
    const sender = await start();
    await sender.send('example.org');
    sender.pool.close();
    expect(await ended(first(sender))).toBe('QUIT');
    expect((await sender.send('example.org')).summary).toBe('delivered, new');
    expect(await ended(first(sender, 1))).toBe('QUIT');
    expect(sender.pool.statistics.idle).toBe(0);
  });

  it('the longest idle of all or of a place, where its owner says so', async () => {
    const sender = await start();
    await sender.send('example.org');
    expect(sender.pool.closeOldest(`${ADDRESS} 26`)).toBe(false);
    expect(sender.pool.closeOldest(`${ADDRESS} 25`)).toBe(true);
    expect(sender.pool.closeOldest()).toBe(false);
  });
});

async function guarded(limit: number, script: Script = {}, limits = {}) {
  const sender = await start(limits, script);
  const gatekeeper = new Gatekeeper(limit);
  sender.set({ admit: gatekeeper.admit });
  return { sender, gatekeeper };
}

describe('a permit', () => {
  it('is asked for by each new connection, and held while that is idle', async () => {
    const { sender, gatekeeper } = await guarded(1);
    await sender.send('example.org');
    await sender.send('example.net');
    expect(gatekeeper.asked).toEqual([`mx.example.org ${ADDRESS} 25`]);
    expect(gatekeeper.reports).toEqual([]);
    sender.pool.close();
    await expect.poll(() => gatekeeper.reports).toEqual(['ok']);
  });

  it('comes back at once where there is no pool', async () => {
    const { sender } = await guarded(1);
    sender.set({ pool: undefined });
    await sender.send('example.org');
    expect((await sender.send('example.org')).summary).toBe('delivered, new');
  });

  const again =
    (word: string) =>
    ({ data }: Heard): string =>
      data.length > 0 ? word : '250 ok';
  it.each<[what: string, report: ConnectionReport, script: Script]>([
    ['a greeting of 421', 'busy', { greeting: '421 4.3.2 busy' }],
    ['a greeting of 450', 'busy', { greeting: '450 busy' }],
    ['a greeting of 554', 'ok', { greeting: '554 go away' }],
    ['450 to EHLO', 'busy', { replies: { EHLO: '450 later' } }],
    ['450 to MAIL', 'busy', { replies: { MAIL: '450 4.7.1 slow down' } }],
    ['421 to RCPT', 'busy', { replies: { RCPT: '421 4.3.2 busy' } }],
    ['450 to RCPT', 'ok', { replies: { RCPT: '450 4.2.0 greylisted', DATA: '503 no' } }],
    ['550 to RCPT', 'ok', { replies: { RCPT: '550 5.1.1 no', DATA: '503 no' } }],
    ['an end in the middle', 'failed', { replies: { RCPT: 'close' } }],
    ['an end after the final dot', 'failed', { endOfData: 'close' }],
    ['no STARTTLS', 'ok', { offers: [] }],
    ['a dead idle connection', 'ok', { replies: { MAIL: again('close') } }],
  ])('comes back after %s as %s', async (_, report, script) => {
    const { sender, gatekeeper } = await guarded(1, script);
    await sender.send('example.org');
    await sender.send('example.org');
    sender.pool.close();
    await expect.poll(() => gatekeeper.reports.length).toBeGreaterThan(0);
    expect(gatekeeper.reports[0]).toBe(report);
  });

  it('comes back as failed where nobody listens', async () => {
    const { sender, gatekeeper } = await guarded(1);
    await sender.end();
    expect((await sender.send('example.org')).summary).toBe('deferred, none');
    expect(gatekeeper.reports).toEqual(['failed']);
  });

  it('comes back when the caller stops everything', async () => {
    const stop = new AbortController();
    const { sender, gatekeeper } = await guarded(1, { endOfData: null });
    sender.set({ signal: stop.signal });
    const sent = sender.send('example.org');
    await expect.poll(() => sender.heard()[0]?.data.length).toBe(1);
    stop.abort();
    await expect(sent).rejects.toThrow();
    expect(gatekeeper.reports).toEqual(['ok']);
  });

  it('that is refused defers the message', async () => {
    const sender = await start();
    sender.set({ admit: () => Promise.reject(new Error('the host is held')) });
    const { summary, outcome } = await sender.send('example.org');
    expect([summary, outcome.enhancedStatus]).toEqual(['deferred, none', '4.4.5']);
    expect(outcome.reason).toContain('no connection may be opened now: the host is held');
  });
});

describe('who waits for a permit', () => {
  it('takes a connection that becomes idle and fits, and gives up waiting', async () => {
    const { sender, gatekeeper } = await guarded(1);
    const results = await Promise.all([1, 2, 3].map(() => sender.send('example.org')));
    expect(results.map(({ summary }) => summary).sort()).toEqual([
      'delivered, new',
      'delivered, shared',
      'delivered, shared',
    ]);
    expect([sender.dialled.length, gatekeeper.asked.length, gatekeeper.givenUp]).toEqual([1, 3, 2]);
    expect(sender.pool.statistics.waiting).toBe(0);
  });

  it('gives back a permit that comes too late', async () => {
    const { sender, gatekeeper } = await guarded(1);
    await Promise.all([1, 2].map(() => sender.send('example.org')));
    sender.pool.close();
    // The first connection's, then the one that was asked for in vain.
    await expect.poll(() => gatekeeper.reports).toEqual(['ok', 'ok']);
  });

  it('has an idle connection of another key at the same place closed', async () => {
    const { sender } = await guarded(1);
    await sender.send('example.org');
    sender.set({ heloName: 'other.example' });
    expect((await sender.send('example.org')).summary).toBe('delivered, new');
    expect(await ended(first(sender))).toBe('QUIT');
  });

  it('has a connection closed that becomes idle meanwhile and does not fit', async () => {
    const answer = (): void => sender.heard().at(-1)?.say('250 taken');
    const { sender } = await guarded(1, { endOfData: null });
    const one = sender.send('example.org');
    await expect.poll(() => sender.heard()[0]?.data.length).toBe(1);
    sender.set({ heloName: 'other.example' });
    const other = sender.send('example.org');
    await expect.poll(() => sender.pool.statistics.waiting).toBe(1);
    answer();
    expect((await one).summary).toBe('delivered, new');
    await expect.poll(() => sender.heard()[1]?.data.length).toBe(1);
    answer();
    expect((await other).summary).toBe('delivered, new');
  });

  it('waits until the end of the time for the delivery, and no longer', async () => {
    const { sender } = await guarded(0);
    sender.set({ limits: { totalTime: 20 } });
    const { summary, outcome } = await sender.send('example.org');
    expect([summary, outcome.enhancedStatus]).toEqual(['deferred, none', '4.4.5']);
    expect(outcome.reason).toContain('waited for leave to connect');
    expect(sender.dialled).toEqual([]);
  });

  it('stops at once when the caller says so', async () => {
    const stop = new AbortController();
    const { sender } = await guarded(0);
    sender.set({ signal: stop.signal });
    const sent = sender.send('example.org');
    await expect.poll(() => sender.pool.statistics.waiting).toBe(1);
    stop.abort(new Error('enough'));
    await expect(sent).rejects.toThrow('enough');
    expect(sender.pool.statistics.waiting).toBe(0);
  });
});
