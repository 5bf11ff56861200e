/**
 * The index on disk: LMDB, written by group commit.
 *
 * Operations that come while a transaction is being written wait, and go together into the next one: one flush
 * for all of them. A promise resolves when its operation is on the disk, not merely committed: LMDB is opened
 * without `overlappingSync`, with which a commit resolves before its flush.
 *
 * The transaction is made as a `Draft` and then written in LMDB's own thread, on the condition that the number
 * of the last change is still the one the draft was made on. Another process (`danelaw queue hold`) may have
 * written meanwhile; then the draft is made anew.
 */
import { type Database, open, type RootDatabase } from 'lmdb';
import { QueueFullError } from '../queue.js';
import { QueueChanges } from './changes.js';
import { FILE_MODE } from './disk.js';
import { Draft, TABLES, type Table, type TableReader } from './draft.js';
import { Recent, type RecentReader } from './recent.js';

/** Address space, not memory or disk: more than any queue needs, so that the map need never grow. */
const MAP_OCTETS = 2 ** 38;
/** Operations in a transaction: bounds how long the thread is busy with one draft. */
const GROUP = 250;
/** Other processes that write are commands of an administrator: they don't win a hundred times in a row. */
const MOST_TRIES = 100;
const TURN = 'turn';

/** What a write failed with: `errno` as LMDB gives it, and its own code for a full map. */
const NO_ROOM_CODES: ReadonlySet<unknown> = new Set([
  28 /* ENOSPC */, 122 /* EDQUOT */, -30792 /* MDB_MAP_FULL */,
]);
/** LMDB makes an EIO of a write that took less than it was given, as the last one before a full disk does. */
const SHORT_WRITE = 5;

interface Operation {
  /** May be run more than once; only the last run counts. */
  run(changes: QueueChanges, draft: Draft): void;
  resolve(): void;
  readonly reject: (error: unknown) => void;
}

/** What a transaction has done, for those who keep something beside the index. */
export interface Committed {
  readonly touched: QueueChanges['touched'];
  readonly emptied: ReadonlySet<string>;
  readonly gone: QueueChanges['gone'];
  readonly done: QueueChanges['done'];
  readonly held: QueueChanges['held'];
}

export class LmdbIndex {
  readonly #root: RootDatabase<string, string>;
  readonly #tables: ReadonlyMap<Table, Database<string, string>>;
  readonly #readers: ReadonlyMap<Table, TableReader>;
  readonly #recent = new Recent();
  readonly #turn: Database<string, string>;
  readonly #waiting: Operation[] = [];
  readonly #committed: (committed: Committed) => void;
  readonly #isFull: () => Promise<boolean>;
  #writing: Promise<void> | undefined;
  /** The change that this process wrote last, to tell those of others. */
  #own: number;
  #closed = false;

