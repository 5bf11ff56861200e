/**
 * The tables of surveys that several machines share, in a schema of their own: a survey needs no relay, and a relay's queue
 * in the same database is left alone.
 *
 * - `survey`: one row for each, with how many domains it has.
 * - `domain`: one row for each domain of a list. `round` is 1 where it was asked about once and was unclear; while a
 *   machine is at it, it is leased, under the fence of that claim; `result` is written once.
 * - `machine`: one row for each run of the command, with how many results it has written: the sum is how far all are, and
 *   nobody has to count domains for that.
 * - `slot`: permissions for sessions with mail servers (`queue/postgres/slot.ts`).
 *
 * Leases are times of the database, the only clock that all machines see.
 */
import type { Migration } from '../../queue/postgres/schema.js';

export const SURVEY_SCHEMA = 'danelaw_survey';

export const SURVEY_MIGRATIONS: readonly Migration[] = [
  {
    version: 1,
    oldestCompatible: 1,
    sql: `
create table survey (
  id bigint generated always as identity primary key,
  name text collate "C" not null unique,
  created timestamptz not null default clock_timestamp(),
  connects boolean not null,
  domains bigint not null default 0,
  places bigint not null default 0
);

create sequence fence;
create table domain (
  survey bigint not null,
  place bigint not null,
  name text collate "C" not null,
  round smallint not null default 0,
  fence bigint not null default 0,
  leased_until timestamptz,
  machine bigint,
  result json,
  primary key (survey, place)
) with (fillfactor = 70);
create unique index domain_name on domain (survey, name);
create index domain_waiting on domain (survey, round, place) where result is null and leased_until is null;
create index domain_leased on domain (survey, leased_until) where leased_until is not null;
alter table domain set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);

create table machine (
  id bigint generated always as identity primary key,
  survey bigint not null,
  name text not null,
  done bigint not null default 0,
  seen timestamptz not null default clock_timestamp()
) with (fillfactor = 50);
create index machine_survey on machine (survey);

create table slot (
  id bigint generated always as identity primary key,
  host text collate "C" not null,
  leased_until timestamptz not null
);
create index slot_host on slot (host, leased_until);
`,
  },
];
