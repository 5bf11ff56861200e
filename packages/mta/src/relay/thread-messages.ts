/** What the main thread and a thread that delivers send each other. */
import type { StsFinding } from '@danelaw/smtp';
import type { Ending } from './host-limits.js';
import type { Job, JobResult } from './job.js';
import type { LookupCount } from './lookup-tally.js';
import type { WorkerSettings } from './worker-settings.js';

export type ToThread =
  | { readonly kind: 'job'; readonly job: Job }
  /** These outcomes are durable: their connections may hand over the next message. */
  | { readonly kind: 'durable'; readonly numbers: readonly number[] }
  | { readonly kind: 'undurable'; readonly number: number; readonly reason: string }
  | { readonly kind: 'extend'; readonly number: number; readonly leaseUntil: number }
  /** The answer to `admit`. */
  | { readonly kind: 'permit'; readonly request: number }
  /** The answer to `sts`. */
  | { readonly kind: 'sts'; readonly request: number; readonly finding: StsFinding }
  /** Somebody waits for a connection to this place, or to any: an idle one is to be closed. */
  | { readonly kind: 'make-room'; readonly place: string | undefined }
  | { readonly kind: 'give-way'; readonly most: number }
  | { readonly kind: 'configure'; readonly settings: WorkerSettings }
  | { readonly kind: 'drain' }
  | { readonly kind: 'end' };

export type FromThread =
  /** It has started, and takes jobs. */
  | { readonly kind: 'ready' }
  | { readonly kind: 'result'; readonly number: number; readonly result: JobResult }
  | { readonly kind: 'broken'; readonly number: number; readonly reason: string }
  | {
      readonly kind: 'admit';
      readonly request: number;
      readonly target: { readonly host: string; readonly address: string; readonly port: number };
    }
  /** Nobody waits for that permit any more. */
  | { readonly kind: 'withdraw'; readonly request: number }
  | { readonly kind: 'release'; readonly request: number; readonly ending: Ending }
  | { readonly kind: 'sts'; readonly request: number; readonly domain: string }
  | { readonly kind: 'notice'; readonly text: string }
  /** Look-ups since the last such message. */
  | { readonly kind: 'lookups'; readonly counts: readonly LookupCount[] };
