/** The resolver of the main thread, which a reload replaces under those who hold it. */
import { createResolver, type Lookup, type ResolveOptions, type Resolver } from '@danelaw/dns';
import type { WorkerSettings } from './worker-settings.js';

/** Milliseconds: look-ups that are under way end first. */
const CLOSE_AFTER = 60_000;

export class LiveResolver implements Resolver {
  readonly #onNotice: (text: string) => void;
  readonly #retired = new Map<Resolver, NodeJS.Timeout>();
  #current: Resolver;

  constructor(options: WorkerSettings['resolver'], onNotice: (text: string) => void) {
    this.#onNotice = onNotice;
    this.#current = this.#make(options);
  }

  resolve(name: string, type: string, options?: ResolveOptions): Promise<Lookup> {
    return this.#current.resolve(name, type, options);
  }

  /** @throws TypeError where an option is not valid; nothing has changed then */
  replace(options: WorkerSettings['resolver']): void {
    const before = this.#current;
    this.#current = this.#make(options);
    const closing = setTimeout(() => {
      this.#retired.delete(before);
      void before.close();
    }, CLOSE_AFTER);
    this.#retired.set(before, closing.unref());
  }

  async close(): Promise<void> {
    for (const timer of this.#retired.values()) clearTimeout(timer);
    await Promise.all([this.#current, ...this.#retired.keys()].map((each) => each.close()));
    this.#retired.clear();
  }

  #make(options: WorkerSettings['resolver']): Resolver {
    return createResolver({ ...options, onNotice: ({ text }) => this.#onNotice(text) });
  }
}
