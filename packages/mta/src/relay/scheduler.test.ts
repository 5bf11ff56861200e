import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RecipientOutcome } from '@danelaw/smtp';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RelayLog } from '../log/relay-log.js';
import { openEmbeddedQueue } from '../queue/embedded/open.js';
import { BodyLostError, type Claim, type Queue, QueueFullError } from '../queue/queue.js';
import { message, NOW } from '../queue/suite.js';
import type { Deliverer, Job, JobResult } from './job.js';
import { DEFAULT_SCHEDULE } from './retry-schedule.js';
import { Scheduler } from './scheduler.js';
import type { SchedulerOptions } from './scheduler-options.js';
import { deferredOutcome } from './settlement.js';

const THERE = 'there.example';
type Deliver = (job: Job, durable: Promise<void>) => Promise<JobResult>;

class FakeDeliverer implements Deliverer {
  readonly jobs: Job[] = [];
  readonly durables: Promise<void>[] = [];
  readonly extended: (readonly [number, number])[] = [];
  drained = false;
  onCrowd = (): void => {};

  readonly how: Deliver;

  constructor(how: Deliver) {
    this.how = how;
  }

  deliver(job: Job, durable: Promise<void>): Promise<JobResult> {
    this.jobs.push(job);
    this.durables.push(durable);
    return this.how(job, durable);
  }

  extend(number: number, leaseUntil: number): void {
    this.extended.push([number, leaseUntil]);
  }

  giveWay(): void {
    this.onCrowd();
  }

  drain(): void {
    this.drained = true;
  }
}

function tried({ claim }: Job, status: RecipientOutcome['status']): JobResult {
  const recipients = claim.recipients.map(({ address }) => ({
    ...deferredOutcome(address, '4.4.1', 'no connection'),
    status,
  }));
  return { status: 'tried', outcome: { recipients, attempts: [], unrouted: [] } };
}

const delivered: Deliver = async (job) => tried(job, 'delivered');
const deferred: Deliver = async (job) => tried(job, 'deferred');
const failed: Deliver = async (job) => tried(job, 'failed');

let directory: string;
let queue: Queue;
let now: number;
let logged: { readonly event: string; readonly fields: Readonly<Record<string, unknown>> }[];
let running: Scheduler[];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'danelaw-scheduler-'));
  queue = await openEmbeddedQueue({ directory, minFree: 0 });
  now = NOW;
  logged = [];
  running = [];
});

afterEach(async () => {
  for (const scheduler of running) scheduler.abandon();
  await queue.close();
  await rm(directory, { recursive: true });
});

/** The queue, but for some of what it does. */
function butFor(changes: Partial<Queue>): Queue {
  return new Proxy(queue, {
    get(target, name) {
      const value: unknown = Reflect.get(changes, name) ?? Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(name in changes ? changes : target) : value;
    },
  });
}

async function run(deliverer: Deliverer, options: Partial<SchedulerOptions> = {}): Promise<Scheduler> {
  const tell = (event: string, fields: Readonly<Record<string, unknown>>) => logged.push({ event, fields });
  const log: RelayLog = { info: tell, warn: tell, error: tell };
  const scheduler = new Scheduler({
    queue,
    deliverer,
    reportsFor: async () => [],
    schedule: DEFAULT_SCHEDULE,
    destinations: { initial: 4, most: 20 },
    total: 100,
    lease: 600_000,
    clock: () => now,
    random: () => 0.5,
    log,
    ...options,
  });
  running.push(scheduler);
  await scheduler.start();
  return scheduler;
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 5));
}

const isEmpty = async (): Promise<boolean> => (await queue.counts()).messages === 0;
const eventsOf = (event: string) => logged.filter((each) => each.event === event);

