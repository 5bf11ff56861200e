/**
 * The waits of one connection, one at a time. Each has an end: it settles, or the stage's time runs out, or the caller
 * stops it, or the delivery's time is over. In the last three cases the socket is destroyed: the next reply would
 * answer the wrong question.
 *
 * The deadline does not count while the end of the message is being answered: the message has been handed over, and
 * giving up then would make it arrive twice (RFC 5321 section 4.5.3.2.6).
 *
 * A conversation has a dozen waits of milliseconds, each allowed minutes. So the connection has one timer and listens
 * to each signal once: a wait notes when its time is over, and the timer, when it fires, looks who waits now.
 */
import type { Socket } from 'node:net';
import { SmtpFault, stageWords } from './fault.js';
import type { Stage, Timeouts } from './timeouts.js';

/** How long is waited, and who may end it. */
export interface Bounds {
  readonly timeouts: Timeouts;
  /** The caller's wish to stop: a wait rejects with its reason. */
  readonly signal?: AbortSignal | undefined;
  /** The end of the time for this delivery: a fault, and not while the end of the message is being answered. */
  readonly deadline?: AbortSignal | undefined;
}

interface Wait {
  readonly stage: Stage;
  /** Destroyed when the wait is stopped. */
  readonly socket: Socket;
  /** When its time is over, by `performance.now()`. */
  readonly until: number;
  readonly reject: (error: unknown) => void;
}

export class Waits {
  #bounds: Bounds;
  #current: Wait | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** When the timer fires: never after the time of the current wait is over. */
  #fires = Number.POSITIVE_INFINITY;
  #listening = false;
  #resting = false;

  constructor(bounds: Bounds) {
    this.#bounds = bounds;
  }

  /**
   * Waits until `start` calls what it is given, or one of the bounds is reached, or `fail` is called.
   *
   * @param socket destroyed where a bound is reached
   */
  until<T>(stage: Stage, socket: Socket, start: (resolve: (value: T) => void) => void): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const until = performance.now() + this.#bounds.timeouts[stage];
      const wait: Wait = { stage, socket, until, reject };
      this.#current = wait;
      this.#resting = false;
      this.#listen();
      if (this.#bounds.signal?.aborted === true) return this.#onAbort();
      if (this.#bounds.deadline?.aborted === true) this.#onDeadline();
      if (this.#current !== wait) return;
      if (until < this.#fires) this.#wakeAt(until);
      start((value) => {
        if (this.#current === wait) this.#end();
        resolve(value);
      });
    });
  }

  /** Whoever waits hears `error`. The socket is left alone. */
  fail(error: unknown): void {
    const wait = this.#current;
    this.#end();
    wait?.reject(error);
  }

  /**
   * There will be no more waits, or not for a while. When the one that there is has ended, nothing is left that could
   * wake anybody.
   */
  rest(): void {
    this.#resting = true;
    this.#letGo();
  }

  #end(): void {
    this.#current = undefined;
    this.#letGo();
  }

  #letGo(): void {
    if (!this.#resting || this.#current !== undefined) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#fires = Number.POSITIVE_INFINITY;
    if (!this.#listening) return;
    this.#listening = false;
    this.#bounds.signal?.removeEventListener('abort', this.#onAbort);
    this.#bounds.deadline?.removeEventListener('abort', this.#onDeadline);
  }

  /** The bounds of the waits to come. */
  bind(bounds: Bounds): void {
    this.rest();
    this.#bounds = bounds;
  }

  #listen(): void {
    if (this.#listening) return;
    this.#listening = true;
    this.#bounds.signal?.addEventListener('abort', this.#onAbort);
    this.#bounds.deadline?.addEventListener('abort', this.#onDeadline);
  }

  #stop(error: unknown): void {
    this.#current?.socket.destroy();
    this.fail(error);
    this.rest();
  }

  readonly #onAbort = (): void => this.#stop(this.#bounds.signal?.reason);

  readonly #onDeadline = (): void => {
    const stage = this.#current?.stage;
    if (stage === undefined || stage === 'data-end') return;
    const words = `the time for this delivery ended while we were ${stageWords(stage)}`;
    this.#stop(new SmtpFault('deadline', stage, words));
  };

  #wakeAt(time: number): void {
    clearTimeout(this.#timer);
    this.#fires = time;
    this.#timer = setTimeout(this.#onTime, Math.ceil(time - performance.now()));
  }

  readonly #onTime = (): void => {
    this.#timer = undefined;
    this.#fires = Number.POSITIVE_INFINITY;
    const wait = this.#current;
    if (wait === undefined) return; // the next wait sets it again
    if (performance.now() < wait.until) {
      this.#wakeAt(wait.until);
      return;
    }
    const { stage } = wait;
    const seconds = this.#bounds.timeouts[stage] / 1000;
    const words = `nothing came for ${seconds} s while we were ${stageWords(stage)}`;
    this.#stop(new SmtpFault('timeout', stage, words));
  };
}
