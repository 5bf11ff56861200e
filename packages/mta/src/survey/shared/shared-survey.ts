/**
 * One survey of the database, as one machine works on it.
 *
 * Domains are claimed in batches. Rows that another machine is claiming are skipped, so nobody waits. A claim is a lease:
 * whose machine dies, or stands still for longer, has its domains taken over by whoever claims next. A result is written
 * where the domain has none and the fence is still that of its claim, so each domain is counted once, whatever happens.
 *
 * Each statement here is a transaction, and does the same once and twice: where it is not known whether one took place, it is
 * made again.
 */
import { type Database, PATIENCE, type Statement, type Value } from '../../queue/postgres/database.js';
import { parseResult, type SurveyResult } from '../survey-result.js';
import { SharedSurveyError, type SurveyRecord } from './shared-surveys.js';

/** A domain that this machine may ask about. */
export interface LeasedDomain {
  readonly place: number;
  readonly domain: string;
  /** 1: it was asked about once, and was unclear. */
  readonly round: Round;
  readonly fence: number;
}

export type Round = 0 | 1;

export interface SharedProgress {
  readonly domains: number;
  readonly done: number;
  /** Of `done`, by this machine. */
  readonly ours: number;
  /** That were heard of lately. */
  readonly machines: number;
  /** All domains have a result. */
  readonly finished: boolean;
}

/** Results of a page that is read. */
const PAGE = 1_000;
/** Leases that are taken back in one go. */
const MAX_REAPED = 1_000;
/** Seconds for which a machine counts as being there. */
const LATELY = 15;

const HELLO: Statement = {
  name: '',
  text: 'insert into machine (survey, name) values ($1, $2) returning id::float8 as id',
};
const REAP: Statement = {
  name: 'survey-reap',
  text: `with expired as (
      select place from domain where survey = $1 and leased_until <= clock_timestamp()
      order by leased_until limit $2 for update skip locked
    )
    update domain d set leased_until = null, machine = null from expired e
    where d.survey = $1 and d.place = e.place`,
};
const CLAIM: Statement = {
  name: 'survey-claim',
  text: `with token as materialized (select nextval('fence') as fence),
    picked as (
      select place from domain
      where survey = $1 and round = $2 and result is null and leased_until is null
      order by place limit $3 for update skip locked
    )
    update domain d set fence = token.fence, machine = $4,
      leased_until = clock_timestamp() + $5::float8 * interval '1 millisecond'
    from token, picked p where d.survey = $1 and d.place = p.place
    returning d.place::float8 as place, d.name as domain, d.round, d.fence::float8 as fence`,
};
const RENEW: Statement = {
  name: 'survey-renew',
  text: `update domain d set leased_until = clock_timestamp() + $4::float8 * interval '1 millisecond'
    from unnest($2::bigint[], $3::bigint[]) as c (place, fence)
    where d.survey = $1 and d.place = c.place and d.fence = c.fence and d.leased_until is not null`,
};
/** The count of the machine and what it counts are one transaction. */
const WRITE: Statement = {
  name: 'survey-write',
  text: `with written as (
      update domain d set result = r.result::json, leased_until = null
      from unnest($2::bigint[], $3::bigint[], $4::text[]) as r (place, fence, result)
      where d.survey = $1 and d.place = r.place and d.fence = r.fence and d.result is null
      returning 1
    )
    update machine set done = done + (select count(*) from written), seen = clock_timestamp()
    where id = $5`,
};
/** Given back: to be asked about in that round. */
const GIVE_BACK: Statement = {
  name: 'survey-give-back',
  text: `update domain d set leased_until = null, machine = null, round = b.round
    from unnest($2::bigint[], $3::bigint[], $4::smallint[]) as b (place, fence, round)
    where d.survey = $1 and d.place = b.place and d.fence = b.fence and d.leased_until is not null`,
};
const PROGRESS: Statement = {
  name: 'survey-progress',
  text: `select s.domains::float8 as domains, m.done, m.ours, m.machines,
      not (exists (select from domain d
          where d.survey = s.id and d.round in (0, 1) and d.result is null and d.leased_until is null)
        or exists (select from domain d where d.survey = s.id and d.leased_until is not null)) as finished
    from survey s cross join lateral (
      select coalesce(sum(done), 0)::float8 as done, coalesce(sum(done) filter (where id = $2), 0)::float8 as ours,
        (count(*) filter (where seen > clock_timestamp() - $3::float8 * interval '1 second'))::float8 as machines
      from machine where survey = s.id) m
    where s.id = $1`,
};
const SEEN: Statement = {
  name: 'survey-seen',
  text: 'update machine set seen = clock_timestamp() where id = $1',
};
const RESULTS: Statement = {
  name: 'survey-results',
  text: `select place::float8 as place, result::text as result from domain
    where survey = $1 and place > $2 and result is not null order by place limit $3`,
};

