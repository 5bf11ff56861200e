/**
 * The threads as the main thread sees them. What runs in them here is a few lines of the test, each thread with
 * an event loop of its own; the real one is in `packages/mta/test/delivery-thread.test.ts`.
 */
import { DEFAULT_TIMEOUTS } from '@danelaw/smtp';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { RelayLog } from '../log/relay-log.js';
import type { Claim } from '../queue/queue.js';
import { DeliveryThreads, type DeliveryThreadsOptions } from './delivery-threads.js';
import { HostLimits } from './host-limits.js';
import type { Job, JobResult } from './job.js';
import type { WorkerSettings } from './worker-settings.js';

const SETTINGS: WorkerSettings = {
  heloName: 'relay.example',
  ownNames: [],
  resolver: {},
  level: 'none',
  policyTable: { rules: [] },
  credentials: new Map(),
  webRoots: undefined,
  sts: false,
  smtpPort: 25,
  timeouts: DEFAULT_TIMEOUTS,
  source: { ipv4: undefined, ipv6: undefined },
  idle: 1000,
  messagesPerConnection: 100,
};

const TARGET = { address: '192.0.2.1', port: 25 };

/**
 * Tells the name of its thread and all that it has heard in the answer to each job. The domains of jobs say what
 * it does with them.
 */
const ACTOR = `
  const heard = [];
  say({ kind: 'ready' });
  parentPort.on('message', (message) => {
    heard.push({ ...message, job: message.job?.number });
    if (message.kind === 'end') process.exit(0);
    const { number, claim } = message.job ?? {};
    const destination = claim?.destination ?? '';
    const counts = destination.startsWith('look') ? [{ status: 'secure', cached: false, count: 2 }] : undefined;
    if (destination.startsWith('look-and-die')) {
      say({ kind: 'lookups', counts });
      throw new Error('I die of this');
    }
    if (destination.startsWith('deadly')) throw new Error('I die of this');
    if (destination.startsWith('never')) return;
    if (destination.startsWith('admit')) {
      for (let request = 1; request <= 2; request++) say({ kind: 'admit', request, ...${JSON.stringify(TARGET)} });
      if (destination === 'admit-withdraw.example') say({ kind: 'withdraw', requests: [2] });
      return;
    }
    if (destination.startsWith('release')) say({ kind: 'release', permits: [{ request: 1, ending: 'ok' }] });
    if (destination.startsWith('policy')) say({ kind: 'sts', request: 7, domain: destination });
    if (message.kind !== 'job') return;
    const reason = JSON.stringify({ thread: threadId, heard });
    const unrouted = [{ domain: destination, failureType: 'dnssec-invalid', reason }];
    say({ kind: 'tried', number, outcome: { recipients: [], attempts: [], unrouted }, lookups: counts });
  });
`;

const entry = (program: string): URL =>
  new URL(
    `data:text/javascript,${encodeURIComponent(`
      import { parentPort, threadId, workerData } from 'node:worker_threads';
      const say = (message) => parentPort.postMessage(message);
      ${program}`)}`,
  );

let threads: DeliveryThreads;
let logged: { readonly event: string; readonly reason: unknown }[];
let numbers = 0;

beforeEach(() => {
  logged = [];
});
afterEach(async () => {
  vi.useRealTimers();
  await threads.end();
});

function make(program: string, options: Partial<DeliveryThreadsOptions> = {}): DeliveryThreads {
  const tell = (event: string, { reason }: Readonly<Record<string, unknown>>) =>
    logged.push({ event, reason });
  const log: RelayLog = { info: tell, warn: tell, error: tell };
  threads = new DeliveryThreads({
    threads: 1,
    settings: SETTINGS,
    limits: new HostLimits({ perHost: 10, total: 10 }),
    sts: (domain) => Promise.resolve({ status: 'none', domain, reason: '', problems: [] }),
    log,
    onLookups: () => {},
    entry: entry(program),
    ...options,
  });
  return threads;
}

