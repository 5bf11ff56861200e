/**
 * Group commit: what is asked for while a transaction is on its way is done together in the next one.
 *
 * A flush to disk costs the same for one message and for a hundred, so the batches grow by themselves with
 * the load, and without load nobody waits for others.
 *
 * A batch that fails because of one member's data is done again one by one: only that one fails. Where the
 * database can't be reached, the batch is tried again until its members' time is up, each by itself.
 */
import { type Database, unavailable, writerName } from './database.js';
import { concernsOneMember, Interrupted } from './failure.js';

export interface GroupCommitOptions<Member, Result> {
  readonly database: Pick<Database, 'closing' | 'pause'>;
  /** Transactions at a time: while one is flushed, another one's rows are written. */
  readonly width: number;
  readonly maxMembers: number;
  readonly maxWeight: number;
  readonly weigh: (member: Member) => number;
  /** One transaction with all members, one result for each. @throws Interrupted and others */
  readonly commit: (members: readonly Member[], writer: string, giveUpAt: number) => Promise<Result[]>;
  readonly monotonic: () => number;
}

interface Waiting<Member, Result> {
  readonly member: Member;
  readonly giveUpAt: number;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

const FIRST_WAIT = 50;
const LONGEST_WAIT = 1_000;

export class GroupCommit<Member, Result> {
  readonly #options: GroupCommitOptions<Member, Result>;
  readonly #waiting: Waiting<Member, Result>[] = [];
  readonly #idleWriters: string[];
  readonly #running = new Set<Promise<void>>();

  constructor(options: GroupCommitOptions<Member, Result>) {
    this.#options = options;
    this.#idleWriters = Array.from({ length: options.width }, writerName);
  }

  /** @param giveUpAt on the monotonic clock: rejects with `QueueUnavailableError` after that */
  push(member: Member, giveUpAt: number): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ member, giveUpAt, resolve, reject });
      this.#start();
    });
  }

  /** When everything that was asked for is done. */
  async drain(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  #start(): void {
    const writer = this.#waiting.length === 0 ? undefined : this.#idleWriters.pop();
    if (writer === undefined) return;
    const run = this.#work(writer).finally(() => {
      this.#running.delete(run);
      this.#idleWriters.push(writer);
      this.#start();
    });
    this.#running.add(run);
  }

  async #work(writer: string): Promise<void> {
    // What is asked for in the same turn of the event loop goes together.
    await Promise.resolve();
    for (let batch = this.#take(); batch.length > 0; batch = this.#take()) await this.#do(batch, writer);
  }

  #take(): Waiting<Member, Result>[] {
    const { maxMembers, maxWeight, weigh } = this.#options;
    let count = 0;
    let weight = 0;
    for (const { member } of this.#waiting) {
      weight += weigh(member);
      if (count > 0 && (count === maxMembers || weight > maxWeight)) break;
      count++;
    }
    return this.#waiting.splice(0, count);
  }

  /** Never rejects: the members are told. */
  async #do(batch: Waiting<Member, Result>[], writer: string): Promise<void> {
    const { database, monotonic, commit } = this.#options;
    let open = batch;
    for (let wait = FIRST_WAIT; open.length > 0; wait = Math.min(2 * wait, LONGEST_WAIT)) {
      try {
        const giveUpAt = Math.max(...open.map((member) => member.giveUpAt));
        const results = await commit(
          open.map(({ member }) => member),
          writer,
          giveUpAt,
        );
        for (const [i, result] of results.entries()) open[i]?.resolve(result);
        return;
      } catch (error) {
        if (error instanceof Interrupted) {
          const now = monotonic() + wait;
          const late = (member: Waiting<Member, Result>) =>
            database.closing.aborted || member.giveUpAt <= now;
          for (const member of open.filter(late)) member.reject(unavailable(error));
          open = open.filter((member) => !late(member));
          if (open.length > 0) await database.pause(wait);
        } else if (open.length > 1 && concernsOneMember(error)) {
          for (const member of open) await this.#do([member], writer);
          return;
        } else {
          for (const member of open) member.reject(error);
          return;
        }
      }
    }
  }
}
