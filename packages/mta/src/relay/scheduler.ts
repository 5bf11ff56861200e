/**
 * Keeps mail moving: claims what is due, has it tried, settles what became of it - many destinations at a time,
 * and no destination with more than it can take.
 *
 * The order of things is what makes the relay lose nothing:
 *
 *     claim -> try -> settle (durable, with the bounces that come of it) -> the connection may hand over the next
 *
 * A crash anywhere before the settlement repeats a try at most.
 */
import { BodyLostError, type Claim, QueueDamagedError } from '../queue/queue.js';
import { wordsOf } from '../words-of.js';
import { Crowd } from './crowd.js';
import { DestinationHealth } from './destination-health.js';
import { Gate } from './gate.js';
import type { JobOutcome, JobResult } from './job.js';
import { brokenOff, lost, shared, unreadable } from './own-outcomes.js';
import { LOOK_EVERY } from './pace.js';
import type { SchedulerOptions, SchedulerSettings } from './scheduler-options.js';
import { bringBack, ClockWatch } from './set-back-clock.js';
import { Settler } from './settler.js';
import { isOrdinary, verdictOnDestination } from './verdict-on-destination.js';

/** Claims that are asked for at a time. */
const BATCH = 200;
/** Octets of bodies that are in memory for deliveries under way. A larger message goes alone. */
const BODY_OCTETS = 128 * 1024 * 1024;
/** And of those for one destination, if it is more than one: a server that hangs has them until its time is over. */
const BODY_SHARE = BODY_OCTETS / 8;
/** Milliseconds: the queue is asked at least this often, whatever it said about when more would be due. */
const LONGEST_SLEEP = 60_000;
/** Milliseconds that messages share a fate before the pause begins, whether or not more of them are due. */
const LONGEST_FATE = 30_000;
/** Milliseconds until a queue that could not be asked is asked again. */
const ASK_AGAIN = 1000;

