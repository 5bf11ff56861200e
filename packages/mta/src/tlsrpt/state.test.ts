import { appendFile, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DayCounters } from './counters.js';
import { appendLines, FORMAT, readLines } from './journal.js';
import { CountWriter, State } from './state.js';
import type { Tally } from './tally.js';

const DAY = '2026-11-25';
let folder: string;
let warnings: string[];
let state: State;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'danelaw-tlsrpt-'));
  warnings = [];
  state = new State(join(folder, 'state'), (words) => warnings.push(words));
});
afterEach(() => rm(folder, { recursive: true }));

function tally(reportDomain: string, failed = false): Tally {
  const policy = { type: 'no-policy-found', strings: [], domain: reportDomain, mxHosts: [] } as const;
  const nobody = { sendingMtaIp: null, receivingMxHostname: null, receivingMxHelo: null, receivingIp: null };
  const detail = { resultType: 'starttls-not-supported', ...nobody, reason: 'not offered' } as const;
  return { reportDomain, policy, failures: failed ? [detail] : [] };
}

/** A process that counts. */
function counter(shortLived: boolean) {
  const writer = new CountWriter(state, shortLived);
  const counters = new DayCounters();
  return {
    counters,
    add: (...tallies: Tally[]) => {
      for (const each of tallies) counters.add(each);
    },
    write: () => writer.write(DAY, counters.takeChanged(), counters),
  };
}

const totals = async () =>
  (await state.read(DAY))
    .cells()
    .map(({ reportDomain, successful, failed }) => `${reportDomain} ${successful}/${failed}`);

const files = () => readdir(join(folder, 'state/days', DAY));

