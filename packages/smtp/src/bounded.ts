/**
 * One wait with an end: it settles, or the stage's time runs out, or the caller stops it, or the delivery's
 * time is over. In the last three cases the socket is destroyed: the next reply would answer the wrong
 * question.
 *
 * The deadline does not count while the end of the message is being answered: the message has been handed
 * over, and giving up then would make it arrive twice (RFC 5321 section 4.5.3.2.6).
 */
import type { Socket } from 'node:net';
import { SmtpFault, stageWords } from './fault.js';
import type { Stage, Timeouts } from './timeouts.js';

/** What `bounded` needs to know. */
export interface Bounds {
  readonly timeouts: Timeouts;
  readonly socket: Socket;
  readonly signal?: AbortSignal | undefined;
  readonly deadline?: AbortSignal | undefined;
}

export async function bounded<T>(
  stage: Stage,
  { timeouts, socket, signal, deadline }: Bounds,
  start: (resolve: (value: T) => void, reject: (error: unknown) => void) => void,
): Promise<T> {
  const undo: (() => void)[] = [];
  try {
    return await new Promise<T>((resolve, reject) => {
      const stop = (error: unknown): void => {
        socket.destroy();
        reject(error);
      };
      const stopOn = (source: AbortSignal | undefined, error: () => unknown): void => {
        if (source === undefined) return;
        const onAbort = (): void => stop(error());
        if (source.aborted) onAbort();
        source.addEventListener('abort', onAbort, { once: true });
        undo.push(() => source.removeEventListener('abort', onAbort));
      };
      const timer = setTimeout(() => {
        const seconds = timeouts[stage] / 1000;
        stop(
          new SmtpFault('timeout', stage, `nothing came for ${seconds} s while we were ${stageWords(stage)}`),
        );
      }, timeouts[stage]);
      undo.push(() => clearTimeout(timer));
      stopOn(signal, () => signal?.reason);
      if (stage !== 'data-end') {
        stopOn(deadline, () => {
          const words = `the time for this delivery ended while we were ${stageWords(stage)}`;
          return new SmtpFault('deadline', stage, words);
        });
      }
      start(resolve, reject);
    });
  } finally {
    for (const step of undo) step();
  }
}