export class Scheduler {
  #options: SchedulerOptions;
  readonly #health: DestinationHealth;
  readonly #clockWatch = new ClockWatch();
  readonly #settler: Settler;
  readonly #crowd: Crowd;
  readonly #bodies = new Gate(BODY_OCTETS, BODY_SHARE);
  readonly #running = new Map<number, Claim>();
  readonly #stopped = new AbortController();
  readonly #abandoned = new AbortController();
  #numbers = 0;
  #pumping = false;
  #again = false;
  #timer: NodeJS.Timeout | undefined;
  #renewal: NodeJS.Timeout | undefined;
  #unlisten: (() => void) | undefined;
  #idle: (() => void) | undefined;

  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.#health = new DestinationHealth(options.destinations);
    this.#settler = new Settler(options, this.#abandoned.signal);
    this.#crowd = new Crowd({
      giveWay: (most) => options.deliverer.giveWay(most),
      wake: () => this.wake(),
    });
  }

  /** Holds from the next settlement on. */
  configure(settings: SchedulerSettings): void {
    this.#options = { ...this.#options, ...settings };
    this.#health.configure(settings.destinations);
    this.#settler.configure(settings);
    this.wake();
  }

  /** Claims under way. */
  get inFlight(): number {
    return this.#running.size;
  }

  async start(): Promise<void> {
    const { queue, lease } = this.#options;
    void this.#bringBack(); // a million recipients take a while, and nothing waits for it
    for await (const state of queue.destinations()) this.#health.restore(state);
    this.#unlisten = queue.onWork(() => this.wake());
    this.#lookAtClock();
    this.#renewal = setInterval(
      () => {
        void this.#renew();
        this.#lookAtClock();
      },
      Math.max(1000, lease / 10),
    ).unref();
    this.wake();
  }

  /** Looks for work now. */
  wake(): void {
    if (this.#stopped.signal.aborted) return;
    this.#again = true;
    if (this.#pumping) return;
    this.#pumping = true;
    // Whatever wakes us in one turn of the event loop is answered by one claim.
    setImmediate(() => void this.#pump());
  }

  /**
   * Claims nothing any more, and resolves when nothing is under way: what no server can have is given back at
   * once, what has been handed over is waited for.
   */
  async stop(): Promise<void> {
    this.#stopped.abort();
    clearTimeout(this.#timer);
    this.#crowd.stop();
    this.#unlisten?.();
    this.#options.deliverer.drain();
    const isIdle = this.#running.size === 0 && !this.#pumping;
    if (!isIdle && !this.#abandoned.signal.aborted) await new Promise<void>((idle) => (this.#idle = idle));
    clearInterval(this.#renewal);
  }

  /**
   * Waits for nothing any more: `stop` resolves, and what is not settled yet is tried again by the next process.
   * A disk that stays full, or a database that stays away, would be waited for without end.
   */
  abandon(): void {
    this.#stopped.abort();
    this.#abandoned.abort();
    this.#idle?.();
  }

  async #pump(): Promise<void> {
    try {
      while (this.#again && !this.#stopped.signal.aborted) {
        this.#again = false;
        await this.#claim();
      }
    } catch (error) {
      this.#options.log.error('queue', { reason: wordsOf(error) });
      if (error instanceof QueueDamagedError) this.#options.onDamaged?.(error);
      this.#wakeIn(ASK_AGAIN);
    } finally {
      this.#pumping = false;
      if (this.#again) this.wake();
      this.#tellIdle();
    }
  }

  async #claim(): Promise<void> {
    const { queue, total, pace, lease, clock } = this.#options;
    const places = total - this.#running.size;
    if (places <= 0 || this.#bodies.isWanted) {
      this.#crowd.full(); // and the next settlement wakes us
      return;
    }
    const max = Math.min(BATCH, places, pace?.room(this.#running.size) ?? places);
    if (max === 0) {
      this.#wakeIn(LOOK_EVERY);
      return;
    }
    this.#lookAtClock();
    const now = clock();
    const limitOf = (destination: string): number =>
      this.#crowd.isOut(destination) ? 0 : this.#health.limitOf(destination);
    const { claims, nextDue } = await queue.claim({ now, max, limitOf, lease });
    if (this.#abandoned.signal.aborted) return; // it ends with the queue
    for (const claim of claims) this.#start(claim);
    const isAll = claims.length < max;
    if (this.#health.isAnyDown) {
      await this.#pauseWhatIsDown(new Set(claims.map(({ destination }) => destination)), isAll);
    }
    if (!isAll) {
      this.#again = true;
      return;
    }
    this.#wakeIn(nextDue === undefined ? LONGEST_SLEEP : nextDue - clock());
  }

  #wakeIn(milliseconds: number): void {
    clearTimeout(this.#timer);
    // What a node that died had claimed comes back with its leases, and nobody calls then.
    const longest = Math.min(LONGEST_SLEEP, this.#options.lease / 2);
    const wait = Math.min(longest, Math.max(1, milliseconds));
    this.#timer = setTimeout(() => this.wake(), wait).unref();
  }

  /**
   * Where everything that was due has shared its destination's fate, the pause begins. Where there is always more
   * to claim nobody knows whether that was everything: a fate does not outlive its time, or nothing would be
   * tried there again.
   */
  async #pauseWhatIsDown(justClaimed: ReadonlySet<string>, isAll: boolean): Promise<void> {
    const { queue, schedule, clock, random, log } = this.#options;
    for (const [destination, since] of [...this.#health.down()]) {
      const isOver = Math.abs(clock() - since) >= LONGEST_FATE;
      if (!isOver && (!isAll || justClaimed.has(destination))) continue;
      const state = this.#health.drained(destination, schedule, clock(), random());
      if (state === undefined) continue;
      const { failures, reason, notBefore } = state;
      log.warn('destination', {
        destination,
        status: 'down',
        failures,
        notBefore: new Date(notBefore).toISOString(),
        reason,
      });
      await queue.setDestination(destination, state);
      // Work may have become due between the claim and this.
      this.#again = true;
    }
  }

  #start(claim: Claim): void {
    const number = ++this.#numbers;
    this.#running.set(number, claim);
    void this.#runToItsEnd(number, claim);
  }

  /** Never rejects. */
  async #runToItsEnd(number: number, claim: Claim): Promise<void> {
    try {
      await this.#run(number, claim);
    } catch (error) {
      // Nothing is lost: the claim ends with this process, or with its lease.
      this.#options.log.error('internal', { id: claim.id, reason: wordsOf(error) });
    }
    this.#running.delete(number);
    this.wake();
    this.#tellIdle();
  }

  #tellIdle(): void {
    if (this.#running.size === 0 && !this.#pumping) this.#idle?.();
  }

  async #run(number: number, claim: Claim): Promise<void> {
    const { queue, clock } = this.#options;
    const fate = this.#health.fateOf(claim.destination);
    if (fate !== undefined && isOrdinary(claim)) {
      await this.#settler.settle(claim, shared(claim, fate), 'unread');
      return;
    }
    const room = this.#bodies.take(claim.size, claim.destination);
    if (this.#bodies.isWanted) this.#crowd.full();
    await room;
    try {
      let body: Uint8Array;
      try {
        body = await queue.body(claim.id);
      } catch (error) {
        if (!(error instanceof BodyLostError)) {
          // The claim has to end, or it would be in hand until this process ends.
          await this.#settler.settle(claim, unreadable(claim, error), 'gone');
          return;
        }
        this.#options.log.error('body-lost', { id: claim.id, reason: error.message });
        await this.#settler.settle(claim, lost(claim, error), 'gone');
        return;
      }
      const { promise: durable, resolve, reject } = promiseWithResolvers();
      durable.catch(() => {}); // whoever has a connection waits for it; there may be nobody
      try {
        const result = await this.#deliver(number, claim, body, durable);
        if (result.status === 'untried') {
          resolve();
          if (result.because === 'crowded') this.#crowd.left(claim.destination);
          await queue.release(claim);
          return;
        }
        if (result.outcome.ours !== true) this.#learn(claim, result.outcome, clock());
        await this.#settler.settle(claim, result.outcome, body);
        resolve();
      } catch (error) {
        reject(error);
        throw error;
      }
    } finally {
      this.#bodies.give(claim.size, claim.destination);
    }
  }

  async #deliver(number: number, claim: Claim, body: Uint8Array, durable: Promise<void>): Promise<JobResult> {
    try {
      return await this.#options.deliverer.deliver({ number, claim, body }, durable);
    } catch (error) {
      return { status: 'tried', outcome: brokenOff(claim, error) };
    }
  }

  #learn(claim: Claim, outcome: JobOutcome, now: number): void {
    const { queue, log } = this.#options;
    const { destination } = claim;
    const verdict = verdictOnDestination(claim, outcome);
    switch (verdict.kind) {
      case 'works':
        this.#crowd.works(destination);
        if (this.#health.succeeded(destination)) {
          log.info('destination', { destination, status: 'up' });
          void queue.setDestination(destination, undefined).catch((error: unknown) => {
            const reason = `it is not written down that ${destination} is up again: ${wordsOf(error)}`;
            log.warn('queue', { reason });
          });
        }
        return;
      case 'overloaded':
        this.#health.overloaded(destination, verdict.fate, now);
        return;
      case 'down':
        this.#health.failed(destination, verdict.fate, now);
        return;
      case 'unknown':
        return;
      default:
        verdict satisfies never;
    }
  }

  #lookAtClock(): void {
    const { clock, monotonic = () => performance.now() } = this.#options;
    if (this.#clockWatch.wentBack(clock(), monotonic())) void this.#bringBack();
  }

  async #bringBack(): Promise<void> {
    const { queue, schedule, clock, log } = this.#options;
    try {
      const { recipients, destinations } = await bringBack(queue, schedule, clock());
      if (recipients + destinations === 0) return;
      const what = `${recipients} recipients and ${destinations} destinations`;
      log.warn('queue', { reason: `${what} waited for times that a clock which was ahead had set; due now` });
    } catch (error) {
      if (this.#stopped.signal.aborted) return; // the next start looks again
      log.error('queue', {
        reason: `can't look for times that a clock which was ahead has set: ${wordsOf(error)}`,
      });
    }
  }

  async #renew(): Promise<void> {
    const { queue, deliverer, lease, clock, log } = this.#options;
    const leased = [...this.#running].filter(([, { leaseUntil }]) => leaseUntil !== undefined);
    if (leased.length === 0) return;
    try {
      const ends = await queue.renew(
        leased.map(([, claim]) => claim),
        clock(),
        lease,
      );
      for (const [number, claim] of leased) {
        const end = ends.get(claim);
        if (end !== undefined) deliverer.extend(number, end);
      }
    } catch (error) {
      log.error('queue', { reason: `can't renew leases: ${wordsOf(error)}` });
    }
  }
}

function promiseWithResolvers(): {
  promise: Promise<void>;
  resolve: () => void;
  reject: (error: unknown) => void;
} {
  let resolve = (): void => {};
  let reject: (error: unknown) => void = () => {};
  const promise = new Promise<void>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}
