/**
 * One message on its way into memory: an array that doubles when it is full, so that each octet is copied a
 * bounded number of times however small the pieces are in which it comes, and a client that sends single
 * octets takes no more memory than it sends.
 *
 * Memory comes from the budget of all connections. A message that is too large, or for which there is no
 * memory, gives back what it has and is read to its end without being kept.
 */
import type { OctetSink } from './message-reader.js';
import type { OctetBudget } from './octet-budget.js';

/** Most messages fit at once. */
const FIRST_OCTETS = 16 * 1024;

export type CollectorState = 'open' | 'too-large' | 'no-room';

export class MessageCollector implements OctetSink {
  readonly #budget: OctetBudget;
  readonly #limit: number;
  #octets = Buffer.alloc(0);
  #length = 0;
  #state: CollectorState = 'open';

  constructor(budget: OctetBudget, limit: number) {
    this.#budget = budget;
    this.#limit = limit;
  }

  get state(): CollectorState {
    return this.#state;
  }

  get length(): number {
    return this.#length;
  }

  /**
   * Makes room for the octets that are about to come.
   * @returns a promise where that takes a while; nothing must be added until it has resolved
   */
  prepare(octets: number, patience: () => AbortSignal): Promise<void> | undefined {
    if (this.#state !== 'open' || this.#length + octets <= this.#octets.length) return undefined;
    const needed = this.#length + octets;
    const wanted = Math.max(needed, Math.min(this.#limit, Math.max(FIRST_OCTETS, this.#octets.length * 2)));
    const more = wanted - this.#octets.length;
    if (this.#budget.take(more)) {
      this.#grow(wanted, more);
      return undefined;
    }
    return this.#budget.wait(more, patience()).then((granted) => {
      if (!granted) return this.#abandon('no-room');
      // The connection may have ended while this one waited.
      if (this.#state === 'open') this.#grow(wanted, more);
      else this.#budget.give(more);
    });
  }

  add(chunk: Uint8Array, start: number, end: number): void {
    if (this.#state !== 'open') return;
    if (this.#length + end - start > this.#limit) {
      this.#abandon('too-large');
      return;
    }
    this.#octets.set(chunk.subarray(start, end), this.#length);
    this.#length += end - start;
  }

  /** The message. Its memory stays taken until `release`. */
  message(): Uint8Array {
    return this.#octets.subarray(0, this.#length);
  }

  /** Gives the memory back; harmless when it is called again. */
  release(): void {
    if (this.#octets.length > 0) this.#budget.give(this.#octets.length);
    this.#octets = Buffer.alloc(0);
    if (this.#state === 'open') this.#state = 'no-room';
  }

  #grow(capacity: number, taken: number): void {
    let grown: Buffer<ArrayBuffer>;
    try {
      // Not from Node's pool, whose slabs live as long as any piece of them.
      grown = Buffer.allocUnsafeSlow(capacity);
    } catch {
      // The machine has less memory than the budget; the message is put off, and the others go on.
      this.#budget.give(taken);
      this.#abandon('no-room');
      return;
    }
    grown.set(this.#octets.subarray(0, this.#length));
    this.#octets = grown;
  }

  #abandon(state: 'too-large' | 'no-room'): void {
    this.release();
    this.#state = state;
  }
}
