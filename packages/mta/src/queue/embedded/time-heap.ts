/**
 * Names, each with a time: which one is first? A binary heap; one time for a name, the latest that was said.
 */
interface Item {
  readonly time: number;
  readonly name: string;
}

export class TimeHeap {
  readonly #heap: Item[] = [];
  /** What holds for a name: items of other times are left over. */
  readonly #times = new Map<string, number>();

  add(time: number, name: string): void {
    if (this.#times.get(name) === time) return;
    this.#times.set(name, time);
    this.#push({ time, name });
  }

  forget(name: string): void {
    this.#times.delete(name);
  }

  clear(): void {
    this.#heap.length = 0;
    this.#times.clear();
  }

  /** The earliest time. */
  earliest(): number | undefined {
    this.#dropLeftOver();
    return this.#heap[0]?.time;
  }

  /** Takes the names whose time is that or earlier. */
  takeUntil(time: number): readonly string[] {
    const names: string[] = [];
    for (;;) {
      this.#dropLeftOver();
      const first = this.#heap[0];
      if (first === undefined || first.time > time) return names;
      this.#pop();
      this.#times.delete(first.name);
      names.push(first.name);
    }
  }

  #dropLeftOver(): void {
    for (;;) {
      const first = this.#heap[0];
      if (first === undefined || this.#times.get(first.name) === first.time) return;
      this.#pop();
    }
  }

  #push(item: Item): void {
    let at = this.#heap.length;
    this.#heap.push(item);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = this.#heap[parent];
      if (above === undefined || above.time <= item.time) break;
      this.#heap[at] = above;
      at = parent;
    }
    this.#heap[at] = item;
  }

  #pop(): void {
    const last = this.#heap.pop();
    if (last === undefined || this.#heap.length === 0) return;
    let at = 0;
    for (;;) {
      const [left, right] = [this.#heap[2 * at + 1], this.#heap[2 * at + 2]];
      const child = right !== undefined && left !== undefined && right.time < left.time ? right : left;
      if (child === undefined || child.time >= last.time) break;
      this.#heap[at] = child;
      at = child === left ? 2 * at + 1 : 2 * at + 2;
    }
    this.#heap[at] = last;
  }
}
