/**
 * Carries jobs out in this thread: each is one message's recipients at one destination, delivered by
 * @danelaw/smtp over connections and TLS sessions that jobs share.
 *
 * Three things end a job early: the relay stops; its lease would not last until the final dot is answered; it
 * waits for leave to connect to a server that has all the connections it may have, in a place that others need.
 */
import {
  type Admit,
  type ClientOptions,
  type DsnRequest,
  deliverToDestination,
  type Mailbox,
  makeClient,
  parseMailbox,
  type RecipientDsn,
  type RecipientOutcome,
  SessionPool,
} from '@danelaw/smtp';
import type { CarriedClaim, CarriedJob } from './carried-job.js';
import type { Deliverer, JobOutcome, JobResult, UntriedBecause } from './job.js';
import { deferredOutcome, OWN_FAULT } from './settlement.js';

export interface JobRunnerOptions {
  /** All but the pool and the signal, which are the runner's. Its `admit` rejects where its signal aborts. */
  readonly client: Omit<ClientOptions, 'pool' | 'signal'>;
  readonly pool: {
    /** Milliseconds that an idle connection is kept. */
    readonly idle: number;
    readonly messages: number;
  };
  readonly clock: () => number;
}

interface Running {
  leaseUntil: number | undefined;
  /** A server may have the message from now on. */
  handedOver: boolean;
  /** Milliseconds since the epoch: since then it waits for leave to connect. */
  waitingSince: number | undefined;
  /** What `stop` was aborted for. */
  because: UntriedBecause;
  readonly stop: AbortController;
}

/** Milliseconds that a job may wait for leave to connect though others need its place. */
const PATIENCE = 1000;

export class JobRunner implements Deliverer {
  readonly #options: JobRunnerOptions;
  readonly #pool: SessionPool;
  readonly #client: ReturnType<typeof makeClient>;
  readonly #running = new Map<number, Running>();
  #draining = false;
  #whenIdle: (() => void) | undefined;

  constructor(options: JobRunnerOptions) {
    this.#options = options;
    const { idle, messages } = options.pool;
    this.#pool = new SessionPool({ limits: { idleTime: idle, messages } });
    this.#client = makeClient({ ...options.client, pool: this.#pool });
  }