function jobTo(destination: string): Job {
  const state = { held: false, due: 0, attempts: 0, warned: false, last: undefined };
  const claim: Claim = {
    id: '01kbq3w8nd7k2m9xq4',
    destination,
    envelope: {
      from: 'me@here.example',
      requireTls: false,
      smtpUtf8: false,
      eightBit: false,
      utf8Header: false,
      tlsRequiredNo: false,
      arrived: 0,
      origin: { kind: 'smtp' },
    },
    size: 5,
    recipients: [{ index: 0, address: `you@${destination}`, destination, state }],
    fence: 1,
    leaseUntil: undefined,
  };
  return { number: ++numbers, claim, body: new Uint8Array(5) };
}

const NEVER = new Promise<void>(() => {});

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}

interface Answer {
  readonly thread: number;
  readonly heard: readonly Readonly<Record<string, unknown>>[];
}

function answerOf(result: JobResult): Answer {
  if (result.status !== 'tried') throw new Error('it was not tried');
  const answer: Answer = JSON.parse(result.outcome.unrouted[0]?.reason ?? '');
  return answer;
}

const ask = async (destination: string): Promise<Answer> =>
  answerOf(await threads.deliver(jobTo(destination), NEVER));

const deaths = (): unknown[] => logged.flatMap(({ event, reason }) => (event === 'thread' ? [reason] : []));

/** Domains until each thread has some. */
const DOMAINS = Array.from({ length: 40 }, (_, i) => `d${i}.example`);

describe('the threads that deliver', () => {
  it('tell of look-ups, each once; what a thread told that died stays told', async () => {
    let total = 0;
    const onLookups: DeliveryThreadsOptions['onLookups'] = (counts) => {
      for (const { count } of counts) total += count;
    };
    await make(ACTOR, { threads: 2, onLookups }).ready();
    await Promise.all(['look.example', 'look.example.net', 'look.example.org'].map(ask));
    expect(total).toBe(6);
    await expect(threads.deliver(jobTo('look-and-die.example'), NEVER)).rejects.toThrow('I die of this');
    expect(total).toBe(8);
    // Whoever lives, or takes its place.
    await ask('look.example');
    expect(total).toBe(10);
  });

  it('share the destinations, and each destination has always the same one', async () => {
    await make(ACTOR, { threads: 3 }).ready();
    await until(() => threads.idleTimes().every((time) => time > 0));
    expect(threads.idleTimes()).toHaveLength(3);
    const once = await Promise.all(DOMAINS.map(ask));
    const twice = await Promise.all(DOMAINS.map(ask));
    expect(once.map(({ thread }) => thread)).toEqual(twice.map(({ thread }) => thread));
    expect(new Set(once.map(({ thread }) => thread)).size).toBe(3);
  });

  it('take nothing with them when they die but their own jobs, and another takes the place', async () => {
    await make(ACTOR, { threads: 2 }).ready();
    const lost: number[] = [];
    const under = DOMAINS.map((domain, i) =>
      threads.deliver(jobTo(`never.${domain}`), NEVER).catch(() => lost.push(i)),
    );
    await expect(threads.deliver(jobTo('deadly.example'), NEVER)).rejects.toThrow('I die of this');
    expect(deaths()).toEqual([expect.stringContaining('I die of this')]);
    expect(lost.length).toBeGreaterThan(0);
    expect(lost.length).toBeLessThan(under.length);
    const after = await Promise.all(DOMAINS.map(ask));
    expect(after).toHaveLength(DOMAINS.length);
  });

  it('say when they run, and why they do not', async () => {
    await expect(make('throw new Error("no such module")').ready()).rejects.toThrow('no such module');
    expect(threads.trouble).toContain('no such module');
  });

  it('are not started where the system has no room: that is told in the same way', async () => {
    make(ACTOR, { entry: new URL('https://there.example/no-program-here') });
    await expect(threads.ready()).rejects.toThrow(/URL|file/u);
  });

  // Nine threads one after the other: on a machine that is busy that takes seconds.
  it('that die at once are replaced at once, after a second, after two, and so on to a minute', {
    timeout: 30_000,
  }, async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    make('process.exit(1)');
    for (const [lives, pause] of [
      [1, 0],
      [2, 1000],
      [3, 2000],
      [4, 4000],
      [5, 8000],
      [6, 16_000],
      [7, 32_000],
      [8, 60_000],
      [9, 60_000],
    ] as const) {
      await until(() => deaths().length === lives);
      if (pause > 0) vi.advanceTimersByTime(pause - 1);
      // Nobody else is waited for but the timer.
      expect(vi.getTimerCount()).toBe(1);
      vi.advanceTimersByTime(1);
      expect(vi.getTimerCount()).toBe(0);
    }
  });

  it('that do not run leave their mail to those that do', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    // The thread that comes first dies of its mail; whoever comes after it does not come to life.
    const frail = `if (workerData.heloName === 'frail.example') process.exit(1);${ACTOR}`;
    await make(frail, { threads: 2 }).ready();
    threads.configure({ ...SETTINGS, heloName: 'frail.example' });
    await expect(threads.deliver(jobTo('deadly.example'), NEVER)).rejects.toThrow('I die of this');
    vi.advanceTimersByTime(0);
    const answers = await Promise.all(DOMAINS.map(ask));
    expect(new Set(answers.map(({ thread }) => thread)).size).toBe(1);
    expect(threads.trouble).toBeUndefined();
  });

  it('that do not run, none of them, defer the mail as a fault of ours', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    make('process.exit(1)', { threads: 2 });
    await until(() => deaths().length === 2);
    const result = await threads.deliver(jobTo('there.example'), NEVER);
    expect(result).toMatchObject({ status: 'tried', outcome: { ours: true, attempts: [] } });
    expect(threads.trouble).toContain('no thread that delivers runs');
  });
});

