import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { calledOff, decide, intended, noted, type Rollover, remember } from './rollover.js';
import { callHook } from './rollover-hook.js';
import { RolloverStateError, readRollover, writeRollover } from './rollover-state.js';
import type { RolloverView } from './rollover-view.js';

const OLD = `3 1 1 ${'aa'.repeat(32)}`;
const NEW = `3 1 1 ${'bb'.repeat(32)}`;
const OTHER = `3 1 1 ${'cc'.repeat(32)}`;
const NOW = Date.parse('2026-11-24T12:00:00Z');
const TTL = 300;

const begun: Rollover = {
  host: 'mx.example.org',
  port: 25,
  name: '_25._tcp.mx.example.org',
  starttls: 'smtp',
  direction: 'forward',
  old: [OLD],
  next: [NEW],
  completeSince: null,
  ttl: TTL,
  retired: false,
  retiring: [],
  lastLook: NOW,
};
const view = (
  servers: readonly (readonly string[] | null)[],
  shown: readonly (readonly string[] | null)[],
  more: Partial<RolloverView> = {},
): RolloverView => ({
  servers: servers.map((records, index) => ({ name: `ns${index}`, records })),
  shown: shown.map((matched, index) => ({ address: `192.0.2.${index}`, matched })),
  secure: true,
  ttl: TTL,
  ...more,
});
const since = (seconds: number): Partial<Rollover> => ({ completeSince: NOW - seconds * 1000 });

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
  ])('%s: %s', (_, known, seen, action) => {
    const now = remember({ ...begun, ...known }, seen, NOW);
    expect(decide(now, seen, NOW).action).toBe(action);
  });

  it('says until when it has to wait', () => {
    const seen = view([both], [[OLD]]);
    expect(decide(remember(begun, seen, NOW), seen, NOW)).toMatchObject({ until: NOW + 2 * TTL * 1000 });
  });

  it('forgets since when all had both, as soon as one has not', () => {
    expect(remember({ ...begun, ...since(99) }, view([both, [OLD]], [[OLD]]), NOW).completeSince).toBeNull();
  });
});

/**
 * A world in which name servers take up changes late, each after its own time, and resolvers keep what they were told for the TTL. Steps
 * come at any time, are killed before or after their hook, and it is called off at any time.
 */
class World {
  now = NOW;
  key = OLD;
  wanted = new Set([OLD]);
  known: Rollover = begun;
  /** What was published, from the first moment on; each server is behind by its own time. */
  readonly history: { at: number; records: readonly string[] }[] = [{ at: 0, records: [OLD] }];
  readonly delays: readonly number[];

  constructor(delays: readonly number[]) {
    this.delays = delays;
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

  step(killed: 'no' | 'before' | 'between' | 'after'): string {
    const seen = view(
      this.delays.map((_, server) => this.served(server, this.now)),
      [[this.key]],
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
    if (decision.action === 'switch') this.key = known.direction === 'forward' ? NEW : OLD;
    if (killed === 'no') this.known = noted(this.known, decision);
    return decision.action;
  }
}

describe('a whole roll-over', () => {
  it('never shows a key that a resolver may not know of, however late servers are and whenever it is killed', () => {
    const event = fc.record({
      after: fc.integer({ min: 1, max: 400 }),
      killed: fc.constantFrom('no', 'before', 'between', 'after'),
      back: fc.integer({ min: 0, max: 30 }).map((chance) => chance === 0),
    });
    const delays = fc.array(fc.integer({ min: 0, max: 900_000 }), { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(delays, fc.array(event, { maxLength: 40 }), (late, events) => {
        const world = new World(late);
        for (const { after, killed, back } of events) {
          world.now += after * 1000;
          if (back) world.known = calledOff(world.known);
          world.step(killed);
          for (const records of world.believed()) expect(records).toContain(world.key);
        }
        // Left alone, it comes to its end.
        let last = '';
        for (let round = 0; round < 60 && last !== 'done'; round += 1) {
          world.now += 60_000;
          last = world.step('no');
        }
        expect(last).toBe('done');
        expect(world.key).toBe(world.known.direction === 'forward' ? NEW : OLD);
        expect([...world.wanted]).toEqual([world.key]);
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

  it.each([
    ['cut off', '{"format": 1, "host"'],
    ['of another version', JSON.stringify({ format: 2, ...begun })],
    ['without records', JSON.stringify({ format: 1, ...begun, next: [] })],
    ['with something else in their place', JSON.stringify({ format: 1, ...begun, next: ['3 1 1 zz'] })],
    ['with a time that is none', JSON.stringify({ format: 1, ...begun, lastLook: 'today' })],
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