  /**
   * @param folder exists, and what is in it has been checked
   * @param committed is called after each transaction, before its operations resolve
   * @param isFull whether the disk is, where LMDB does not say so clearly
   */
  constructor(folder: string, committed: (committed: Committed) => void, isFull: () => Promise<boolean>) {
    this.#committed = committed;
    this.#isFull = isFull;
    // `permissionsMode` is missing in the library's types.
    const options = {
      path: folder,
      maxDbs: TABLES.length + 1,
      mapSize: MAP_OCTETS,
      overlappingSync: false,
      // Batches of its own begin with a promise that nobody could handle the rejection of.
      eventTurnBatching: false,
      encoding: 'string' as const,
      permissionsMode: FILE_MODE,
      noSubdir: false,
    };
    this.#root = open<string, string>(options);
    this.#tables = new Map(
      TABLES.map((name) => [name, this.#root.openDB<string, string>({ name, encoding: 'string' })]),
    );
    this.#readers = new Map([...this.#tables].map(([name, table]) => [name, readerOf(table)]));
    this.#turn = this.#root.openDB<string, string>({ name: TURN, encoding: 'string', useVersions: true });
    // So that there is a number to compare with from the first transaction on.
    this.#turn.putSync(TURN, '', { version: 1, noOverwrite: true });
    this.#own = this.#lastTurn();
  }

  table(name: Table): TableReader {
    const reader = this.#readers.get(name);
    if (reader === undefined) throw new Error(`There is no table ${name}.`);
    return reader;
  }

  /** What is remembered of what is read now. Holds until `refresh`, or the end of the turn of the event loop. */
  recent(): RecentReader {
    return this.#recent.at(this.#lastTurn());
  }

  /** Makes reads see what was written last. */
  refresh(): void {
    this.#root.resetReadTxn();
  }

  /** Another process has changed something since this was asked last. */
  othersChanged(): boolean {
    if (this.#writing !== undefined) return false;
    this.refresh();
    const turn = this.#lastTurn();
    if (turn === this.#own) return false;
    this.#own = turn;
    return true;
  }

  /**
   * Resolves to what the operation gave, when it is on the disk.
   * @param run may be called more than once; it changes nothing but the draft
   * @throws (rejects) what `run` throws; `QueueFullError` where there is no room
   */
  change<T>(run: (changes: QueueChanges, draft: Draft) => T): Promise<T> {
    if (this.#closed) return Promise.reject(new Error('The queue is closed.'));
    return new Promise<T>((resolve, reject) => {
      this.#waiting.push(new Change(run, resolve, reject));
      this.#writing ??= this.#write();
    });
  }

  /** Writes what waits; then nothing is open. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#writing;
    await this.#root.close();
  }

  async #write(): Promise<void> {
    // Whoever calls in the same turn of the event loop joins.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#waiting.length > 0) await this.#writeGroup(this.#waiting.splice(0, GROUP));
    this.#writing = undefined;
  }

  /** Never rejects: whatever goes wrong, the operations are told, and the next group has its turn. */
  async #writeGroup(group: readonly Operation[]): Promise<void> {
    const open = new Set(group);
    try {
      await this.#writeOpen(open);
    } catch (error) {
      for (const operation of open) operation.reject(error);
    }
  }

  /** Those that can't be done leave the set, and are told why. */
  async #writeOpen(open: Set<Operation>): Promise<void> {
    for (let tries = 1; open.size > 0; tries++) {
      this.refresh();
      const turn = this.#lastTurn();
      const draft = new Draft((table) => this.table(table));
      const run = runAll(draft, this.#recent.at(turn), open);
      if ('operation' in run) {
        open.delete(run.operation);
        run.operation.reject(run.error);
        continue;
      }
      if (!(await this.#commit(draft, turn))) {
        if (tries < MOST_TRIES) continue;
        throw new Error('Other processes keep changing the queue.');
      }
      this.refresh();
      this.#recent.apply(turn, run.changes.remembered);
      this.#committed(run.changes);
      for (const operation of open) operation.resolve();
      return;
    }
  }

  /** False where somebody else has written since `turn`. */
  async #commit(draft: Draft, turn: number): Promise<boolean> {
    try {
      const done = await this.#turn.ifVersion(TURN, turn, () => {
        let last: Promise<boolean> | undefined;
        for (const [name, changed] of draft.changes) {
          const table = this.#tables.get(name);
          for (const [key, value] of changed) {
            const write = value === undefined ? table?.remove(key) : table?.put(key, value);
            // A failure is told by the transaction's own promise. Most writes of one share theirs.
            if (write !== last) write?.catch(() => {});
            last = write;
          }
        }
        this.#turn.put(TURN, '', turn + 1).catch(() => {});
      });
      if (!done) return false;
    } catch (error) {
      throw await this.#failure(error);
    }
    if (this.#own === turn) this.#own = turn + 1;
    return true;
  }

  async #failure(error: unknown): Promise<unknown> {
    const cause = await causeOf(error);
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
    if (NO_ROOM_CODES.has(code) || (code === SHORT_WRITE && (await this.#isFull()))) {
      return new QueueFullError('No room for the index of the queue.', { cause });
    }
    return new Error("The queue's index could not be written.", { cause });
  }

  #lastTurn(): number {
    return this.#turn.getEntry(TURN)?.version ?? 0;
  }
}

class Change<T> implements Operation {
  readonly #act: (changes: QueueChanges, draft: Draft) => T;
  readonly #resolve: (value: T) => void;
  readonly reject: (error: unknown) => void;
  #result: { readonly value: T } | undefined;

  constructor(
    act: (changes: QueueChanges, draft: Draft) => T,
    resolve: (value: T) => void,
    reject: (error: unknown) => void,
  ) {
    this.#act = act;
    this.#resolve = resolve;
    this.reject = reject;
  }

  run(changes: QueueChanges, draft: Draft): void {
    this.#result = { value: this.#act(changes, draft) };
  }

  resolve(): void {
    if (this.#result !== undefined) this.#resolve(this.#result.value);
  }
}

const readerOf = (table: Database<string, string>): TableReader => ({
  get: (key) => table.get(key),
  keys: (start, end) => table.getKeys({ start, end }),
});

/** All operations in one draft; or the one that can't be, and why. @throws where what they share is damaged */
function runAll(
  draft: Draft,
  recent: RecentReader,
  operations: Iterable<Operation>,
): { changes: QueueChanges } | { operation: Operation; error: unknown } {
  const changes = new QueueChanges(draft, recent);
  for (const operation of operations) {
    try {
      operation.run(changes, draft);
    } catch (error) {
      return { operation, error };
    }
  }
  changes.finish();
  return { changes };
}

/** LMDB tells why a commit failed by a promise in the error. */
async function causeOf(error: unknown): Promise<unknown> {
  if (!(error instanceof Error) || !('commitError' in error)) return error;
  try {
    await error.commitError;
    return error;
  } catch (cause) {
    return cause;
  }
}
