/**
 * A bounded amount of something, given out in the order in which it was asked for - and to no owner more than its
 * share, as long as it has any: whoever holds on to what he has keeps nobody waiting but himself.
 */
interface Waiting {
  readonly amount: number;
  readonly owner: string | undefined;
  readonly go: () => void;
}

export class Gate {
  readonly #bound: number;
  readonly #share: number;
  #taken = 0;
  readonly #takenBy = new Map<string, number>();
  readonly #waiting = new Set<Waiting>();

  /** @param share of one owner; who asks without a name has none */
  constructor(bound: number, share = bound) {
    this.#bound = bound;
    this.#share = share;
  }

  /** Somebody waits, and not because of what he has already. */
  get isWanted(): boolean {
    for (const { amount, owner } of this.#waiting) if (this.#isEntitled(amount, owner)) return true;
    return false;
  }

  /** Resolves when this much is free. More than the bound is let through alone. */
  async take(amount: number, owner?: string): Promise<void> {
    if (!this.isWanted && this.#fits(amount) && this.#isEntitled(amount, owner)) {
      this.#count(amount, owner);
      return;
    }
    await new Promise<void>((go) => this.#waiting.add({ amount, owner, go }));
  }

  give(amount: number, owner?: string): void {
    this.#count(-amount, owner);
    for (const next of this.#waiting) {
      if (!this.#isEntitled(next.amount, next.owner)) continue;
      // Whoever comes after him does not overtake him, or large ones would wait for ever.
      if (!this.#fits(next.amount)) return;
      this.#waiting.delete(next);
      this.#count(next.amount, next.owner);
      next.go();
    }
  }

  #fits(amount: number): boolean {
    return this.#taken === 0 || this.#taken + amount <= this.#bound;
  }

  #isEntitled(amount: number, owner?: string): boolean {
    const taken = owner === undefined ? undefined : this.#takenBy.get(owner);
    return taken === undefined || taken + amount <= this.#share;
  }

  #count(amount: number, owner?: string): void {
    this.#taken += amount;
    if (owner === undefined) return;
    const taken = (this.#takenBy.get(owner) ?? 0) + amount;
    if (taken === 0) this.#takenBy.delete(owner);
    else this.#takenBy.set(owner, taken);
  }
}
