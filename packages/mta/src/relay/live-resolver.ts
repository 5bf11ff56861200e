/** The resolver of the main thread, which a reload replaces under those who hold it. */
import {
  createResolver,
  type Lookup,
  type LookupTold,
  type ResolveOptions,
  type Resolver,
} from '@danelaw/dns';
import type { WorkerSettings } from './worker-settings.js';

/** Milliseconds: look-ups that are under way end first. */
const CLOSE_AFTER = 60_000;

interface Hears {
  readonly onNotice: (text: string) => void;
  readonly onLookup: (told: LookupTold) => void;
}

export class LiveResolver implements Resolver {
  readonly #hears: Hears;
  readonly #retired = new Map<Resolver, NodeJS.Timeout>();
  #current: Resolver;

  constructor(options: WorkerSettings['resolver'], hears: Hears) {
    this.#hears = hears;
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
    const { onNotice, onLookup } = this.#hears;
    return createResolver({ ...options, onNotice: ({ text }) => onNotice(text), onLookup });
  }
}
