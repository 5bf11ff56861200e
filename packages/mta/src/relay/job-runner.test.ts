/** Jobs over real connections to a server of the test, which holds back its answers as a test wants it to. */
import { DEFAULT_TIMEOUTS } from '@danelaw/smtp';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Claim, QueuedEnvelope, QueuedRecipient } from '../queue/queue.js';
import { type Held, HoldingServer } from '../testing/holding-server.js';
import type { Job } from './job.js';
import { JobRunner, type JobRunnerOptions } from './job-runner.js';

const NOW = 1_800_000_000_000;
const NEVER = new Promise<void>(() => {});

let server: HoldingServer;
let runners: JobRunner[];
let numbers = 0;
let now: number;

beforeEach(async () => {
  server = new HoldingServer();
  await server.listen();
  runners = [];
  now = NOW;
});
afterEach(async () => {
  for (const runner of runners) runner.drain();
  await server.close();
});

function make(client: Partial<JobRunnerOptions['client']> = {}): JobRunner {
  const runner = new JobRunner({
    client: {
      resolver: { resolve: () => Promise.reject(new Error('nobody is asked')), close: async () => {} },
      heloName: 'relay.example',
      level: 'none',
      relay: { host: '[127.0.0.1]', port: server.port },
      ...client,
    },
    pool: { idle: 60_000, messages: 100 },
    clock: () => now,
  });
  runners.push(runner);
  return runner;
}

interface Changes {
  readonly addresses?: readonly string[];
  readonly envelope?: Partial<QueuedEnvelope>;
  readonly recipient?: Partial<QueuedRecipient>;
  readonly leaseUntil?: number;
}

function makeJob({ addresses = ['you@there.example'], envelope, recipient, leaseUntil }: Changes = {}): Job {
  const state = { held: false, due: NOW, attempts: 0, warned: false, last: undefined };
  const claim: Claim = {
    id: '01kbq3w8nd7k2m9xq4',
    destination: 'there.example',
    envelope: {
      from: 'me@here.example',
      requireTls: false,
      smtpUtf8: false,
      eightBit: false,
      utf8Header: false,
      tlsRequiredNo: false,
      arrived: NOW,
      origin: { kind: 'smtp' },
      ...envelope,
    },
    size: 5,
    recipients: addresses.map((address, index) => ({
      index,
      address,
      destination: 'there.example',
      state,
      ...recipient,
    })),
    fence: 1,
    leaseUntil,
  };
  return { number: ++numbers, claim, body: Buffer.from('Subject: a job\r\n\r\nHello.\r\n') };
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}

const hears = (line: string) => until(() => server.heard.includes(line));

