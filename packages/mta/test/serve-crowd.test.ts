/**
 * Much mail for servers that are of no use, each in its own way, and some for one that is: who waits and who does
 * not, what an administrator can do meanwhile, and what a stop in the middle of it leaves.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { freePort } from './free-port.js';
import { certificateFor, LoadedRelay, type Route } from './loaded-relay.js';
import type { Habit, RecordingServer } from './recording-server.js';

let lab: LoadedRelay;

beforeEach(async () => {
  lab = await LoadedRelay.open();
});
afterEach(() => lab.close());

const STALLS: readonly Habit[] = [
  'hang-at-greeting',
  'hang-at-ehlo',
  'hang-at-handshake',
  'hang-at-mail',
  'hang-at-data',
  'hang-in-data',
  'hang-at-dot',
];

const numbersOf = (servers: readonly RecordingServer[]): string[] =>
  servers.flatMap(({ receipts }) => receipts.map(({ number }) => number)).sort();

/** Recipients that are in the queue. */
async function waiting(...filters: string[]): Promise<string[]> {
  const out = await lab.queue('list', '--json', ...filters);
  const messages: { recipients: { address: string }[] }[] = out
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
  return messages.flatMap(({ recipients }) => recipients.map(({ address }) => address)).sort();
}

describe('servers that stall, each at another stage, and one that is down', () => {
  const { certificate } = certificateFor('mx.example');
  /** Each has its own port from here on, whoever listens there. */
  let ports: ReadonlyMap<string, number>;
  let good: RecordingServer;

  const routes = (): Record<string, Route> =>
    Object.fromEntries(
      [...ports].map(([domain, port]): [string, Route] => {
        const secured = `level = "encrypt"\nrelay = "[127.0.0.1]:${port}"`;
        return [domain, domain === 'hang-at-handshake.example' ? secured : port];
      }),
    );

  /** Ten messages for each that stalls, fifty for the one that is down; then mail for one that works. */
  async function crowd(more = ''): Promise<void> {
    const hung = await Promise.all(STALLS.map((habit) => lab.server({ habit: () => habit, certificate })));
    const fine = await lab.server();
    good = fine;
    ports = new Map([
      ...STALLS.map((habit, i): [string, number] => [`${habit}.example`, hung[i]?.port ?? 0]),
      ['down.example', await freePort()],
      ['good.example', fine.port],
    ]);
    await lab.start(routes(), more);
    const stalled = STALLS.flatMap((habit) =>
      Array.from({ length: 10 }, (_, i) => `you${i}@${habit}.example`),
    );
    const down = Array.from({ length: 50 }, (_, i) => `you${i}@down.example`);
    await lab.submit([...stalled, ...down]);
    await lab.relay?.event(({ event, status }) => event === 'destination' && status === 'down');
  }

  const GOOD = Array.from({ length: 20 }, (_, i) => `you${i}@good.example`).sort();

  it('delay none for another, who has it at once; hold, release and delete go on meanwhile', async () => {
    await crowd('[delivery]\nworkers = 2');
    await lab.submit(GOOD);
    await lab.delivered(GOOD.length);
    expect(numbersOf([good])).toEqual(GOOD);
    // All others are still waited for, or wait for the one that is down.
    const deferred = lab.relay?.events.filter(({ event }) => event === 'deferred') ?? [];
    expect(deferred.every(({ to }) => String(to).endsWith('@down.example'))).toBe(true);
    // Ten were under way when it was found to be down, at most.
    expect(lab.count('attempt')).toBeLessThanOrEqual(10);

    await lab.queue('hold', '--domain', 'down.example');
    await lab.queue('release', '--to', 'you0@down.example');
    // What is under way is in the queue too, and may be deleted.
    await lab.queue('delete', '--domain', 'hang-at-greeting.example');
    await lab.server({}, ports.get('down.example'));
    await lab.queue('retry', '--domain', 'down.example');
    await lab.relay?.event(({ event, to }) => event === 'delivered' && to === 'you0@down.example');
    await lab.submit(['late@good.example']);
    await lab.delivered(GOOD.length + 2);

    // A second SIGTERM ends it at once: the message in doubt is still there, with all others.
    lab.relay?.signal('SIGTERM');
    await lab.relay?.event(({ event }) => event === 'stopping');
    expect(await lab.relay?.end('SIGTERM')).toBe(0);
    expect(lab.count('stopped')).toBe(0);
    const left = await waiting();
    expect(left).toHaveLength(49 + (STALLS.length - 1) * 10);
    expect(left.filter((to) => to.endsWith('@hang-at-greeting.example'))).toEqual([]);
    expect(left).not.toContain('you0@down.example');
  });

  it('do not keep the relay from stopping in time, and get each message once at the next start', async () => {
    await crowd('[delivery]\nstop_within = "500ms"\nidle = "1s"');
    const stopping = Date.now();
    expect(await lab.relay?.end('SIGTERM')).toBe(0);
    expect(Date.now() - stopping).toBeLessThan(10_000);
    expect(await waiting()).toHaveLength(STALLS.length * 10 + 50);
    await lab.closeServers();
    const healthy = await Promise.all([...ports.values()].map((port) => lab.server({ certificate }, port)));
    await lab.start(routes());
    await lab.queue('retry', '--all');
    const all = [
      ...STALLS.flatMap((habit) => Array.from({ length: 10 }, (_, i) => `you${i}@${habit}.example`)),
    ];
    all.push(...Array.from({ length: 50 }, (_, i) => `you${i}@down.example`));
    await lab.delivered(all.length);
    expect(numbersOf(healthy)).toEqual(all.sort());
    expect(await waiting()).toEqual([]);
  });
});

describe('more messages than there may be under way, all for one server that hangs', () => {
  it('delay none for another', async () => {
    const [hung, good] = [await lab.server({ habit: () => 'hang-at-greeting' }), await lab.server()];
    const domains = Array.from({ length: 250 }, (_, i) => `hung${i}.example`);
    const routes = domains.map((domain): [string, number] => [domain, hung.port]);
    await lab.start({ ...Object.fromEntries(routes), 'good.example': good.port });
    // 2500 pieces of work: as many as one domain may have under way at first, for each of them.
    await lab.submit(Array.from({ length: 10 }, (_, i) => domains.map((domain) => `you${i}@${domain}`)));
    await lab.submit(['you@good.example']);
    await lab.delivered(1);
    expect(hung.talking).toBe(20);
    expect(lab.count('deferred')).toBe(0);
  });
});
