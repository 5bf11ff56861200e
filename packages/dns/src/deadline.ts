/**
 * When the time for a question is over: after some milliseconds, or when the signal of whoever asked aborts.
 *
 * An AbortSignal could say the same. But each question has a deadline, and an AbortController with a listener or two takes more
 * time and memory than to write a query and read its answer.
 */
import { onAbort, type Timer } from './abort.js';

/** Hears that the time is over. */
export interface DeadlineWatcher {
  timeIsOver(): void;
}

const NOBODY: readonly DeadlineWatcher[] = [];

export class Deadline {
  readonly #stopListening: (() => void) | undefined;
  #stopTimer: (() => void) | undefined;
  /** Mostly one, so that a new list costs less than a set. */
  #watchers = NOBODY;
  #isOver = false;
  #controller: AbortController | undefined;

  /** One that comes with the signal, or where somebody calls `end`. */
  constructor(signal?: AbortSignal) {
    this.#stopListening = signal === undefined ? undefined : onAbort(signal, () => this.end());
  }

  /** @param signal may end it earlier */
  static after(milliseconds: number, timer: Timer, signal?: AbortSignal): Deadline {
    const deadline = new Deadline(signal);
    deadline.#stopTimer = timer(milliseconds, () => deadline.end());
    return deadline;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** The same for those who can listen to signals only; made when it is first asked for. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#isOver) this.#controller.abort();
    }
    return this.#controller.signal;
  }

  /** `watcher` is told once, unless it is taken back; not where the time is over already. */
  watch(watcher: DeadlineWatcher): void {
    this.#watchers = [...this.#watchers, watcher];
  }

  unwatch(watcher: DeadlineWatcher): void {
    const isAlone = this.#watchers.length === 1 && this.#watchers[0] === watcher;
    this.#watchers = isAlone ? NOBODY : this.#watchers.filter((other) => other !== watcher);
  }

  /** The time is over now. */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const watchers = this.#watchers;
    this.#watchers = NOBODY;
    for (const watcher of watchers) watcher.timeIsOver();
    this.#controller?.abort();
  }

  /** Nobody waits for it any more. */
  release(): void {
    this.#stopTimer?.();
    this.#stopListening?.();
  }
}
