/** The gate in front of the final dot: the outcome before is durable, and the message may be handed over. */
import { afterEach, describe, expect, it } from 'vitest';
import { parseMailbox } from './mailbox.js';
import { leaf } from './testing/certificates.js';
import {
  ADDRESS,
  endSenders,
  message,
  oneHost,
  type Sender,
  startSender,
  tlsaRecord,
} from './testing/delivery.js';
import { a, mx } from './testing/fixed-resolver.js';
import { Gatekeeper } from './testing/gatekeeper.js';
import type { Heard, Script } from './testing/scripted-server.js';

afterEach(endSenders);

const start = (script: Script = {}): Promise<Sender> =>
  startSender(oneHost([tlsaRecord(leaf, 3)]), script, { limits: { ticketKeys: 0 } });

function deferred() {
  let resolve: () => void = () => {};
  let reject: (error: Error) => void = () => {};
  const promise = new Promise<void>((fulfil, refuse) => {
    resolve = fulfil;
    reject = refuse;
  });
  return { promise, resolve, reject };
}

const refusedAtFirst = ({ commands }: Heard): string =>
  commands.filter((line) => line === 'DATA').length === 1 ? '451 4.3.0 not now' : '354 go on';

/** What the server got after the last DATA. */
const dataPieces = (sender: Sender): string[] => {
  const pieces = sender.heard()[0]?.pieces ?? [];
  return pieces.slice(pieces.findLastIndex((piece) => piece.includes('DATA\r\n')) + 1);
};

