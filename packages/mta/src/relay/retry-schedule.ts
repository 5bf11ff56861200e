/**
 * When a message is tried again, when its sender is told that it is late, and when it is given up
 * (RFC 5321 section 4.5.4.1: "at least 30 minutes" between tries later on, give up after "4-5 days").
 *
 * The first tries come after minutes, since most failures are short; then the pauses double up to hours. Every
 * pause is stretched or shrunk by chance, so that what failed together does not come back together.
 */

/** All in milliseconds. */
export interface RetrySchedule {
  /** The pause after the first try. */
  readonly first: number;
  /** The longest pause. */
  readonly longest: number;
  /** Since arrival: the sender is told of the delay, once. */
  readonly warnAfter: number;
  /** Since arrival: no try comes after this one, and the message is returned. */
  readonly expireAfter: number;
}

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

export const DEFAULT_SCHEDULE: RetrySchedule = {
  first: 5 * MINUTE,
  longest: 4 * HOUR,
  warnAfter: 4 * HOUR,
  expireAfter: 5 * 24 * HOUR,
};

/** A pause becomes at most this much longer or shorter. */
const JITTER = 0.15;
export const MAX_JITTER = 1 + JITTER;

/** Doublings beyond this many change nothing: the longest pause is reached. */
const MAX_DOUBLINGS = 30;

/**
 * The pause after this many tries, in milliseconds.
 *
 * @param tries 1 after the first
 * @param random from 0 up to 1
 */
export function pauseAfter(tries: number, { first, longest }: RetrySchedule, random: number): number {
  const doublings = Math.min(MAX_DOUBLINGS, Math.max(0, tries - 1));
  const pause = Math.min(longest, first * 2 ** doublings);
  return Math.round(pause * (1 - JITTER + 2 * JITTER * random));
}

export type AfterFailure =
  /** The time is over: the message goes back. */
  | { readonly next: 'expire' }
  /** `warn`: the sender is to be told now. */
  | { readonly next: 'again'; readonly due: number; readonly warn: boolean };

/**
 * What comes after a try that failed for now.
 *
 * @param message.tries with the one that has just failed
 */
export function afterFailure(
  message: { readonly arrived: number; readonly tries: number; readonly warned: boolean },
  schedule: RetrySchedule,
  now: number,
  random: number,
): AfterFailure {
  const end = message.arrived + schedule.expireAfter;
  if (now >= end) return { next: 'expire' };
  // The last try comes when the time ends, however long the pause would have been.
  const due = Math.min(now + pauseAfter(message.tries, schedule, random), end);
  const warn = !message.warned && now - message.arrived >= schedule.warnAfter;
  return { next: 'again', due, warn };
}
