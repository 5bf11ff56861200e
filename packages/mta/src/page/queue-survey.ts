/**
 * The queue at a glance: counts, the oldest message, destinations that are down, and what waits, grouped by cause.
 *
 * It is read through, up to a bound and for a time, and the result serves whoever asks in the next seconds, or for twenty
 * times as long as it took: a page that somebody reloads all the time must not slow the mail down.
 */
import type { DestinationState, Queue, QueueCounts, QueueEntry } from '../queue/queue.js';
import { type DeferralCause, deferralCauseOf } from './deferral-advice.js';

export interface QueueSurvey {
  /** Milliseconds since the epoch. */
  readonly time: number;
  readonly counts: QueueCounts;
  /** When the oldest message arrived; undefined where the queue is empty. */
  readonly oldest: number | undefined;
  readonly down: readonly DestinationState[];
  /** Most recipients first. */
  readonly deferrals: readonly DeferralGroup[];
  /** Messages that were read. */
  readonly read: number;
  /** There are more messages than were read. */
  readonly isPart: boolean;
}

/** Recipients that wait for the same kind of reason. */
export interface DeferralGroup {
  readonly cause: DeferralCause;
  readonly recipients: number;
  /** When the message that has waited longest arrived. */
  readonly oldest: number;
  /** Most recipients first. */
  readonly destinations: readonly DeferredDestination[];
  /** Those that are not in the list. */
  readonly moreDestinations: number;
}

export interface DeferredDestination {
  readonly destination: string;
  readonly recipients: number;
  /** The reason of the last try, of one of them; and the message. */
  readonly reason: string;
  readonly id: string;
}

/** Messages that are read at most. */
export const MAX_READ = 20_000;
/** Milliseconds for it. */
const READ_TIME = 3000;
/** Milliseconds that a survey is as good as a new one; and how many times as long as it took. */
const FRESH = 5000;
const FRESH_TIMES = 20;
/** Destinations that a group names. */
const MAX_NAMED = 20;
/** Destinations that are down and named. */
const MAX_DOWN = 200;

export type SurveyedQueue = Pick<Queue, 'counts' | 'destinations' | 'list'>;

/** Gives a survey; those who ask at the same time, and soon after, get the same one. */
export function surveyor(queue: SurveyedQueue, clock: () => number): () => Promise<QueueSurvey> {
  let latest: { readonly time: number; readonly survey: Promise<QueueSurvey>; fresh: number } | undefined;
  return () => {
    const now = clock();
    if (latest !== undefined && Math.abs(now - latest.time) <= latest.fresh) return latest.survey;
    const made = { time: now, survey: surveyQueue(queue, clock), fresh: Number.POSITIVE_INFINITY };
    latest = made;
    made.survey.then(
      () => (made.fresh = Math.max(FRESH, FRESH_TIMES * (clock() - now))),
      () => (latest = undefined),
    );
    return made.survey;
  };
}

export async function surveyQueue(
  queue: SurveyedQueue,
  clock: () => number,
  most = MAX_READ,
): Promise<QueueSurvey> {
  const time = clock();
  const counts = await queue.counts();
  const down: DestinationState[] = [];
  for await (const state of queue.destinations()) {
    if (state.notBefore > time && down.length < MAX_DOWN) down.push(state);
  }
  const groups = new Map<DeferralCause, Group>();
  let read = 0;
  let oldest: number | undefined;
  let isPart = false;
  for await (const entry of queue.list({})) {
    if (read >= most || clock() - time > READ_TIME) {
      isPart = true;
      break;
    }
    read += 1;
    oldest ??= entry.envelope.arrived;
    sort(groups, entry);
  }
  const deferrals = [...groups].map(([cause, group]) => grouped(cause, group));
  deferrals.sort((one, other) => other.recipients - one.recipients);
  return { time, counts, oldest, down, deferrals, read, isPart };
}

interface Group {
  recipients: number;
  oldest: number;
  readonly destinations: Map<string, { recipients: number; readonly reason: string; readonly id: string }>;
}

function sort(groups: Map<DeferralCause, Group>, { id, envelope, recipients }: QueueEntry): void {
  for (const { destination, state } of recipients) {
    if (state.last === undefined) continue;
    const cause = deferralCauseOf(state.last);
    const group = groups.get(cause) ?? { recipients: 0, oldest: envelope.arrived, destinations: new Map() };
    groups.set(cause, group);
    group.recipients += 1;
    group.oldest = Math.min(group.oldest, envelope.arrived);
    const known = group.destinations.get(destination);
    if (known !== undefined) known.recipients += 1;
    else group.destinations.set(destination, { recipients: 1, reason: state.last.reason, id });
  }
}

function grouped(cause: DeferralCause, { recipients, oldest, destinations }: Group): DeferralGroup {
  const all = [...destinations].map(([destination, facts]) => ({ destination, ...facts }));
  all.sort((one, other) => other.recipients - one.recipients);
  const named = all.slice(0, MAX_NAMED);
  return { cause, recipients, oldest, destinations: named, moreDestinations: all.length - named.length };
}
