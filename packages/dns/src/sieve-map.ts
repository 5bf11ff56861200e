/**
 * A map with a bound, from which goes what is not used (SIEVE, Zhang and others, NSDI 2024).
 *
 * A hand moves over the entries from the oldest to the newest. What was used since it last came by stays and loses its mark;
 * the first without a mark goes. So a hit costs one mark, where an exact order of use would move the entry in the map, and
 * names that are asked for once - most are - don't push out those in use.
 *
 * Each round ends with what was there when it began. A hand that went on to newcomers could never catch up with them: one
 * comes for each that goes, and so it would throw out, one after the other, what is too new to have been used again, and
 * leave for ever what nobody uses any more.
 */
interface Entry<V> {
  /** Entries that had been set before it. */
  readonly born: number;
  readonly value: V;
  readonly weight: number;
  isUsed: boolean;
}

export class SieveMap<V> {
  readonly #maxWeight: number;
  readonly #entries = new Map<string, Entry<V>>();
  #hand = this.#entries.entries();
  /** What the hand looks at next, fetched ahead: at the end it must turn back, not wait for newcomers. */
  #ahead = this.#hand.next();
  /** The hand's round ends before what was born later. */
  #roundEnd = 0;
  #births = 0;
  #weight = 0;
  #evicted = 0;

  /** @param maxWeight of all entries; each weighs 1 unless `set` is told otherwise */
  constructor(maxWeight: number) {
    this.#maxWeight = maxWeight;
  }

  get size(): number {
    return this.#entries.size;
  }

  get weight(): number {
    return this.#weight;
  }

  /** Entries that had to make room for others so far. */
  get evicted(): number {
    return this.#evicted;
  }

  get(key: string): V | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    entry.isUsed = true;
    return entry.value;
  }

  /** What weighs more than all that may be kept is not kept. */
  set(key: string, value: V, weight = 1): void {
    const isUsed = this.#entries.has(key);
    this.delete(key);
    if (weight > this.#maxWeight) return;
    while (this.#weight + weight > this.#maxWeight) this.#evictOne();
    this.#entries.set(key, { born: this.#births++, value, weight, isUsed });
    this.#weight += weight;
  }

  delete(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    this.#weight -= entry.weight;
  }

  clear(): void {
    this.#entries.clear();
    this.#weight = 0;
  }

  /** The oldest first. */
  *[Symbol.iterator](): Generator<readonly [key: string, value: V]> {
    for (const [key, entry] of this.#entries) yield [key, entry.value];
  }

  #evictOne(): void {
    for (;;) {
      if (this.#ahead.done || this.#ahead.value[1].born >= this.#roundEnd) {
        this.#hand = this.#entries.entries();
        this.#ahead = this.#hand.next();
        this.#roundEnd = this.#births;
        continue;
      }
      const [key, entry] = this.#ahead.value;
      this.#ahead = this.#hand.next();
      if (this.#entries.get(key) !== entry) continue;
      if (entry.isUsed) {
        entry.isUsed = false;
        continue;
      }
      this.delete(key);
      this.#evicted++;
      return;
    }
  }
}
