import { describe, expect, it } from 'vitest';
import type { SurveyResult } from '../survey-result.js';
import { runShared } from './run-shared.js';
import type { LeasedDomain, Round, SharedProgress, SharedWork } from './shared-survey.js';

const result = (domain: string, status: SurveyResult['status'] = 'dane'): SurveyResult => ({
  domain,
  status,
  reasons: [],
  mx: 'secure',
  hosts: [],
  sts: null,
  tlsrpt: null,
});

/** A database of one table, with nobody else in it but for what a test does. */
class Table implements SharedWork {
  readonly free: LeasedDomain[];
  readonly results = new Map<string, string>();
  readonly claims: [round: Round, most: number][] = [];
  readonly givenBack: string[] = [];
  readonly renewed: string[][] = [];
  /** Held by another machine. */
  elsewhere = 0;
  failure: Error | undefined;

  constructor(domains: readonly string[]) {
    this.free = domains.map((domain, place) => ({ domain, place, round: 0, fence: 1 }));
  }

  async claim(round: Round, most: number): Promise<LeasedDomain[]> {
    this.claims.push([round, most]);
    const claimed = this.free.filter((each) => each.round === round).slice(0, most);
    for (const each of claimed) this.free.splice(this.free.indexOf(each), 1);
    return claimed;
  }

  async renew(held: readonly LeasedDomain[]): Promise<void> {
    this.renewed.push(held.map(({ domain }) => domain));
  }

  async write(results: readonly { leased: LeasedDomain; result: string }[]): Promise<void> {
    if (this.failure !== undefined) throw this.failure;
    for (const { leased, result: line } of results) this.results.set(leased.domain, line);
  }

  async giveBack(held: readonly LeasedDomain[], round: Round): Promise<void> {
    for (const leased of held) {
      this.givenBack.push(leased.domain);
      this.free.push({ ...leased, round });
    }
  }

  async progress(): Promise<SharedProgress> {
    const finished = this.free.length === 0 && this.elsewhere === 0;
    return { domains: 0, done: this.results.size, ours: 0, machines: 1, finished };
  }
}

const options = (work: Table, survey: (domain: string, signal: AbortSignal) => Promise<SurveyResult>) => ({
  work,
  atOnce: 20,
  survey,
  onProgress: () => {},
  signal: new AbortController().signal,
  beat: 1,
});
const names = (count: number): string[] => Array.from({ length: count }, (_, i) => `d${i}.example`);
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('a machine', () => {
  it('claims as many as it asks about at a time, until nothing is left, and writes all down', async () => {
    const work = new Table(names(50));
    let [underWay, most] = [0, 0];
    await runShared(
      options(work, async (domain) => {
        most = Math.max(most, ++underWay);
        await turn();
        underWay -= 1;
        return result(domain);
      }),
    );
    expect([...work.results.keys()].sort()).toEqual(names(50).sort());
    expect([most, work.claims.filter(([round]) => round === 0).every(([, each]) => each === 20)]).toEqual([
      20,
      true,
    ]);
  });

  it('gives back what was unclear, for a second and calmer round, and takes that for what it is', async () => {
    const work = new Table(names(40));
    let [underWay, most] = [0, 0];
    const asked: string[] = [];
    await runShared(
      options(work, async (domain) => {
        const again = asked.includes(domain);
        asked.push(domain);
        underWay += 1;
        if (again) most = Math.max(most, underWay);
        await turn();
        underWay -= 1;
        return result(domain, domain === 'd0.example' || again ? 'unclear' : 'dane');
      }),
    );
    expect(work.givenBack).toEqual(['d0.example']);
    expect(JSON.parse(work.results.get('d0.example') ?? '')).toMatchObject({ status: 'unclear' });
    expect([work.results.size, most]).toEqual([40, 1]);
  });

  it('waits for what others hold, and takes it over when it comes back', async () => {
    const work = new Table(names(1));
    work.elsewhere = 1;
    const run = runShared(options(work, (domain) => Promise.resolve(result(domain))));
    while (work.results.size < 1) await turn();
    work.elsewhere = 0;
    work.free.push({ domain: 'of-the-dead.example', place: 7, round: 0, fence: 2 });
    await run;
    expect([...work.results.keys()]).toEqual(['d0.example', 'of-the-dead.example']);
  });

  it('writes what it has and gives back what it holds, when it is stopped', async () => {
    const work = new Table(names(3));
    const stop = new AbortController();
    await runShared({
      ...options(work, (domain, signal) => {
        if (domain === 'd0.example') return Promise.resolve(result(domain));
        stop.abort();
        return Promise.reject(signal.reason);
      }),
      atOnce: 2,
      signal: stop.signal,
      beat: 60_000,
    });
    expect([[...work.results.keys()], work.givenBack, work.free.length]).toEqual([
      ['d0.example'],
      ['d1.example'],
      2,
    ]);
  });

  it('keeps what takes long, for as long as that takes', async () => {
    const work = new Table(names(1));
    let now = 0;
    await runShared({
      ...options(work, async (domain) => {
        now += 25_000;
        while (work.renewed.length < 1) await new Promise((resolve) => setTimeout(resolve, 1));
        return result(domain);
      }),
      monotonic: () => now,
    });
    expect(work.renewed).toEqual([['d0.example']]);
  });

  it('ends where the database fails, and with it what is under way', async () => {
    const work = new Table(names(3));
    work.failure = new Error('no room');
    const givenUp: string[] = [];
    const run = runShared({
      ...options(work, (domain, signal) => {
        if (domain === 'd0.example') return Promise.resolve(result(domain));
        return new Promise((_, reject) =>
          signal.addEventListener('abort', () => {
            givenUp.push(domain);
            reject(signal.reason);
          }),
        );
      }),
      atOnce: 3,
    });
    await expect(run).rejects.toThrow('no room');
    expect(givenUp).toEqual(['d1.example', 'd2.example']);
  });
});
