/**
 * The queue in PostgreSQL, for several machines: any number of nodes share it, and lose one without losing
 * mail.
 *
 * Where to read what: `schema.ts` the tables; `database.ts` connections, and how it is known whether a
 * transaction took place; `keep.ts` and `settle.ts` what comes and goes, `group-commit.ts` many at a time;
 * `claim.ts` and `destination.ts` whose turn it is; `lease.ts`, `slot.ts` what is held for a time;
 * `wake-up.ts` how nodes hear of each other; `find.ts` what an administrator does.
 *
 * While the database can't be reached: `add` and questions are tried again for 20 seconds, and then reject
 * with `QueueUnavailableError`; `settle` until the claim's lease ends; `claim` waits as long as it takes.
 *
 * Not handled: a database whose own clock jumps forward ends all leases at once (what is under way is then
 * tried twice), and connection poolers that share a session between transactions (LISTEN needs one).
 */
import { createHash, randomBytes } from 'node:crypto';
import type { QueryResultRow } from 'pg';
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
  type QueueEntry,
  type QueueFilter,
  QueueUnavailableError,
  QueueUnusableError,
  type Settled,
  type Settlement,
  type Slot,
} from '../queue.js';
import { mustBeMessage, mustBeSettlement } from './arguments.js';
import { claim, glance } from './claim.js';
import { Database, PATIENCE, type Session, type Statement, type Value, writerName } from './database.js';
import { FORGET_STATE, give, KNOWN, type KnownRow, SET_STATE, SWEEP, stateValues } from './destination.js';
import { isCorruption } from './failure.js';
import { changePage, count, countBefore, findPage, type Place, readEntry, START } from './find.js';
import { GroupCommit } from './group-commit.js';
import { keep } from './keep.js';
import { Leases, RENEW } from './lease.js';
import { MIGRATIONS, type Migration } from './schema.js';
import { prepareServer } from './server.js';
import { columns, type Ending, settle } from './settle.js';
import { Slots } from './slot.js';
import { Turnstile } from './turnstile.js';
import { WakeUp } from './wake-up.js';

export interface PostgresQueueOptions {
  /**
   * `postgresql://user@host/database`, or `postgresql:///database?host=/run/postgresql`. The password may
   * stand in it, in `passwordFile`, or in the environment (PGPASSWORD).
   */
  readonly url: string;
  readonly passwordFile?: string | undefined;
  /** The schema with the queue's tables, made where it is not there: lower case letters, digits, `_`. */
  readonly schema?: string | undefined;
  /** Connections at most, besides the one that listens. */
  readonly connections?: number | undefined;
  /** Who this is, for those who look into the database. */
  readonly node?: string | undefined;
  /** Told what is wrong with the server, but no reason to stop. */
  readonly onWarning?: ((text: string) => void) | undefined;
  /** Milliseconds that only grow. */
  readonly monotonic?: (() => number) | undefined;
}

const DEFAULT_SCHEMA = 'danelaw';
const DEFAULT_CONNECTIONS = 10;
/** Two that add, two that settle, one that claims, one that changes: the others read. */
const WRITING_CONNECTIONS = 6;
/** Transactions at a time. */
const GROUP_WIDTH = 2;
/** A batch: enough that the flush is a small part of its cost, and so few that nobody waits for long. */
const MAX_MEMBERS = 100;
const MAX_OCTETS = 4 * 1024 * 1024;
/** In octets: a recipient's rows cost as much as that many of a body. */
const RECIPIENT_WEIGHT = 2_000;
/** Milliseconds. */
const SWEEP_EVERY = 60_000;
const CLOSE_WITHIN = 5_000;
/** Destinations in a page. */
const KNOWN_PAGE = 1_000;

const BODY: Statement = { name: 'body', text: 'select sha256, octets from body where message = $1' };

/**
 * @throws (rejects) `QueueUnusableError` where the server, the schema or the options are no good;
 *   `QueueUnavailableError` where the server can't be reached
 */
