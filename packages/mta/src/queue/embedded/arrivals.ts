/**
 * How many messages of the queue arrived when: counted in slots of five minutes, each with a key in the table
 * `state`, so that the age of a queue of a million messages is known from some hundred keys - as many as there
 * are slots within the time that a message may stay.
 */
import { type Draft, keysUnder, SEPARATOR, type TableReader } from './draft.js';
import { timeKey } from './entries.js';

/** Milliseconds. */
const SLOT = 300_000;
const FIRST = 'arrived';

/** What a transaction changes of it. */
export class Arrivals {
  /** By slot. */
  readonly #changes = new Map<number, number>();

  add(arrived: number, messages: 1 | -1): void {
    const slot = Math.floor(arrived / SLOT);
    this.#changes.set(slot, (this.#changes.get(slot) ?? 0) + messages);
  }

  write(draft: Draft): void {
    for (const [slot, change] of this.#changes) {
      if (change === 0) continue;
      const key = FIRST + SEPARATOR + timeKey(slot * SLOT);
      const messages = Number(draft.get('state', key) ?? '0') + change;
      // Messages of an index that was begun before this was counted leave no slot when they go.
      if (messages > 0) draft.put('state', key, String(messages));
      else draft.remove('state', key);
    }
  }
}

/** For each of these times, which ascend, the messages of the slots that had ended by then. */
export function arrivedBefore(state: TableReader, times: readonly number[]): readonly number[] {
  const totals = times.map(() => 0);
  for (const key of keysUnder(state, FIRST)) {
    const messages = Number(state.get(key) ?? '0');
    const end = Number.parseInt(key.slice(FIRST.length + SEPARATOR.length), 16) + SLOT;
    for (const [place, time] of times.entries())
      if (end <= time) totals[place] = (totals[place] ?? 0) + messages;
  }
  return totals;
}
