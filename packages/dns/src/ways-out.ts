/**
 * `upstream: 'system'`: finds a way to ask DNS whose answers can be validated, from whatever network this is.
 *
 * 1. The system's resolvers, as far as DNSSEC survives them (`fitness.ts`); the fastest first.
 * 2. The root's servers and those below, asked by ourselves.
 * 3. DNS-over-TLS servers that were configured for this case.
 *
 * Each is tried when the one before has failed or taken a second; the first that works is used, and one that is better
 * takes its place as soon as it is known to work. None of this decides what is true: answers are validated whichever way
 * they come. It decides only whether there is anything to validate.
 */
import { onAbort, systemTimer, type Timer, untilAbort } from './abort.js';
import type { Question } from './ask-server.js';
import { EDE, ede } from './dnssec/extended-error.js';
import { VIA_ROOT } from './iterate.js';
import type { Exchanged, NoReply, Source } from './source.js';
import type { TrustAnchor } from './trust-anchor.js';
import { type Notice, noticeText, type Tries } from './way-notice.js';
import { Search, serversOf, type Way, type WaysToTry } from './way-search.js';

/** Ways are looked for again after this time, beside the questions; */
export const REPROBE_MS = 300_000;
/** after a failed look-up, but not more often than this; */
export const RECONSIDER_MS = 10_000;
/** and for the next question, where there was none. */
export const RETRY_MS = 3_000;

export interface WaysOutOptions extends WaysToTry {
  readonly timer?: Timer;
  readonly onNotice?: (notice: Notice) => void;
}

export function createWaysOut(options: WaysOutOptions): Source {
  return new WaysOut(options);
}

class WaysOut implements Source {
  readonly #options: WaysOutOptions;
  #anchors: readonly TrustAnchor[];
  readonly #timer: Timer;
  readonly #closed = new AbortController();
  #way: Way | undefined;
  #search: Search | undefined;
  #searchedAt = Number.NEGATIVE_INFINITY;
  /** What was said last. That the system's resolvers work needs no saying at first. */
  #said: Notice['code'] = 'forwarding';

  constructor(options: WaysOutOptions) {
    this.#options = options;
    this.#anchors = options.anchors;
    this.#timer = options.timer ?? systemTimer;
  }

  async ask(question: Question, signal?: AbortSignal): Promise<Exchanged> {
    signal?.throwIfAborted();
    const search = this.#searchIfDue();
    if (this.#way !== undefined) return askBy(this.#way, question, signal);
    const end = new AbortController();
    const stopListening = onAbort(signal, () => end.abort(signal?.reason));
    try {
      const guess = search.guess(question, end.signal);
      const way = await untilAbort(search.firstFound, end.signal);
      return (await guess(way)) ?? (await askBy(way, question, signal));
    } finally {
      stopListening();
      end.abort();
    }
  }

  async reconsider(): Promise<boolean> {
    const before = this.#way;
    if (this.#closed.signal.aborted || this.#age() < RECONSIDER_MS) return false;
    const now = await this.#startSearch(true).firstFound;
    return now.kind !== 'no-way-out' && !isSameWay(before, now);
  }

  trust(anchors: readonly TrustAnchor[]): void {
    this.#anchors = anchors;
  }

  get via(): string {
    const way = this.#way;
    switch (way?.kind) {
      case 'forwarding':
      case 'fallback':
        return `forwarding to ${serversOf(way).join(', ')}`;
      case 'iterating':
        return VIA_ROOT;
      case 'no-way-out':
      case undefined:
        return 'no way found';
      default: {
        const never: never = way;
        return never;
      }
    }
  }

  async close(): Promise<void> {
    this.#closed.abort(new Error('the resolver was closed'));
    await this.#search?.done;
    await this.#options.iterator.close();
  }

  #age(): number {
    return Math.abs(this.#options.clock() - this.#searchedAt);
  }

  #searchIfDue(): Search {
    const isLost = this.#way === undefined || this.#way.kind === 'no-way-out';
    const isDue = this.#age() >= (isLost ? RETRY_MS : REPROBE_MS);
    if (this.#search !== undefined && !isDue) return this.#search;
    // Where there is no way, the question waits for what is found; else it goes where the last ones went.
    if (isLost) this.#way = undefined;
    return this.#startSearch(this.#way === undefined);
  }

  /** One at a time. @param inHaste something waits for it */
  #startSearch(inHaste: boolean): Search {
    if (this.#search?.isOver === false) return this.#search;
    this.#searchedAt = this.#options.clock();
    const search = new Search(
      { ...this.#options, anchors: this.#anchors, timer: this.#timer, signal: this.#closed.signal, inHaste },
      (way, tried) => {
        if (this.#closed.signal.aborted) return;
        this.#way = way;
        this.#say(way, tried);
      },
    );
    this.#search = search;
    return search;
  }

  #say(way: Way, tried: Tries): void {
    if (way.kind === this.#said) return;
    this.#said = way.kind;
    this.#options.onNotice?.({ code: way.kind, text: noticeText(way.kind, serversOf(way), tried) });
  }
}

/** Nothing that was not there before: the question would go where it went. */
function isSameWay(before: Way | undefined, now: Way): boolean {
  if (before?.kind !== now.kind) return false;
  const had = serversOf(before);
  return serversOf(now).every((server) => had.includes(server));
}

async function askBy(way: Way, question: Question, signal?: AbortSignal): Promise<Exchanged> {
  return way.kind === 'no-way-out' ? failure(way.reason) : way.ask(question, signal);
}

function failure(reason: string): NoReply {
  return { kind: 'failure', reason, ede: ede(EDE.NETWORK_ERROR, reason) };
}
