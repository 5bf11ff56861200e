/**
 * Connections to PostgreSQL, and transactions whose outcome is known.
 *
 * A COMMIT can fail - the connection lost, the server crashed - and have taken place all the same. So every
 * transaction is made by a *writer*, one at a time, and takes that writer's next number, in a row of its own.
 * Where COMMIT was not answered, or with an error, the row tells: it is read once the lost session is gone
 * (the row is locked until then). Nothing is acknowledged that was not kept, and nothing is kept twice.
 *
 * What each session sets, whatever the server's configuration says: synchronous commits; the queue's own
 * schema as search path, so that no statement is put together from parts; time-outs, so that a node that was
 * stopped in the middle of a transaction does not hold the others up; and plans by index: the planner's
 * statistics of a queue are wrong whenever it fills or empties.
 */
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { QueueUnavailableError, QueueUnusableError } from '../queue.js';
import { Interrupted, understand } from './failure.js';
import { tooNew } from './schema.js';

/** A statement that is prepared once for each connection. */
export interface Statement {
  /** Empty: not prepared, planned anew with each question's values. */
  readonly name: string;
  readonly text: string;
}

export type Value =
  | string
  | number
  | boolean
  | null
  | Uint8Array
  | readonly (string | number | boolean | null)[];

/** One connection, for as long as a transaction or a question takes. */
export interface Session {
  query<Row extends pg.QueryResultRow>(statement: Statement, values: readonly Value[]): Promise<Row[]>;
}

export interface DatabaseOptions {
  /** `postgresql://user@host/database`, `postgresql:///database?host=/run/postgresql`. */
  readonly url: string;
  /** Read at every connection, so that a password can change. */
  readonly passwordFile?: string | undefined;
  readonly schema: string;
  readonly connections: number;
  /** The version of the schema that this program knows. */
  readonly version: number;
  /** Milliseconds that only grow. */
  readonly monotonic: () => number;
}

/** Milliseconds. A dead server is noticed at the first; the others bound what a stuck one can hold up. */
const CONNECT_TIMEOUT = 10_000;
const STATEMENT_TIMEOUT = 30_000;
/** Past the server's own, for a network that swallows everything. */
const QUERY_TIMEOUT = STATEMENT_TIMEOUT + 10_000;
const LOCK_TIMEOUT = 10_000;
/** Our transactions wait for nothing but the database: one that idles belongs to a node that was stopped. */
const IDLE_IN_TRANSACTION_TIMEOUT = 10_000;
/** Seconds: when the server asks whether we are still there, and how long it waits. */
const KEEPALIVE = { idle: 15, interval: 5, count: 3 } as const;
/** Between tries. */
const FIRST_WAIT = 50;
const LONGEST_WAIT = 1_000;
/** For a question that nobody's lease depends on. */
export const PATIENCE = 20_000;

const SESSION_SETTINGS = {
  synchronous_commit: 'on',
  statement_timeout: STATEMENT_TIMEOUT,
  lock_timeout: LOCK_TIMEOUT,
  idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_TIMEOUT,
  tcp_keepalives_idle: KEEPALIVE.idle,
  tcp_keepalives_interval: KEEPALIVE.interval,
  tcp_keepalives_count: KEEPALIVE.count,
  default_transaction_isolation: 'read\\ committed',
  enable_seqscan: 'off',
  enable_hashjoin: 'off',
  enable_mergejoin: 'off',
  jit: 'off',
} as const;

const BEGIN: Statement = { name: '', text: 'begin' };
const COMMIT: Statement = { name: '', text: 'commit' };
/**
 * The time-out is off from here to the end of the transaction: a COMMIT that waits for a standby would give
 * up waiting, and say that all is well.
 */
const NUMBER: Statement = {
  name: 'writer-number',
  text: `insert into writer as w (id, number, used) values ($1, 1, clock_timestamp())
    on conflict (id) do update set number = w.number + 1, used = clock_timestamp()
    returning number::float8 as number, (select oldest_compatible from danelaw_schema) as oldest,
      set_config('statement_timeout', '0', true)`,
};
/** Waits for the session that has the row, if it is still there. */
const LAST_NUMBER: Statement = {
  name: 'writer-last-number',
  text: `insert into writer as w (id, number, used) values ($1, 0, clock_timestamp())
    on conflict (id) do update set used = clock_timestamp() returning number::float8 as number`,
};

