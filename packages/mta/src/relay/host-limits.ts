/**
 * Who may have one more connection: so many to one server, so many in all.
 *
 * A server is its address and port: thousands of domains may be at one, and it counts them together. One that
 * says it has too much to do (421, 4yz to MAIL) is left with half as many, and gets them back one by one as
 * connections end well.
 *
 * Where all connections are taken, the next that ends goes to the server that has the fewest: those that are slow
 * or much wanted have the most, and keep nobody else's mail waiting.
 */
import type { Slot } from '../queue/queue.js';

export interface Server {
  readonly address: string;
  readonly port: number;
}

/** Connections to one server, and in all. */
export interface ConnectionLimits {
  readonly perHost: number;
  readonly total: number;
}

export interface HostLimitOptions extends ConnectionLimits {
  /** Where nodes share a queue, they share a server's connections: asked before each new one. */
  readonly takeSlot?: (host: string) => Promise<Slot | undefined>;
  /** Servers that are remembered. */
  readonly remembered?: number;
  /** Milliseconds until a slot that other nodes have is asked for again. */
  readonly again?: number;
  /**
   * Somebody waits for a connection to this server - or, where it is undefined, to any: whoever keeps an idle one should
   * let go of it. Called again and again while he waits.
   */
  readonly onWait?: (server: Server | undefined) => void;
}

/** How the connection ended. */
export type Ending = 'ok' | 'failed' | 'busy';

export interface HostPermit {
  release(ending: Ending): void;
}

interface Waiting {
  readonly key: string;
  readonly go: (permit: HostPermit) => void;
}

interface Host {
  open: number;
  limit: number;
  /** Waiting, oldest first. */
  readonly queue: Set<Waiting>;
}

const SLOT_AGAIN = 500;
/** Servers that are remembered where nothing else is said; most of them because they have said that they have too much to do. */
const MAX_HOSTS = 10_000;
/** Milliseconds between two calls for room: idle connections are kept for seconds. */
const CALL_AGAIN = 50;

export class HostLimits {
  #options: HostLimitOptions;
  readonly #hosts = new Map<string, Host>();
  /** Those with a queue. */
  readonly #wanted = new Map<string, Host>();
  #open = 0;
  #calling: NodeJS.Timeout | undefined;

  constructor(options: HostLimitOptions) {
    this.#options = options;
  }

  /** From now on; connections that are too many now are not closed. */
  configure({ perHost, total }: ConnectionLimits): void {
    const before = this.#options.perHost;
    this.#options = { ...this.#options, perHost, total };
    for (const [key, host] of this.#hosts) {
      // Who had all gets all; who had less because it said so keeps that, and grows from there.
      host.limit = host.limit === before ? perHost : Math.min(host.limit, perHost);
      this.#next(key, host);
    }
  }

  get perHost(): number {
    return this.#options.perHost;
  }

  /** Connections that are open, or about to be. */
  get open(): number {
    return this.#open;
  }

  /** Servers of which anything is known. */
  get remembered(): number {
    return this.#hosts.size;
  }

