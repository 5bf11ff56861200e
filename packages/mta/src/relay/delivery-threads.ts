/**
 * The threads that deliver, seen from the main thread: one `Deliverer` over all of them.
 *
 * A destination always goes to the same thread, so that its connections and its look-ups are together there. A
 * thread that dies takes nothing with it but the knowledge of how far its jobs had got; another one takes its
 * place.
 */
import { Worker } from 'node:worker_threads';
import type { StsFinding } from '@danelaw/smtp';
import type { RelayLog } from '../log/relay-log.js';
import type { HostLimits, HostPermit } from './host-limits.js';
import type { Deliverer, Job, JobResult } from './job.js';
import type { FromThread, ToThread } from './thread-messages.js';
import type { WorkerSettings } from './worker-settings.js';

export interface DeliveryThreadsOptions {
  readonly threads: number;
  readonly settings: WorkerSettings;
  readonly limits: HostLimits;
  /** Who knows MTA-STS policies. */
  readonly sts: (domain: string) => Promise<StsFinding>;
  readonly log: RelayLog;
}

interface Waiting {
  readonly resolve: (result: JobResult) => void;
  readonly reject: (error: Error) => void;
}

export class DeliveryThreads implements Deliverer {
  readonly #options: DeliveryThreadsOptions;
  readonly #threads: Thread[];
  #settings: WorkerSettings;
  #draining = false;
  #ending = false;

  constructor(options: DeliveryThreadsOptions) {
    this.#options = options;
    this.#settings = options.settings;
    this.#threads = Array.from({ length: options.threads }, () => this.#make());
  }

  async deliver(job: Job, durable: Promise<void>): Promise<JobResult> {
    const thread = this.#threads[hash(job.claim.destination) % this.#threads.length];
    if (thread === undefined) throw new Error('there is no thread that delivers');
    const result = await thread.deliver(job);
    // From here on the outcome is being settled; the connection waits for that.
    durable.then(
      () => thread.durable(job.number),
      (error: unknown) =>
        thread.undurable(job.number, error instanceof Error ? error.message : String(error)),
    );
    return result;
  }

  extend(number: number, leaseUntil: number): void {
    for (const thread of this.#threads)
      if (thread.has(number)) thread.say({ kind: 'extend', number, leaseUntil });
  }

  /** For the jobs that come from now on. */
  configure(settings: WorkerSettings): void {
    this.#settings = settings;
    for (const thread of this.#threads) thread.say({ kind: 'configure', settings });
  }

  /** Whoever keeps an idle connection to this server, or any, lets go of one. */
  makeRoom(server: { readonly address: string; readonly port: number } | undefined): void {
    const place = server === undefined ? undefined : `${server.address} ${server.port}`;
    for (const thread of this.#threads) thread.say({ kind: 'make-room', place });
  }

  drain(): void {
    this.#draining = true;
    for (const thread of this.#threads) thread.say({ kind: 'drain' });
  }

  async end(): Promise<void> {
    this.#ending = true;
    await Promise.all(this.#threads.map((thread) => thread.end()));
  }

  #make(): Thread {
    const thread = new Thread(this.#options, this.#settings);
    if (this.#draining) thread.say({ kind: 'drain' });
    thread.onDeath = (reason) => {
      if (this.#ending) return;
      this.#options.log.error('thread', { reason });
      const place = this.#threads.indexOf(thread);
      if (place !== -1) this.#threads[place] = this.#make();
    };
    return thread;
  }
}

class Thread {
  readonly #options: DeliveryThreadsOptions;
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  readonly #permits = new Map<number, HostPermit>();
  readonly #asked = new Map<number, AbortController>();
  #durable: number[] = [];
  #dead = false;
  onDeath: (reason: string) => void = () => {};

  constructor(options: DeliveryThreadsOptions, settings: WorkerSettings) {
    this.#options = options;
    this.#worker = new Worker(new URL('./delivery-thread.js', import.meta.url), { workerData: settings });
    let reason = 'a thread that delivers ended';
    this.#worker.on('message', (message: FromThread) => this.#hear(message));
    this.#worker.on('error', (error) => {
      reason = error.stack ?? error.message;
    });
    this.#worker.on('exit', () => {
      this.#dead = true;
      for (const { reject } of this.#waiting.values()) reject(new Error(reason));
      this.#waiting.clear();
      for (const asked of this.#asked.values()) asked.abort();
      for (const permit of this.#permits.values()) permit.release('failed');
      this.#permits.clear();
      this.onDeath(reason);
    });
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
      const message: ToThread = { kind: 'job', job: { number, claim, body: octets } };
      this.#worker.postMessage(message, [octets.buffer]);
    });
  }

  /** What becomes durable in one turn of the event loop is told in one message. */
  durable(number: number): void {
    if (this.#durable.push(number) > 1) return;
    queueMicrotask(() => {
      const numbers = this.#durable;
      this.#durable = [];
      this.say({ kind: 'durable', numbers });
    });
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
      case 'result':
        this.#waiting.get(message.number)?.resolve(message.result);
        this.#waiting.delete(message.number);
        return;
      case 'broken':
        this.#waiting.get(message.number)?.reject(new Error(message.reason));
        this.#waiting.delete(message.number);
        return;
      case 'admit':
        void this.#admit(message.request, message.target);
        return;
      case 'withdraw':
        this.#asked.get(message.request)?.abort();
        return;
      case 'release':
        this.#permits.get(message.request)?.release(message.ending);
        this.#permits.delete(message.request);
        return;
      case 'sts':
        void this.#sts(message.request, message.domain);
        return;
      case 'notice':
        this.#options.log.warn('resolver', { reason: message.text });
        return;
      default:
        message satisfies never;
    }
  }

  async #sts(request: number, domain: string): Promise<void> {
    try {
      this.say({ kind: 'sts', request, finding: await this.#options.sts(domain) });
    } catch {
      // It rejects only as the relay stops, when all jobs have ended and nobody waits for the answer.
    }
  }

  async #admit(request: number, target: { readonly address: string; readonly port: number }): Promise<void> {
    const asked = new AbortController();
    this.#asked.set(request, asked);
    try {
      const permit = await this.#options.limits.acquire(target, asked.signal);
      if (this.#dead) {
        permit.release('failed');
        return;
      }
      this.#permits.set(request, permit);
      this.say({ kind: 'permit', request });
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