export class Database {
  readonly #pool: pg.Pool;
  readonly #client: (config: pg.ClientConfig) => pg.Client;
  readonly #options: DatabaseOptions;
  readonly #closing = new AbortController();
  readonly #inUse = new Set<pg.PoolClient>();

  constructor(options: DatabaseOptions) {
    this.#options = options;
    const { passwordFile } = options;
    const Client = passwordFile === undefined ? pg.Client : clientWithPasswordFrom(passwordFile);
    this.#client = (config) => new Client(config);
    this.#pool = new pg.Pool({ ...clientConfig(options), max: options.connections, Client });
    // An idle connection that breaks is replaced when it is needed.
    this.#pool.on('error', () => {});
  }

  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  /** Milliseconds, as far ahead as `patience`. */
  deadline(patience: number): number {
    return this.#options.monotonic() + patience;
  }

  /** A connection outside the pool, that its user opens and ends; `patient`: it waits for answers for ever. */
  ownClient(patient = false): pg.Client {
    const config = clientConfig(this.#options);
    return this.#client(patient ? { ...config, query_timeout: 0 } : config);
  }

  /** One statement that changes nothing, or may be repeated. @throws Interrupted and others */
  async ask<Row extends pg.QueryResultRow>(statement: Statement, values: readonly Value[]): Promise<Row[]> {
    return this.look((session) => session.query<Row>(statement, values));
  }

  /** The same with several, each for itself. */
  async look<T>(use: (session: Session) => Promise<T>): Promise<T> {
    return this.#withSession(use);
  }

  /** @throws QueueUnusableError where the schema is of a newer version than this program can work with */
  mustBeCompatible(oldest: number): void {
    if (oldest > this.#options.version) throw tooNew(this.#options.version, oldest);
  }

  /**
   * One transaction. When it rejects with `Interrupted`, nothing was done.
   * @param writer undefined where it does not matter whether an interrupted one was done after all
   * @param giveUpAt until when, on the monotonic clock, an unknown outcome is asked for
   */
  async transact<T>(
    writer: string | undefined,
    work: (session: Session) => Promise<T>,
    giveUpAt: number,
  ): Promise<T> {
    const prepared = await this.#withSession(async (session) => {
      await session.query(BEGIN, []);
      const result = await work(session);
      if (writer === undefined) {
        await session.query(COMMIT, []);
        return { result, inDoubt: undefined, error: undefined };
      }
      const [row] = await session.query<{ number: number; oldest: number }>(NUMBER, [writer]);
      if (row === undefined) throw new Error('a writer has no number');
      this.mustBeCompatible(row.oldest);
      try {
        await session.query(COMMIT, []);
      } catch (error) {
        // Whatever was said: a server whose log has no room panics, and the commit may stand when it is back.
        // The session has to go back before the question: it may be the last one.
        return { result, inDoubt: row.number, error };
      }
      return { result, inDoubt: undefined, error: undefined };
    }, true);
    if (prepared.inDoubt === undefined || writer === undefined) return prepared.result;
    const last = await this.persist(() => this.ask<{ number: number }>(LAST_NUMBER, [writer]), giveUpAt);
    if ((last[0]?.number ?? 0) >= prepared.inDoubt) return prepared.result;
    throw prepared.error;
  }

