/**
 * How the relay treats servers that can take only so much, as they see it: connections at a time when each of them
 * began, and what had been taken by then. Nothing here depends on how long anything takes.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LoadedRelay } from './loaded-relay.js';
import { type Refusable, Together } from './recording-server.js';

let lab: LoadedRelay;

beforeEach(async () => {
  lab = await LoadedRelay.open();
});
afterEach(() => lab.close());

const toOne = (count: number, domain = 'busy.example'): string[] =>
  Array.from({ length: count }, (_, i) => `you${i}@${domain}`);

/** A server, what it refuses with, and how many connections it can do with. */
const REFUSALS: readonly (readonly [Refusable, string])[] = [
  ['greeting', '421 4.3.2 too many connections'],
  ['greeting', '450 4.3.2 too many connections'],
  ['EHLO', '421 4.3.2 too many connections'],
  ['EHLO', '451 4.3.2 too many connections'],
  ['MAIL', '421 4.3.2 too many connections'],
  ['MAIL', '450 4.3.2 too many connections'],
];

describe('servers that refuse more than two connections at a time', () => {
  it('at the greeting, EHLO or MAIL get all their mail, and refuse little of it', async () => {
    const servers = await Promise.all(
      REFUSALS.map(([at, reply]) =>
        lab.server({
          refuse: (now, { talking }) => (now === at && talking > 2 ? reply : undefined),
          delay: () => 5,
        }),
      ),
    );
    await lab.start(
      Object.fromEntries(servers.map(({ port }, i) => [`busy${i}.example`, port])),
      '[delivery]\ninitial = 10\nconnections_per_host = 10\n[retry]\nfirst = "1s"\nlongest = "1s"',
    );
    const each = 40;
    await lab.submit(servers.flatMap((_, i) => toOne(each, `busy${i}.example`)));
    await lab.delivered(servers.length * each);
    expect(servers.map(({ receipts }) => receipts.length)).toEqual(servers.map(() => each));
    const refusals = servers.map(({ refusals }) => refusals);
    // As many as the relay began with at a time, and now and then one when it tries for more again.
    for (const count of refusals) {
      expect(count).toBeGreaterThan(0);
      expect(count).toBeLessThan(each / 2);
    }
  });
});

/** Messages that may be under way at most: half as many more when as many as there may be have got through. */
function underWayAfter(taken: number): number {
  let limit = 2;
  for (let left = taken - limit; left >= 0; left -= limit) limit += Math.max(1, Math.floor(limit / 2));
  return Math.min(20, limit);
}

describe('slow start', () => {
  it('meets nobody with all we have: connections grow with what got through', async () => {
    const server = await lab.server({ delay: () => 5 });
    await lab.start(
      { 'new.example': server.port },
      '[delivery]\ninitial = 2\nmost = 20\nconnections_per_host = 20\nmessages_per_connection = 1',
    );
    await lab.submit(toOne(100, 'new.example'));
    await lab.delivered(100);
    for (const { atOnce, taken } of server.arrivals) {
      // A connection that has just carried its message may not have said QUIT yet when the next one comes.
      expect(atOnce).toBeLessThanOrEqual(taken === 0 ? 2 : 2 * underWayAfter(taken));
    }
    expect(server.mostAtOnce).toBeGreaterThan(2);
  });
});

describe('all connections together', () => {
  it('are never more than their limit, and are not all kept by servers that hang', async () => {
    const together = new Together();
    const hung = await lab.server({ habit: () => 'hang-at-mail', together });
    const servers = await Promise.all(
      Array.from({ length: 5 }, () => lab.server({ delay: () => 5, together })),
    );
    const routes = servers.map(({ port }, i): [string, number] => [`d${i}.example`, port]);
    await lab.start(
      { ...Object.fromEntries(routes), 'hung.example': hung.port },
      '[delivery]\nconnections = 4\nconnections_per_host = 3\nworkers = 2\nstop_within = "100ms"',
    );
    await lab.submit(toOne(10, 'hung.example'));
    await lab.submit(routes.flatMap(([domain]) => toOne(10, domain)));
    await lab.delivered(50);
    expect(hung.mostAtOnce).toBe(3);
    expect(together.most).toBe(4);
    expect(lab.count('deferred')).toBe(0);
  });
});
