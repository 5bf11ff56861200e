/**
 * A thread that delivers, as it runs in the relay, with a server and a main thread of the test: what a reload and
 * a stop do to the jobs that it has.
 */
import { startInternet } from '@danelaw/lab';
import { DEFAULT_TIMEOUTS, parsePolicyTable, type StsFinding } from '@danelaw/smtp';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SILENT } from '../src/log/relay-log.js';
import type { Claim } from '../src/queue/queue.js';
import { message } from '../src/queue/suite.js';
import { DeliveryThreads, type DeliveryThreadsOptions } from '../src/relay/delivery-threads.js';
import { HostLimits } from '../src/relay/host-limits.js';
import type { Job, JobResult } from '../src/relay/job.js';
import type { WorkerSettings } from '../src/relay/worker-settings.js';
import { HoldingServer } from '../src/testing/holding-server.js';

const ENTRY = new URL('../dist/relay/delivery-thread.js', import.meta.url);
const THERE = 'there.example';
const NEVER = new Promise<void>(() => {});

let server: HoldingServer;
let threads: DeliveryThreads;
let limits: HostLimits;
let settings: WorkerSettings;
let numbers = 0;

beforeEach(async () => {
  server = new HoldingServer();
  await server.listen();
  limits = new HostLimits({ perHost: 10, total: 10 });
  settings = {
    heloName: 'relay.example',
    ownNames: [],
    resolver: { upstream: ['127.0.0.1#1'] },
    level: 'none',
    policyTable: parsePolicyTable([{ domain: THERE, level: 'none', relay: `[127.0.0.1]:${server.port}` }]),
    credentials: new Map(),
    webRoots: undefined,
    sts: false,
    smtpPort: 25,
    timeouts: DEFAULT_TIMEOUTS,
    source: { ipv4: undefined, ipv6: undefined },
    idle: 60_000,
    messagesPerConnection: 100,
  };
});
afterEach(async () => {
  await threads.end();
  await server.close();
});

async function start(options: Partial<DeliveryThreadsOptions> = {}): Promise<void> {
  threads = new DeliveryThreads({
    threads: 1,
    settings,
    limits,
    sts: () => NEVER_FOUND,
    log: SILENT,
    onLookups: () => {},
    entry: ENTRY,
    ...options,
  });
  await threads.ready();
}

const NEVER_FOUND = new Promise<StsFinding>(() => {});

function jobTo(destination: string, leaseUntil?: number): Job {
  const { id, envelope, body } = message([]);
  const state = { held: false, due: 0, attempts: 0, warned: false, last: undefined };
  const recipients = [{ index: 0, address: `you@${destination}`, destination, state }];
  const claim: Claim = { id, destination, envelope, size: 1, recipients, fence: 1, leaseUntil };
  return { number: ++numbers, claim, body };
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}

/** Its message has come as far as DATA, and is not asked for before the server is told to. */
async function atData(job: Job): Promise<readonly [result: Promise<JobResult>]> {
  server.hold('DATA');
  const result = threads.deliver(job, NEVER);
  await until(() => server.heard.includes('DATA'));
  return [result];
}

describe('a job of before a reload', () => {
  it('is stopped with the others: nobody can have its message', async () => {
    await start();
    const [result] = await atData(jobTo(THERE));
    threads.configure({ ...settings, heloName: 'other.example' });
    threads.drain();
    expect(await result).toMatchObject({ status: 'untried' });
    expect(server.heard).not.toContain('.');
  });

  it('has its lease made longer, and is handed over', async () => {
    await start();
    const job = jobTo(THERE, Date.now());
    const [result] = await atData(job);
    threads.configure({ ...settings, heloName: 'other.example' });
    threads.extend(job.number, Date.now() + 2 * DEFAULT_TIMEOUTS['data-end']);
    server.release();
    expect(await result).toMatchObject({ outcome: { recipients: [{ status: 'delivered' }] } });
  });

  it('leaves its connection to nobody, and the next one says the new name', async () => {
    await start();
    const durable = Promise.resolve();
    await threads.deliver(jobTo(THERE), durable);
    threads.configure({ ...settings, heloName: 'other.example' });
    await threads.deliver(jobTo(THERE), durable);
    expect(server.heard.filter((line) => line.startsWith('EHLO'))).toEqual([
      'EHLO relay.example',
      'EHLO other.example',
    ]);
    await until(() => limits.open === 1);
  });
});

describe('a job that waits', () => {
  it('for leave to connect ends when the relay stops, and is counted nowhere', async () => {
    limits = new HostLimits({ perHost: 1, total: 1 });
    const held = await limits.acquire({ address: '127.0.0.1', port: server.port });
    await start();
    const result = threads.deliver(jobTo(THERE), NEVER);
    threads.drain();
    expect(await result).toMatchObject({ status: 'untried' });
    held.release('ok');
    await until(() => limits.open === 0);
    expect(server.connections).toBe(0);
  });

  it('for an MTA-STS policy that nobody finds ends when the relay stops', async () => {
    const domain = 'mail.unsigned';
    const internet = await startInternet([
      {
        domain,
        shows: 'a domain without DNSSEC',
        rule: 'RFC 8461',
        zones: { [domain]: { signing: 'unsigned', records: [`@ MX 10 mx.${domain}.`] } },
        hosts: { [`mx.${domain}`]: {} },
        authorities: {},
        expected: { status: 'deferred', because: 'nobody finds the policy' },
      },
    ]);
    try {
      const { address, port } = internet.resolver;
      const resolver = { upstream: `${address}#${port}`, trustAnchors: [...internet.trustAnchors] };
      let asked = '';
      const sts = (name: string): Promise<StsFinding> => {
        asked = name;
        return NEVER_FOUND;
      };
      settings = { ...settings, resolver, sts: true, level: 'dane', smtpPort: internet.smtpPort };
      await start({ sts });
      const result = threads.deliver(jobTo(domain), NEVER);
      await until(() => asked === domain);
      threads.drain();
      expect(await result).toMatchObject({ status: 'untried' });
    } finally {
      await internet.close();
    }
  });
});