  /**
   * Tries until something other than `Interrupted` comes.
   * @throws QueueUnavailableError after `giveUpAt`, or when it is stopped
   */
  async persist<T>(attempt: () => Promise<T>, giveUpAt: number, stop = this.closing): Promise<T> {
    for (let wait = FIRST_WAIT; ; wait = Math.min(2 * wait, LONGEST_WAIT)) {
      try {
        return await attempt();
      } catch (error) {
        if (!(error instanceof Interrupted)) throw error;
        if (this.#options.monotonic() + wait > giveUpAt || stop.aborted) throw unavailable(error);
        await this.pause(wait, stop);
      }
    }
  }

  /** Ends early when it is stopped. */
  async pause(milliseconds: number, stop = this.closing): Promise<void> {
    await sleep(milliseconds, undefined, { signal: stop }).catch(() => {});
  }

  /** From here on nothing is waited for, and what is under way is cut off. */
  hurry(): void {
    this.#closing.abort();
    for (const client of this.#inUse) void client.end().catch(() => {});
  }

  async close(): Promise<void> {
    this.hurry();
    await this.#pool.end();
  }

  async #withSession<T>(use: (session: Session) => Promise<T>, transaction = false): Promise<T> {
    let client: pg.PoolClient;
    try {
      client = await this.#pool.connect();
    } catch (error) {
      throw understand(error);
    }
    // A connection can break while nothing is asked on it; the next question tells.
    const ignore = () => {};
    client.on('error', ignore);
    this.#inUse.add(client);
    let usable = true;
    const session: Session = {
      async query<Row extends pg.QueryResultRow>(statement: Statement, values: readonly Value[]) {
        try {
          const { name, text } = statement;
          const result = await client.query<Row>({
            text,
            ...(name === '' ? {} : { name }),
            values: [...values],
          });
          return result.rows;
        } catch (error) {
          const understood = understand(error);
          // After a failover the same address may lead to another server.
          usable &&= !(understood instanceof QueueUnusableError);
          usable &&= !(understood instanceof Interrupted && understood.connectionLost);
          throw understood;
        }
      },
    };
    try {
      return await use(session);
    } catch (error) {
      if (transaction && usable) await client.query('rollback').catch(() => (usable = false));
      throw error;
    } finally {
      this.#inUse.delete(client);
      client.removeListener('error', ignore);
      client.release(!usable);
    }
  }
}

/** A name for a writer: nobody else has it, now or later. */
export function writerName(): string {
  return randomUUID();
}

export function unavailable(error: Interrupted): QueueUnavailableError {
  return new QueueUnavailableError(error.message, { cause: error });
}

function clientConfig(options: DatabaseOptions): pg.ClientConfig {
  return {
    connectionString: withSettings(options.url, options.schema),
    connectionTimeoutMillis: CONNECT_TIMEOUT,
    query_timeout: QUERY_TIMEOUT,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEPALIVE.idle * 1000,
    application_name: 'danelaw',
  };
}

/**
 * The driver asks a function for the password, where there is one, at each connection; but an address beside
 * it would bring its own, be it empty.
 */
function clientWithPasswordFrom(file: string): typeof pg.Client {
  return class extends pg.Client {
    constructor(config?: string | pg.ClientConfig) {
      super(config);
      const value = () => readPassword(file);
      Object.defineProperty(this, 'password', {
        configurable: true,
        writable: true,
        enumerable: false,
        value,
      });
    }
  };
}

/** The driver takes what stands in the address before what stands beside it. */
function withSettings(address: string, schema: string): string {
  let url: URL;
  try {
    url = new URL(address);
    decodeURIComponent(url.username + url.password);
  } catch {
    // Node's own error has the address in it, and that may have the password.
    throw new QueueUnusableError('the address of the database is no URL; see docs/queue-postgres.md');
  }
  if (!/^postgres(?:ql)?:$/u.test(url.protocol)) {
    throw new QueueUnusableError('the address of the database has to start with postgresql://');
  }
  const settings = Object.entries({ search_path: schema, ...SESSION_SETTINGS });
  const given = url.searchParams.get('options') ?? '';
  const ours = settings.map(([name, value]) => `-c ${name}=${value}`).join(' ');
  url.searchParams.set('options', `${given} ${ours}`.trim());
  return url.href;
}

/** @throws (rejects) QueueUnusableError */
async function readPassword(file: string): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).replace(/\r?\n$/u, '');
  } catch (error) {
    const why = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable';
    throw new QueueUnusableError(`can't read the database's password from ${file} (${why})`);
  }
}
