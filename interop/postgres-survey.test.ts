/** Surveys that several machines share in PostgreSQL: one list, each domain once, whoever stops or dies. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Internet, SCENARIOS, startInternet } from '@danelaw/lab';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { type SharedProgress, SharedSurvey } from '../packages/mta/src/survey/shared/shared-survey.js';
import { SharedSurveys } from '../packages/mta/src/survey/shared/shared-surveys.js';
import { dnsOptions, type Ended, run, start } from '../packages/mta/test/program.js';
import { makeFolder, removeFolder } from './folder.js';
import { withNeighbours } from './neighbours.js';
import { type Postgres, postgresPrograms, startPostgres } from './postgres.js';

const SURVEYED = [
  'good-3-1-1.example',
  'mandated.example',
  'alias-unusable.example',
  'address-bogus.example',
  'wrong-signer.example',
  'mx-refused.unsigned',
];
/** Enough that a machine which asks about one at a time is at it for some seconds. */
const NAMES = 1_000;
const LEASE = 60_000;
const PASSWORD = 'not to be seen';

withNeighbours(
  'A survey that several machines share',
  () => {
    let folder: string;
    let server: Postgres;
    let internet: Internet;
    let common: string[];
    let list: string;
    let running: ChildProcess[];

    beforeAll(async () => {
      folder = await makeFolder('postgres');
      [server, internet] = await Promise.all([
        startPostgres({ folder }),
        startInternet(SCENARIOS.filter(({ domain }) => SURVEYED.includes(domain))),
      ]);
      const anchor = join(folder, 'root.ds');
      await writeFile(anchor, internet.trustAnchors.join('\n'));
      common = [...dnsOptions(internet, anchor), '--smtp-port', String(internet.smtpPort)];
      list = join(folder, 'domains.txt');
    });
    afterAll(async () => {
      await internet?.close();
      await server?.stop('immediate');
      await removeFolder(folder);
    });
    beforeEach(async () => {
      running = [];
      await writeFile(list, SURVEYED.join('\n'));
    });
    afterEach(async () => {
      for (const child of running) child.kill('SIGKILL');
      await server.query('drop schema if exists danelaw_survey cascade');
    });

    const survey = (...argv: string[]): Promise<Ended> =>
      run(['survey', ...common, '--queue', server.url, ...argv]);
    const begin = (...argv: string[]): { child: ChildProcess; ended: Promise<unknown[]> } => {
      const child = start('survey', ...common, '--queue', server.url, ...argv);
      running.push(child);
      child.stdout?.resume();
      return { child, ended: once(child, 'close') };
    };
    const openSurveys = (): Promise<SharedSurveys> =>
      SharedSurveys.open({ url: server.url, passwordFile: undefined }, new AbortController().signal);
    const sorted = async (file: string): Promise<string[]> =>
      (await readFile(file, 'utf8')).split('\n').slice(0, -1).sort();
    const many = (): string[] => [
      ...SURVEYED,
      ...Array.from({ length: NAMES }, (_, i) => `n${i}.good-3-1-1.example`),
    ];
    /** Asks until there is a row. */
    const until = async (question: string): Promise<void> => {
      while ((await server.query(question).catch(() => [])).length === 0) {
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    };

    test('has each domain once, and the summary of one machine, though one is killed', async () => {
      await writeFile(list, many().join('\n'));
      const alone = join(folder, 'alone.jsonl');
      const expected = await run(['survey', ...common, '--json', '-o', alone, list]);

      const first = begin('--concurrency', '1', list);
      await until('select from danelaw_survey.machine where done > 0');
      await until('select from danelaw_survey.domain where leased_until is not null');
      first.child.kill('SIGKILL');
      await first.ended;
      const left = await server.query(
        'select from danelaw_survey.domain where machine = 1 and leased_until is not null',
      );
      expect(left.length).toBeGreaterThan(0);
      const shared = join(folder, 'shared.jsonl');
      const second = survey('--concurrency', '20', '--json', '-o', shared);
      const third = survey('--concurrency', '20', '--json');
      await until('select from danelaw_survey.machine where id > 1 and done > 0');
      // Time goes by: leases end by the database's clock.
      await server.query(
        'update danelaw_survey.domain set leased_until = clock_timestamp() where machine = 1 and leased_until is not null',
      );

      const ended = await Promise.all([second, third]);
      expect(ended.map(({ code, out }) => [code, out])).toEqual([
        [0, expected.out],
        [0, expected.out],
      ]);
      expect(await sorted(shared)).toEqual(await sorted(alone));
      const rows = await server.query(
        'select sum(done)::integer as done, count(*) filter (where done > 0)::integer as machines from danelaw_survey.machine',
      );
      expect(rows).toEqual([{ done: NAMES + SURVEYED.length, machines: 3 }]);
      // Whoever comes later asks nobody.
      expect((await survey('--summary', '--json')).out).toBe(expected.out);
    });

    test('goes on where it was stopped, and what was held is free at once', async () => {
      await writeFile(list, many().join('\n'));
      const stopped = begin('--concurrency', '1', list);
      await until('select from danelaw_survey.machine where done > 0');
      stopped.child.kill('SIGINT');
      expect(await stopped.ended).toEqual([130, null]);
      const [before] = await server.query<{ held: number; done: number }>(
        `select count(leased_until)::integer as held, count(result)::integer as done from danelaw_survey.domain`,
      );
      expect(before).toEqual({ held: 0, done: expect.any(Number) });
      const { code, out, err } = await survey('--json', list);
      expect(err).toContain(`0 domains put in, ${(NAMES + SURVEYED.length).toLocaleString('en')} are in it`);
      const rest = NAMES + SURVEYED.length - (before?.done ?? 0);
      expect(err).toContain(`${rest.toLocaleString('en')} of them by this machine`);
      expect([code, JSON.parse(out)]).toMatchObject([0, { domains: NAMES + SURVEYED.length }]);
    });

    test('counts no result whose lease another machine has by now', async () => {
      const surveys = await openSurveys();
      try {
        await surveys.add({ name: 'x', connects: undefined, domains: ['a.example', 'b.example'] });
        const record = await surveys.find('x');
        const slow = await SharedSurvey.join(surveys.database, record, 'slow', 0);
        const quick = await SharedSurvey.join(surveys.database, record, 'quick', LEASE);
        const [late] = await slow.claim(0, 1);
        const taken = await quick.claim(0, 9);
        expect([late?.domain, taken.map(({ domain }) => domain)]).toEqual([
          'a.example',
          ['a.example', 'b.example'],
        ]);
        if (late === undefined) throw new Error('there are domains');
        await slow.write([{ leased: late, result: '{"by":"slow"}' }]);
        await slow.giveBack([late], 1);
        const written = taken.map((leased) => ({ leased, result: '{"by":"quick"}' }));
        await quick.write(written);
        // Where it was not known whether it took place, it is made again.
        await quick.write(written);
        const progress: SharedProgress = await quick.progress();
        expect(progress).toEqual({ domains: 2, done: 2, ours: 2, machines: 2, finished: true });
        const results = await server.query(`select result->>'by' as by from danelaw_survey.domain`);
        expect(results).toEqual([{ by: 'quick' }, { by: 'quick' }]);
      } finally {
        await surveys.close();
      }
    });

    test('talks to one mail server from one machine at a time', async () => {
      const one = await openSurveys();
      const other = await openSurveys();
      try {
        expect(await one.slots.take('mx.example', 1, LEASE)).toBeDefined();
        expect(await other.slots.take('mx.example', 1, LEASE)).toBeUndefined();
        expect(await other.slots.take('mx2.example', 1, LEASE)).toBeDefined();
      } finally {
        await Promise.all([one.close(), other.close()]);
      }
      const { code, err } = await survey('--connect', '--timeout', '3', '--name', 'connecting', list);
      expect([code, err]).toEqual([0, expect.stringContaining('6 of them by this machine')]);
      const [row] = await server.query<{ authenticated: string }>(
        `select result->'hosts'->0->>'authenticated' as authenticated from danelaw_survey.domain where place = 1`,
      );
      expect(row).toEqual({ authenticated: '1' });
    });

    test('is found by its name, or as the one that is under way, and is taken away', async () => {
      const surveys = await openSurveys();
      for (const name of ['may', 'june']) {
        await surveys.add({ name, connects: undefined, domains: ['good-3-1-1.example'] });
      }
      await surveys.close();
      expect(await survey('--json')).toMatchObject({ code: 65, err: expect.stringContaining('june, may') });
      expect((await survey('--name', 'may', '--json')).code).toBe(0);
      const { code, err } = await survey('--json');
      expect([code, err]).toEqual([0, expect.stringContaining('1 domains in')]);
      expect((await survey('--name', 'june', '--delete')).code).toBe(0);
      expect(await survey('--name', 'june')).toMatchObject({
        code: 65,
        err: expect.stringContaining('there are: may'),
      });
    });

    test.each<[what: string, argv: () => string[], code: number, words: string]>([
      ['a database without surveys', () => [], 65, 'there is no survey in the database'],
      ['an address that is none', () => ['--queue', `postgresql://u:${PASSWORD}@h:x/`], 78, 'is no URL'],
      ['a wrong password', () => ['--queue', server.urlOf('postgres', PASSWORD)], 78, 'password'],
      ['a list to sum up', () => ['--summary', list], 64, 'name no file'],
      ['a survey to delete without a name', () => ['--delete'], 64, '--name'],
    ])('refuses %s, and shows no password', async (_, argv, code, words) => {
      const ended = await survey(...argv());
      expect([ended.code, ended.err]).toEqual([code, expect.stringContaining(words)]);
      expect(ended.out + ended.err).not.toContain(PASSWORD);
    });
  },
  postgresPrograms,
);