describe('the scheduler', () => {
  it('has no more under way than the pace allows, and asks again for the rest', async () => {
    let most = 0;
    let underWay = 0;
    const deliverer = new FakeDeliverer(async (job) => {
      most = Math.max(most, ++underWay);
      await new Promise((resolve) => setImmediate(resolve));
      underWay -= 1;
      return tried(job, 'delivered');
    });
    for (let i = 0; i < 30; i++) await queue.add(message([`a@${i}.example`]));
    let asked = 0;
    // Every other time it has nothing to give, with nothing under way that would wake anybody.
    await run(deliverer, { pace: { room: (n) => (asked++ % 2 === 0 ? Math.max(0, 3 - n) : 0) } });
    await until(isEmpty);
    expect(deliverer.jobs).toHaveLength(30);
    expect(most).toBe(3);
  });

  it('lets the connection go on when the outcome is settled, and not before', async () => {
    const order: string[] = [];
    let settleNow = (): void => {};
    const allowed = new Promise<void>((resolve) => (settleNow = resolve));
    const slow = butFor({
      async settle(claim, settlement) {
        order.push('asked');
        await allowed;
        const settled = await queue.settle(claim, settlement);
        order.push('settled');
        return settled;
      },
    });
    const deliverer = new FakeDeliverer(delivered);
    await queue.add(message([`a@${THERE}`]));
    await run(deliverer, { queue: slow });
    await until(() => order.length === 1);
    void deliverer.durables[0]?.then(() => order.push('durable'));
    await new Promise((resolve) => setImmediate(resolve));
    expect(order).toEqual(['asked']);
    settleNow();
    await until(() => order.length === 3);
    expect(order).toEqual(['asked', 'settled', 'durable']);
    expect(await isEmpty()).toBe(true);
  });

  it('finds work that is added while it sleeps', async () => {
    await run(new FakeDeliverer(delivered));
    await queue.add(message([`a@${THERE}`]));
    await until(isEmpty);
  });

  it('tries a destination that is down once: what is due shares its fate, then comes a pause', async () => {
    for (let i = 0; i < 6; i++) await queue.add(message([`a${i}@${THERE}`]));
    const deliverer = new FakeDeliverer(deferred);
    await run(deliverer, { destinations: { initial: 1, most: 20 } });
    await until(() => eventsOf('destination').length === 1);
    expect(deliverer.jobs).toHaveLength(1);
    expect(eventsOf('deferred')).toHaveLength(6);
  });

  it('begins the pause also where there is always more to claim', async () => {
    let more = 0;
    const busy: Deliver = async (job) => {
      if (job.claim.destination === THERE) return tried(job, 'deferred');
      now += 10_000;
      if (++more < 20) await queue.add(message([`a@other${more}.example`], { arrived: now }));
      return tried(job, 'delivered');
    };
    await queue.add(message([`a@${THERE}`]));
    await queue.add(message(['a@other.example']));
    await run(new FakeDeliverer(busy), { total: 1 });
    await until(() => eventsOf('destination').length === 1);
    expect(more).toBeLessThan(20);
  });

  it('takes the death of a thread for no failure of the destination', async () => {
    await queue.add(message([`a@${THERE}`]));
    await run(new FakeDeliverer(() => Promise.reject(new Error('out of memory'))));
    await until(() => eventsOf('deferred').length === 1);
    await queue.add(message([`b@${THERE}`]));
    await until(() => eventsOf('deferred').length === 2);
    expect(eventsOf('deferred').map(({ fields }) => fields['reason'])).toEqual([
      expect.stringContaining('may arrive twice'),
      expect.stringContaining('may arrive twice'),
    ]);
    expect(eventsOf('destination')).toEqual([]);
  });

  it('settles again until there is room', async () => {
    let full = true;
    const narrow = butFor({
      async settle(claim, settlement) {
        if (!full) return await queue.settle(claim, settlement);
        full = false;
        throw new QueueFullError('no room');
      },
    });
    const deliverer = new FakeDeliverer(delivered);
    await queue.add(message([`a@${THERE}`]));
    await run(deliverer, { queue: narrow });
    await until(isEmpty);
    expect(deliverer.jobs).toHaveLength(1);
  });

  it.each(['requireTls', 'tlsRequiredNo'] as const)(
    'tries a message with wishes of its own about TLS where others share a fate (%s, RFC 8689)',
    async (wish) => {
      const ordinary = message([`a@${THERE}`]);
      const own = message([`b@${THERE}`]);
      await queue.add(ordinary);
      const deliverer = new FakeDeliverer(async (job) => {
        // It comes in while the first one fails.
        if (job.claim.id === own.id) return tried(job, 'delivered');
        await queue.add({ ...own, envelope: { ...own.envelope, [wish]: true } });
        return tried(job, 'deferred');
      });
      await run(deliverer);
      await until(() => eventsOf('delivered').length === 1);
      expect(deliverer.jobs.map(({ claim }) => claim.id)).toEqual([ordinary.id, own.id]);
    },
  );

  it('says so where the claim was lost', async () => {
    const { id, ...rest } = message([`a@${THERE}`]);
    await queue.add({ id, ...rest });
    const remove: Deliver = async (job) => {
      await queue.change({ id }, 'delete', now);
      return tried(job, 'delivered');
    };
    await run(new FakeDeliverer(remove));
    await until(() => eventsOf('claim-lost').length === 1);
    expect(eventsOf('delivered')).toEqual([]);
  });

  it('gives back what was not tried, as it was', async () => {
    await queue.add(message([`a@${THERE}`]));
    const deliverer = new FakeDeliverer(async (job) => {
      if (deliverer.jobs.length === 1) return { status: 'untried', because: 'stopping' };
      return tried(job, 'delivered');
    });
    await run(deliverer);
    await until(isEmpty);
    expect(deliverer.jobs[1]?.claim.recipients[0]?.state.attempts).toBe(0);
  });

  it.each([
    { what: 'places', total: 2, size: 10 },
    { what: 'memory for bodies', total: 100, size: 100 * 1024 * 1024 },
  ])('gives the $what of messages that only wait to others', { timeout: 20_000 }, async ({ total, size }) => {
    const large = butFor({
      async claim(request) {
        const { claims, nextDue } = await queue.claim(request);
        return { claims: claims.map((claim) => ({ ...claim, size })), nextDue };
      },
    });
    const leave: (() => void)[] = [];
    const deliverer = new FakeDeliverer(async (job) => {
      if (job.claim.destination !== 'hung.example') return tried(job, 'delivered');
      await new Promise<void>((resolve) => leave.push(resolve));
      return { status: 'untried', because: 'crowded' };
    });
    deliverer.onCrowd = () => {
      for (const go of leave.splice(0)) go();
    };
    for (let i = 0; i < 4; i++) await queue.add(message([`you${i}@hung.example`]));
    await run(deliverer, { queue: large, total });
    await until(() => deliverer.jobs.length > 0);
    await queue.add(message([`you@${THERE}`]));
    await until(() => eventsOf('delivered').length === 1);
    // It comes before those that have given their places up, which were not tried.
    expect(eventsOf('deferred')).toEqual([]);
    const { recipients } = await queue.counts();
    expect(recipients).toBe(4);
  });

  it('lets no destination have the memory of all, though its server hangs', async () => {
    const size = 60 * 1024 * 1024;
    const large = butFor({
      async claim(request) {
        const { claims, nextDue } = await queue.claim(request);
        const sized = (claim: Claim) => (claim.destination === THERE ? claim : { ...claim, size });
        return { claims: claims.map(sized), nextDue };
      },
    });
    const deliverer = new FakeDeliverer(async (job) => {
      if (job.claim.destination === 'hung.example') await new Promise(() => {});
      return tried(job, 'delivered');
    });
    for (let i = 0; i < 4; i++) await queue.add(message([`you${i}@hung.example`]));
    await run(deliverer, { queue: large });
    await until(() => deliverer.jobs.length > 0);
    await queue.add(message([`you@${THERE}`]));
    await until(() => eventsOf('delivered').length === 1);
    expect(deliverer.jobs.map(({ claim }) => claim.destination)).toEqual(['hung.example', THERE]);
  });

  it('returns a message whose body is lost', async () => {
    const gone = butFor({ body: () => Promise.reject(new BodyLostError('the file is gone')) });
    const reported: string[] = [];
    await queue.add(message([`a@${THERE}`]));
    await run(new FakeDeliverer(delivered), {
      queue: gone,
      reportsFor: async (_, reports) => {
        reported.push(...reports.map(({ action }) => action));
        return [];
      },
    });
    await until(isEmpty);
    expect(reported).toEqual(['failed']);
  });

  it('tries a message later that could not be read now, and keeps no claim on it', async () => {
    const added = message([`a@${THERE}`]);
    let broken = true;
    const sick = butFor({
      body: (id) => (broken ? Promise.reject(new Error('EIO')) : queue.body(id)),
    });
    await queue.add(added);
    await run(new FakeDeliverer(delivered), { queue: sick });
    await until(() => eventsOf('deferred').length === 1);
    expect((await queue.read(added.id))?.recipients[0]?.state.last?.reason).toContain('EIO');
    broken = false;
    await queue.change({ id: added.id }, 'retry', now);
    await until(isEmpty);
  });

  it('settles what was delivered, and keeps what failed, where no report can be written', async () => {
    const added = message([`yes@${THERE}`, `no@${THERE}`]);
    await queue.add(added);
    const mixed: Deliver = async (job) => {
      const [yes, no] = [tried(job, 'delivered'), tried(job, 'failed')];
      if (yes.status !== 'tried' || no.status !== 'tried') return yes;
      const recipients = [...yes.outcome.recipients.slice(0, 1), ...no.outcome.recipients.slice(1)];
      return { status: 'tried', outcome: { ...yes.outcome, recipients } };
    };
    const unable = () => Promise.reject(new Error('no key to sign with'));
    const deliverer = new FakeDeliverer(mixed);
    await run(deliverer, { reportsFor: unable });
    await until(async () => (await queue.read(added.id))?.recipients.length === 1);
    const entry = await queue.read(added.id);
    expect(entry?.recipients[0]?.address).toBe(`no@${THERE}`);
    expect(entry?.recipients[0]?.state.due).toBe(NOW + DEFAULT_SCHEDULE.longest);
    await deliverer.durables[0];
    expect(eventsOf('internal')).toHaveLength(1);
  });

  it.each([
    {
      when: 'after the time to warn',
      age: DEFAULT_SCHEDULE.warnAfter,
      how: deferred,
      action: 'delayed',
      left: 1,
    },
    {
      when: 'after the last try',
      age: DEFAULT_SCHEDULE.expireAfter,
      how: deferred,
      action: 'failed',
      left: 0,
    },
    { when: 'when it is refused', age: 0, how: failed, action: 'failed', left: 0 },
  ])('keeps the report with the settlement: $action, $when', async ({ age, how, action, left }) => {
    await queue.add(message([`a@${THERE}`], { arrived: NOW - age }));
    const bounce = message(['sender@origin.example'], { from: '' });
    let told = false;
    const deliverer = new FakeDeliverer(async (job, durable) =>
      job.claim.id === bounce.id ? delivered(job, durable) : how(job, durable),
    );
    await run(deliverer, {
      reportsFor: async (claim: Claim, reports) => {
        if (claim.id === bounce.id) return [];
        told = reports.some((report) => report.action === action);
        return [bounce];
      },
    });
    await until(() => eventsOf('delivered').length === 1);
    expect(told).toBe(true);
    expect((await queue.counts()).messages).toBe(left);
    expect(eventsOf('queued').map(({ fields }) => fields['id'])).toEqual([bounce.id]);
  });

  it('makes the leases of what is under way longer', async () => {
    let end = (): void => {};
    const ended = new Promise<void>((resolve) => (end = resolve));
    const leased = butFor({
      async claim(request) {
        const { claims, nextDue } = await queue.claim(request);
        return { claims: claims.map((claim) => ({ ...claim, leaseUntil: now + 5000 })), nextDue };
      },
      renew: async (claims) => new Map(claims.map((claim) => [claim, now + 10_000])),
    });
    const deliverer = new FakeDeliverer(async (job) => {
      await ended;
      return tried(job, 'delivered');
    });
    await queue.add(message([`a@${THERE}`]));
    await run(deliverer, { queue: leased, lease: 5000 });
    await until(() => deliverer.extended.length > 0);
    expect(deliverer.extended[0]).toEqual([1, NOW + 10_000]);
    end();
    await until(isEmpty);
  });

  it('stops when what is under way is settled', async () => {
    let end = (): void => {};
    const ended = new Promise<void>((resolve) => (end = resolve));
    const deliverer = new FakeDeliverer(async (job) => {
      await ended;
      return tried(job, 'delivered');
    });
    await queue.add(message([`a@${THERE}`]));
    const scheduler = await run(deliverer);
    await until(() => deliverer.jobs.length === 1);
    const stopped = scheduler.stop();
    expect(deliverer.drained).toBe(true);
    await queue.add(message([`b@${THERE}`]));
    end();
    await stopped;
    expect(deliverer.jobs).toHaveLength(1);
    expect((await queue.counts()).messages).toBe(1);
  });

  it.each([
    { what: 'the outcomes', call: 'settle', how: () => Promise.reject(new QueueFullError('no room')) },
    { what: 'the answer to a claim', call: 'claim', how: () => new Promise<never>(() => {}) },
  ])('waits no more for $what once it is told not to', async ({ call, how }) => {
    let asked = false;
    const act = (): Promise<never> => {
      asked = true;
      return how();
    };
    const sick = butFor({ [call]: act });
    await queue.add(message([`a@${THERE}`]));
    const scheduler = await run(new FakeDeliverer(delivered), { queue: sick });
    await until(() => asked);
    const stopped = scheduler.stop();
    scheduler.abandon();
    await stopped;
    expect((await queue.counts()).messages).toBe(1);
  });
});