export async function openPostgresQueue(
  options: PostgresQueueOptions,
  migrations: readonly Migration[] = MIGRATIONS,
): Promise<Queue> {
  const { schema = DEFAULT_SCHEMA, connections = DEFAULT_CONNECTIONS } = options;
  if (!/^[a-z_][a-z0-9_]{0,47}$/u.test(schema)) {
    throw new QueueUnusableError('the schema has to be lower case letters, digits and _, at most 48 of them');
  }
  if (connections <= WRITING_CONNECTIONS) {
    throw new QueueUnusableError(`the queue needs at least ${WRITING_CONNECTIONS + 1} connections`);
  }
  const monotonic = options.monotonic ?? (() => performance.now());
  const version = migrations.at(-1)?.version ?? 0;
  const { url, passwordFile } = options;
  const database = new Database({ url, passwordFile, schema, connections, version, monotonic });
  try {
    await prepareServer(database, schema, migrations, options.onWarning ?? (() => {}));
  } catch (error) {
    await database.close();
    throw error;
  }
  const node = options.node ?? randomBytes(6).toString('hex');
  return new PostgresQueue(database, { schema, node, monotonic, reading: connections - WRITING_CONNECTIONS });
}

interface Settings {
  readonly schema: string;
  readonly node: string;
  readonly monotonic: () => number;
  readonly reading: number;
}

class PostgresQueue implements Queue {
  readonly #database: Database;
  readonly #settings: Settings;
  readonly #additions: GroupCommit<NewMessage, undefined>;
  readonly #endings: GroupCommit<Ending, Settled>;
  readonly #leases = new Leases();
  readonly #slots: Slots;
  readonly #wakeUp: WakeUp;
  readonly #claiming = new Turnstile(1);
  readonly #changing = new Turnstile(1);
  readonly #reading: Turnstile;
  readonly #claimer = writerName();
  readonly #changer = writerName();
  readonly #stopping = new AbortController();
  readonly #sweeper: NodeJS.Timeout;
  #sweeping: Promise<void>;
  #closed: Promise<void> | undefined;

