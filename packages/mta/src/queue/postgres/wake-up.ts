/**
 * LISTEN: a connection of its own that hears of work which other nodes brought, or made room for.
 *
 * A notification that was sent while the connection was down is lost, so every new connection counts as one.
 * The connection is asked something now and then: one that a network has swallowed would be silent for ever.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';

/** Milliseconds. */
const ASK_EVERY = 30_000;
const FIRST_WAIT = 100;
const LONGEST_WAIT = 5_000;

export class WakeUp {
  readonly #listeners = new Set<() => void>();
  readonly #channel: string;
  readonly #connect: () => pg.Client;
  readonly #closing: AbortSignal;
  readonly #running: Promise<void>;

  constructor(schema: string, connect: () => pg.Client, closing: AbortSignal) {
    this.#channel = `danelaw_${schema}`;
    this.#connect = connect;
    this.#closing = closing;
    this.#running = this.#run();
  }

  subscribe(listener: () => void): () => void {
    // The same function may be subscribed twice, and each subscription ends by itself.
    const subscription = () => listener();
    this.#listeners.add(subscription);
    return () => this.#listeners.delete(subscription);
  }

  /** After `closing` was aborted. */
  async ended(): Promise<void> {
    await this.#running;
  }

  #call(): void {
    for (const listener of this.#listeners) listener();
  }

  /** Never rejects. */
  async #run(): Promise<void> {
    let wait = FIRST_WAIT;
    while (!this.#closing.aborted) {
      const heard = await this.#listen();
      wait = heard ? FIRST_WAIT : Math.min(2 * wait, LONGEST_WAIT);
      await sleep(wait, undefined, { signal: this.#closing, ref: false }).catch(() => {});
    }
  }

  /** One connection's life. Whether there was one at all. */
  async #listen(): Promise<boolean> {
    let listening = false;
    const over = new AbortController();
    const end = () => over.abort();
    this.#closing.addEventListener('abort', end);
    const client = this.#connect();
    client.on('error', end);
    client.on('end', end);
    client.on('notification', () => this.#call());
    try {
      await client.connect();
      await client.query(`listen ${client.escapeIdentifier(this.#channel)}`);
      listening = true;
      this.#call();
      while (!over.signal.aborted) {
        await sleep(ASK_EVERY, undefined, { signal: over.signal, ref: false });
        await client.query('select 1');
      }
    } catch {
      // Broken, or closed: the caller opens another one, or not.
    } finally {
      this.#closing.removeEventListener('abort', end);
      await client.end().catch(() => {});
    }
    return listening;
  }
}
