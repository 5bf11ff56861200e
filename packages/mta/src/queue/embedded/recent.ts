/**
 * What this process has put into the index lately, as it came: most messages are claimed and settled within moments,
 * and need not be read back from the index and taken apart again.
 *
 * The index stays the truth. What is kept here holds for one state of it, named by the number of its last change, by
 * whichever process; where that is another one, this is not asked, and the next change of our own finds it empty. So
 * it can be missed, and never be wrong; a crash loses nothing with it.
 */
import type { QueuedRecipient } from '../queue.js';
import type { DestinationEntry, MessageEntry } from './entries.js';

/** Messages that are kept: as many as are claimed at a time at most. */
const MOST_MESSAGES = 2000;
/** Recipients of one; what has more costs more than that to deliver. */
const MOST_RECIPIENTS = 16;
/** Milliseconds after which a message may be forgotten for another: it waits for something, and may wait for days. */
const LATELY = 10_000;
/** Destinations that are kept; then all are forgotten. */
const MOST_DESTINATIONS = 2000;

/** A message with all that is in the queue of it. */
export interface RecentMessage extends MessageEntry {
  /** By destination. */
  readonly works: ReadonlyMap<string, readonly QueuedRecipient[]>;
}

/** What a change makes of it. Undefined: it is not known any more. */
export interface RecentChanges {
  readonly messages: ReadonlyMap<string, RecentMessage | undefined>;
  readonly destinations: ReadonlyMap<string, DestinationEntry>;
}

export interface RecentReader {
  /** Undefined where only the index knows. */
  message(id: string): RecentMessage | undefined;
  destination(destination: string): DestinationEntry | undefined;
}

export const NOTHING_RECENT: RecentReader = { message: () => undefined, destination: () => undefined };

export class Recent implements RecentReader {
  readonly #messages = new Map<string, RecentMessage>();
  readonly #destinations = new Map<string, DestinationEntry>();
  #turn = -1;

  /** For reads of that state of the index. */
  at(turn: number): RecentReader {
    return turn === this.#turn ? this : NOTHING_RECENT;
  }

  /** A change of our own has made the next state of that one. */
  apply(turn: number, { messages, destinations }: RecentChanges): void {
    if (turn !== this.#turn) {
      this.#messages.clear();
      this.#destinations.clear();
    }
    this.#turn = turn + 1;
    for (const [id, message] of messages) {
      if (message === undefined) this.#messages.delete(id);
      else this.#keep(id, message);
    }
    if (this.#destinations.size >= MOST_DESTINATIONS) this.#destinations.clear();
    for (const [destination, entry] of destinations) this.#destinations.set(destination, entry);
  }

  message(id: string): RecentMessage | undefined {
    return this.#messages.get(id);
  }

  destination(destination: string): DestinationEntry | undefined {
    return this.#destinations.get(destination);
  }

  #keep(id: string, message: RecentMessage): void {
    if (!this.#messages.has(id) && !this.#hasRoom(message.envelope.arrived)) return;
    let recipients = 0;
    for (const work of message.works.values()) recipients += work.length;
    if (recipients <= MOST_RECIPIENTS) this.#messages.set(id, message);
  }

  #hasRoom(arrived: number): boolean {
    if (this.#messages.size < MOST_MESSAGES) return true;
    for (const [oldest, { envelope }] of this.#messages) {
      if (arrived - envelope.arrived < LATELY) return false;
      this.#messages.delete(oldest);
      return true;
    }
    return true;
  }
}