describe('a job', () => {
  it('has an outcome for each recipient, in order, also for one whose address is no mailbox', async () => {
    const addresses = ['a@there.example', 'nobody', 'b@there.example'];
    const result = await make().deliver(makeJob({ addresses }), NEVER);
    if (result.status !== 'tried') throw new Error('it was tried');
    expect(result.outcome.recipients.map(({ recipient, status }) => [recipient, status])).toEqual([
      ['a@there.example', 'delivered'],
      ['nobody', 'deferred'],
      ['b@there.example', 'delivered'],
    ]);
    expect(result.outcome.ours).toBeUndefined();
    expect(server.heard.filter((line) => line.startsWith('RCPT'))).toHaveLength(2);
  });

  it('without a single mailbox is a fault of ours, and asks no server', async () => {
    const result = await make().deliver(makeJob({ addresses: ['nobody'] }), NEVER);
    expect(result).toMatchObject({ status: 'tried', outcome: { ours: true, attempts: [] } });
    expect(server.connections).toBe(0);
  });

  it('tells a server that offers DSN what the sender wants to hear (RFC 3461 section 5.2.1)', async () => {
    const envelope = { ret: 'hdrs', envid: 'QQ314159' } as const;
    const recipient = { notify: ['failure'], orcpt: 'rfc822;you@there.example' } as const;
    await make().deliver(makeJob({ envelope, recipient }), NEVER);
    expect(server.heard).toContainEqual(expect.stringMatching(/^MAIL .* RET=HDRS ENVID=QQ314159/u));
    expect(server.heard).toContainEqual(
      expect.stringMatching(/^RCPT .* NOTIFY=FAILURE ORCPT=rfc822;you@there\.example/u),
    );
  });

  it('of the null sender says so', async () => {
    await make().deliver(makeJob({ envelope: { from: '' } }), NEVER);
    expect(server.heard).toContainEqual(expect.stringMatching(/^MAIL FROM:<>/u));
  });

  it.each([
    { leaseUntil: NOW + DEFAULT_TIMEOUTS['data-end'] - 1, dots: 0, status: 'deferred' },
    { leaseUntil: NOW + DEFAULT_TIMEOUTS['data-end'], dots: 1, status: 'delivered' },
  ])('is handed over only while its lease lasts until the answer: $status', async (row) => {
    const result = await make().deliver(makeJob({ leaseUntil: row.leaseUntil }), NEVER);
    expect(result).toMatchObject({ outcome: { recipients: [{ status: row.status }] } });
    expect(server.heard.filter((line) => line === '.')).toHaveLength(row.dots);
  });

  it('is handed over when its lease has become longer meanwhile', async () => {
    server.hold('DATA');
    const runner = make();
    const job = makeJob({ leaseUntil: NOW + 1 });
    const result = runner.deliver(job, NEVER);
    await hears('DATA');
    runner.extend(job.number, NOW + DEFAULT_TIMEOUTS['data-end']);
    server.release();
    expect(await result).toMatchObject({ outcome: { recipients: [{ status: 'delivered' }] } });
  });
});

describe('when the relay stops', () => {
  it.each<[Held, string]>([
    ['greeting', ''],
    ['MAIL', 'MAIL FROM:<me@here.example>'],
    ['DATA', 'DATA'],
  ])('a job whose message nobody can have is as if it had not been tried: held at %s', async (at, line) => {
    server.hold(at);
    const runner = make();
    const result = runner.deliver(makeJob(), NEVER);
    await until(() => server.connections > 0 && (line === '' || server.heard.some((each) => each === line)));
    runner.drain();
    expect(await result).toMatchObject({ status: 'untried' });
    expect(server.heard).not.toContain('.');
  });

  it('a job whose message was handed over is waited for', async () => {
    server.hold('dot');
    const runner = make();
    const result = runner.deliver(makeJob(), NEVER);
    await hears('.');
    runner.drain();
    server.release();
    expect(await result).toMatchObject({ outcome: { recipients: [{ status: 'delivered' }] } });
  });

  it('nothing new is tried', async () => {
    const runner = make();
    runner.drain();
    expect(await runner.deliver(makeJob(), NEVER)).toMatchObject({ status: 'untried' });
    expect(server.connections).toBe(0);
  });

  it('a job that waits for leave to connect waits no more', async () => {
    let asked = false;
    const admit = (_: unknown, signal?: AbortSignal): Promise<never> =>
      new Promise((_resolve, reject) => {
        asked = true;
        signal?.addEventListener('abort', () => reject(signal.reason));
      });
    const runner = make({ admit });
    const result = runner.deliver(makeJob(), NEVER);
    await until(() => asked);
    runner.drain();
    expect(await result).toMatchObject({ status: 'untried' });
  });
});

