/**
 * What the relay counts, for Prometheus.
 *
 * Work only adds to counters; what has to be looked up - the queue, destinations that are down - is looked up
 * when somebody asks. Labels are fixed words, reply codes and numbers of rules: never a domain or an address, so
 * that nobody outside can add a series, and nobody who reads them learns who writes to whom.
 */
import type { Attempt } from '@danelaw/smtp';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { ListenerLog } from '../listener/listener-log.js';
import type { RelayLog } from '../log/relay-log.js';
import type { Queue } from '../queue/queue.js';

/** Seconds from arrival to delivery: from "at once" over the pauses between tries to the five days of the end. */
const DELAYS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 14_400, 86_400, 432_000];

const OUTCOMES = new Set(['delivered', 'deferred', 'bounced']);
/** By what a server was authenticated. */
const PROOFS = new Set<unknown>(['dane', 'pkix', 'fingerprint']);

export interface Watched {
  readonly queue: Pick<Queue, 'counts' | 'destinations' | 'list'>;
  readonly clock: () => number;
  /** Claims under way. */
  readonly inFlight: () => number;
}

export class RelayMetrics {
  readonly #registry = new Registry();
  readonly #attempts = this.#counter('attempts', 'Hosts that were tried or passed over.', [
    'status',
    'policy',
  ]);
  readonly #failures = this.#counter('attempt_failures', 'Attempts that failed, by type (RFC 8460).', [
    'type',
  ]);
  readonly #connections = this.#counter('connections', 'Attempts by how they got their connection.', [
    'origin',
  ]);
  readonly #overlooked = this.#counter('overlooked_failures', 'Failures that did not stop a delivery.', [
    'type',
  ]);
  readonly #exceptions = this.#counter(
    'policy_exception_uses',
    'Uses of exceptions and audits of local policy.',
    ['kind', 'rule'],
  );
  readonly #recipients = this.#counter('recipients', 'What became of recipients.', ['outcome']);
  readonly #protection = this.#counter(
    'delivered_recipients',
    'Delivered, by what protected the message and how the host was found.',
    ['protection', 'mx'],
  );
  readonly #received = this.#counter('received_messages', 'Messages that clients handed in.', []);
  readonly #octets = this.#counter('received_octets', 'Octets of those messages.', []);
  readonly #refused = this.#counter('refused_commands', 'Commands and connections of clients refused.', [
    'code',
  ]);
  readonly #delay: Histogram;
  /** Looks up what is not counted. */
  #look: () => Promise<void> = () => Promise.resolve();

  constructor() {
    this.#delay = new Histogram({
      name: 'danelaw_delivery_delay_seconds',
      help: 'From the arrival of a message to its delivery, for each recipient.',
      buckets: DELAYS,
      registers: [this.#registry],
    });
  }

  /** From now on the answer has the state of the relay and of its process too. */
  watch({ queue, clock, inFlight }: Watched): void {
    collectDefaultMetrics({ register: this.#registry });
    const claims = this.#gauge('claims', 'Deliveries under way.');
    const messages = this.#gauge('queue_messages', 'Messages in the queue.');
    const octets = this.#gauge('queue_octets', 'Octets of the messages in the queue.');
    const recipients = this.#gauge('queue_recipients', 'Recipients in the queue.', ['state']);
    const age = this.#gauge('queue_oldest_seconds', 'Age of the oldest message in the queue.');
    const down = this.#gauge('destinations_down', 'Destinations that are tried as one after a pause.');
    this.#look = async () => {
      const counts = await queue.counts();
      claims.set(inFlight());
      messages.set(counts.messages);
      octets.set(counts.octets);
      recipients.set({ state: 'held' }, counts.held);
      recipients.set({ state: 'queued' }, counts.recipients - counts.held);
      age.set(await oldest(queue, clock()));
      down.set(await count(queue.destinations()));
    };
  }

  count(attempts: readonly Attempt[]): void {
    for (const { status, policy, connection, failureType, overlooked, exceptions } of attempts) {
      this.#attempts.inc({ status, policy: policy?.level ?? 'undecided' });
      if (connection !== null) this.#connections.inc({ origin: connection });
      if (failureType !== null) this.#failures.inc({ type: failureType });
      for (const { failureType: type } of overlooked) this.#overlooked.inc({ type });
      for (const { kind, rule } of exceptions) this.#exceptions.inc({ kind, rule: String(rule) });
    }
  }

  /** The log, with recipients counted that it is told of: after their settlement, bounces of old age included. */
  counted(log: RelayLog): RelayLog {
    return {
      info: (event, fields) => {
        this.#settled(event, fields);
        log.info(event, fields);
      },
      warn: (event, fields) => {
        this.#settled(event, fields);
        log.warn(event, fields);
      },
      error: (event, fields) => log.error(event, fields),
    };
  }

  countedListener(log: ListenerLog): ListenerLog {
    return {
      ...log,
      refused: (connection, command, answer) => {
        this.#refused.inc({ code: String(answer.code) });
        log.refused(connection, command, answer);
      },
      received: (connection, message) => {
        this.#received.inc();
        this.#octets.inc(message.octets);
        log.received(connection, message);
      },
    };
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** @throws (rejects) where the queue can't be read */
  async text(): Promise<string> {
    await this.#look();
    return await this.#registry.metrics();
  }

  #settled(event: string, fields: Readonly<Record<string, unknown>>): void {
    if (!OUTCOMES.has(event)) return;
    this.#recipients.inc({ outcome: event });
    if (event !== 'delivered') return;
    const { authenticated, tls, mx, delay } = fields;
    const proof = PROOFS.has(authenticated) ? String(authenticated) : 'encrypted';
    const protection = tls === null ? 'clear' : proof;
    this.#protection.inc({ protection, mx: mx === 'secure' ? 'secure' : 'insecure' });
    if (typeof delay === 'number') this.#delay.observe(delay);
  }

  #counter(name: string, help: string, labelNames: readonly string[]): Counter {
    return new Counter({ name: `danelaw_${name}_total`, help, labelNames, registers: [this.#registry] });
  }

  #gauge(name: string, help: string, labelNames: readonly string[] = []): Gauge {
    return new Gauge({ name: `danelaw_${name}`, help, labelNames, registers: [this.#registry] });
  }
}

/** Seconds; 0 where the queue is empty. */
async function oldest(queue: Watched['queue'], now: number): Promise<number> {
  for await (const { envelope } of queue.list({})) return Math.max(0, now - envelope.arrived) / 1000;
  return 0;
}

async function count(values: AsyncIterable<unknown>): Promise<number> {
  let number = 0;
  for await (const _ of values) number += 1;
  return number;
}
