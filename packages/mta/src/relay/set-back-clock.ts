/**
 * A clock that was ahead, and was set back, leaves times behind that no schedule would give: mail that was
 * deferred in between would wait for a tomorrow that has come to an end already. All such mail is due now.
 */
import type { DestinationState, Queue } from '../queue/queue.js';
import { LONGEST_PAUSE } from './destination-health.js';
import { MAX_JITTER, type RetrySchedule } from './retry-schedule.js';

/** Milliseconds: what a clock is set back by now and then, and what nodes differ by, is no reason for anything. */
const SLACK = 60_000;

/** Whether the wall clock has been set back since the last look. */
export class ClockWatch {
  #ahead: number | undefined;

  /**
   * @param wall milliseconds since the epoch
   * @param monotonic milliseconds since whenever
   */
  wentBack(wall: number, monotonic: number): boolean {
    const ahead = wall - monotonic;
    const before = this.#ahead ?? ahead;
    this.#ahead = ahead;
    return before - ahead > SLACK;
  }
}

export interface BroughtBack {
  readonly recipients: number;
  readonly destinations: number;
}

/** Makes due what waits for longer than any pause is. */
export async function bringBack(
  queue: Pick<Queue, 'change' | 'destinations' | 'setDestination'>,
  schedule: RetrySchedule,
  now: number,
): Promise<BroughtBack> {
  const latest = (pause: number): number => now + pause * MAX_JITTER + SLACK;
  const tooLate: DestinationState[] = [];
  for await (const state of queue.destinations()) {
    if (state.notBefore > latest(LONGEST_PAUSE)) tooLate.push(state);
  }
  for (const { destination } of tooLate) await queue.setDestination(destination, undefined);
  const longest = latest(Math.max(schedule.longest, schedule.first));
  const recipients = await queue.change({ dueAfter: longest }, 'retry', now);
  return { recipients, destinations: tooLate.length };
}
