import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readAnyZoneKey, type ZoneKey } from './dnssec/key.js';
import { Name } from './name.js';
import type { TrustAnchor } from './trust-anchor.js';
import { AnchorKeeper } from './trust-anchor-keeper.js';
import {
  type AnchorState,
  afterFailure,
  afterSighting,
  HOLD_DOWN,
  readAnchorState,
  type Sighting,
  trustedAnchors,
  writeAnchorState,
} from './trust-anchor-state.js';

const DAY = 86_400_000;
const zone = Name.root;

/** A key of algorithm 15 whose octets are all `letter`. */
function key(letter: string, flags = 257): ZoneKey {
  const rdata = Uint8Array.of(flags >> 8, flags & 0xff, 3, 15, ...Buffer.alloc(32, letter));
  const read = readAnyZoneKey(rdata);
  if (read === undefined) throw new Error('not a key');
  return read;
}

const revoked = (letter: string) => key(letter, 257 | 0x80);
const anchor = (letter: string): TrustAnchor => ({
  name: zone,
  data: key(letter).data,
  rdata: key(letter).rdata,
});
const CONFIGURED = [anchor('a')];
const NOTHING: AnchorState = { zone, keys: [], nextQuery: 0 };

function sighting(keys: ZoneKey[], selfRevoked: ZoneKey[] = [], originalTtl = 3_600): Sighting {
  return { keys, selfRevoked, originalTtl, expires: Number.MAX_SAFE_INTEGER };
}

/** What is known after these sightings, each with its day. */
function story(...sightings: [day: number, seen: Sighting][]): AnchorState {
  return sightings.reduce((state, [day, seen]) => afterSighting(state, CONFIGURED, seen, day * DAY), NOTHING);
}

const states = (state: AnchorState) =>
  state.keys.map((known) => `${String.fromCharCode(known.rdata[4] ?? 0)} ${known.state}`);
const trusted = (state: AnchorState) =>
  [...new Set(trustedAnchors(state, CONFIGURED).map(({ rdata }) => String.fromCharCode(rdata[4] ?? 0)))]
    .sort()
    .join('');

describe('RFC 5011 section 4: the life of a key', () => {
  const both = sighting([key('a'), key('b')]);
  const rows: [sentence: string, state: AnchorState, states: string[], trusted: string][] = [
    ['a configured key is valid when it is first seen', story([0, sighting([key('a')])]), ['a valid'], 'a'],
    ['a new key is pending', story([0, both]), ['a valid', 'b pending'], 'a'],
    ['and so it is after 29 days', story([0, both], [29, both]), ['a valid', 'b pending'], 'a'],
    ['after 30 days it is valid', story([0, both], [29, both], [30, both]), ['a valid', 'b valid'], 'ab'],
    [
      'not by time alone: it must be seen then',
      story([0, both], [31, sighting([key('a')])]),
      ['a valid'],
      'a',
    ],
    [
      'one that was gone meanwhile begins anew',
      story([0, both], [20, sighting([key('a')])], [21, both], [31, both]),
      ['a valid', 'b pending'],
      'a',
    ],
    ['a key without SEP is none of it', story([0, sighting([key('a'), key('z', 256)])]), ['a valid'], 'a'],
    [
      'a valid key that is missing is trusted',
      story([0, both], [30, both], [31, sighting([key('a')])]),
      ['a valid', 'b missing'],
      'ab',
    ],
    [
      'and valid when it is back',
      story([0, both], [30, both], [31, sighting([key('a')])], [32, both]),
      ['a valid', 'b valid'],
      'ab',
    ],
    [
      'a key that signed its revocation is never trusted again, though it is configured',
      story([0, both], [30, both], [31, sighting([revoked('a'), key('b')], [revoked('a')])], [99, both]),
      ['a revoked', 'b valid'],
      'b',
    ],
    [
      "a REVOKE bit without the key's own signature is nothing but its absence",
      story([0, both], [30, both], [31, sighting([revoked('a'), key('b')])]),
      ['a missing', 'b valid'],
      'ab',
    ],
    [
      'a TTL longer than the hold-down prolongs it',
      story([0, both], [31, sighting([key('a'), key('b')], [], 40 * 86_400)]),
      ['a valid', 'b pending'],
      'a',
    ],
  ];
  it.each(rows)('%s', (_sentence, state, expected, expectedTrust) => {
    expect(states(state)).toEqual(expected);
    expect(trusted(state)).toBe(expectedTrust);
  });

  it('at least five keys are followed (section 2.4.3), and not any number', () => {
    const many = Array.from({ length: 40 }, (_, i) => key(String.fromCharCode(65 + i)));
    expect(story([0, sighting(many)]).keys.length).toBe(32);
  });
});

