/**
 * Answers that are kept for as long as DNS lets them, and asked for again before they run out where somebody uses
 * them: Postfix waits for each answer before it delivers.
 */
import type { Answer } from './tls-level.js';

export type Kept = Exclude<Answer, { status: 'temporary' }>;

export interface Entry {
  readonly key: string;
  readonly answer: Kept;
  /** Milliseconds since the epoch. */
  readonly expires: number;
  /** How often it was given. */
  uses: number;
  /** Given since it was looked up. */
  used: boolean;
}

/** Some 500 octets each. */
const MAX_ENTRIES = 50_000;
/** Seconds. Records that live for a moment would have every message looked up. */
export const MIN_TTL = 60;
/** Seconds: a day, however long DNS would allow. */
export const MAX_TTL = 86_400;
/** Milliseconds before the end from which an entry in use is looked up again. */
export const PREFETCH_BEFORE = 120_000;

export class PolicyCache {
  /** The least recently used first. */
  readonly #entries = new Map<string, Entry>();
  readonly #clock: () => number;

  constructor(clock: () => number) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#entries.size;
  }

  use(key: string): Kept | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined || entry.expires <= this.#clock()) return undefined;
    entry.uses += 1;
    entry.used = true;
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    return entry.answer;
  }

  /** Keeps an answer, unless it is not to be kept; a temporary failure does not take the place of anything. */
  keep(key: string, answer: Answer, used: boolean): void {
    if (answer.status === 'temporary' || answer.ttl === 0) return;
    const seconds = Math.min(Math.max(answer.ttl, MIN_TTL), MAX_TTL);
    const uses = (this.#entries.get(key)?.uses ?? 0) + (used ? 1 : 0);
    this.#entries.delete(key);
    this.#entries.set(key, { key, answer, expires: this.#clock() + seconds * 1000, uses, used: false });
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= MAX_ENTRIES) break;
      this.#entries.delete(oldest);
    }
  }

  /** Entries that hold, the most used first. */
  entries(): readonly Entry[] {
    const now = this.#clock();
    const held = [...this.#entries.values()].filter(({ expires }) => expires > now);
    return held.sort((a, b) => b.uses - a.uses || (a.key < b.key ? -1 : 1));
  }

  /** Keys that are about to run out and were used since they were looked up. Drops what has run out. */
  due(): readonly string[] {
    const now = this.#clock();
    for (const [key, { expires }] of this.#entries) if (expires <= now) this.#entries.delete(key);
    return this.entries()
      .filter(({ expires, used }) => used && expires - now <= PREFETCH_BEFORE)
      .map(({ key }) => key);
  }

  clear(): void {
    this.#entries.clear();
  }
}
