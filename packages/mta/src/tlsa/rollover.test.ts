import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { combinationsIn } from './record-text.js';
import { calledOff, decide, intended, noted, type Rollover, remember } from './rollover.js';
import { RolloverStateError } from './rollover-folder.js';
import { callHook } from './rollover-hook.js';
import { keepFinished, readRollover, writeRollover } from './rollover-state.js';
import type { RolloverView } from './rollover-view.js';

const OLD = `3 1 1 ${'aa'.repeat(32)}`;
const NEW = `3 1 1 ${'bb'.repeat(32)}`;
const OTHER = `3 1 1 ${'cc'.repeat(32)}`;
const NOW = Date.parse('2026-11-24T12:00:00Z');
const TTL = 300;
const CA = `2 1 1 ${'11'.repeat(32)}`;
const CA_NEW = `2 1 1 ${'22'.repeat(32)}`;

const begun: Rollover = {
  host: 'mx.example.org',
  port: 25,
  name: '_25._tcp.mx.example.org',
  starttls: 'smtp',
  direction: 'forward',
  changes: 'key',
  order: 'before',
  old: [OLD],
  next: [NEW],
  chains: [],
  since: {},
  ttl: TTL,
  ttlSeen: NOW,
  retired: false,
  retiring: [],
  hold: false,
  standby: null,
  keys: { current: null, next: null },
  begun: NOW,
  lastLook: NOW,
  steady: null,
};
const view = (
  servers: readonly (readonly string[] | null)[],
  shown: readonly (readonly string[] | null)[],
  more: Partial<RolloverView> = {},
): RolloverView => ({
  servers: servers.map((records, index) => ({ name: `ns${index}`, records })),
  shown: shown.map((matched, index) => ({ address: `192.0.2.${index}`, matched, unmatched: [] })),
  secure: true,
  name: begun.name,
  prepared: { status: 'absent' },
  ttl: TTL,
  ...more,
});
const since = (seconds: number, records = [OLD, NEW]): Partial<Rollover> => ({
  since: Object.fromEntries(records.map((record) => [record, NOW - seconds * 1000])),
});
const given = (...matched: string[]): Partial<RolloverView> => ({
  prepared: { status: 'given', chains: [{ matched, refused: [] }] },
});

