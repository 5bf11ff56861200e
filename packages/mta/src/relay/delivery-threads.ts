/**
 * The threads that deliver, seen from the main thread: one `Deliverer` over all of them.
 *
 * A destination always goes to the same thread, so that its connections and its look-ups are together there. A
 * thread that dies takes nothing with it but the knowledge of how far its jobs had got. Another one takes its
 * place, after a pause where it has happened again and again; until that one runs, the others have its mail.
 */
import { Worker } from 'node:worker_threads';
import type { StsFinding } from '@danelaw/smtp';
import type { RelayLog } from '../log/relay-log.js';
import { carried } from './carried-job.js';
import { unpackOutcome } from './carried-outcome.js';
import type { HostLimits, HostPermit, Server } from './host-limits.js';
import type { Deliverer, Job, JobResult } from './job.js';
import type { LookupCount } from './lookup-tally.js';
import { unstarted } from './own-outcomes.js';
import type { FromThread, ToThread } from './thread-messages.js';
import { Together } from './together.js';
import type { WorkerSettings } from './worker-settings.js';

export interface DeliveryThreadsOptions {
  readonly threads: number;
  readonly settings: WorkerSettings;
  readonly limits: HostLimits;
  /** Who knows MTA-STS policies. */
  readonly sts: (domain: string) => Promise<StsFinding>;
  readonly log: RelayLog;
  /** Hears of the look-ups in all threads, some at a time. */
  readonly onLookups: (counts: readonly LookupCount[]) => void;
  /** The program of a thread. */
  readonly entry?: URL;
}

const DELIVERY_THREAD = new URL('./delivery-thread.js', import.meta.url);

/** Milliseconds: whoever has lived this long was fit to live, and is replaced at once. */
const LONG_LIFE = 60_000;
/** Milliseconds from the second death to the next life; then twice that, and so on. */
const FIRST_PAUSE = 1000;
const LONGEST_PAUSE = 60_000;

/**
 * A thread's heap, in mebibytes. Under load a thread uses about 30, bodies apart, which are outside of it. V8 lets a heap grow
 * the further the more it may have, and without a bound keeps twice that.
 */
const HEAP = { maxYoungGenerationSizeMb: 12, maxOldGenerationSizeMb: 768 };

interface Waiting {
  readonly resolve: (result: JobResult) => void;
  readonly reject: (error: Error) => void;
}

/** A thread's place: destinations belong to places, and threads come and go. */
interface Place {
  thread: Thread | undefined;
  /** Threads in a row that have not lived long. */
  deaths: number;
  /** The last of them; empty where there was none. */
  diedOf: string;
  revival: NodeJS.Timeout | undefined;
}