describe('what is told to a thread', () => {
  it('is nothing of a job that could not be sent, and nobody waits for that one', async () => {
    await make(ACTOR).ready();
    const job = jobTo('there.example');
    const notify = Object.assign(['failure' as const], { odd: () => {} });
    const recipients = job.claim.recipients.map((recipient) => ({ ...recipient, notify }));
    const odd = { ...job, claim: { ...job.claim, recipients } };
    await expect(threads.deliver(odd, NEVER)).rejects.toThrow(/could not be cloned/u);
    threads.extend(job.number, 1);
    expect((await ask('there.example')).heard.map(({ kind }) => kind)).toEqual(['job']);
  });

  it('leaves the body where it was', async () => {
    await make(ACTOR).ready();
    const job = jobTo('there.example');
    await threads.deliver(job, NEVER);
    expect(job.body).toHaveLength(5);
  });

  it('is in one message what became durable at one time, and what did not in another', async () => {
    await make(ACTOR).ready();
    const jobs = [jobTo('a.example'), jobTo('b.example'), jobTo('c.example')];
    const [yes, no] = [Promise.resolve(), Promise.reject(new Error('disk full'))];
    await Promise.all(jobs.map((job, i) => threads.deliver(job, i < 2 ? yes : no)));
    const { heard } = await ask('there.example');
    expect(heard).toContainEqual({ kind: 'durable', numbers: [jobs[0]?.number, jobs[1]?.number] });
    expect(heard).toContainEqual({ kind: 'undurable', number: jobs[2]?.number, reason: 'disk full' });
  });

  it('is a longer lease by whoever has the job, and by nobody when it has ended', async () => {
    await make(ACTOR).ready();
    const waits = jobTo('never.example');
    void threads.deliver(waits, NEVER).catch(() => {});
    const over = jobTo('there.example');
    await threads.deliver(over, NEVER);
    threads.extend(waits.number, 1234);
    threads.extend(over.number, 1234);
    const { heard } = await ask('there.example');
    expect(heard.filter(({ kind }) => kind === 'extend')).toEqual([
      { kind: 'extend', number: waits.number, leaseUntil: 1234 },
    ]);
  });

  it('is that the relay stops, also where it takes the place of another one only then', async () => {
    await make(ACTOR).ready();
    threads.drain();
    await expect(threads.deliver(jobTo('deadly.example'), NEVER)).rejects.toThrow('I die of this');
    await until(() => threads.trouble === undefined);
    expect((await ask('there.example')).heard.map(({ kind }) => kind)).toEqual(['drain', 'job']);
  });

  it('is where somebody needs room, all such places of one time together', async () => {
    await make(ACTOR).ready();
    threads.makeRoom({ address: '192.0.2.1', port: 25 });
    threads.makeRoom(undefined);
    await ask('there.example');
    const { heard } = await ask('there.example');
    expect(heard.filter(({ kind }) => kind === 'make-room').map(({ places }) => places)).toEqual([
      ['192.0.2.1 25', null],
    ]);
  });

  it('is its share of those that are to give up their places', async () => {
    await make(ACTOR, { threads: 2 }).ready();
    threads.giveWay(3);
    const answers = await Promise.all(DOMAINS.map(ask));
    for (const { heard } of answers) expect(heard[0]).toEqual({ kind: 'give-way', most: 2 });
  });

  it('is a policy that was asked for, and nothing where nobody knows it as the relay stops', async () => {
    const asked: string[] = [];
    const sts: DeliveryThreadsOptions['sts'] = async (domain) => {
      asked.push(domain);
      if (domain === 'policy-late.example') throw new Error('the relay stops');
      return { status: 'none', domain, reason: '', problems: [] };
    };
    await make(ACTOR, { sts }).ready();
    await ask('policy-late.example');
    await ask('policy.example');
    const { heard } = await ask('there.example');
    expect(asked).toEqual(['policy-late.example', 'policy.example']);
    expect(heard.filter(({ kind }) => kind === 'sts')).toMatchObject([
      { request: 7, finding: { domain: 'policy.example' } },
    ]);
  });
});

