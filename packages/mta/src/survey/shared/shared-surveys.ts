/**
 * The surveys of a database that several machines share: opened with the connections of the relay's queue, put in, found,
 * and taken away.
 */
import { Database, PATIENCE, type Session, type Statement } from '../../queue/postgres/database.js';
import { prepareServer } from '../../queue/postgres/server.js';
import { Slots } from '../../queue/postgres/slot.js';
import { SURVEY_MIGRATIONS, SURVEY_SCHEMA } from './schema.js';

/** The survey that was asked for is not there, or it is not clear which is meant, or it is another kind of survey. */
export class SharedSurveyError extends Error {
  override readonly name = 'SharedSurveyError';
}

export interface SurveyRecord {
  readonly id: number;
  readonly name: string;
  /** Mail servers are talked to as well. All machines do the same. */
  readonly connects: boolean;
  /** Some of its domains have no result yet. */
  readonly open: boolean;
}

export interface NewList {
  readonly name: string;
  /** Undefined: as the survey that is there does. */
  readonly connects: boolean | undefined;
  /** In A-labels, each once. */
  readonly domains: readonly string[];
}

/** One that claims and writes, one that renews leases, two for slots. */
const CONNECTIONS = 4;
/** Domains in a statement. */
const PAGE = 5_000;

const OPEN = `exists (select from domain d
    where d.survey = s.id and d.round in (0, 1) and d.result is null and d.leased_until is null)
  or exists (select from domain d where d.survey = s.id and d.leased_until is not null)`;

const ALL: Statement = {
  name: '',
  text: `select s.id::float8 as id, s.name, s.connects, ${OPEN} as open from survey s order by s.id desc`,
};
/** The row is locked until the end: two who put in the same list take turns. */
const SURVEY: Statement = {
  name: '',
  text: `insert into survey as s (name, connects) values ($1, coalesce($2::boolean, false))
    on conflict (name) do update set name = excluded.name
    returning s.id::float8 as id, s.connects, s.places::float8 as places`,
};
const DOMAINS: Statement = {
  name: '',
  text: `with added as (
      insert into domain (survey, place, name)
      select $1, $2 + n.place, n.name from unnest($3::text[]) with ordinality as n (name, place)
      on conflict (survey, name) do nothing returning 1
    )
    select count(*)::float8 as added from added`,
};
const COUNT: Statement = {
  name: '',
  text: 'update survey set domains = domains + $2::float8, places = places + $3::float8 where id = $1',
};
/** A list of millions takes longer than a question may, and who comes second waits for it. */
const NO_HURRY: Statement = {
  name: '',
  text: "select set_config('statement_timeout', '0', true), set_config('lock_timeout', '0', true)",
};
const REMOVE: readonly Statement[] = [
  { name: '', text: 'delete from survey where id = $1' },
  { name: '', text: 'delete from domain where survey = $1' },
  { name: '', text: 'delete from machine where survey = $1' },
];
const SWEEP_SLOTS: Statement = {
  name: '',
  text: 'delete from slot where leased_until <= clock_timestamp()',
};

export interface DatabaseAddress {
  readonly url: string;
  readonly passwordFile: string | undefined;
}

export class SharedSurveys {
  readonly database: Database;
  readonly slots: Slots;

  private constructor(database: Database) {
    this.database = database;
    this.slots = new Slots(database);
  }

  /**
   * Makes the tables where there are none. `signal` ends waiting for a server that can't be reached.
   * @throws (rejects) `QueueUnusableError`, `QueueUnavailableError`: as the relay's queue
   */
  static async open(address: DatabaseAddress, signal: AbortSignal): Promise<SharedSurveys> {
    const database = new Database({
      ...address,
      schema: SURVEY_SCHEMA,
      connections: CONNECTIONS,
      version: SURVEY_MIGRATIONS.at(-1)?.version ?? 0,
      monotonic: () => performance.now(),
    });
    const hurry = (): void => database.hurry();
    signal.addEventListener('abort', hurry, { once: true });
    try {
      // What is said of a server that does not flush is said of mail. A survey can be done again.
      await prepareServer(database, SURVEY_SCHEMA, SURVEY_MIGRATIONS, () => {});
      const shared = new SharedSurveys(database);
      await shared.#ask(SWEEP_SLOTS, []);
      return shared;
    } catch (error) {
      await database.close();
      throw error;
    } finally {
      signal.removeEventListener('abort', hurry);
    }
  }