/** What one machine does with a survey; its tests stand in for it. */
export interface SharedWork {
  claim(round: Round, most: number): Promise<LeasedDomain[]>;
  renew(held: readonly LeasedDomain[]): Promise<void>;
  /** Written where the lease still is this machine's. `result` is a line of JSON. */
  write(results: readonly { readonly leased: LeasedDomain; readonly result: string }[]): Promise<void>;
  giveBack(held: readonly LeasedDomain[], round: Round): Promise<void>;
  progress(): Promise<SharedProgress>;
}

export class SharedSurvey implements SharedWork {
  readonly #database: Database;
  readonly #survey: number;
  readonly #machine: number;
  /** Milliseconds. */
  readonly #lease: number;

  private constructor(database: Database, survey: number, machine: number, lease: number) {
    this.#database = database;
    this.#survey = survey;
    this.#machine = machine;
    this.#lease = lease;
  }

  /** @param name of the machine, for those who look into the database */
  static async join(
    database: Database,
    { id }: SurveyRecord,
    name: string,
    lease: number,
  ): Promise<SharedSurvey> {
    const [row] = await ask<{ id: number }>(database, HELLO, [id, name]);
    if (row === undefined) throw new Error('a machine has a row');
    return new SharedSurvey(database, id, row.id, lease);
  }

  async claim(round: Round, most: number): Promise<LeasedDomain[]> {
    await this.#ask(REAP, [this.#survey, MAX_REAPED]);
    const claimed = await this.#ask<LeasedDomain>(CLAIM, [
      this.#survey,
      round,
      most,
      this.#machine,
      this.#lease,
    ]);
    return claimed.sort((a, b) => a.place - b.place);
  }

  async renew(held: readonly LeasedDomain[]): Promise<void> {
    await this.#ask(RENEW, [this.#survey, ...placesOf(held), this.#lease]);
  }

  async write(results: readonly { readonly leased: LeasedDomain; readonly result: string }[]): Promise<void> {
    const places = placesOf(results.map(({ leased }) => leased));
    await this.#ask(WRITE, [this.#survey, ...places, results.map(({ result }) => result), this.#machine]);
  }

  async giveBack(held: readonly LeasedDomain[], round: Round): Promise<void> {
    await this.#ask(GIVE_BACK, [this.#survey, ...placesOf(held), held.map(() => round)]);
  }

  /** @throws (rejects) SharedSurveyError where somebody has taken the survey away */
  async progress(): Promise<SharedProgress> {
    await this.#ask(SEEN, [this.#machine]);
    const [row] = await this.#ask<SharedProgress>(PROGRESS, [this.#survey, this.#machine, LATELY]);
    if (row === undefined) throw new SharedSurveyError('the survey was deleted from the database');
    return row;
  }

  #ask<Row extends object>(statement: Statement, values: readonly Value[]): Promise<Row[]> {
    return ask<Row>(this.#database, statement, values);
  }
}

/** All results that there are, in the order of the list. */
export async function* sharedResults(database: Database, { id }: SurveyRecord): AsyncGenerator<SurveyResult> {
  for (let last = -1; ; ) {
    const page = await ask<{ place: number; result: string }>(database, RESULTS, [id, last, PAGE]);
    for (const { place, result } of page) {
      const parsed = parseResult(result);
      if (parsed === undefined) {
        throw new SharedSurveyError(`the database has something else than a result at place ${place}`);
      }
      yield parsed;
      last = place;
    }
    if (page.length < PAGE) return;
  }
}

function ask<Row extends object>(
  database: Database,
  statement: Statement,
  values: readonly Value[],
): Promise<Row[]> {
  return database.persist(() => database.ask<Row>(statement, values), database.deadline(PATIENCE));
}

const placesOf = (held: readonly LeasedDomain[]): [number[], number[]] => [
  held.map(({ place }) => place),
  held.map(({ fence }) => fence),
];