describe('leave to connect', () => {
  it('is given back by a thread that dies, and not waited for by it any more', async () => {
    const limits = new HostLimits({ perHost: 1, total: 10 });
    await make(ACTOR, { limits }).ready();
    const waits = threads.deliver(jobTo('admit.example'), NEVER);
    void waits.catch(() => {});
    await until(() => limits.open === 1);
    await expect(threads.deliver(jobTo('deadly.example'), NEVER)).rejects.toThrow('I die of this');
    await expect(waits).rejects.toThrow('I die of this');
    expect(limits.open).toBe(0);
    expect(limits.remembered).toBe(0);
  });

  it('that nobody waits for any more goes to the next', async () => {
    const limits = new HostLimits({ perHost: 1, total: 10 });
    const held = await limits.acquire(TARGET);
    await make(ACTOR, { limits }).ready();
    void threads.deliver(jobTo('admit-withdraw.example'), NEVER).catch(() => {});
    // What the thread has said is heard in order: when this is answered, so is that.
    await ask('there.example');
    held.release('ok');
    await new Promise((resolve) => setImmediate(resolve));
    expect(limits.open).toBe(1);
    const { heard } = await ask('there.example');
    expect(heard.filter(({ kind }) => kind === 'permit')).toEqual([{ kind: 'permit', requests: [1] }]);
    expect(logged).toEqual([]);
  });

  it('for all who ask at one time is given in one message, each given back by itself', async () => {
    const limits = new HostLimits({ perHost: 10, total: 10 });
    await make(ACTOR, { limits }).ready();
    void threads.deliver(jobTo('admit.example'), NEVER).catch(() => {});
    await ask('there.example');
    const { heard } = await ask('there.example');
    expect(heard.filter(({ kind }) => kind === 'permit').flatMap(({ requests }) => requests)).toEqual([1, 2]);
    expect(limits.open).toBe(2);
    await ask('release.example');
    expect(limits.open).toBe(1);
  });
});

describe('the end of the threads', () => {
  it('comes by themselves', async () => {
    await make(ACTOR, { threads: 2 }).ready();
    await threads.end();
    expect(deaths()).toEqual([]);
  });

  it('comes in two seconds for those that do not hear', async () => {
    await make("say({ kind: 'ready' }); setTimeout(() => { for (;;); }, 0)").ready();
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const ended = threads.end();
    vi.advanceTimersByTime(2000);
    await ended;
    expect(deaths()).toEqual([]);
  });
});