  /** Leave for a connection that may be made at once; undefined where that has to be waited for. */
  acquireNow(server: Server): HostPermit | undefined {
    if (this.#options.takeSlot !== undefined) return undefined;
    const key = keyOf(server);
    const host = this.#of(key);
    const permit = this.#permitNow(key, host);
    if (permit === undefined) this.#tidy(key, host);
    return permit;
  }

  /** Resolves when the connection may be made. Rejects only when `signal` aborts. */
  async acquire(server: Server, signal?: AbortSignal): Promise<HostPermit> {
    signal?.throwIfAborted();
    const key = keyOf(server);
    const permit = await this.#localPermit(key, signal);
    const { takeSlot } = this.#options;
    if (takeSlot === undefined) return permit;
    try {
      const slot = await this.#slot(key, takeSlot, signal);
      return {
        release: (ending) => {
          slot.release();
          permit.release(ending);
        },
      };
    } catch (error) {
      permit.release('ok');
      throw error;
    }
  }

  async #slot(
    key: string,
    takeSlot: (host: string) => Promise<Slot | undefined>,
    signal: AbortSignal | undefined,
  ): Promise<Slot> {
    for (;;) {
      // A database that can't be asked now can be later; nobody would connect for a permit that never comes.
      const slot = await takeSlot(key).catch(() => undefined);
      if (slot !== undefined) return slot;
      await pause(this.#options.again ?? SLOT_AGAIN, signal);
    }
  }

  #localPermit(key: string, signal: AbortSignal | undefined): Promise<HostPermit> {
    const host = this.#of(key);
    const permit = this.#permitNow(key, host);
    if (permit !== undefined) return Promise.resolve(permit);
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        host.queue.delete(waiting);
        this.#tidy(key, host);
        reject(signal?.reason);
      };
      const go = (permit: HostPermit): void => {
        signal?.removeEventListener('abort', onAbort);
        resolve(permit);
      };
      const waiting: Waiting = { key, go };
      host.queue.add(waiting);
      this.#wanted.set(key, host);
      this.#call();
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  #call(): void {
    const { onWait } = this.#options;
    if (onWait === undefined || this.#calling !== undefined) return;
    for (const [key, { open, limit }] of this.#wanted) {
      const [address = '', port] = key.split('#');
      onWait(open < limit ? undefined : { address, port: Number(port) });
    }
    if (this.#wanted.size === 0) return;
    this.#calling = setTimeout(() => {
      this.#calling = undefined;
      this.#call();
    }, CALL_AGAIN).unref();
  }

  /** Nobody goes before those who wait. */
  #permitNow(key: string, host: Host): HostPermit | undefined {
    const fits = host.open < host.limit && this.#open < this.#options.total;
    return fits && host.queue.size === 0 ? this.#admit(key, host) : undefined;
  }

  #admit(key: string, host: Host): HostPermit {
    host.open += 1;
    this.#open += 1;
    let released = false;
    return {
      release: (ending) => {
        if (released) return;
        released = true;
        host.open -= 1;
        this.#open -= 1;
        this.#learn(host, ending);
        this.#next(key, host);
      },
    };
  }

  #learn(host: Host, ending: Ending): void {
    switch (ending) {
      case 'busy':
        host.limit = Math.max(1, Math.floor((host.open + 1) / 2));
        return;
      case 'ok':
        host.limit = Math.min(this.#options.perHost, host.limit + 1);
        return;
      case 'failed':
        return;
      default:
        ending satisfies never;
    }
  }

  /** Lets in whoever may be: first at the server that has the fewest, and of its own the oldest. */
  #next(key: string, host: Host): void {
    for (let next = this.#neediest(); next !== undefined; next = this.#neediest()) {
      const [waiting] = next.queue;
      if (waiting === undefined) break;
      next.queue.delete(waiting);
      // Those that have as few take turns.
      this.#wanted.delete(waiting.key);
      if (next.queue.size > 0) this.#wanted.set(waiting.key, next);
      waiting.go(this.#admit(waiting.key, next));
    }
    this.#tidy(key, host);
  }

  /** Of those that somebody waits for, and that may have one more. */
  #neediest(): Host | undefined {
    if (this.#open >= this.#options.total) return undefined;
    let neediest: Host | undefined;
    for (const host of this.#wanted.values()) {
      if (host.open >= host.limit) continue;
      if (neediest === undefined || host.open < neediest.open) neediest = host;
    }
    return neediest;
  }

  #of(key: string): Host {
    const known = this.#hosts.get(key);
    if (known !== undefined) return known;
    if (this.#hosts.size >= (this.#options.remembered ?? MAX_HOSTS)) this.#forget();
    const made: Host = { open: 0, limit: this.#options.perHost, queue: new Set() };
    this.#hosts.set(key, made);
    return made;
  }

  /** The one that has been there the longest of those that nobody talks to now. */
  #forget(): void {
    for (const [key, { open, queue }] of this.#hosts) {
      if (open > 0 || queue.size > 0) continue; // as many as there are connections and claims under way
      this.#hosts.delete(key);
      return;
    }
  }

  /** A server that nobody talks to and that may have all is not worth remembering. */
  #tidy(key: string, host: Host): void {
    if (host.queue.size === 0) this.#wanted.delete(key);
    const isPlain = host.open === 0 && host.queue.size === 0 && host.limit === this.#options.perHost;
    if (isPlain) this.#hosts.delete(key);
  }
}

const keyOf = ({ address, port }: Server): string => `${address}#${port}`;

function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    }, milliseconds);
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}
