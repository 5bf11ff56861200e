/** A bounded amount of something, given out in the order in which it was asked for. */
export class Gate {
  readonly #bound: number;
  #taken = 0;
  readonly #waiting: { readonly amount: number; readonly go: () => void }[] = [];

  constructor(bound: number) {
    this.#bound = bound;
  }

  /** Somebody waits. */
  get isWanted(): boolean {
    return this.#waiting.length > 0;
  }

  /** Resolves when this much is free. More than the bound is let through alone. */
  async take(amount: number): Promise<void> {
    if (this.#waiting.length === 0 && this.#fits(amount)) {
      this.#taken += amount;
      return;
    }
    await new Promise<void>((go) => this.#waiting.push({ amount, go }));
  }

  give(amount: number): void {
    this.#taken -= amount;
    for (
      let next = this.#waiting[0];
      next !== undefined && this.#fits(next.amount);
      next = this.#waiting[0]
    ) {
      this.#waiting.shift();
      this.#taken += next.amount;
      next.go();
    }
  }

  #fits(amount: number): boolean {
    return this.#taken === 0 || this.#taken + amount <= this.#bound;
  }
}