  async close(): Promise<void> {
    await this.slots.close();
    await this.database.close();
  }

  /**
   * Puts in a list, or what a survey of that name does not have yet: all of it or nothing.
   * @returns how many domains were new @throws (rejects) SharedSurveyError where it is another kind of survey
   */
  async add({ name, connects, domains }: NewList): Promise<number> {
    return await this.#transact(async (session) => {
      const [survey] = await session.query<{ id: number; connects: boolean; places: number }>(SURVEY, [
        name,
        connects ?? null,
      ]);
      if (survey === undefined) throw new Error('a survey has a row');
      mustDoTheSame({ name, connects: survey.connects }, connects);
      let added = 0;
      for (let start = 0; start < domains.length; start += PAGE) {
        const page = domains.slice(start, start + PAGE);
        const [row] = await session.query<{ added: number }>(DOMAINS, [
          survey.id,
          survey.places + start,
          page,
        ]);
        added += row?.added ?? 0;
      }
      await session.query(COUNT, [survey.id, added, domains.length]);
      return added;
    });
  }

  /**
   * The survey of that name; without one, the one that is not finished, or the last where all are.
   * @throws (rejects) SharedSurveyError
   */
  async find(name: string | undefined, connects?: boolean): Promise<SurveyRecord> {
    const found = pick(await this.#ask<SurveyRecord>(ALL, []), name);
    mustDoTheSame(found, connects);
    return found;
  }

  async remove({ id }: SurveyRecord): Promise<void> {
    await this.#transact(async (session) => {
      for (const statement of REMOVE) await session.query(statement, [id]);
    });
  }

  /** What is done twice by it is the same as once: it is repeated where the outcome is not known. */
  async #transact<T>(work: (session: Session) => Promise<T>): Promise<T> {
    const { database } = this;
    const attempt = () =>
      database.transact(
        undefined,
        async (session) => {
          await session.query(NO_HURRY, []);
          return work(session);
        },
        0,
      );
    return await database.persist(attempt, database.deadline(PATIENCE));
  }

  #ask<Row extends object>(statement: Statement, values: readonly (string | number)[]): Promise<Row[]> {
    const { database } = this;
    return database.persist(() => database.ask<Row>(statement, values), database.deadline(PATIENCE));
  }
}

/** The newest first. */
function pick(all: readonly SurveyRecord[], name: string | undefined): SurveyRecord {
  const names = all.map((survey) => survey.name).join(', ');
  if (name !== undefined) {
    const named = all.find((survey) => survey.name === name);
    if (named !== undefined) return named;
    const others = names === '' ? 'there is none' : `there are: ${names}`;
    throw new SharedSurveyError(`there is no survey "${name}" in the database; ${others}`);
  }
  const open = all.filter((survey) => survey.open);
  if (open.length > 1) {
    const which = open.map((survey) => survey.name).join(', ');
    throw new SharedSurveyError(`several surveys are under way: say which with --name: ${which}`);
  }
  const [found] = open.length === 1 ? open : all;
  if (found === undefined) {
    throw new SharedSurveyError('there is no survey in the database; give the file with the domains');
  }
  return found;
}

/** @throws SharedSurveyError */
function mustDoTheSame(
  { name, connects }: Pick<SurveyRecord, 'name' | 'connects'>,
  wanted: boolean | undefined,
): void {
  if (wanted !== true || connects) return;
  throw new SharedSurveyError(
    `the survey "${name}" asks DNS only: leave --connect away, or name another survey with --name`,
  );
}
