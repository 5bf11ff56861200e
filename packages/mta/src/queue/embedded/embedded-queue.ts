/**
 * The queue of one machine: body files (`body-file.ts`), and an index of them in LMDB (`lmdb-index.ts`).
 *
 * A message is first written and flushed as a body file, then put into the index and flushed there; only then
 * its `add` resolves. A settlement is a transaction of the index; bounces that come of it are on the disk before
 * it. What a crash leaves between the two is brought together when the queue is opened (`recovery.ts`).
 *
 * One process, the *owner*, delivers. *Visitors* - the commands of an administrator - may list, change and add
 * meanwhile; the owner looks once a second whether somebody did.
 */
import {
  BodyLostError,
  type Claim,
  type ClaimBatch,
  type ClaimRequest,
  type DestinationState,
  type NewMessage,
  type Queue,
  type QueueAction,
  type QueueCounts,
  QueueDamagedError,
  type QueueEntry,
  type QueueFilter,
  type Settled,
  type Settlement,
  type Slot,
} from '../queue.js';
import { mustBeMessage, mustBeSettlement } from './arguments.js';
import { arrivedBefore } from './arrivals.js';
import { BodyCache } from './body-cache.js';
import type { BodyStore } from './body-store.js';
import type { PlacedMessage, SettledWork } from './changes.js';
import type { Claims } from './claims.js';
import type { Cleaner } from './cleaner.js';
import { AFTER_ALL, keysUnder, SEPARATOR } from './draft.js';
import { decodeCounts, decodeDestination, decodeMessageEntry, decodeWork, parseWorkKey } from './entries.js';
import { DamagedRecordError } from './fields.js';
import { namesMessage, namesRecipient } from './filter.js';
import type { Committed, LmdbIndex } from './lmdb-index.js';
import type { Room } from './room.js';
import type { Trace } from './trace.js';

/** Messages that are read, or changed, before others get their turn. */
const PAGE = 200;
/** Milliseconds between two looks whether another process has changed something. */
const LOOK = 1000;

/** What `open.ts` puts together. */
export interface Parts {
  readonly index: LmdbIndex;
  readonly bodies: BodyStore;
  readonly room: Room;
  readonly trace: Trace;
  readonly cleaner: Cleaner;
  /** Undefined for a visitor. */
  readonly claims: Claims | undefined;
  /** Makes the next start make the index anew. */
  readonly markDamaged: (why: string) => Promise<void>;
  /** Gives up the ownership. */
  readonly leave: () => Promise<void>;
}

