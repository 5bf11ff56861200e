/**
 * A thread that delivers: it has its own resolver, connections and TLS sessions, and asks the main thread for
 * what has to be counted or kept once - connections to a server, MTA-STS policies.
 */
import { isMainThread, type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { Roots } from '@danelaw/dane';
import { createResolver, type Resolver } from '@danelaw/dns';
import { connectFrom, type StsFinding, type StsSource } from '@danelaw/smtp';
import type { CarriedJob } from './carried-job.js';
import { packOutcome } from './carried-outcome.js';
import { JobRunner } from './job-runner.js';
import { LeaveToConnect } from './leave-to-connect.js';
import { LookupTally } from './lookup-tally.js';
import type { FromThread, ToThread } from './thread-messages.js';
import type { WorkerSettings } from './worker-settings.js';

class DeliveryThread {
  readonly #port: MessagePort;
  #runner: JobRunner;
  #resolver: Resolver;
  /** Runners of configurations before: they still have jobs that are extended, and stopped. */
  readonly #retired = new Set<JobRunner>();
  readonly #lookups = new LookupTally();
  #telling: NodeJS.Timeout | undefined;
  #requests = 0;
  readonly #leave = new LeaveToConnect((message) => this.#say(message));
  readonly #findings = new Map<number, (finding: StsFinding) => void>();
  readonly #durable = new Map<number, { resolve: () => void; reject: (error: Error) => void }>();

  constructor(port: MessagePort, settings: WorkerSettings) {
    this.#port = port;
    [this.#resolver, this.#runner] = this.#make(settings);
  }

  start(): void {
    this.#say({ kind: 'ready' });
  }

  hear(message: ToThread): void {
    switch (message.kind) {
      case 'job':
        void this.#run(message.job);
        return;
      case 'durable':
        for (const number of message.numbers) {
          this.#durable.get(number)?.resolve();
          this.#durable.delete(number);
        }
        return;
      case 'undurable':
        this.#durable.get(message.number)?.reject(new Error(message.reason));
        this.#durable.delete(message.number);
        return;
      case 'extend':
        for (const runner of this.#runners()) runner.extend(message.number, message.leaseUntil);
        return;
      case 'permit':
        this.#leave.permitted(message.requests);
        return;
      case 'sts':
        this.#findings.get(message.request)?.(message.finding);
        this.#findings.delete(message.request);
        return;
      case 'make-room':
        for (const place of message.places) this.#runner.makeRoom(place);
        return;
      case 'give-way':
        for (const runner of this.#runners()) runner.giveWay(message.most);
        return;
      case 'configure':
        this.#configure(message.settings);
        return;
      case 'drain':
        for (const runner of this.#runners()) runner.drain();
        return;
      case 'end':
        void this.#resolver.close().finally(() => process.exit(0));
        return;
      default:
        message satisfies never;
    }
  }

  async #run(job: CarriedJob): Promise<void> {
    const { number } = job;
    const durable = new Promise<void>((resolve, reject) => this.#durable.set(number, { resolve, reject }));
    durable.catch(() => {});
    try {
      const result = await this.#runner.deliver(job, durable);
      if (result.status === 'untried') {
        // What was not tried has no outcome that could become durable.
        this.#durable.delete(number);
        this.#tellLookups();
        this.#say({ kind: 'untried', number, because: result.because });
        return;
      }
      const told = { kind: 'tried', number, outcome: packOutcome(result.outcome) } as const;
      this.#say(this.#lookups.isEmpty ? told : { ...told, lookups: this.#lookups.take() });
    } catch (error) {
      this.#tellLookups();
      // How far it went is not known: what is written down of it is waited for, too.
      this.#say({ kind: 'broken', number, reason: error instanceof Error ? error.message : String(error) });
    }
  }

  #runners(): readonly JobRunner[] {
    return [this.#runner, ...this.#retired];
  }

  /** Jobs that run go on as they began; their connections are not kept for others. */
  #configure(settings: WorkerSettings): void {
    const before = this.#resolver;
    const retired = this.#runner;
    this.#retired.add(retired);
    void retired.retire().then(() => this.#retired.delete(retired));
    [this.#resolver, this.#runner] = this.#make(settings);
    // Look-ups that are under way end first.
    setTimeout(() => void before.close(), CLOSE_AFTER).unref();
  }

  #make(settings: WorkerSettings): [Resolver, JobRunner] {
    const clock = Date.now;
    const resolver = createResolver({
      ...settings.resolver,
      clock,
      onNotice: ({ text }) => this.#say({ kind: 'notice', text }),
      onLookup: (told) => {
        this.#lookups.add(told);
        this.#telling ??= setTimeout(() => {
          this.#telling = undefined;
          this.#tellLookups();
        }, TELL_AFTER).unref();
      },
    });
    const {
      credentials,
      heloName,
      ownNames,
      level,
      policyTable,
      smtpPort: port,
      timeouts,
      webRoots,
    } = settings;
    const runner = new JobRunner({
      client: {
        resolver,
        heloName,
        ownNames,
        level,
        policyTable,
        credentials: (name) => credentials.get(name),
        port,
        timeouts,
        clock,
        connect: connectFrom(settings.source),
        admit: this.#leave.admit,
        ...(settings.sts ? { sts: this.#sts } : {}),
        ...(webRoots === undefined ? {} : { roots: new Roots(webRoots) }),
      },
      pool: { idle: settings.idle, messages: settings.messagesPerConnection },
      clock,
    });
    return [resolver, runner];
  }

  /** Those that no result has told of; with it or before it, so that only jobs that break off lose any. */
  #tellLookups(): void {
    if (!this.#lookups.isEmpty) this.#say({ kind: 'lookups', counts: this.#lookups.take() });
  }

  readonly #sts: StsSource = {
    policyFor: (domain, { signal }) => {
      signal?.throwIfAborted();
      const request = ++this.#requests;
      return new Promise((resolve, reject) => {
        const onAbort = (): void => {
          this.#findings.delete(request);
          reject(signal?.reason);
        };
        signal?.addEventListener('abort', onAbort, { once: true });
        this.#findings.set(request, (finding) => {
          signal?.removeEventListener('abort', onAbort);
          resolve(finding);
        });
        this.#say({ kind: 'sts', request, domain });
      });
    },
  };

  #say(message: FromThread): void {
    this.#port.postMessage(message);
  }
}

/** Milliseconds until look-ups are told of whose jobs take longer. */
const TELL_AFTER = 1000;
/** Milliseconds. */
const CLOSE_AFTER = 60_000;

if (!isMainThread && parentPort !== null) {
  const port = parentPort;
  const thread = new DeliveryThread(port, workerData);
  port.on('message', (message: ToThread) => thread.hear(message));
  thread.start();
}