describe('RFC 5011 section 2.3: when to ask again', () => {
  it.each([
    ['half the TTL', 2 * 86_400, Number.MAX_SAFE_INTEGER, DAY],
    ['half of what is left of the signature', 90 * 86_400, 4 * DAY, 2 * DAY],
    ['fifteen days at most', 90 * 86_400, Number.MAX_SAFE_INTEGER, 15 * DAY],
    ['an hour at least', 60, Number.MAX_SAFE_INTEGER, 3_600_000],
  ])('after %s', (_what, originalTtl, expires, expected) => {
    const seen: Sighting = { keys: [key('a')], selfRevoked: [], originalTtl, expires };
    expect(afterSighting(NOTHING, CONFIGURED, seen, 0).nextQuery).toBe(expected);
  });
  it('an hour after a failure', () => {
    expect(afterFailure(NOTHING, 0)).toEqual({ ...NOTHING, nextQuery: 3_600_000 });
  });
});

describe('the state as a file', () => {
  const both = sighting([key('a'), key('b')]);
  const state = story(
    [0, both],
    [30, both],
    [31, sighting([revoked('a'), key('b'), key('c')], [revoked('a')])],
  );

  it('is read back as it was', () => {
    expect(readAnchorState(writeAnchorState(state), zone)).toEqual(state);
  });

  it.each([
    ['another zone', writeAnchorState({ ...state, zone: Name.parse('example') })],
    ['something else', 'hello\nworld\n'],
    ['a record less', writeAnchorState(state).split('\n').slice(0, -2).join('\n')],
    ['a state that there is not', writeAnchorState(state).replace('state=valid', 'state=trusted')],
  ])('is refused where it is of %s: what to trust is not to be guessed', (_what, text) => {
    expect(() => readAnchorState(text, zone)).toThrow();
  });

  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'danelaw-anchors-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  const keeperOf = (file: string) => {
    const failure = { kind: 'failure', reason: 'no network', ede: { code: 23, text: '' } } as const;
    const source = { ask: async () => failure, close: async () => {} };
    return AnchorKeeper.open({ file, configured: CONFIGURED, zone, source, clock: () => HOLD_DOWN });
  };

  it('is written whole, for its owner only, and leaves no draft', async () => {
    const file = join(folder, 'root.key');
    await writeFile(file, writeAnchorState({ ...state, nextQuery: 0 }));
    const keeper = await keeperOf(file);
    expect(keeper.isDue).toBe(true);
    await keeper.refresh();
    expect(await readdir(folder)).toEqual(['root.key']);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(readAnchorState(await readFile(file, 'utf8'), zone)).toEqual(afterFailure(state, HOLD_DOWN));
    expect(keeper.isDue).toBe(false);
  });

  it('begins with what is configured where there is none', async () => {
    const keeper = await keeperOf(join(folder, 'root.key'));
    expect(keeper.anchors).toEqual(CONFIGURED);
  });

  it('that is damaged stops everything, with its name', async () => {
    const file = join(folder, 'root.key');
    await writeFile(file, 'damaged');
    await expect(keeperOf(file)).rejects.toThrow('not a state of trust anchors');
  });
});
