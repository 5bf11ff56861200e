/**
 * What the relay counts, for Prometheus.
 *
 * Work only adds to counters; what has to be looked up - the queue, destinations that are down - is looked up
 * when somebody asks. Labels are fixed words, reply codes and numbers of rules: never a domain or an address, so
 * that nobody outside can add a series, and nobody who reads them learns who writes to whom.
 */
import type { Attempt, Unrouted } from '@danelaw/smtp';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { ListenerLog } from '../listener/listener-log.js';
import type { RelayLog } from '../log/relay-log.js';
import type { Queue } from '../queue/queue.js';
import type { LookupCount } from '../relay/lookup-tally.js';

/** Seconds from arrival to delivery: from "at once" over the pauses between tries to the five days of the end. */
const DELAYS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 14_400, 86_400, 432_000];

/** Seconds of a TLS handshake: two round trips, from loopback to the other side of the world; then the slow ones. */
const HANDSHAKES = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** Ages up to which messages are counted together, in milliseconds; four hours is when senders hear of a delay. */
const AGES = [
  { age: '5m', upTo: 300_000 },
  { age: '1h', upTo: 3_600_000 },
  { age: '4h', upTo: 14_400_000 },
  { age: '1d', upTo: 86_400_000 },
] as const;

/**
 * What was looked up holds for so many times as long as the looking took: however large the queue is and however
 * many ask, looking takes no more than this share of the time.
 */
const SHARE = 20;

const OUTCOMES = new Set(['delivered', 'deferred', 'bounced']);
/** By what a server was authenticated. */
const PROOFS = new Set<unknown>(['dane', 'pkix', 'fingerprint']);

/** How messages come in. */
const SOURCES = ['smtp', 'maildrop'] as const;
type Source = (typeof SOURCES)[number];

export interface Watched {
  readonly queue: Pick<Queue, 'counts' | 'arrivedBefore' | 'destinations' | 'list'>;
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
  readonly #received = this.#counter('received_messages', 'Messages that clients handed in.', ['source']);
  readonly #octets = this.#counter('received_octets', 'Octets of those messages.', ['source']);
  readonly #refused = this.#counter('refused_commands', 'Commands and connections of clients refused.', [
    'code',
  ]);
  readonly #lookups = this.#counter('dns_lookups', 'DNS look-ups, by how far the answer can be trusted.', [
    'status',
    'source',
  ]);
  readonly #delay: Histogram;
  readonly #handshakes: Histogram;
  /** Looks at what costs nothing. */
  #now: () => void = () => {};
  /** Looks up what is not counted. */
  #look: () => Promise<void> = () => Promise.resolve();
  #looking: Promise<void> | undefined;
  readonly #monotonic: () => number;
  /** By the monotonic clock. */
  #holdsUntil = Number.NEGATIVE_INFINITY;

  /** @param monotonic milliseconds since whenever */
  constructor(monotonic: () => number = () => performance.now()) {
    this.#monotonic = monotonic;
    this.#delay = new Histogram({
      name: 'danelaw_delivery_delay_seconds',
      help: 'From the arrival of a message to its delivery, for each recipient.',
      buckets: DELAYS,
      registers: [this.#registry],
    });
    // A series that begins with its first message has no rate then.
    for (const source of SOURCES) this.#receive(source, 0, 0);
    this.#handshakes = new Histogram({
      name: 'danelaw_tls_handshake_seconds',
      help: 'TLS handshakes with mail servers that were completed, whatever the verdict on the certificate.',
      labelNames: ['kind'],
      buckets: HANDSHAKES,
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
    const ages = this.#gauge('queue_messages_by_age', 'Messages in the queue, by age.', ['age']);
    const down = this.#gauge('destinations_down', 'Destinations that are tried as one after a pause.');
    this.#now = () => claims.set(inFlight());
    this.#look = async () => {
      const counts = await queue.counts();
      messages.set(counts.messages);
      octets.set(counts.octets);
      recipients.set({ state: 'held' }, counts.held);
      recipients.set({ state: 'queued' }, counts.recipients - counts.held);
      age.set(await oldest(queue, clock()));
      for (const [name, number] of await byAge(queue, clock(), counts.messages))
        ages.set({ age: name }, number);
      down.set(await count(queue.destinations()));
    };
  }

  /** @param unrouted destinations whose MX records are bogus, so that there was no host to try */
  count(attempts: readonly Attempt[], unrouted: readonly Unrouted[] = []): void {
    for (const { failureType: type } of unrouted) this.#failures.inc({ type });
    for (const attempt of attempts) {
      const { status, policy, connection, failureType, overlooked, exceptions, handshake } = attempt;
      this.#attempts.inc({ status, policy: policy?.level ?? 'undecided' });
      if (connection !== null) this.#connections.inc({ origin: connection });
      if (handshake !== null) {
        const kind = connection === 'resumed' ? 'resumed' : 'full';
        this.#handshakes.observe({ kind }, handshake / 1000);
      }
      if (failureType !== null) this.#failures.inc({ type: failureType });
      for (const { failureType: type } of overlooked) this.#overlooked.inc({ type });
      for (const { kind, rule } of exceptions) this.#exceptions.inc({ kind, rule: String(rule) });
    }
  }

  lookups(counts: readonly LookupCount[]): void {
    for (const { status, cached, count } of counts) {
      this.#lookups.inc({ status, source: cached ? 'cache' : 'network' }, count);
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
        this.#receive('smtp', 1, message.octets);
        log.received(connection, message);
      },
    };
  }

  /** The maildrop's log. */
  countedMaildrop(log: RelayLog): RelayLog {
    return {
      ...log,
      info: (event, fields) => {
        const { octets } = fields;
        if (event === 'received' && typeof octets === 'number') this.#receive('maildrop', 1, octets);
        log.info(event, fields);
      },
    };
  }

  #receive(source: Source, messages: number, octets: number): void {
    this.#received.inc({ source }, messages);
    this.#octets.inc({ source }, octets);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** @throws (rejects) where the queue can't be read */
  async text(): Promise<string> {
    this.#now();
    // Who comes while somebody looks, waits for him.
    if (this.#monotonic() >= this.#holdsUntil) this.#looking ??= this.#lookOnce();
    await this.#looking;
    return await this.#registry.metrics();
  }

  async #lookOnce(): Promise<void> {
    const begun = this.#monotonic();
    try {
      await this.#look();
      const ended = this.#monotonic();
      this.#holdsUntil = ended + SHARE * (ended - begun);
    } finally {
      this.#looking = undefined;
    }
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

async function byAge(
  queue: Watched['queue'],
  now: number,
  messages: number,
): Promise<readonly (readonly [age: string, messages: number])[]> {
  // Ascending times are descending ages.
  const ages = [...AGES].reverse();
  const before = await queue.arrivedBefore(ages.map(({ upTo }) => now - upTo));
  const names = ['older', ...ages.map(({ age }) => age)];
  return names.map((age, place) => {
    const upTo = before[place] ?? messages;
    return [age, Math.max(0, upTo - (before[place - 1] ?? 0))];
  });
}

async function count(values: AsyncIterable<unknown>): Promise<number> {
  let number = 0;
  for await (const _ of values) number += 1;
  return number;
}