describe('what comes next (RFC 7671 section 8.1)', () => {
  const both = [OLD, NEW];
  it.each<[when: string, known: Partial<Rollover>, seen: RolloverView, action: string]>([
    ['one record is published', {}, view([[OLD], [OLD]], [[OLD]]), 'publish'],
    ['one name server has both', {}, view([both, [OLD]], [[OLD]]), 'publish'],
    ['a name server can not be asked', since(9999), view([both, null], [[OLD]]), 'wait'],
    ['no name server is known', since(9999), view([], [[OLD]]), 'wait'],
    ['an address can not be asked', since(9999), view([both], [[OLD], null]), 'wait'],
    ['no address is known', since(9999), view([both], []), 'wait'],
    [
      'all have had both for less than twice the TTL',
      since(2 * TTL - 1),
      view([both, both], [[OLD]]),
      'wait',
    ],
    ['all have had both for twice the TTL', since(2 * TTL), view([both, both], [[OLD]]), 'switch'],
    ['the TTL was longer once', { ...since(2 * TTL), ttl: TTL + 1 }, view([both], [[OLD]]), 'wait'],
    ['one server has lost one again', since(2 * TTL), view([both, [OLD]], [[OLD]]), 'publish'],
    ['the answer does not validate', since(2 * TTL), view([both], [[OLD]], { secure: false }), 'wait'],
    ['the clock was set back', since(-1), view([both], [[OLD]]), 'stop'],
    ['one address of two is switched', since(2 * TTL), view([both], [[OLD], [NEW]]), 'wait'],
    ['one address shows both', since(2 * TTL), view([both], [[OLD, NEW]]), 'wait'],
    ['all addresses are switched', since(2 * TTL), view([both, both], [[NEW], [NEW]]), 'retire'],
    ['one server still has the old record', since(2 * TTL), view([[NEW], both], [[NEW]]), 'retire'],
    ['all is as it should be', {}, view([[NEW], [NEW, OTHER]], [[NEW]]), 'done'],
    ['it was switched before its record was published', {}, view([[OLD]], [[NEW]]), 'publish'],
    ['another key is shown', since(2 * TTL), view([both], [[]]), 'stop'],
    ['it is called off before the switch', { direction: 'back' }, view([both], [[OLD]]), 'retire'],
    ['it is called off after the switch', { direction: 'back' }, view([[NEW]], [[NEW]]), 'publish'],
    [
      '... and the old record is back',
      { direction: 'back', ...since(2 * TTL) },
      view([both], [[NEW]]),
      'switch',
    ],
    [
      'it is called off while the old record is on its way out',
      { direction: 'back', retiring: [OLD], ...since(9999) },
      view([both], [[NEW]]),
      'retire',
    ],
    ['... and it is gone', { direction: 'back', retiring: [OLD] }, view([[NEW]], [[NEW]]), 'publish'],
    ['... and the old key too', { direction: 'back', retired: true }, view([[OLD]], [[OLD]]), 'done'],
    [
      '... but its publication may still be on its way',
      { direction: 'back' },
      view([[OLD]], [[OLD]]),
      'retire',
    ],
  ])('%s', (_, known, seen, action) => {
    const now = remember({ ...begun, ...known }, seen, NOW);
    expect(decide(now, seen, NOW).action).toBe(action);
  });

  it('says until when it has to wait', () => {
    const seen = view([both], [[OLD]]);
    expect(decide(remember(begun, seen, NOW), seen, NOW)).toMatchObject({ until: NOW + 2 * TTL * 1000 });
  });

  it('forgets since when all had both, as soon as one has not', () => {
    const known = remember({ ...begun, ...since(99) }, view([both, [OLD]], [[OLD]]), NOW);
    expect(known.since).toEqual({ [OLD]: NOW - 99_000 });
  });

  it('takes a shorter TTL for granted only when the longer one has run out', () => {
    const seen = view([both], [[OLD]], { ttl: 60 });
    const after = (seconds: number) => remember(begun, seen, NOW + seconds * 1000).ttl;
    expect([after(2 * TTL), after(2 * TTL + 1)]).toEqual([TTL, 60]);
  });
});

