/**
 * How many more messages may be begun, by how busy the threads are that deliver them.
 *
 * Most mail waits for other people's servers, and thousands of messages can wait at a time. But a thread that is never
 * idle gets no more done by having more under way: each message takes longer, and what lives long is copied by V8 from
 * one generation of its heap to the next, and marked there again and again. So a few are always under way, and more are
 * begun while a thread has time for them.
 */
export interface PaceOptions {
  /** Milliseconds that each thread has been idle since whenever. */
  readonly idleTimes: () => readonly number[];
  /** Milliseconds since whenever, of a clock that nobody sets. */
  readonly monotonic?: () => number;
}

/** Under way for each thread, whatever else: so many keep it busy. */
export const FEW = 24;
/** Milliseconds between two looks: some turns of a busy thread's event loop. */
export const LOOK_EVERY = 20;
/** The part of its time for which a thread with time for more is idle. */
const IDLE = 0.25;
/** Begun after a look that saw such a thread: a quarter of what is under way, and these at least. */
export const STEP = 16;

export class Pace {
  readonly #idleTimes: () => readonly number[];
  readonly #monotonic: () => number;
  #last: { readonly at: number; readonly idle: readonly number[] };

  constructor({ idleTimes, monotonic = () => performance.now() }: PaceOptions) {
    this.#idleTimes = idleTimes;
    this.#monotonic = monotonic;
    this.#last = { at: monotonic(), idle: idleTimes() };
  }

  /** How many more may be begun now; where that is none, it is to be asked again after `LOOK_EVERY`. */
  room(underWay: number): number {
    const { at, idle: before } = this.#last;
    const now = this.#monotonic();
    const few = FEW * before.length - underWay;
    if (now - at < LOOK_EVERY) return Math.max(0, few);
    const idle = this.#idleTimes();
    this.#last = { at: now, idle };
    // A thread that has taken another's place has been idle for less than that one had: no sign of anything.
    const hasTime = idle.some((time, i) => time - (before[i] ?? time) >= (now - at) * IDLE);
    // One is begun in any case: whatever keeps the threads busy may not keep all other mail waiting.
    return Math.max(few, hasTime ? Math.max(STEP, Math.floor(underWay / 4)) : 1);
  }
}