export class DeliveryThreads implements Deliverer {
  readonly #options: DeliveryThreadsOptions;
  readonly #places: readonly Place[];
  /** Where somebody waits, as `makeRoom` was told. */
  readonly #roomless = new Together<string | undefined>((places) => {
    for (const thread of this.#threads()) thread.say({ kind: 'make-room', places });
  }, queueMicrotask);
  #settings: WorkerSettings;
  #draining = false;
  #ending = false;

  constructor(options: DeliveryThreadsOptions) {
    this.#options = options;
    this.#settings = options.settings;
    this.#places = Array.from({ length: options.threads }, () => {
      const place: Place = { thread: undefined, deaths: 0, diedOf: '', revival: undefined };
      this.#fill(place);
      return place;
    });
  }

  /** Resolves when all threads run. @throws (rejects) where one has ended before */
  async ready(): Promise<void> {
    const dead = this.#places.find(({ thread }) => thread === undefined);
    if (dead !== undefined) throw new Error(dead.diedOf);
    await Promise.all(this.#threads().map(({ ready }) => ready));
  }

  /** Why nothing is delivered now; undefined while a thread runs. */
  get trouble(): string | undefined {
    if (this.#threads().some(({ isReady }) => isReady)) return undefined;
    const reasons = this.#places.map(({ diedOf }) => diedOf).filter((reason) => reason !== '');
    return `no thread that delivers runs: ${reasons.at(-1) ?? 'they are starting'}`;
  }

  deliver(job: Job, durable: Promise<void>): Promise<JobResult> {
    const thread = this.#threadFor(job.claim.destination);
    if (thread === undefined) {
      const words = 'none of the threads that deliver runs now: the log says why, as "thread"';
      return Promise.resolve({ status: 'tried', outcome: unstarted(job.claim, words) });
    }
    // The outcome is settled after this; the connection waits for that.
    durable.then(
      () => thread.durable(job.number),
      (error: unknown) =>
        thread.undurable(job.number, error instanceof Error ? error.message : String(error)),
    );
    return thread.deliver(job);
  }

  extend(number: number, leaseUntil: number): void {
    for (const thread of this.#threads())
      if (thread.has(number)) thread.say({ kind: 'extend', number, leaseUntil });
  }

  /** For the jobs that come from now on. */
  configure(settings: WorkerSettings): void {
    this.#settings = settings;
    for (const thread of this.#threads()) thread.say({ kind: 'configure', settings });
  }

  /** Whoever keeps an idle connection to this server, or any, lets go of one. */
  makeRoom(server: Server | undefined): void {
    this.#roomless.add(server === undefined ? undefined : `${server.address} ${server.port}`);
  }

  giveWay(most: number): void {
    const threads = this.#threads();
    const share = Math.ceil(most / threads.length);
    for (const thread of threads) thread.say({ kind: 'give-way', most: share });
  }

  /** Milliseconds that the thread of each place has been idle since it started; 0 where none runs. */
  idleTimes(): readonly number[] {
    return this.#places.map(({ thread }) => thread?.idleTime ?? 0);
  }

  drain(): void {
    this.#draining = true;
    for (const thread of this.#threads()) thread.say({ kind: 'drain' });
  }

  async end(): Promise<void> {
    this.#ending = true;
    for (const { revival } of this.#places) clearTimeout(revival);
    await Promise.all(this.#threads().map((thread) => thread.end()));
  }

  #threads(): readonly Thread[] {
    return this.#places.flatMap(({ thread }) => thread ?? []);
  }

  /** That of its place; while that does not run, the next one that does. One that starts may never run. */
  #threadFor(destination: string): Thread | undefined {
    const first = hash(destination) % this.#places.length;
    const own = this.#places[first]?.thread;
    if (own?.isReady === true) return own;
    const inOrder = [...this.#places.slice(first), ...this.#places.slice(0, first)];
    const threads = inOrder.flatMap(({ thread }) => thread ?? []);
    return threads.find(({ isReady }) => isReady) ?? threads[0];
  }

  #fill(place: Place): void {
    const { limits, sts, log, onLookups, entry = DELIVERY_THREAD } = this.#options;
    const born = performance.now();
    const onDeath = (reason: string): void => {
      place.thread = undefined;
      if (this.#ending) return;
      log.error('thread', { reason });
      place.diedOf = reason;
      place.deaths = performance.now() - born >= LONG_LIFE ? 1 : place.deaths + 1;
      const pause = place.deaths === 1 ? 0 : Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (place.deaths - 2));
      place.revival = setTimeout(() => this.#fill(place), pause).unref();
    };
    try {
      place.thread = new Thread({ limits, sts, log, onLookups, entry, settings: this.#settings }, onDeath);
    } catch (error) {
      // The system has no room for another thread.
      onDeath(error instanceof Error ? error.message : String(error));
      return;
    }
    if (this.#draining) place.thread.say({ kind: 'drain' });
  }
}

type ThreadOptions = Omit<DeliveryThreadsOptions, 'threads'> & { readonly entry: URL };

class Thread {
  readonly #options: ThreadOptions;
  /** Resolves when it runs; rejects where it ends before. */
  readonly ready: Promise<void>;
  isReady = false;
  #whenReady = (): void => {};
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  readonly #permits = new Map<number, HostPermit>();
  readonly #asked = new Map<number, AbortController>();
  /** What becomes durable in one turn of the event loop is told in one message, and so are permits. */
  readonly #durable = new Together<number>(
    (numbers) => this.say({ kind: 'durable', numbers }),
    queueMicrotask,
  );
  readonly #granted = new Together<number>(
    (requests) => this.say({ kind: 'permit', requests }),
    queueMicrotask,
  );
  #dead = false;

  constructor(options: ThreadOptions, onDeath: (reason: string) => void) {
    this.#options = options;
    this.#worker = new Worker(options.entry, { workerData: options.settings, resourceLimits: HEAP });
    let reason = 'a thread that delivers ended';
    let stillborn = (_: Error): void => {};
    this.ready = new Promise((resolve, reject) => {
      this.#whenReady = resolve;
      stillborn = reject;
    });
    this.ready.catch(() => {}); // those of later lives are waited for by nobody
    this.#worker.on('message', (message: FromThread) => this.#hear(message));
    this.#worker.on('error', (error) => {
      reason = error.stack ?? error.message;
    });
    this.#worker.on('exit', () => {
      this.#dead = true;
      stillborn(new Error(reason));
      for (const { reject } of this.#waiting.values()) reject(new Error(reason));
      this.#waiting.clear();
      for (const asked of this.#asked.values()) asked.abort();
      for (const permit of this.#permits.values()) permit.release('failed');
      this.#permits.clear();
      onDeath(reason);
    });
  }

  get idleTime(): number {
    return this.#worker.performance.eventLoopUtilization().idle;
  }

  has(number: number): boolean {
    return this.#waiting.has(number);
  }

  deliver({ number, claim, body }: Job): Promise<JobResult> {
    return new Promise((resolve, reject) => {
      if (this.#dead) {
        reject(new Error('the thread has ended'));
        return;
      }
      this.#waiting.set(number, { resolve, reject });
      // A copy of its own: the queue's may be a part of something larger, all of which would be copied.
      const octets = new Uint8Array(body);
      const message: ToThread = { kind: 'job', job: carried({ number, claim, body: octets }) };
      try {
        this.#worker.postMessage(message, [octets.buffer]);
      } catch (error) {
        this.#waiting.delete(number);
        throw error;
      }
    });
  }

  durable(number: number): void {
    this.#durable.add(number);
  }

  undurable(number: number, reason: string): void {
    this.say({ kind: 'undurable', number, reason });
  }

  say(message: ToThread): void {
    if (!this.#dead) this.#worker.postMessage(message);
  }

  async end(): Promise<void> {
    if (this.#dead) return;
    const gone = new Promise<void>((resolve) => this.#worker.once('exit', () => resolve()));
    this.say({ kind: 'end' });
    const late = setTimeout(() => void this.#worker.terminate(), END_WITHIN);
    await gone;
    clearTimeout(late);
  }

  #hear(message: FromThread): void {
    switch (message.kind) {
      case 'ready':
        this.isReady = true;
        this.#whenReady();
        return;
      case 'tried':
        if (message.lookups !== undefined) this.#options.onLookups(message.lookups);
        this.#ended(message.number, { status: 'tried', outcome: unpackOutcome(message.outcome) });
        return;
      case 'untried':
        this.#ended(message.number, { status: 'untried', because: message.because });
        return;
      case 'broken':
        this.#waiting.get(message.number)?.reject(new Error(message.reason));
        this.#waiting.delete(message.number);
        return;
      case 'admit':
        this.#admit(message);
        return;
      case 'withdraw':
        for (const request of message.requests) this.#asked.get(request)?.abort();
        return;
      case 'release':
        for (const { request, ending } of message.permits) {
          this.#permits.get(request)?.release(ending);
          this.#permits.delete(request);
        }
        return;
      case 'sts':
        void this.#sts(message.request, message.domain);
        return;
      case 'notice':
        this.#options.log.warn('resolver', { reason: message.text });
        return;
      case 'lookups':
        this.#options.onLookups(message.counts);
        return;
      default:
        message satisfies never;
    }
  }

  #ended(number: number, result: JobResult): void {
    this.#waiting.get(number)?.resolve(result);
    this.#waiting.delete(number);
  }

  async #sts(request: number, domain: string): Promise<void> {
    try {
      this.say({ kind: 'sts', request, finding: await this.#options.sts(domain) });
    } catch {
      // It rejects only as the relay stops, when all jobs have ended and nobody waits for the answer.
    }
  }

  #admit({ request, address, port }: Extract<FromThread, { kind: 'admit' }>): void {
    const target = { address, port };
    const permit = this.#options.limits.acquireNow(target);
    if (permit === undefined) {
      void this.#admitLater(request, target);
      return;
    }
    this.#permits.set(request, permit);
    this.#granted.add(request);
  }

  async #admitLater(request: number, target: Server): Promise<void> {
    const asked = new AbortController();
    this.#asked.set(request, asked);
    try {
      const permit = await this.#options.limits.acquire(target, asked.signal);
      if (this.#dead) {
        permit.release('failed');
        return;
      }
      this.#permits.set(request, permit);
      this.#granted.add(request);
    } catch (error) {
      if (!asked.signal.aborted) this.#options.log.error('internal', { reason: String(error) });
    } finally {
      this.#asked.delete(request);
    }
  }
}

/** Milliseconds for a thread to say goodbye to its servers. */
const END_WITHIN = 2000;

/** FNV-1a. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  return value >>> 0;
}