  async deliver({ number, claim, body }: CarriedJob, durable: Promise<void>): Promise<JobResult> {
    const running: Running = {
      leaseUntil: claim.leaseUntil,
      handedOver: false,
      waitingSince: undefined,
      because: 'stopping',
      stop: new AbortController(),
    };
    if (this.#draining) return { status: 'untried', because: 'stopping' };
    this.#running.set(number, running);
    try {
      const outcome = await this.#try({ number, claim, body }, durable, running);
      const isOver = this.#draining && !running.handedOver;
      return isOver && outcome.recipients.every(({ status }) => status === 'deferred')
        ? { status: 'untried', because: 'stopping' }
        : { status: 'tried', outcome };
    } catch (error) {
      if (running.stop.signal.aborted) return { status: 'untried', because: running.because };
      throw error;
    } finally {
      this.#running.delete(number);
      if (this.#running.size === 0) this.#whenIdle?.();
    }
  }

  extend(number: number, leaseUntil: number): void {
    const running = this.#running.get(number);
    if (running !== undefined) running.leaseUntil = leaseUntil;
  }

  giveWay(most: number): void {
    const now = this.#options.clock();
    let left = most;
    // The oldest first.
    for (const running of this.#running.values()) {
      if (left === 0) return;
      const { waitingSince: since, handedOver, stop } = running;
      // A clock that was set back keeps nobody waiting.
      if (stop.signal.aborted || handedOver || since === undefined || Math.abs(now - since) < PATIENCE)
        continue;
      running.because = 'crowded';
      stop.abort();
      left -= 1;
    }
  }

  drain(): void {
    this.#draining = true;
    for (const { handedOver, stop } of this.#running.values()) if (!handedOver) stop.abort();
    this.#pool.close();
  }

  /** Closes the longest idle connection, to this place or to any. */
  makeRoom(place: string | undefined): void {
    this.#pool.closeOldest(place);
  }

  /** Others take over: connections are kept for nobody any more. Resolves when no job runs here any more. */
  async retire(): Promise<void> {
    this.#pool.close();
    if (this.#running.size > 0) await new Promise<void>((idle) => (this.#whenIdle = idle));
  }

  async #try({ claim, body }: CarriedJob, durable: Promise<void>, running: Running): Promise<JobOutcome> {
    const { envelope, destination } = claim;
    const mailboxes = claim.recipients.map(({ address }) => parseMailbox(address));
    const known = mailboxes.filter((mailbox) => mailbox !== undefined);
    const from = envelope.from === '' ? undefined : parseMailbox(envelope.from);
    if (known.length === 0) {
      const recipients = claim.recipients.map(({ address }) => noMailbox(address));
      return { recipients, attempts: [], unrouted: [], ours: true };
    }
    const result = await deliverToDestination(
      { ...this.#client, signal: running.stop.signal, admit: this.#admitFor(running) },
      {
        nextHop: destination,
        from,
        recipients: known,
        message: {
          octets: body,
          eightBit: envelope.eightBit,
          utf8Header: envelope.utf8Header,
          tlsRequiredNo: envelope.tlsRequiredNo,
        },
        requireTls: envelope.requireTls,
        dsn: dsnOf(claim, mailboxes),
        durable,
        mayHandOver: () => Promise.resolve(this.#mayHandOver(running)),
      },
    );
    const outcomes = result.outcomes;
    const recipients = claim.recipients.map(({ address }, i) => outcomeOf(address, mailboxes[i], outcomes));
    return {
      recipients,
      attempts: result.attempts,
      unrouted: result.unrouted === undefined ? [] : [result.unrouted],
    };
  }

  /** Leave to connect, and a note of who waits for it. */
  #admitFor(running: Running): Admit | undefined {
    const { admit } = this.#client;
    if (admit === undefined) return undefined;
    return async (target, signal) => {
      running.waitingSince = this.#options.clock();
      try {
        return await admit(target, signal);
      } finally {
        // Somebody's connection that became idle ends the wait as well: then it was aborted.
        running.waitingSince = undefined;
      }
    };
  }

  /** The last question before the final dot. */
  #mayHandOver(running: Running): string | undefined {
    if (running.stop.signal.aborted || this.#draining) return 'the relay is stopping';
    const { leaseUntil } = running;
    const longest = this.#client.timeouts['data-end'];
    if (leaseUntil !== undefined && this.#options.clock() + longest > leaseUntil) {
      return 'the claim on this message could end before the server has answered, and another node send it too';
    }
    running.handedOver = true;
    return undefined;
  }
}

/**
 * What the sender wants to hear goes on to the next hop, which then reports itself (RFC 3461 section 5.2.1); undefined
 * where he has said nothing of it.
 */
function dsnOf(
  { envelope: { envid, ret }, recipients }: CarriedClaim,
  mailboxes: readonly (Mailbox | undefined)[],
): DsnRequest | undefined {
  const asksNothing = recipients.every(({ notify, orcpt }) => notify === undefined && orcpt === undefined);
  if (asksNothing && envid === undefined && ret === undefined) return undefined;
  const wishes = recipients.flatMap(({ notify, orcpt }, i): [Mailbox, RecipientDsn][] => {
    const mailbox = mailboxes[i];
    return mailbox === undefined ? [] : [[mailbox, { notify, orcpt }]];
  });
  return { envid, ret, recipients: new Map(wishes) };
}

const noMailbox = (address: string): RecipientOutcome =>
  deferredOutcome(address, OWN_FAULT, `"${address}" in the queue is no mailbox`);

function outcomeOf(
  address: string,
  mailbox: Mailbox | undefined,
  outcomes: ReadonlyMap<Mailbox, RecipientOutcome>,
): RecipientOutcome {
  const outcome = mailbox === undefined ? undefined : outcomes.get(mailbox);
  return outcome ?? noMailbox(address);
}