export class EmbeddedQueue implements Queue {
  readonly #parts: Parts;
  readonly #cache = new BodyCache();
  readonly #listeners = new Set<() => void>();
  readonly #slots = new Map<string, number>();
  /** Messages that are being added. */
  readonly #coming = new Set<string>();
  /** What `close` waits for. */
  readonly #underWay = new Set<Promise<unknown>>();
  readonly #looking: NodeJS.Timeout | undefined;
  /** As they stand in the index, and taken apart. */
  #lastCounts: { readonly text: string | undefined; readonly counts: QueueCounts } | undefined;
  #closing: Promise<void> | undefined;
  #marked: Promise<void> | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
    if (parts.claims === undefined) return;
    this.#looking = setInterval(() => this.#look(), LOOK);
    this.#looking.unref();
  }

  async add(message: NewMessage): Promise<void> {
    mustBeMessage(message);
    await this.#busy(async () => {
      const placed = await this.#keep(message);
      let isThere = false;
      try {
        await this.#parts.index.change((changes) => changes.add(placed));
        isThere = true;
      } finally {
        this.#known(placed, isThere);
      }
      this.#cache.put(message.id, message.body);
    });
    this.#wake();
  }

  async body(id: string): Promise<Uint8Array> {
    const cached = this.#cache.get(id);
    if (cached !== undefined) return cached;
    const { index, bodies } = this.#parts;
    index.refresh();
    const entry = index.table('messages').get(id);
    if (entry === undefined) throw new BodyLostError(`There is no message ${id} in the queue.`);
    return bodies.read(id, decodeMessageEntry(entry).place);
  }

  async claim(request: ClaimRequest): Promise<ClaimBatch> {
    const claims = this.#claims();
    return await this.#busy(async () => {
      const { index } = this.#parts;
      index.refresh();
      return claims.claim(request, index.recent());
    });
  }

  async settle(claim: Claim, settlement: Settlement): Promise<Settled> {
    mustBeSettlement(claim, settlement);
    const claims = this.#claims();
    if (!claims.isLive(claim)) return { status: 'lost', reason: 'The claim has ended.' };
    // Most that is settled was delivered, and nobody has to be told.
    if (settlement.followUps.length === 0) {
      return await this.#busy(() => this.#settle(claims, claim, settlement, []));
    }
    return await this.#busy(async () => {
      const kept = await Promise.allSettled(settlement.followUps.map((message) => this.#keep(message, true)));
      const followUps = kept.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
      let areThere = false;
      try {
        for (const one of kept) if (one.status === 'rejected') throw one.reason;
        const settled = await this.#settle(claims, claim, settlement, followUps);
        if (settled.status === 'settled') {
          areThere = true;
          for (const { id, body } of settlement.followUps) this.#cache.put(id, body);
          this.#wake();
        }
        return settled;
      } finally {
        for (const placed of followUps) this.#known(placed, areThere);
      }
    });
  }

  async #settle(
    claims: Claims,
    claim: Claim,
    { recipients }: Settlement,
    followUps: readonly PlacedMessage[],
  ): Promise<Settled> {
    const settled = await this.#parts.index.change((changes): SettledWork => {
      if (!claims.isLive(claim)) return { status: 'lost', reason: 'The claim has ended.' };
      const result = changes.settle(claim.id, claim.destination, recipients);
      if (result.status === 'settled') for (const message of followUps) changes.add(message);
      return result;
    });
    if (settled.status === 'lost') {
      claims.end(claim);
      return settled;
    }
    claims.end(claim, settled.isDone);
    return { status: 'settled' };
  }

  async release(claim: Claim): Promise<void> {
    this.#claims().end(claim);
  }

  async renew(claims: readonly Claim[]): Promise<ReadonlyMap<Claim, number | undefined>> {
    const own = this.#claims();
    return new Map(claims.filter((claim) => own.isLive(claim)).map((claim) => [claim, undefined]));
  }

  async setDestination(destination: string, state: DestinationState | undefined): Promise<void> {
    await this.#busy(() => this.#parts.index.change((changes) => changes.setDestination(destination, state)));
    this.#wake();
  }

  async *destinations(): AsyncIterable<DestinationState> {
    for await (const names of this.#pages('destinations')) {
      for (const name of names) {
        const text = this.#parts.index.table('destinations').get(name);
        const state = text === undefined ? undefined : decodeDestination(text, name).state;
        if (state !== undefined) yield state;
      }
    }
  }

  async takeSlot(host: string, limit: number): Promise<Slot | undefined> {
    const taken = this.#slots.get(host) ?? 0;
    if (taken >= limit) return undefined;
    this.#slots.set(host, taken + 1);
    let held = true;
    return {
      release: () => {
        if (!held) return;
        held = false;
        const left = (this.#slots.get(host) ?? 1) - 1;
        if (left === 0) this.#slots.delete(host);
        else this.#slots.set(host, left);
      },
    };
  }

  onWork(listener: () => void): () => void {
    // A function of its own for each call, so that one who listens twice can stop once.
    const own = () => listener();
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  async *list(filter: QueueFilter): AsyncIterable<QueueEntry> {
    if (filter.id !== undefined) {
      const entry = this.#entry(filter.id, filter);
      if (entry !== undefined) yield entry;
      return;
    }
    for await (const ids of this.#pages('messages')) {
      for (const id of ids) {
        const entry = this.#entry(id, filter);
        if (entry !== undefined) yield entry;
      }
    }
  }

  async read(id: string): Promise<QueueEntry | undefined> {
    this.#parts.index.refresh();
    return this.#entry(id, {});
  }

  async change(filter: QueueFilter, action: QueueAction, now: number): Promise<number> {
    return await this.#busy(async () => {
      let changed = 0;
      const pages = filter.id === undefined ? this.#pages('messages') : [[filter.id]];
      for await (const page of pages) {
        const ids = page.filter((id) => this.#entry(id, filter) !== undefined);
        if (ids.length === 0) continue;
        changed += await this.#parts.index.change((changes) =>
          ids.reduce((sum, id) => sum + changes.change(id, filter, action, now), 0),
        );
      }
      if (changed > 0) this.#wake();
      return changed;
    });
  }

  async counts(): Promise<QueueCounts> {
    this.#parts.index.refresh();
    return this.#counted();
  }

  /** Each message that is added asks, and they are added many at a time. */
  #counted(): QueueCounts {
    const text = this.#parts.index.table('state').get('counts');
    if (text === undefined || text !== this.#lastCounts?.text) {
      this.#lastCounts = { text, counts: decodeCounts(text) };
    }
    return this.#lastCounts.counts;
  }

  async arrivedBefore(times: readonly number[]): Promise<readonly number[]> {
    this.#parts.index.refresh();
    return arrivedBefore(this.#parts.index.table('state'), times);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** After each transaction of the index. */
  committed({ touched, emptied, gone, done, held }: Committed): void {
    const { claims } = this.#parts;
    for (const [destination, came] of touched) claims?.changed(destination, came);
    for (const id of done) this.#cache.delete(id);
    this.#parts.trace.add([...gone, ...held].filter(({ file }) => !emptied.has(file)));
    this.#parts.cleaner.add(emptied);
  }

  async #close(): Promise<void> {
    clearInterval(this.#looking);
    while (this.#underWay.size > 0) await Promise.allSettled(this.#underWay);
    const { bodies, cleaner, trace, index, leave } = this.#parts;
    await bodies.close();
    await cleaner.close();
    await trace.written();
    await index.close();
    await leave();
  }

  /** Writes a body. Its place must be made `known` afterwards. */
  async #keep(message: NewMessage, followUp = false): Promise<PlacedMessage> {
    const { id, body } = message;
    const { index, room, bodies } = this.#parts;
    if (this.#coming.has(id) || index.table('messages').get(id) !== undefined) {
      throw new Error(`The queue has a message ${id} already.`);
    }
    const messages = this.#counted().messages + this.#coming.size;
    this.#coming.add(id);
    try {
      // A bounce may take the last room: without it, what it tells of could never be settled.
      if (!followUp) await room.mustHave(body.length, messages);
      return await bodies.write(message);
    } catch (error) {
      this.#coming.delete(id);
      throw error;
    }
  }

  /** The index has this message now, or never will; then its file is of no use. */
  #known({ id, place }: PlacedMessage, isThere: boolean): void {
    const { index, bodies, cleaner } = this.#parts;
    this.#coming.delete(id);
    bodies.known(place);
    if (!isThere && index.table('messages').get(id) === undefined) cleaner.add([place.file]);
  }

  #entry(id: string, filter: QueueFilter): QueueEntry | undefined {
    const { index } = this.#parts;
    const text = index.table('messages').get(id);
    if (text === undefined) return undefined;
    const { envelope, place } = decodeMessageEntry(text);
    if (!namesMessage(filter, id, envelope)) return undefined;
    const works = index.table('works');
    const recipients = [...keysUnder(works, id)].flatMap((key) => {
      const { destination } = parseWorkKey(key);
      return decodeWork(works.get(key) ?? '[]', envelope.arrived, destination);
    });
    const named = recipients.filter((one) => namesRecipient(filter, one)).sort((a, b) => a.index - b.index);
    return named.length === 0 ? undefined : { id, envelope, size: place.size, recipients: named };
  }

  /** All keys of a table, some at a time, so that everything else goes on between. */
  async *#pages(table: 'messages' | 'destinations'): AsyncIterable<readonly string[]> {
    for (let start = ''; ; ) {
      this.#parts.index.refresh();
      const page: string[] = [];
      for (const key of this.#parts.index.table(table).keys(start, AFTER_ALL)) {
        page.push(key);
        if (page.length === PAGE) break;
      }
      yield page;
      const last = page.at(-1);
      if (last === undefined || page.length < PAGE) return;
      start = last + SEPARATOR;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** What another process has changed is heard of here. */
  #look(): void {
    if (!this.#parts.index.othersChanged()) return;
    this.#parts.claims?.forget();
    this.#cache.clear();
    this.#wake();
  }

  #wake(): void {
    for (const listener of this.#listeners) listener();
  }

  #claims(): Claims {
    const { claims } = this.#parts;
    if (claims === undefined) throw new Error('Only the owner of the queue may claim work.');
    return claims;
  }

  /** What can't be read back from the index makes it useless; the next start makes it anew. */
  async #unusableIfDamaged(error: unknown): Promise<unknown> {
    if (!(error instanceof DamagedRecordError)) return error;
    // Once: whoever asks for work asks again and again.
    this.#marked ??= this.#parts.markDamaged(error.message).catch((reason: unknown) => {
      this.#marked = undefined;
      throw reason;
    });
    await this.#marked;
    return new QueueDamagedError("The queue's index is damaged: it is made anew at the next start.", {
      cause: error,
    });
  }

  #mustBeOpen(): void {
    if (this.#closing !== undefined) throw new Error('The queue is closed.');
  }

  async #busy<T>(act: () => Promise<T>): Promise<T> {
    this.#mustBeOpen();
    const work = act();
    this.#underWay.add(work);
    try {
      return await work;
    } catch (error) {
      throw await this.#unusableIfDamaged(error);
    } finally {
      this.#underWay.delete(work);
    }
  }
}
