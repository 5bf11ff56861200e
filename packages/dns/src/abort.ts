/** Waiting that can be ended: by an AbortSignal, or by a timer that tests may replace. */

/** Calls `done` after some milliseconds, unless the function that it returns is called before. */
export type Timer = (milliseconds: number, done: () => void) => () => void;

export const systemTimer: Timer = (milliseconds, done) => {
  const timeout = setTimeout(done, milliseconds);
  return () => clearTimeout(timeout);
};

/** Callbacks by signal. A signal gets one listener of ours however many wait on it: Node warns at eleven. */
const waiting = new WeakMap<AbortSignal, Set<() => void>>();

/**
 * Calls `callback` when the signal aborts (at once, if it has). The function that is returned takes that back; call it when
 * the wait is over, since signals live longer than waits.
 */
export function onAbort(signal: AbortSignal | undefined, callback: () => void): () => void {
  if (signal === undefined) return () => {};
  if (signal.aborted) {
    callback();
    return () => {};
  }
  const callbacks = waiting.get(signal) ?? listen(signal);
  // Wrapped, so that the same callback can wait twice.
  const entry = () => callback();
  callbacks.add(entry);
  return () => callbacks.delete(entry);
}

function listen(signal: AbortSignal): Set<() => void> {
  const callbacks = new Set<() => void>();
  waiting.set(signal, callbacks);
  const call = () => {
    waiting.delete(signal);
    for (const callback of callbacks) callback();
  };
  signal.addEventListener('abort', call, { once: true });
  return callbacks;
}

/**
 * The promise, or a rejection with the signal's reason, whichever comes first. What the promise does later is ignored, so
 * that a callee that does not heed the signal can't hold its caller.
 */
export function untilAbort<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = onAbort(signal, () => reject(signal.reason));
    promise.then(
      (value) => {
        stop();
        resolve(value);
      },
      (error: unknown) => {
        stop();
        reject(error);
      },
    );
  });
}

/** Resolves after some milliseconds; rejects with the signal's reason when it aborts. */
export function wait(milliseconds: number, timer: Timer, signal: AbortSignal): Promise<void> {
  let cancel = () => {};
  const elapsed = new Promise<void>((resolve) => {
    cancel = timer(milliseconds, resolve);
  });
  return untilAbort(elapsed, signal).finally(() => cancel());
}