describe('what comes next with key and issuer published (RFC 7671 section 8)', () => {
  const all = [OLD, NEW, CA];
  const ready = since(2 * TTL, all);
  const issuer: Partial<Rollover> = { changes: 'issuer', old: [CA], next: [CA_NEW] };
  const after: Partial<Rollover> = { order: 'after' };
  const shown = [OLD, CA];
  it.each<[when: string, known: Partial<Rollover>, seen: RolloverView, action: string]>([
    ['the next key has no certificate yet', ready, view([all], [shown]), 'wait'],
    ['its certificate is of the same issuer', ready, view([all], [shown], given(NEW, CA)), 'switch'],
    ['its certificate is of another issuer', ready, view([all], [shown], given(NEW)), 'stop'],
    ['the certificate is of another key', ready, view([all], [shown], given(OTHER, CA)), 'stop'],
    ['what is there is the certificate in use', ready, view([all], [shown], given(OLD, CA)), 'wait'],
    [
      'the certificate can not be used',
      {},
      view([[OLD, CA]], [shown], { prepared: { status: 'unfit', reason: 'exchanged' } }),
      'stop',
    ],
    [
      'one of two certificates lacks the issuer',
      { ...ready, next: [NEW, OTHER] },
      view([[...all, OTHER]], [shown], {
        prepared: {
          status: 'given',
          chains: [
            { matched: [NEW, CA], refused: [] },
            { matched: [OTHER], refused: [{ record: CA, reason: 'it is not sent' }] },
          ],
        },
      }),
      'stop',
    ],
    [
      'both of two certificates are right',
      { ...since(2 * TTL, [...all, OTHER]), next: [NEW, OTHER] },
      view([[...all, OTHER]], [shown], {
        prepared: {
          status: 'given',
          chains: [
            { matched: [NEW, CA], refused: [] },
            { matched: [OTHER, CA], refused: [] },
          ],
        },
      }),
      'switch',
    ],
    ['it stands by', { ...ready, hold: true }, view([all], [shown], given(NEW, CA)), 'ready'],
    ['it is switched, and sends its issuer', ready, view([all], [[NEW, CA]]), 'retire'],
    [
      'it is switched, and does not send its issuer',
      ready,
      view([all], [], {
        shown: [{ address: '192.0.2.1', matched: [NEW], unmatched: ['2 1 1'] }],
      }),
      'stop',
    ],
    [
      'the issuer changes, and its record is not there',
      issuer,
      view([[OLD, CA]], [shown], given(OLD, CA_NEW)),
      'publish',
    ],
    [
      '... and has been there for twice the TTL',
      { ...issuer, ...since(2 * TTL, [OLD, CA, CA_NEW]) },
      view([[OLD, CA, CA_NEW]], [shown], given(OLD, CA_NEW)),
      'switch',
    ],
    [
      '... and the server shows it',
      { ...issuer, ...since(2 * TTL, [OLD, CA, CA_NEW]) },
      view([[OLD, CA, CA_NEW]], [[OLD, CA_NEW]]),
      'retire',
    ],
    [
      'the issuer is to carry it, and has been published for twice the TTL',
      { ...after, ...since(2 * TTL, [OLD, CA]) },
      view([[OLD, CA]], [shown], given(NEW, CA)),
      'switch',
    ],
    [
      '... for less',
      { ...after, ...since(2 * TTL - 1, [OLD, CA]) },
      view([[OLD, CA]], [shown], given(NEW, CA)),
      'wait',
    ],
    [
      '... and the next certificate is not there',
      { ...after, ...since(2 * TTL, [OLD, CA]) },
      view([[OLD, CA]], [shown]),
      'wait',
    ],
    [
      '... and it is of another issuer',
      { ...after, ...since(2 * TTL, [OLD, CA]) },
      view([[OLD, CA]], [shown], given(NEW)),
      'stop',
    ],
    ['... and the server has been switched', after, view([[OLD, CA]], [[NEW, CA]]), 'publish'],
    ['... and the new record is there', after, view([[OLD, NEW, CA]], [[NEW, CA]]), 'retire'],
    [
      'the records are at another name now',
      ready,
      view([all], [shown], { ...given(NEW, CA), name: '_25._tcp.other.example' }),
      'stop',
    ],
  ])('%s', (_, known, seen, action) => {
    const now = remember({ ...begun, ...known }, seen, NOW);
    expect(decide(now, seen, NOW).action).toBe(action);
  });
});

interface Shown {
  readonly key: string;
  readonly issuer: string;
}
type Killed = 'no' | 'before' | 'between' | 'after';

/**
 * A world in which name servers take up changes late, each after its own time, and resolvers keep what they were told for the TTL. Steps
 * come at any time, are killed before or after their hook, and it is called off at any time. Records are of keys and of issuers; one
 * roll-over follows the other, of the one or of the other.
 */
class World {
  now = NOW;
  shown: Shown;
  wanted: Set<string>;
  known: Rollover;
  /** What was published, from the first moment on; each server is behind by its own time. */
  readonly history: { at: number; records: readonly string[] }[];
  readonly delays: readonly number[];
  #made = 0;

  constructor(delays: readonly number[], shown: Shown, withIssuer: boolean) {
    this.delays = delays;
    this.shown = shown;
    this.wanted = new Set(withIssuer ? [shown.key, shown.issuer] : [shown.key]);
    this.history = [{ at: 0, records: [...this.wanted] }];
    this.known = this.next('key', 'before');
  }

