/**
 * Open connections between two messages, and TLS sessions between two connections: kept for whoever comes
 * next with the same key and finds, by its own policy, nothing wrong with them.
 *
 * The pool knows keys and places, and asks `fits` about everything else: no verdict is kept in it
 * (`share-session.ts` says what is judged anew). A server that speaks, or hangs up, while its connection is
 * idle is dropped without a word to anybody.
 *
 * A delivery that waits for leave to open a connection (`admission.ts`) is a guest here: it gets the next
 * connection that becomes idle and fits. One that does not fit, but stands in its way because it leads to the
 * same place and holds a permit, is closed for it.
 */
import type { ConnectionReport } from './admission.js';
import type { Channel } from './channel.js';
import type { Keeping } from './session-key.js';
import { type Resumption, TicketStore } from './ticket-store.js';
import { isSameChain, type Secured } from './tls-facts.js';

export interface PoolLimits {
  /**
   * Milliseconds that a connection stays idle. Servers dislike idle clients, and a connection that nobody
   * wanted for so long is no longer under load.
   */
  readonly idleTime: number;
  /** Messages that one connection carries: servers count too, and Postfix's own limit is as large. */
  readonly messages: number;
  /** Milliseconds from the first message to the last: what was negotiated is not to stay for ever. */
  readonly age: number;
  /** Idle connections, over all keys: each costs a descriptor here and a process there. */
  readonly idle: number;
  /** Idle connections of one key. */
  readonly idlePerKey: number;
  /** Keys for which TLS sessions are kept: about 4 KiB each, and the chain. */
  readonly ticketKeys: number;
  /** Milliseconds since the full handshake that a TLS session is used; RFC 8446 would allow a week. */
  readonly ticketAge: number;
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;

export const DEFAULT_POOL_LIMITS: PoolLimits = {
  idleTime: 5 * SECOND,
  messages: 100,
  age: 5 * MINUTE,
  idle: 1000,
  idlePerKey: 50,
  ticketKeys: 1000,
  ticketAge: 60 * MINUTE,
};

/** Guests of one key that a connection is offered to: each offer may cost a path of certificates. */
const MAX_OFFERS = 8;

export interface PoolOptions {
  readonly limits?: Partial<PoolLimits>;
  /** Milliseconds, monotonic. */
  readonly clock?: () => number;
}

interface Kept extends Keeping {
  readonly channel: Channel;
  idle: NodeJS.Timeout | undefined;
}

interface Guest {
  offer(channel: Channel): boolean;
}

export interface PoolStatistics {
  readonly idle: number;
  readonly waiting: number;
}

export class SessionPool {
  readonly #limits: PoolLimits;
  readonly #clock: () => number;
  readonly #tickets: TicketStore;
  /** The longest idle first. */
  readonly #idle = new Map<Channel, Kept>();
  readonly #byKey = new Map<string, Set<Kept>>();
  readonly #byPlace = new Map<string, Set<Kept>>();
  /** When the first message of each had been sent. */
  readonly #since = new WeakMap<Channel, number>();
  /** By place, then by key; in the order in which they came. */
  readonly #guests = new Map<string, Map<string, Set<Guest>>>();
  #closed = false;

  constructor({ limits, clock = () => performance.now() }: PoolOptions = {}) {
    this.#limits = { ...DEFAULT_POOL_LIMITS, ...limits };
    this.#clock = clock;
    const { ticketKeys: keys, ticketAge: age } = this.#limits;
    this.#tickets = new TicketStore({ keys, age }, clock);
  }

