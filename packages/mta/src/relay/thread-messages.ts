/** What the main thread and a thread that delivers send each other. */
import type { StsFinding } from '@danelaw/smtp';
import type { CarriedJob } from './carried-job.js';
import type { CarriedOutcome } from './carried-outcome.js';
import type { Ending } from './host-limits.js';
import type { UntriedBecause } from './job.js';
import type { LookupCount } from './lookup-tally.js';
import type { WorkerSettings } from './worker-settings.js';

export type ToThread =
  | { readonly kind: 'job'; readonly job: CarriedJob }
  /** These outcomes are durable: their connections may hand over the next message. */
  | { readonly kind: 'durable'; readonly numbers: readonly number[] }
  | { readonly kind: 'undurable'; readonly number: number; readonly reason: string }
  | { readonly kind: 'extend'; readonly number: number; readonly leaseUntil: number }
  /** The answer to each `admit` of these. */
  | { readonly kind: 'permit'; readonly requests: readonly number[] }
  /** The answer to `sts`. */
  | { readonly kind: 'sts'; readonly request: number; readonly finding: StsFinding }
  /** Somebody waits for a connection to each of these places, or to any: an idle one is to be closed for each. */
  | { readonly kind: 'make-room'; readonly places: readonly (string | undefined)[] }
  | { readonly kind: 'give-way'; readonly most: number }
  | { readonly kind: 'configure'; readonly settings: WorkerSettings }
  | { readonly kind: 'drain' }
  | { readonly kind: 'end' };

export type FromThread =
  /** It has started, and takes jobs. */
  | { readonly kind: 'ready' }
  /** `lookups`: those since they were told of last, where there were any. */
  | {
      readonly kind: 'tried';
      readonly number: number;
      readonly outcome: CarriedOutcome;
      readonly lookups?: readonly LookupCount[];
    }
  | { readonly kind: 'untried'; readonly number: number; readonly because: UntriedBecause }
  | { readonly kind: 'broken'; readonly number: number; readonly reason: string }
  | { readonly kind: 'admit'; readonly request: number; readonly address: string; readonly port: number }
  /** Nobody waits for those permits any more. */
  | { readonly kind: 'withdraw'; readonly requests: readonly number[] }
  | { readonly kind: 'release'; readonly permits: readonly Released[] }
  | { readonly kind: 'sts'; readonly request: number; readonly domain: string }
  | { readonly kind: 'notice'; readonly text: string }
  /** Look-ups of jobs that take long, and have no result yet. */
  | { readonly kind: 'lookups'; readonly counts: readonly LookupCount[] };

/** A permit that is given back, and how its connection ended. */
export interface Released {
  readonly request: number;
  readonly ending: Ending;
}