  constructor(database: Database, settings: Settings) {
    const { monotonic, schema, reading } = settings;
    this.#database = database;
    this.#settings = settings;
    this.#slots = new Slots(database);
    this.#reading = new Turnstile(reading);
    this.#wakeUp = new WakeUp(schema, () => database.ownClient(), database.closing);
    const bounds = {
      database,
      monotonic,
      width: GROUP_WIDTH,
      maxMembers: MAX_MEMBERS,
      maxWeight: MAX_OCTETS,
    };
    this.#additions = new GroupCommit({
      ...bounds,
      weigh: weightOf,
      commit: async (messages, writer, giveUpAt) => {
        const work = async (session: Session) => give(session, await keep(session, messages));
        await database.transact(writer, work, giveUpAt);
        return messages.map(() => undefined);
      },
    });
    this.#endings = new GroupCommit({
      ...bounds,
      weigh: ({ claim, settlement }) =>
        (settlement?.followUps ?? []).reduce(
          (sum, message) => sum + weightOf(message),
          RECIPIENT_WEIGHT * claim.recipients.length,
        ),
      commit: (endings, writer, giveUpAt) =>
        database.transact(writer, (session) => settle(session, endings), giveUpAt),
    });
    this.#sweeping = this.#sweep();
    this.#sweeper = setInterval(() => {
      this.#sweeping = this.#sweeping.then(() => this.#sweep());
    }, SWEEP_EVERY).unref();
  }

  async add(message: NewMessage): Promise<void> {
    this.#mustBeOpen();
    mustBeMessage(message);
    await this.#additions.push(message, this.#database.deadline(PATIENCE));
  }

  async body(id: string): Promise<Uint8Array> {
    this.#mustBeOpen();
    let rows: { sha256: Uint8Array; octets: Uint8Array }[];
    try {
      rows = await this.#ask(BODY, [id]);
    } catch (error) {
      if (isCorruption(error)) {
        throw new BodyLostError(`the database can't read the body of ${id}: it is damaged`, { cause: error });
      }
      throw error;
    }
    const [row] = rows;
    if (row === undefined) throw new BodyLostError(`the body of ${id} is not in the database`);
    const sum = createHash('sha256').update(row.octets).digest();
    if (!sum.equals(row.sha256)) throw new BodyLostError(`the body of ${id} is not what was written`);
    return row.octets;
  }

  async claim(request: ClaimRequest): Promise<ClaimBatch> {
    this.#mustBeOpen();
    const { monotonic, node } = this.#settings;
    const database = this.#database;
    const asked = monotonic();
    return this.#claiming.pass(async () => {
      const attempt = async () => {
        // The caller's clock goes on while the database can't be reached.
        const began = monotonic();
        const now = request.now + Math.floor(began - asked);
        const { busy, due, oldest } = await database.look((session) => glance(session, now));
        database.mustBeCompatible(oldest);
        if (!busy) return { claims: [], nextDue: due ?? undefined };
        const work = (session: Session) => claim(session, { ...request, now }, node);
        const batch = await database.transact(this.#claimer, work, Number.POSITIVE_INFINITY);
        for (const each of batch.claims) this.#leases.hold(each, began + request.lease);
        return batch;
      };
      try {
        return await database.persist(attempt, Number.POSITIVE_INFINITY, this.#stopping.signal);
      } catch (error) {
        if (this.#stopping.signal.aborted && error instanceof QueueUnavailableError) {
          return { claims: [], nextDue: undefined };
        }
        throw error;
      }
    });
  }

  async settle(claim: Claim, settlement: Settlement): Promise<Settled> {
    this.#mustBeOpen();
    mustBeSettlement(claim, settlement);
    return this.#end({ claim, settlement });
  }

  async release(claim: Claim): Promise<void> {
    this.#mustBeOpen();
    try {
      await this.#end({ claim, settlement: undefined }).catch(untilTheLeaseEnds);
    } finally {
      // Whether or not the database has heard of it.
      this.#leases.drop(claim);
    }
  }

  async renew(
    claims: readonly Claim[],
    now: number,
    lease: number,
  ): Promise<ReadonlyMap<Claim, number | undefined>> {
    this.#mustBeOpen();
    const ends = new Map<Claim, number>();
    if (claims.length === 0) return ends;
    const end = this.#settings.monotonic() + lease;
    const fences = claims.map(({ fence }) => fence);
    const rows = await this.#ask<{ fence: number }>(RENEW, [...columns(claims), fences, lease]);
    const renewed = new Set(rows.map(({ fence }) => fence));
    for (const claim of claims) {
      if (!renewed.has(claim.fence)) continue;
      ends.set(claim, now + lease);
      // One that was settled while this was under way is not held again.
      if (this.#leases.endOf(claim) !== undefined) this.#leases.hold(claim, end);
    }
    return ends;
  }

  async setDestination(destination: string, state: DestinationState | undefined): Promise<void> {
    this.#mustBeOpen();
    if (state === undefined) await this.#ask(FORGET_STATE, [[destination]]);
    else await this.#ask(SET_STATE, stateValues({ ...state, destination }));
  }

  async *destinations(): AsyncIterable<DestinationState> {
    for (let after: string | undefined = ''; after !== undefined; ) {
      this.#mustBeOpen();
      const rows: KnownRow[] = await this.#ask<KnownRow>(KNOWN, [after, KNOWN_PAGE]);
      for (const { name, not_before: notBefore, failures, reason } of rows) {
        yield { destination: name, notBefore, failures, reason };
      }
      after = rows.length < KNOWN_PAGE ? undefined : rows.at(-1)?.name;
    }
  }

  async takeSlot(host: string, limit: number, _now: number, lease: number): Promise<Slot | undefined> {
    this.#mustBeOpen();
    return this.#reading.pass(() => this.#slots.take(host, limit, lease));
  }

  onWork(listener: () => void): () => void {
    return this.#wakeUp.subscribe(listener);
  }

  async *list(filter: QueueFilter): AsyncIterable<QueueEntry> {
    for (let after: Place | undefined = START; after !== undefined; ) {
      this.#mustBeOpen();
      const place: Place = after;
      const page = await this.#look((session) => findPage(session, filter, place));
      yield* page.entries;
      after = page.next;
    }
  }

  async read(id: string): Promise<QueueEntry | undefined> {
    this.#mustBeOpen();
    return this.#look((session) => readEntry(session, id));
  }

  async change(filter: QueueFilter, action: QueueAction, now: number): Promise<number> {
    this.#mustBeOpen();
    const database = this.#database;
    let changed = 0;
    for (let after: Place | undefined = START; after !== undefined; ) {
      const place: Place = after;
      const giveUpAt = database.deadline(PATIENCE);
      const work = (session: Session) => changePage(session, filter, action, now, place);
      const page = await this.#changing.pass(() =>
        database.persist(() => database.transact(this.#changer, work, giveUpAt), giveUpAt),
      );
      changed += page.count;
      after = page.next;
    }
    return changed;
  }

  async counts(): Promise<QueueCounts> {
    this.#mustBeOpen();
    return this.#look(count);
  }

  async arrivedBefore(times: readonly number[]): Promise<readonly number[]> {
    this.#mustBeOpen();
    return this.#look((session) => countBefore(session, times));
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    clearInterval(this.#sweeper);
    // Where the database is away, what is left to do does itself: leases end.
    const limit = setTimeout(() => this.#database.hurry(), CLOSE_WITHIN);
    this.#stopping.abort();
    await this.#claiming.pass(async () => {});
    await Promise.all([this.#additions.drain(), this.#endings.drain()]);
    const ending = { settlement: undefined };
    await Promise.all(
      this.#leases.all().map((claim) => this.#end({ claim, ...ending }).catch(untilTheLeaseEnds)),
    );
    await this.#slots.close();
    await this.#sweeping;
    clearTimeout(limit);
    await this.#database.close();
    await this.#wakeUp.ended();
  }

  async #end(ending: Ending): Promise<Settled> {
    const { claim } = ending;
    const giveUpAt = this.#leases.endOf(claim) ?? this.#database.deadline(PATIENCE);
    const settled = await this.#endings.push(ending, giveUpAt);
    this.#leases.drop(claim);
    return settled;
  }

  /** Never rejects. */
  async #sweep(): Promise<void> {
    for (const statement of SWEEP) {
      // What is not swept now is swept the next time.
      await this.#reading.pass(() => this.#database.ask(statement, [])).catch(() => {});
    }
  }

  #ask<Row extends QueryResultRow>(statement: Statement, values: readonly Value[]): Promise<Row[]> {
    const database = this.#database;
    return this.#reading.pass(() =>
      database.persist(() => database.ask<Row>(statement, values), database.deadline(PATIENCE)),
    );
  }

  /** Several questions of which the second depends on the first. */
  #look<T>(work: (session: Session) => Promise<T>): Promise<T> {
    const database = this.#database;
    return this.#reading.pass(() =>
      database.persist(() => database.transact(undefined, work, 0), database.deadline(PATIENCE)),
    );
  }

  #mustBeOpen(): void {
    if (this.#closed !== undefined) throw new QueueUnusableError('the queue is closed');
  }
}

const weightOf = ({ body, recipients }: NewMessage): number =>
  body.length + RECIPIENT_WEIGHT * recipients.length;

/** A claim that could not be given back ends by itself. */
function untilTheLeaseEnds(error: unknown): void {
  if (!(error instanceof QueueUnavailableError)) throw error;
}