  get statistics(): PoolStatistics {
    let waiting = 0;
    for (const keys of this.#guests.values()) for (const guests of keys.values()) waiting += guests.size;
    return { idle: this.#idle.size, waiting };
  }

  /** The TLS sessions of one key. */
  resumption(key: string): Resumption {
    return this.#tickets.for(key);
  }

  /**
   * Takes the connection of this key that was used last and `fits`. It belongs to the caller then, who has to
   * wake it (`Connection.wake`).
   */
  take<T>(key: string, fits: (channel: Channel) => T | undefined): T | undefined {
    const ofKey = this.#byKey.get(key);
    if (ofKey === undefined) return undefined;
    // Those of one server have one chain, mostly. One that does not do is judged once, not for each of them.
    const unfit: Secured['chain'][] = [];
    for (const kept of [...ofKey].reverse()) {
      const chain = kept.channel.secured?.chain;
      if (chain !== undefined && unfit.some((each) => isSameChain(each, chain))) continue;
      const session = fits(kept.channel);
      if (session !== undefined) {
        this.#remove(kept);
        return session;
      }
      if (chain !== undefined) unfit.push(chain);
    }
    return undefined;
  }

  /**
   * Keeps a connection after its transaction, or gives it to a guest, or ends it where a bound is reached.
   *
   * @param report how the server took its last message
   */
  put(channel: Channel, report: ConnectionReport): void {
    const { keeping } = channel;
    const since = this.#since.get(channel) ?? this.#clock();
    this.#since.set(channel, since);
    const { messages, age } = this.#limits;
    const isSpent = channel.transactions >= messages || this.#clock() - since >= age;
    // A server that wants less gets less: whoever counts connections hears of it now.
    if (keeping === undefined || this.#closed || isSpent || report !== 'ok') {
      channel.quit(report);
      return;
    }
    const kept: Kept = { ...keeping, channel, idle: undefined };
    if (!channel.connection.rest(() => this.#drop(kept))) {
      channel.quit('ok');
      return;
    }
    if (this.#offer(kept)) return;
    if (this.#guests.has(keeping.place)) {
      channel.quit('ok');
      return;
    }
    this.#add(kept);
  }

  /**
   * Waits for the next connection of this key that becomes idle and `fits`.
   *
   * @returns how to stop waiting; `onSession` is called at most once, and never after that
   */
  wait<T>(
    { key, place }: Keeping,
    fits: (channel: Channel) => T | undefined,
    onSession: (session: T) => void,
  ): () => void {
    const keys = this.#guests.get(place) ?? new Map<string, Set<Guest>>();
    const guests = keys.get(key) ?? new Set<Guest>();
    const leave = (): void => {
      guests.delete(guest);
      if (guests.size === 0 && keys.get(key) === guests) keys.delete(key);
      if (keys.size === 0 && this.#guests.get(place) === keys) this.#guests.delete(place);
    };
    const guest: Guest = {
      offer: (channel) => {
        const session = fits(channel);
        if (session === undefined) return false;
        leave();
        onSession(session);
        return true;
      },
    };
    this.#guests.set(place, keys);
    keys.set(key, guests);
    guests.add(guest);
    return leave;
  }

  /**
   * Closes the connection that has been idle the longest, of a place or of all; false where there is none.
   */
  closeOldest(place?: string): boolean {
    const candidates = place === undefined ? this.#idle.values() : (this.#byPlace.get(place) ?? []);
    for (const kept of candidates) {
      this.#remove(kept);
      kept.channel.quit('ok');
      return true;
    }
    return false;
  }

  /** Says QUIT to all that are idle, forgets all TLS sessions, and keeps nothing from now on. */
  close(): void {
    this.#closed = true;
    while (this.closeOldest());
    this.#tickets.clear();
  }

  #offer(kept: Kept): boolean {
    const guests = this.#guests.get(kept.place)?.get(kept.key) ?? [];
    let offers = 0;
    for (const guest of guests) {
      if (guest.offer(kept.channel)) return true;
      offers += 1;
      if (offers >= MAX_OFFERS) return false;
    }
    return false;
  }

  #add(kept: Kept): void {
    const { channel, key, place } = kept;
    const ofKey = this.#byKey.get(key) ?? new Set();
    const ofPlace = this.#byPlace.get(place) ?? new Set();
    this.#byKey.set(key, ofKey.add(kept));
    this.#byPlace.set(place, ofPlace.add(kept));
    this.#idle.set(channel, kept);
    kept.idle = setTimeout(() => this.#expire(kept), this.#limits.idleTime).unref();
    const [oldestOfKey] = ofKey;
    if (ofKey.size > this.#limits.idlePerKey && oldestOfKey !== undefined) this.#expire(oldestOfKey);
    else if (this.#idle.size > this.#limits.idle) this.closeOldest();
  }

  #remove(kept: Kept): void {
    clearTimeout(kept.idle);
    this.#idle.delete(kept.channel);
    removeFrom(this.#byKey, kept.key, kept);
    removeFrom(this.#byPlace, kept.place, kept);
  }

  #expire(kept: Kept): void {
    this.#remove(kept);
    kept.channel.quit('ok');
  }

  /** The server did something while nobody had asked it anything. */
  #drop(kept: Kept): void {
    this.#remove(kept);
    kept.channel.end('ok');
  }
}

function removeFrom<T>(index: Map<string, Set<T>>, key: string, item: T): void {
  const items = index.get(key);
  items?.delete(item);
  if (items?.size === 0) index.delete(key);
}