  /** The one after the present one, or the first. */
  next(changes: Rollover['changes'], order: Rollover['order'], before?: Rollover): Rollover {
    this.#made += 1;
    const digest = this.#made.toString(16).padStart(2, '0').repeat(32);
    const { key, issuer } = this.shown;
    const [old, next] = changes === 'key' ? [key, `3 1 1 ${digest}`] : [issuer, `2 1 1 ${digest}`];
    const since = before?.since ?? {};
    return { ...begun, changes, order, since, old: [old], next: [next], lastLook: this.now };
  }

  /** What the server is switched to. */
  target({ changes, direction, old, next }: Rollover): Shown {
    const [record = ''] = direction === 'forward' ? next : old;
    return changes === 'key' ? { ...this.shown, key: record } : { ...this.shown, issuer: record };
  }

  served(server: number, at: number): readonly string[] {
    const delay = this.delays[server] ?? 0;
    return this.history.filter((each) => each.at === 0 || each.at + delay <= at).at(-1)?.records ?? [];
  }

  /** Whatever a resolver may have now: all that any server said within the last TTL. */
  believed(): (readonly string[])[] {
    const found: (readonly string[])[] = [];
    this.delays.forEach((_, server) => {
      for (let at = this.now - TTL * 1000; at <= this.now; at += 20_000) found.push(this.served(server, at));
    });
    return found;
  }

  step(killed: Killed): string {
    const { key, issuer } = this.shown;
    const forward = { ...this.known, direction: 'forward' as const };
    const to = this.target(forward);
    const seen = view(
      this.delays.map((_, server) => this.served(server, this.now)),
      [[key, issuer]],
      given(to.key, to.issuer),
    );
    const known = remember(this.known, seen, this.now);
    if (killed === 'before') return 'killed';
    this.known = known;
    const decision = decide(known, seen, this.now);
    this.known = intended(known, decision);
    if (killed === 'between') return 'killed';
    if (decision.action === 'publish') for (const record of decision.records) this.wanted.add(record);
    if (decision.action === 'retire') for (const record of decision.records) this.wanted.delete(record);
    if (decision.action === 'publish' || decision.action === 'retire') {
      this.history.push({ at: this.now, records: [...this.wanted] });
    }
    if (decision.action === 'switch') this.shown = this.target(known);
    if (killed === 'no') this.known = noted(this.known, decision);
    return decision.action;
  }

  /** Left alone. @returns what it comes to */
  end(): string {
    let last = '';
    for (let round = 0; round < 90 && last !== 'done'; round += 1) {
      this.now += 60_000;
      last = this.step('no');
    }
    return last;
  }
}

/** RFC 7672 section 3.2: one match is enough. */
const isReached = ({ key, issuer }: Shown, records: readonly string[]): boolean =>
  records.includes(key) || records.includes(issuer);
/** RFC 7671 section 8: each combination of parameters has to match. */
const isReachedByEach = ({ key, issuer }: Shown, records: readonly string[]): boolean =>
  combinationsIn(records).every((each) => records.includes(each === '3 1 1' ? key : issuer));