describe('when others take over after a reload', () => {
  it('jobs under way end as they began, are extended, and are waited for', async () => {
    server.hold('DATA');
    const runner = make();
    const job = makeJob({ leaseUntil: NOW + 1 });
    const result = runner.deliver(job, NEVER);
    await hears('DATA');
    let isRetired = false;
    const retired = runner.retire().then(() => (isRetired = true));
    await new Promise((resolve) => setImmediate(resolve));
    expect(isRetired).toBe(false);
    runner.extend(job.number, NOW + DEFAULT_TIMEOUTS['data-end']);
    server.release();
    expect(await result).toMatchObject({ outcome: { recipients: [{ status: 'delivered' }] } });
    await retired;
  });

  it('jobs under way are stopped like others', async () => {
    server.hold('DATA');
    const runner = make();
    const result = runner.deliver(makeJob(), NEVER);
    await hears('DATA');
    const retired = runner.retire();
    runner.drain();
    expect(await result).toMatchObject({ status: 'untried' });
    await retired;
  });

  it('connections are kept for nobody', async () => {
    const runner = make();
    await runner.deliver(makeJob(), Promise.resolve());
    expect(server.open).toBe(1);
    await runner.retire();
    await hears('QUIT');
    await until(() => server.open === 0);
  });
});

describe('a connection between two jobs', () => {
  it('is used again', async () => {
    const runner = make();
    await runner.deliver(makeJob(), Promise.resolve());
    await runner.deliver(makeJob(), Promise.resolve());
    expect(server.connections).toBe(1);
  });

  it('is closed where somebody needs its place, and only there', async () => {
    const runner = make();
    await runner.deliver(makeJob(), Promise.resolve());
    runner.makeRoom('192.0.2.1 25');
    await runner.deliver(makeJob(), Promise.resolve());
    expect(server.connections).toBe(1);
    runner.makeRoom(`127.0.0.1 ${server.port}`);
    await hears('QUIT');
  });
});

describe('when others need a place', () => {
  /** Leave for so many, and for nobody else until they have ended. */
  function gate(free: number) {
    const gate = { free, asked: 0, waiting: 0 };
    const admit: JobRunnerOptions['client']['admit'] = async (_, signal) => {
      gate.asked += 1;
      if (gate.free === 0) {
        gate.waiting += 1;
        await new Promise((_resolve, reject) => {
          signal?.addEventListener('abort', () => {
            gate.waiting -= 1;
            reject(signal.reason);
          });
        });
      }
      gate.free -= 1;
      return { release: () => (gate.free += 1) };
    };
    return Object.assign(gate, { admit });
  }

  it('so many of those leave that have waited for leave to connect, the oldest first', async () => {
    const counts = gate(0);
    const runner = make({ admit: counts.admit });
    const ended: number[] = [];
    const results = [1, 2, 3].map(async (each) => {
      const result = await runner.deliver(makeJob(), NEVER);
      ended.push(each);
      return result;
    });
    await until(() => counts.waiting === 3);
    runner.giveWay(2); // none of them has waited for a second
    now += 1000;
    const late = runner.deliver(makeJob(), NEVER);
    await until(() => counts.waiting === 4);
    runner.giveWay(2);
    expect(await Promise.all(results.slice(0, 2))).toEqual([
      { status: 'untried', because: 'crowded' },
      { status: 'untried', because: 'crowded' },
    ]);
    runner.giveWay(2);
    expect(await results[2]).toEqual({ status: 'untried', because: 'crowded' });
    expect(ended).toEqual([1, 2, 3]);
    expect(counts.waiting).toBe(1);
    runner.drain();
    expect(await late).toEqual({ status: 'untried', because: 'stopping' });
  });

  it('nobody leaves whom a server keeps waiting, or whose wait was ended by an idle connection', async () => {
    const counts = gate(1);
    const runner = make({ admit: counts.admit });
    const mails = () => server.heard.filter((line) => line.startsWith('MAIL')).length;
    server.hold('MAIL');
    const first = runner.deliver(makeJob(), Promise.resolve());
    await until(() => mails() === 1);
    const second = runner.deliver(makeJob(), NEVER);
    await until(() => counts.waiting === 1);
    server.release();
    server.hold('MAIL');
    await first;
    await until(() => mails() === 2);
    now += 10_000;
    runner.giveWay(10);
    server.release();
    expect(server.connections).toBe(1);
    expect(await second).toMatchObject({ outcome: { recipients: [{ status: 'delivered' }] } });
  });
});
