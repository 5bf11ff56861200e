/** The service: looks at all domains now and then, counts, and tells what is new. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { CheckContext } from '../cli/check-domain.js';
import { wordsOf } from '../words-of.js';
import type { AlertBook } from './alert-book.js';
import { type Look, type LookOptions, lookAt } from './look.js';
import type { Channel } from './tell.js';

export interface WatchOptions {
  readonly domains: readonly string[];
  readonly context: CheckContext;
  readonly look: LookOptions;
  readonly book: AlertBook;
  readonly channels: readonly Channel[];
  readonly clock: () => number;
  readonly onLook: (look: Look) => void;
  readonly onTold: (channel: string, outcome: 'taken' | 'failed', words: string) => void;
  /** What went wrong here. */
  readonly warn: (words: string) => void;
  readonly signal: AbortSignal;
}

/** Domains at a time. */
const AT_ONCE = 4;

/** One look at all of them. Rejects only when the signal aborts. */
export async function lookAtAll(options: WatchOptions): Promise<readonly Look[]> {
  const { domains, context, look, book, clock, onLook } = options;
  const looks: Look[] = [];
  const waiting = domains[Symbol.iterator]();
  const worker = async (): Promise<void> => {
    for (let next = waiting.next(); !next.done; next = waiting.next()) {
      const seen = await lookAt(next.value, context, look);
      looks.push(seen);
      book.add(seen, clock());
      onLook(seen);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return looks;
}

/**
 * Tells what is new, over every channel that there is. Told is what one of them has taken; what none has is told after
 * the next look.
 */
export async function tellNews(options: WatchOptions): Promise<void> {
  const { book, channels, onTold, warn, signal } = options;
  const { news } = book;
  if (news.begun.length + news.over.length === 0) {
    await book.save().catch((error: unknown) => warn(`the alerts can't be kept: ${wordsOf(error)}`));
    return;
  }
  const taken = await Promise.all(
    channels.map(async ({ name, tell }) => {
      try {
        await tell(news, signal);
        onTold(name, 'taken', `${news.begun.length} new, ${news.over.length} over`);
        return true;
      } catch (error) {
        signal.throwIfAborted();
        onTold(name, 'failed', wordsOf(error));
        return false;
      }
    }),
  );
  if (channels.length > 0 && !taken.includes(true)) return;
  await book.told(news).catch((error: unknown) => warn(`the alerts can't be kept: ${wordsOf(error)}`));
}

/** @param interval milliseconds between two looks */
export async function watch(options: WatchOptions, interval: number): Promise<void> {
  const { signal, warn } = options;
  while (!signal.aborted) {
    try {
      await lookAtAll(options);
      await tellNews(options);
    } catch (error) {
      if (signal.aborted) return;
      warn(wordsOf(error));
    }
    await sleep(interval, undefined, { signal }).catch(() => {});
  }
}
