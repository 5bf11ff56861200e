/** What the scheduler is given. */
import type { RelayLog } from '../log/relay-log.js';
import type { Claim, NewMessage, Queue, QueueDamagedError } from '../queue/queue.js';
import type { DestinationLimits } from './destination-health.js';
import type { Deliverer, JobOutcome } from './job.js';
import type { Pace } from './pace.js';
import type { RetrySchedule } from './retry-schedule.js';
import type { Report } from './settlement.js';

/** What a reload may change. */
export interface SchedulerSettings {
  /** Messages for senders who have to hear of something; none where nobody has to. */
  readonly reportsFor: (
    claim: Claim,
    reports: readonly Report[],
    body: () => Promise<Uint8Array | undefined>,
  ) => Promise<readonly NewMessage[]>;
  readonly schedule: RetrySchedule;
  readonly destinations: DestinationLimits;
}

export interface SchedulerOptions extends SchedulerSettings {
  readonly queue: Queue;
  readonly deliverer: Deliverer;
  /** Claims under way at most. */
  readonly total: number;
  /** How many more at a time; without it, as many as there may be. */
  readonly pace?: Pick<Pace, 'room'>;
  /** Milliseconds that a claim lives where several nodes share the queue. */
  readonly lease: number;
  readonly clock: () => number;
  /** Milliseconds since whenever, of a clock that nobody sets. */
  readonly monotonic?: () => number;
  readonly random: () => number;
  readonly log: RelayLog;
  /** The queue is of no use until it is opened anew. */
  readonly onDamaged?: (error: QueueDamagedError) => void;
  /** Hears of everything that was tried, with the body if it was: TLS reports, metrics. */
  readonly onOutcome?: (claim: Claim, outcome: JobOutcome, body: Uint8Array | undefined) => void;
}