describe('a whole roll-over', () => {
  const event = fc.record({
    after: fc.integer({ min: 1, max: 400 }),
    killed: fc.constantFrom<Killed[]>('no', 'before', 'between', 'after'),
    back: fc.integer({ min: 0, max: 30 }).map((chance) => chance === 0),
  });
  // Far longer than resolvers remember, or so short that they still remember when the next change begins.
  const delays = fc
    .constantFrom(900_000, 30_000)
    .chain((max) => fc.array(fc.integer({ min: 0, max }), { minLength: 1, maxLength: 3 }));

  it('never shows a key that a resolver may not know of, however late servers are and whenever it is killed', () => {
    fc.assert(
      fc.property(delays, fc.array(event, { maxLength: 40 }), (late, events) => {
        const world = new World(late, { key: OLD, issuer: CA }, false);
        for (const { after, killed, back } of events) {
          world.now += after * 1000;
          if (back) world.known = calledOff(world.known);
          world.step(killed);
          for (const records of world.believed()) expect(records).toContain(world.shown.key);
        }
        expect(world.end()).toBe('done');
        expect(world.shown.key).toBe(world.known.direction === 'forward' ? world.known.next[0] : OLD);
        expect([...world.wanted]).toEqual([world.shown.key]);
      }),
      { numRuns: 30 },
    );
  });

  it('never shows a key or an issuer that a resolver may not know of, one change after the other, in either order', () => {
    const change = fc.record({
      changes: fc.constantFrom<Rollover['changes'][]>('key', 'issuer'),
      order: fc.constantFrom<Rollover['order'][]>('before', 'after'),
      events: fc.array(event, { maxLength: 25 }),
    });
    fc.assert(
      fc.property(delays, fc.array(change, { minLength: 1, maxLength: 4 }), (late, list) => {
        const world = new World(late, { key: OLD, issuer: CA }, true);
        let isStrict = true;
        const check = () => {
          for (const records of world.believed()) {
            expect(isReached(world.shown, records)).toBe(true);
            if (isStrict) expect(isReachedByEach(world.shown, records)).toBe(true);
          }
        };
        for (const { changes, order, events } of list) {
          world.known = world.next(changes, order, world.known);
          // Whoever lets others carry the switch has given this up, until it has run out everywhere.
          if (order === 'after') isStrict = false;
          for (const { after, killed, back } of events) {
            world.now += after * 1000;
            if (back) world.known = calledOff(world.known);
            world.step(killed);
            check();
          }
          let last = '';
          for (let round = 0; round < 90 && last !== 'done'; round += 1) {
            world.now += 60_000;
            last = world.step('no');
            check();
          }
          expect(last).toBe('done');
          expect([...world.wanted].sort()).toEqual([world.shown.issuer, world.shown.key].sort());
        }
      }),
      { numRuns: 30 },
    );
  });
});

describe('the folder of a roll-over', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'danelaw-test-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('gives back what was written, and leaves nothing beside it', async () => {
    expect(await readRollover(folder)).toBeUndefined();
    await writeRollover(folder, begun);
    expect(await readRollover(folder)).toEqual(begun);
    expect(await readdir(folder)).toEqual(['rollover.json']);
  });

  it('keeps one that is finished, once', async () => {
    await writeRollover(folder, begun);
    await keepFinished(folder, begun);
    await writeRollover(folder, { ...begun, lastLook: NOW + 1 });
    await keepFinished(folder, begun);
    expect(await readdir(join(folder, 'history'))).toEqual(['2026-11-24T120000.000Z.json']);
    expect(await readRollover(folder)).toMatchObject({ lastLook: NOW + 1 });
  });

  it.each([
    ['cut off', '{"format": 1, "host"'],
    ['of another version', JSON.stringify({ ...begun, format: 1 })],
    ['without records', JSON.stringify({ format: 2, ...begun, next: [] })],
    ['with something else in their place', JSON.stringify({ format: 2, ...begun, next: ['3 1 1 zz'] })],
    [
      'with a key outside of the folder',
      JSON.stringify({ format: 2, ...begun, keys: { current: null, next: '../../x' } }),
    ],
    ['with a time that is none', JSON.stringify({ format: 2, ...begun, lastLook: 'today' })],
  ])('is refused where the file is %s', async (_, text) => {
    await writeFile(join(folder, 'rollover.json'), text);
    await expect(readRollover(folder)).rejects.toThrow(RolloverStateError);
  });
});

describe('a hook', () => {
  const call = (program: string) =>
    callHook({
      program,
      step: 'publish',
      variables: {},
      env: process.env,
      signal: new AbortController().signal,
    });
  it('succeeds, fails or is not there, and which is told', async () => {
    expect(await call('/bin/true')).toBeUndefined();
    expect(await call('/bin/false')).toBe('it ended with 1');
    expect(await call('/nowhere/hook')).toContain('ENOENT');
  });
});
