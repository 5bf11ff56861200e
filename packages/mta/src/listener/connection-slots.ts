/** How many connections there are, in total and of each client. */
import { clientKey } from './network.js';

export type Slot =
  | { readonly ok: true; readonly release: () => void }
  | { readonly ok: false; readonly full: 'all' | 'client' };

export class ConnectionSlots {
  limit: number;
  limitOfClient: number;
  #taken = 0;
  readonly #ofClient = new Map<string, number>();
  #emptied: (() => void)[] = [];

  constructor(limit: number, limitOfClient: number) {
    this.limit = limit;
    this.limitOfClient = limitOfClient;
  }

  get taken(): number {
    return this.#taken;
  }

  /** Resolves when there is no connection. */
  empty(): Promise<void> {
    if (this.#taken === 0) return Promise.resolve();
    return new Promise((resolve) => this.#emptied.push(resolve));
  }

  take(address: string): Slot {
    const key = clientKey(address);
    const ofClient = this.#ofClient.get(key) ?? 0;
    if (ofClient >= this.limitOfClient) return { ok: false, full: 'client' };
    if (this.#taken >= this.limit) return { ok: false, full: 'all' };
    this.#taken++;
    this.#ofClient.set(key, ofClient + 1);
    let released = false;
    return {
      ok: true,
      release: () => {
        if (released) return;
        released = true;
        this.#taken--;
        const left = (this.#ofClient.get(key) ?? 1) - 1;
        if (left === 0) this.#ofClient.delete(key);
        else this.#ofClient.set(key, left);
        if (this.#taken > 0) return;
        for (const resolve of this.#emptied) resolve();
        this.#emptied = [];
      },
    };
  }
}