describe('the state folder', () => {
  it('sums what several processes counted, whose later lines replace their earlier ones', async () => {
    const processes = [counter(false), counter(false), counter(true), counter(true)];
    for (const each of processes) {
      each.add(tally('a.example'), tally('b.example', true));
      await each.write();
      each.add(tally('a.example'));
      await each.write();
    }
    expect(await totals()).toEqual(['a.example 8/0', 'b.example 0/4']);
    expect((await files()).filter((name) => name === 'short.log')).toHaveLength(1);
    expect(await files()).toHaveLength(3);
  });

  it('is for its owner alone', async () => {
    const process = counter(false);
    process.add(tally('a.example'));
    await process.write();
    const [file = ''] = await files();
    const mode = async (path: string) => ((await stat(join(folder, 'state', path))).mode & 0o777).toString(8);
    expect(await mode('')).toBe('700');
    expect(await mode(`days/${DAY}`)).toBe('700');
    expect(await mode(`days/${DAY}/${file}`)).toBe('600');
    expect(await mode('format')).toBe('600');
  });

  it('a torn line is passed over, with a warning; the lines around it hold', async () => {
    const process = counter(false);
    process.add(tally('a.example'));
    await process.write();
    const [file = ''] = await files();
    const path = join(folder, 'state/days', DAY, file);
    const lines = await readFile(path, 'utf8');
    await appendFile(path, `\n${lines.split('\n')[1]?.slice(0, 60)}`);
    process.add(tally('b.example'));
    await process.write();
    expect(await totals()).toEqual(['a.example 1/0', 'b.example 1/0']);
    expect(warnings).toEqual([expect.stringContaining('1 damaged lines')]);
  });

  it('cut at any octet, a file is read as far as its lines are whole, or set aside', async () => {
    const process = counter(true);
    process.add(tally('a.example'));
    await process.write();
    process.add(tally('a.example'));
    await process.write();
    const path = join(folder, 'state/days', DAY, 'short.log');
    const whole = await readFile(path);
    const seen = new Set<string>();
    for (let octets = 0; octets <= whole.length; octets++) {
      await writeFile(path, whole.subarray(0, octets));
      seen.add((await totals()).join());
    }
    expect([...seen]).toEqual(['', 'a.example 1/0', 'a.example 2/0']);
  });

  it('a file of another format is set aside, with a warning', async () => {
    const process = counter(true);
    process.add(tally('a.example'));
    await process.write();
    await writeFile(join(folder, 'state/days', DAY, 'torn.log'), 'danelaw-tl');
    expect(await totals()).toEqual(['a.example 1/0']);
    expect(warnings).toEqual([expect.stringContaining('set aside')]);
    expect(await files()).toContain('torn.log.damaged');
    expect(await totals()).toEqual(['a.example 1/0']);
    expect(warnings).toHaveLength(1);
  });

  it('a folder of another format is refused', async () => {
    await state.prepare();
    await writeFile(join(folder, 'state/format'), 'danelaw-tlsrpt-9\n');
    await expect(new State(join(folder, 'state')).prepare()).rejects.toThrow(/danelaw-tlsrpt-9/);
  });

  it('a folder that can not be made is told as that', async () => {
    await writeFile(join(folder, 'file'), '');
    await expect(new State(join(folder, 'file/state')).prepare()).rejects.toThrow(/can't be used/);
  });

  it('lines that are whole and make no sense are passed over', async () => {
    await state.prepare();
    const process = counter(true);
    process.add(tally('a.example'));
    await process.write();
    const file = join(folder, 'state/days', DAY, 'short.log');
    const cell = { w: 'x', d: 'b.example', p: ['tlsa', 'b.example', [], []], s: 1, f: 0, x: [] };
    const wrong = [
      null,
      1,
      {},
      { ...cell, s: -1 },
      { ...cell, d: '[::1]' },
      { ...cell, p: ['dane', '', [], []] },
    ];
    await appendLines(file, [
      ...wrong,
      { ...cell, x: [[1, 'no-such-type', null, null, null, null, '']] },
      cell,
    ]);
    expect(await totals()).toEqual(['a.example 1/0', 'b.example 1/0']);
  });

  it('a process writes its own file anew when it has grown', async () => {
    const process = counter(false);
    const reason = 'x'.repeat(200);
    for (let round = 0; round < 6; round++) {
      for (let i = 0; i < 3_000; i++) {
        const one = tally(`d${i}.example`, true);
        process.add({ ...one, failures: one.failures.map((each) => ({ ...each, reason })) });
      }
      await process.write();
    }
    const [file = ''] = await files();
    const path = join(folder, 'state/days', DAY, file);
    // 18,000 lines were written; a third of them would still be more than this.
    const { values, damaged } = await readLines(path);
    expect(values.length).toBeLessThan(13_000);
    expect(damaged).toBe(0);
    const cells = (await state.read(DAY)).cells();
    expect(cells).toHaveLength(3_000);
    expect(new Set(cells.map(({ failed }) => failed))).toEqual(new Set([6]));
  });

  it('one process at a time sends reports; what a killed one left is no hindrance', async () => {
    await state.prepare();
    const unlock = await state.lock();
    expect(unlock).toBeDefined();
    expect(await state.lock()).toBeUndefined();
    await unlock?.();
    // No process has the first number: it is beyond the largest that Linux gives. The second is this one's, as it
    // is after a restart in a container; but it began at another time, or under another boot.
    for (const left of ['4194999\n', `${process.pid} another-boot 1\n`, '', 'garbage']) {
      const [name = ''] = (await readdir(join(folder, 'state'))).filter((file) => file.endsWith('.lock'));
      await writeFile(join(folder, 'state', name), left);
      const second = await state.lock();
      expect(second, left).toBeDefined();
      expect(await state.lock()).toBeUndefined();
      await second?.();
    }
  });

  it('of many that ask for the lock at once, one gets it, also where one was left behind', async () => {
    await state.prepare();
    for (let round = 0; round < 20; round++) {
      if (round % 2 === 0) await writeFile(join(folder, `state/sending.${round + 1}.lock`), '4194999\n');
      const locks = await Promise.all(Array.from({ length: 8 }, () => state.lock()));
      const held = locks.filter((unlock) => unlock !== undefined);
      expect(held).toHaveLength(1);
      await held[0]?.();
    }
    const lock = expect.stringMatching(/^sending\.\d+\.lock$/);
    expect((await readdir(join(folder, 'state'))).sort()).toEqual(['days', 'format', 'outbox', lock]);
  });

  it('a journal begins with its format, once', async () => {
    const file = join(folder, 'j.log');
    await appendLines(file, [1]);
    await appendLines(file, [2, 3]);
    expect((await readFile(file, 'utf8')).split('\n').filter((line) => line === FORMAT)).toHaveLength(1);
    expect(await readLines(file)).toEqual({ values: [1, 2, 3], damaged: 0, foreign: false });
  });
});