describe('durable', () => {
  it('holds back the next final dot on the connection, and nothing before it', async () => {
    const sender = await start();
    const durable = deferred();
    // The outcome is there although it is not durable yet.
    expect((await sender.send('example.org', { durable: durable.promise })).summary).toBe('delivered, new');
    // More than one chunk: all but the last go out.
    const long = message(`X-Long: ${'x'.repeat(900)}\r\n`.repeat(300));
    const second = sender.send('example.org', { message: long });
    await expect.poll(() => dataPieces(sender).join('').length).toBeGreaterThan(100_000);
    expect(sender.heard()[0]?.data).toHaveLength(1);
    let isOver = false;
    void second.then(() => {
      isOver = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(isOver).toBe(false);
    durable.resolve();
    expect((await second).summary).toBe('delivered, shared');
    expect(sender.heard()[0]?.data).toHaveLength(2);
  });

  it('does not concern messages on other connections', async () => {
    const sender = await start();
    const never = new Promise<void>(() => {});
    const both = [sender.send('example.org', { durable: never }), sender.send('example.net')];
    expect((await Promise.all(both)).map(({ summary }) => summary)).toEqual([
      'delivered, new',
      'delivered, new',
    ]);
  });

  it('ends the idle connection where it rejects', async () => {
    const sender = await start();
    const durable = deferred();
    await sender.send('example.org', { durable: durable.promise });
    durable.reject(new Error('disk full'));
    await expect.poll(() => sender.pool.statistics.idle).toBe(0);
    expect((await sender.send('example.org')).summary).toBe('delivered, new');
    expect(sender.heard()[0]?.data).toHaveLength(1);
  });

  it('ends the connection under the next message, which goes over a new one', async () => {
    const sender = await start();
    const durable = deferred();
    await sender.send('example.org', { durable: durable.promise });
    const second = sender.send('example.org');
    await expect.poll(() => sender.heard()[0]?.commands.filter((line) => line === 'DATA').length).toBe(2);
    durable.reject(new Error('disk full'));
    expect((await second).summary).toBe('delivered, new');
    expect(sender.heard().map(({ data }) => data.length)).toEqual([1, 1]);
  });

  it('does not hold back its own message, which goes to another name of the same server', async () => {
    const more = {
      'example.org MX': { records: [mx(10, 'mx.example.org'), mx(20, 'mx2.example.org')] },
      'mx2.example.org A': { records: [a(ADDRESS)] },
      '_25._tcp.mx2.example.org TLSA': { records: [] },
    };
    const answers = oneHost([], { more });
    const sender = await startSender(answers, { offers: [], replies: { DATA: refusedAtFirst } });
    sender.set({ level: 'none', timeouts: { 'data-block': 500 } });
    const { summary } = await sender.send('example.org', { durable: new Promise<void>(() => {}) });
    expect(summary).toBe('delivered, new, shared');
  });

  it('is waited for only as long as the next message may take', async () => {
    const sender = await start();
    await sender.send('example.org', { durable: new Promise<void>(() => {}) });
    sender.set({ timeouts: { 'data-block': 20 } });
    expect((await sender.send('example.org')).summary).toBe('deferred, shared');
    await sender.heard()[0]?.closed;
    expect(sender.heard()[0]?.data).toHaveLength(1);
  });
});

describe('the permit of a connection', () => {
  const guarded = async (script: Script = {}) => {
    const sender = await start(script);
    const gatekeeper = new Gatekeeper(1);
    sender.set({ admit: gatekeeper.admit });
    return { sender, gatekeeper };
  };
  const turns = async (): Promise<void> => {
    for (let i = 0; i < 20; i += 1) await new Promise((resolve) => setImmediate(resolve));
  };

  it.each<[what: string, script: Script, then: (sender: Sender) => void]>([
    ['is to say QUIT', {}, (sender) => sender.pool.close()],
    ['the server has closed', {}, (sender) => sender.heard()[0]?.say('close')],
    [
      'the server closes before QUIT',
      {},
      (sender) => {
        sender.pool.close();
        sender.heard()[0]?.say('close');
      },
    ],
    ['was lost after the final dot', { endOfData: 'close' }, () => {}],
  ])('that %s comes back when the outcome of its last message is durable', async (_, script, then) => {
    const { sender, gatekeeper } = await guarded(script);
    const durable = deferred();
    await sender.send('example.org', { durable: durable.promise });
    then(sender);
    await turns();
    expect([gatekeeper.reports, sender.heard()[0]?.commands.at(-1)]).toEqual([[], 'DATA']);
    durable.resolve();
    await expect.poll(() => gatekeeper.reports.length).toBe(1);
  });

  it('comes back where that outcome could not be made durable', async () => {
    const { sender, gatekeeper } = await guarded();
    const durable = deferred();
    await sender.send('example.org', { durable: durable.promise });
    durable.reject(new Error('disk full'));
    await expect.poll(() => gatekeeper.reports).toEqual(['ok']);
  });

  it('waits for nothing where the server refused the message', async () => {
    const { sender, gatekeeper } = await guarded({ endOfData: '450 4.2.0 later' });
    await sender.send('example.org', { durable: new Promise<void>(() => {}) });
    sender.pool.close();
    await expect.poll(() => gatekeeper.reports).toEqual(['ok']);
  });

  it('does not keep its own message from another name of the same server', async () => {
    const more = {
      'example.org MX': { records: [mx(10, 'mx.example.org'), mx(20, 'mx2.example.org')] },
      'mx2.example.org A': { records: [a(ADDRESS)] },
      '_25._tcp.mx2.example.org TLSA': { records: [] },
    };
    const recipients = ['one@example.org', 'two@example.org'].flatMap((word) => parseMailbox(word) ?? []);
    const full = ({ commands }: Heard): string =>
      commands.some((line) => line.includes('<one@')) ? '452 4.5.3 one at a time' : '250 2.1.5 ok';
    const firstOnly = (heard: Heard): string =>
      heard.commands.at(-1)?.includes('<two@') === true ? full(heard) : '250 2.1.5 ok';
    const sender = await startSender(oneHost([], { more }), { offers: [], replies: { RCPT: firstOnly } });
    const gatekeeper = new Gatekeeper(1);
    sender.set({ level: 'none', admit: gatekeeper.admit, pool: undefined, limits: { totalTime: 2000 } });
    const durable = new Promise<void>(() => {});
    const { attempts } = await sender.send('example.org', { recipients, durable });
    expect(attempts.map(({ host, connection }) => [host, connection])).toEqual([
      ['mx.example.org', 'new'],
      ['mx2.example.org', 'new'],
    ]);
    expect(sender.heard().map(({ data }) => data.length)).toEqual([1, 1]);
  });
});

describe('mayHandOver', () => {
  it('is asked when all but the end has been sent, and no obstacle where it says nothing', async () => {
    const sender = await start();
    const asked: number[] = [];
    const mayHandOver = async (): Promise<undefined> => {
      asked.push(sender.heard()[0]?.data.length ?? -1);
    };
    expect((await sender.send('example.org', { mayHandOver })).summary).toBe('delivered, new');
    expect((await sender.send('example.org', { mayHandOver })).summary).toBe('delivered, shared');
    expect(asked).toEqual([0, 1]);
  });

  it('ends the connection without the dot, and defers for its reason; no other server is asked', async () => {
    const sender = await start();
    const mayHandOver = async (): Promise<string> => 'the lease has run out';
    const { outcome, summary } = await sender.send('example.org', { mayHandOver });
    expect([summary, outcome.reason]).toEqual([
      'deferred, new',
      'mx.example.org [192.0.2.1]: the lease has run out',
    ]);
    expect(outcome.reason).not.toMatch(/twice/);
    await sender.heard()[0]?.closed;
    expect([sender.heard()[0]?.data, sender.dialled.length]).toEqual([[], 1]);
  });

  it('counts as "no" where it fails', async () => {
    const sender = await start();
    const mayHandOver = (): Promise<undefined> => Promise.reject(new Error('no database'));
    const { outcome } = await sender.send('example.org', { mayHandOver });
    expect([outcome.status, outcome.reason]).toEqual(['deferred', expect.stringContaining('no database')]);
    expect(sender.heard()[0]?.data).toEqual([]);
  });

  it('is not heard before the outcome before it is durable', async () => {
    const sender = await start();
    const durable = deferred();
    const order: string[] = [];
    await sender.send('example.org', { durable: durable.promise });
    const second = sender.send('example.org', {
      mayHandOver: async () => {
        order.push('asked');
        return undefined;
      },
    });
    await expect.poll(() => sender.heard()[0]?.commands.filter((line) => line === 'DATA').length).toBe(2);
    order.push('durable');
    durable.resolve();
    await second;
    expect(order).toEqual(['durable', 'asked']);
  });

  it('takes a refusal that came meanwhile for the answer', async () => {
    const sender = await start();
    const mayHandOver = async (): Promise<undefined> => {
      sender.heard()[0]?.say('452 4.3.1 full');
      await new Promise((resolve) => setTimeout(resolve, 20));
      return undefined;
    };
    const { outcome } = await sender.send('example.org', { mayHandOver });
    expect([outcome.status, outcome.reply]).toEqual(['deferred', '452 4.3.1 full']);
  });
});
