/**
 * Slots: how many connections to a host there may be, over all nodes.
 *
 * A lock by the host's name makes those who ask for the same host take turns, so the count is right. A slot
 * lives as long as its lease, by the database's clock; while it is held it is renewed in the background, so a
 * node that died, or stands still, gives its slots back by itself. They need not outlive the database, so
 * nobody waits for a flush.
 */
import type { Slot } from '../queue.js';
import { type Database, PATIENCE, type Statement } from './database.js';

const LOCK_HOST: Statement = {
  name: 'slot-lock-host',
  text: `select set_config('synchronous_commit', 'off', true),
    pg_advisory_xact_lock(hashtextextended('danelaw slot ' || current_schema() || ' ' || $1, 0))`,
};
const TAKE: Statement = {
  name: 'slot-take',
  text: `insert into slot (host, leased_until)
    select $1, clock_timestamp() + $3::float8 * interval '1 millisecond'
    where (select count(*) from slot where host = $1 and leased_until > clock_timestamp()) < $2::float8
    returning id::text as id`,
};
const RENEW: Statement = {
  name: 'slot-renew',
  text: `update slot s set leased_until = clock_timestamp() + r.lease * interval '1 millisecond'
    from unnest($1::bigint[], $2::float8[]) as r (id, lease) where s.id = r.id`,
};
const RELEASE: Statement = { name: 'slot-release', text: 'delete from slot where id = any($1::bigint[])' };

/** Of a lease: what is renewed this often survives two failures. */
const RENEWALS_PER_LEASE = 3;
/** Milliseconds: leases shorter than a few of these are for tests. */
const SHORTEST_INTERVAL = 10;

export class Slots {
  readonly #database: Database;
  /** Leases, by slot. */
  readonly #held = new Map<string, number>();
  readonly #pending = new Set<Promise<void>>();
  #timer: NodeJS.Timeout | undefined;

  constructor(database: Database) {
    this.#database = database;
  }

  async take(host: string, limit: number, lease: number): Promise<Slot | undefined> {
    const database = this.#database;
    const attempt = () =>
      database.transact(
        undefined,
        async (session) => {
          await session.query(LOCK_HOST, [host]);
          const [row] = await session.query<{ id: string }>(TAKE, [host, limit, lease]);
          return row?.id;
        },
        0,
      );
    const id = await database.persist(attempt, database.deadline(PATIENCE));
    if (id === undefined) return undefined;
    this.#held.set(id, lease);
    this.#schedule();
    return {
      release: () => {
        if (this.#held.delete(id)) this.#inBackground(RELEASE, [[id]]);
      },
    };
  }

  /** Releases all. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    if (this.#held.size > 0) this.#inBackground(RELEASE, [[...this.#held.keys()]]);
    this.#held.clear();
    await Promise.all(this.#pending);
  }

  #schedule(): void {
    if (this.#timer !== undefined || this.#held.size === 0) return;
    const interval = Math.max(Math.min(...this.#held.values()) / RENEWALS_PER_LEASE, SHORTEST_INTERVAL);
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (this.#held.size === 0) return;
      this.#inBackground(RENEW, [[...this.#held.keys()], [...this.#held.values()]]);
      this.#schedule();
    }, interval).unref();
  }

  /** Where it fails, the lease's end does what is left to do. */
  #inBackground(statement: Statement, values: readonly (readonly (string | number)[])[]): void {
    const done = this.#database.ask(statement, values).then(
      () => {},
      () => {},
    );
    const tracked = done.finally(() => this.#pending.delete(tracked));
    this.#pending.add(tracked);
  }
}
