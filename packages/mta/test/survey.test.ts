/** `danelaw survey` on the private Internet: many domains, stopped and continued, summed up. */
import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Internet, SCENARIOS, startInternet } from '@danelaw/lab';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { parseResult, type SurveyResult } from '../src/survey/survey-result.js';
import { dnsOptions, type Ended, run, start } from './program.js';

/** What DNS says of them, and what comes of it when their servers are asked as well; undefined: the same. */
const EXPECTED: readonly (readonly [domain: string, byDns: string, connected?: string])[] = [
  ['good-3-1-1.example', 'dane'],
  ['agility-full.example', 'dane'],
  ['swapped-certificate.example', 'dane', 'broken: not-matching'],
  ['stripped-starttls.example', 'dane', 'broken: no-starttls'],
  ['mandated.example', 'none: no-tlsa'],
  ['alias-unusable.example', 'broken: tlsa-unusable'],
  ['address-bogus.example', 'broken: host-bogus'],
  ['wrong-signer.example', 'broken: mx-bogus'],
  ['mx-refused.unsigned', 'unclear: mx-indeterminate'],
  ['a-servfail.example', 'unclear: host-indeterminate'],
  ['nonexistent.unsigned', 'no-mail: no-such-domain'],
];

let internet: Internet;
let folder: string;
let anchor: string;
let common: string[];

beforeAll(async () => {
  const wanted = new Set(EXPECTED.map(([domain]) => domain));
  internet = await startInternet(SCENARIOS.filter(({ domain }) => wanted.has(domain)));
  folder = await mkdtemp(join(tmpdir(), 'danelaw-survey-'));
  anchor = join(folder, 'root.ds');
  await writeFile(anchor, internet.trustAnchors.join('\n'));
  common = [...dnsOptions(internet, anchor), '--smtp-port', String(internet.smtpPort)];
});
afterAll(async () => {
  await internet.close();
  await rm(folder, { recursive: true });
});

let list: string;
let results: string;
beforeEach(async () => {
  list = join(folder, 'domains.txt');
  results = join(folder, 'results.jsonl');
  const domains = EXPECTED.map(([domain]) => domain);
  await writeFile(
    list,
    `# ours\n1,${domains[0]}\n${domains.slice(1).join('\n')}\n${domains[0]}\nno domain\n`,
  );
});
afterEach(async () => {
  await rm(results, { force: true });
});

const survey = (...argv: string[]): Promise<Ended> => run(['survey', ...common, ...argv]);
const read = (text: string): SurveyResult[] =>
  text.split('\n').flatMap((line) => (line === '' ? [] : (parseResult(line) ?? [])));
const told = (text: string): Record<string, string> =>
  Object.fromEntries(
    read(text).map(({ domain, status, reasons }) => [domain, [status, ...reasons].join(': ')]),
  );

describe('a survey', () => {
  it('says of each domain what DNS says, as lines of JSON', async () => {
    const { code, out, err } = await survey(list);
    expect([code, told(out)]).toEqual([
      0,
      Object.fromEntries(EXPECTED.map(([domain, byDns]) => [domain, byDns])),
    ]);
    expect(err).toContain('1 lines have no domain and are left out: "no domain"');
    const servers = [...internet.mailServers.values()];
    expect(servers.flatMap(({ received }) => received.connections)).toEqual([]);
  });

  it('asks the servers too, where it is told so', async () => {
    const { code, out } = await survey('--connect', '--timeout', '3', list);
    expect([code, told(out)]).toEqual([
      0,
      Object.fromEntries(EXPECTED.map(([domain, byDns, connected]) => [domain, connected ?? byDns])),
    ]);
    const good = read(out).find(({ domain }) => domain === 'good-3-1-1.example');
    expect(good?.hosts).toMatchObject([{ tlsa: 'usable', asked: 1, authenticated: 1 }]);
  });

  it('goes on where it was: with what is not in the file yet, whatever a crash left at its end', async () => {
    await survey('-o', results, list);
    const whole = (await readFile(results, 'utf8')).split('\n').slice(0, -1);
    const kept = whole.slice(0, 4);
    await writeFile(results, `${kept.join('\n')}\n`);
    await appendFile(results, whole[4]?.slice(0, 20) ?? '');
    const { code, out, err } = await survey('-o', results, '--json', list);
    expect([code, err]).toEqual([0, expect.stringContaining('4 domains are in')]);
    const after = (await readFile(results, 'utf8')).split('\n').slice(0, -1);
    expect(after.slice(0, 4)).toEqual(kept);
    expect(new Set(after.map((line) => parseResult(line)?.domain))).toEqual(
      new Set(EXPECTED.map(([domain]) => domain)),
    );
    expect(after).toHaveLength(EXPECTED.length);
    expect(JSON.parse(out)).toMatchObject({
      domains: EXPECTED.length,
      status: { dane: 4, broken: 3, none: 1, unclear: 2, 'no-mail': 1, partial: 0 },
    });
    expect((await survey('--summary', '--json', results)).out).toBe(out);
  });

  it('keeps what it has when it is interrupted', async () => {
    const names = Array.from({ length: 50_000 }, (_, i) => `n${i}.good-3-1-1.example`);
    await writeFile(list, names.join('\n'));
    const child = start('survey', ...common, '--concurrency', '1', '-o', results, list);
    const ended = new Promise((resolve) => child.once('close', resolve));
    let err = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (err += text));
    const written = async (): Promise<string> => await readFile(results, 'utf8').catch(() => '');
    while ((await written()) === '') await new Promise((resolve) => setTimeout(resolve, 20));
    child.kill('SIGINT');
    expect([await ended, err]).toEqual([130, expect.stringContaining('goes on with the rest')]);
    const some = read(await written());
    expect(some.map(({ domain }) => domain)).toEqual(names.slice(0, some.length));
  });

  it('that nobody reads ends early, and does not say that all were asked about (EX_IOERR)', async () => {
    const child = start('survey', ...common, '--concurrency', '1', list);
    child.stdout?.destroy();
    const ended = new Promise((resolve) => child.once('close', resolve));
    let err = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (err += text));
    expect(await ended).toBe(74);
    expect(err).toContain('danelaw: the survey ended early: whoever read the results went away\n');
    expect(err).toContain('danelaw: 2 domains in');
  });

  it.each<[what: string, argv: () => string[], code: number, words: string]>([
    ['a list that is not there', () => [join(folder, 'none.txt')], 66, 'there is no such file'],
    ['a file of results that is something else', () => ['-o', anchor, list], 65, 'no result of a survey'],
    ['a folder that is not there', () => ['-o', join(folder, 'no', 'x.jsonl'), list], 73, "can't write"],
    ['a number that is none', () => ['--concurrency', '0', list], 64, 'from 1 to'],
  ])('refuses %s', async (_, argv, code, words) => {
    const ended = await survey(...argv());
    expect([ended.code, ended.err]).toEqual([code, expect.stringContaining(words)]);
  });
});
