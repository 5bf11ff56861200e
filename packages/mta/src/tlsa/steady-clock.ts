/**
 * A clock that nobody sets: how long this machine has been running, and a name for that run.
 *
 * The time of day may be wrong at one look and right at the next. Whoever waits by it alone goes too early when it is put forward.
 */
import { readFile } from 'node:fs/promises';
import { uptime } from 'node:os';

export interface Steady {
  /** Of the machine's start; times of different ones say nothing of each other. */
  readonly boot: string;
  /** Milliseconds since then. */
  readonly running: number;
}

/** Of something that was read from a file. */
export const isSteady = (value: unknown): value is Steady | null => {
  if (value === null) return true;
  if (typeof value !== 'object' || !('boot' in value) || !('running' in value)) return false;
  const { boot, running } = value;
  return (
    typeof boot === 'string' && typeof running === 'number' && Number.isSafeInteger(running) && running >= 0
  );
};

/** @returns null where the system has no name for its start (it is Linux that has) */
export async function steadyClock(): Promise<Steady | null> {
  const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '');
  return boot === '' ? null : { boot: boot.trim(), running: Math.floor(uptime() * 1000) };
}

/** A moment by both clocks. */
export interface Moment {
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly steady: Steady | null;
}

/** Milliseconds. Time servers correct a clock by less than that in a day, and reading both takes a while too. */
const TOLERANCE_MS = 60_000;
/** Of what has gone by: how much a clock may run fast or slow that nothing corrects. */
const DRIFT = 0.001;

/**
 * By how many milliseconds the time of day was put forward between two moments (less than 0: back).
 *
 * @returns 0 where it was not, undefined where it can't be told
 */
export function clockMoved(before: Moment, after: Moment): number | undefined {
  if (before.steady === null || after.steady === null || before.steady.boot !== after.steady.boot) {
    return undefined;
  }
  const gone = after.steady.running - before.steady.running;
  const moved = after.now - before.now - gone;
  return Math.abs(moved) <= TOLERANCE_MS + gone * DRIFT ? 0 : moved;
}
