/**
 * What the scheduler and the threads that deliver say to each other: a claim with its message, and what became
 * of it. All of it is plain data, as it goes from thread to thread.
 */
import type { Attempt, RecipientOutcome, Unrouted } from '@danelaw/smtp';
import type { Claim } from '../queue/queue.js';

export interface Job {
  /** Its own among all jobs of this process. */
  readonly number: number;
  readonly claim: Claim;
  readonly body: Uint8Array;
}

export interface JobOutcome {
  /** One for each recipient of the claim, in its order. */
  readonly recipients: readonly RecipientOutcome[];
  /** Every host and address that was considered, in order. */
  readonly attempts: readonly Attempt[];
  /** Why there was no host to try, where there was none. */
  readonly unrouted: readonly Unrouted[];
  /** It failed here, and says nothing about the destination: a thread died, the disk could not be read. */
  readonly ours?: true;
}

export type JobResult =
  | { readonly status: 'tried'; readonly outcome: JobOutcome }
  /** It ended before a server could have the message: as if it had not been tried. */
  | { readonly status: 'untried'; readonly because: UntriedBecause };

/**
 * - `stopping`: no more is tried here.
 * - `crowded`: it waited for leave to connect, and others needed its place.
 */
export type UntriedBecause = 'stopping' | 'crowded';

/** Carries jobs out. */
export interface Deliverer {
  /**
   * Tries one job, once. Never rejects for what happens on the network: that is an outcome.
   *
   * @param durable resolves when the outcome has been settled; until then no further message is handed over on
   * the same connection, so that a crash leaves one message a connection in doubt and no more
   * @throws (rejects) where the thread died; it is not known then how far the job went
   */
  deliver(job: Job, durable: Promise<void>): Promise<JobResult>;
  /** The claim of a job lasts until this time now. */
  extend(number: number, leaseUntil: number): void;
  /**
   * Others need room: so many jobs, at most, that have been waiting for leave to connect, and not for anything that
   * a server does, end as `crowded`.
   */
  giveWay(most: number): void;
  /** Ends every job whose message no server can have yet; the others end by themselves. */
  drain(): void;
}
