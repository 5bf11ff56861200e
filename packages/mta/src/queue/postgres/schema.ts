/**
 * The tables, and how they come into being and change.
 *
 * - `message`, `body`: what does not change. Bodies have a table of their own, so that nothing but a delivery
 *   touches them; they are stored uncompressed (EXTERNAL): mail is mostly base64, and what compresses well is
 *   small.
 * - `recipient`: one row for each that waits, with its state, and what filters compare (lower case, as
 *   JavaScript has it).
 * - `work`: one row for each message and destination: when it is due (the earliest recipient that is not
 *   held; null where all are), the fence of its last claim, and until when it is leased.
 * - `destination`: one row for each that has work or a history. It says whether it is its turn (see
 *   `destination.ts`), so that a claim costs the same with ten recipients and with a million.
 * - `slot`: permissions for connections.
 * - `writer`: the number of each writer's last transaction (`database.ts`).
 *
 * Times of the caller are milliseconds (double precision, as JavaScript's numbers). Leases are times of the
 * database, the only clock that all nodes see: a node whose clock jumps can't take what another one holds.
 *
 * There are no foreign keys: only this engine writes here, and their checks were a third of the work of an
 * insertion.
 *
 * Migrations expand first and contract later: version N+1 adds what it needs and leaves in place what N
 * uses; N+2 may take that away. `oldest_compatible` tells an older program whether it may go on.
 */
import type { ClientBase } from 'pg';
import { QueueUnusableError } from '../queue.js';
import { understand } from './failure.js';

export interface Migration {
  readonly version: number;
  /** The oldest program, by its own version of the schema, that can work with this one. */
  readonly oldestCompatible: number;
  readonly sql: string;
}

export const MIGRATIONS: readonly Migration[] = [
  {
    version: 1,
    oldestCompatible: 1,
    sql: `
create table message (
  id text collate "C" primary key,
  arrived double precision not null,
  size double precision not null,
  sender text collate "C" not null,
  envelope json not null
);
create index message_arrived on message (arrived, id);

create table body (
  message text collate "C" primary key,
  sha256 bytea not null,
  octets bytea not null
);
alter table body alter column octets set storage external;

create table recipient (
  message text collate "C" not null,
  destination text collate "C" not null,
  place integer not null,
  address text collate "C" not null,
  named json not null,
  held boolean not null,
  due double precision not null,
  attempts integer not null,
  warned boolean not null,
  last json,
  reason text collate "C",
  primary key (message, destination, place)
) with (fillfactor = 80);

create sequence fence;
create table work (
  message text collate "C" not null,
  destination text collate "C" not null,
  due double precision,
  fence bigint not null default 0,
  leased_until timestamptz,
  node text,
  primary key (message, destination)
) with (fillfactor = 80);
create index work_ready on work (destination, due, message) where leased_until is null and due is not null;
create index work_leased on work (destination, leased_until) where leased_until is not null;
create index work_expiring on work (leased_until) where leased_until is not null;

create sequence turn;
create table destination (
  name text collate "C" primary key,
  turn bigint,
  next_due double precision,
  blocked boolean not null default false,
  known boolean not null default false,
  not_before double precision not null default '-infinity',
  failures integer not null default 0,
  reason text not null default ''
) with (fillfactor = 60);
create index destination_turn on destination (turn) where turn is not null;
create index destination_due on destination (next_due) where turn is null and next_due is not null;
create index destination_idle on destination (name) where turn is null and next_due is null and not known;

create table slot (
  id bigint generated always as identity primary key,
  host text collate "C" not null,
  leased_until timestamptz not null
);
create index slot_host on slot (host, leased_until);

create table writer (
  id text collate "C" primary key,
  number bigint not null,
  used timestamptz not null
) with (fillfactor = 50);

-- What is taken out of a queue leaves holes at its head: they are cleared early.
alter table message set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
alter table body set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
alter table recipient set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
alter table work set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
alter table destination set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
`,
  },
];

const VERSION_TABLE =
  'create table if not exists danelaw_schema (version integer not null, oldest_compatible integer not null)';

interface Found {
  readonly version: number;
  readonly oldest: number;
}

/**
 * Brings the schema to the version of the last migration. Nodes that start together take turns.
 * @throws QueueUnusableError where it is of a newer version that this program can't work with
 */
export async function migrate(
  client: ClientBase,
  schema: string,
  migrations: readonly Migration[],
): Promise<void> {
  try {
    const ours = migrations.at(-1)?.version ?? 0;
    if (isCurrent(await found(client), ours)) return;
    await client.query('begin');
    // A node that waits for another one's migration waits for as long as that takes.
    await client.query('set local lock_timeout = 0; set local statement_timeout = 0');
    await client.query("select pg_advisory_xact_lock(hashtextextended('danelaw schema ' || $1, 0))", [
      schema,
    ]);
    const { rows } = await client.query<{ usable: boolean; who: string }>(
      `select has_schema_privilege(oid, 'usage') as usable, current_user as who
        from pg_namespace where nspname = $1`,
      [schema],
    );
    const [there] = rows;
    if (there === undefined) await client.query(`create schema ${client.escapeIdentifier(schema)}`);
    else if (!there.usable) {
      throw new QueueUnusableError(
        `the user "${there.who}" may not use the schema "${schema}" of the database`,
      );
    }
    await client.query(VERSION_TABLE);
    const before = await found(client);
    if (!isCurrent(before, ours)) {
      for (const { version, oldestCompatible, sql } of migrations) {
        if (before !== undefined && version <= before.version) continue;
        await client.query(sql);
        await client.query('delete from danelaw_schema');
        await client.query('insert into danelaw_schema values ($1, $2)', [version, oldestCompatible]);
      }
    }
    await client.query('commit');
  } catch (error) {
    await client.query('rollback').catch(() => {});
    throw error instanceof QueueUnusableError ? error : understand(error);
  }
}

async function found(client: ClientBase): Promise<Found | undefined> {
  const { rows } = await client.query<{ there: boolean }>(
    "select to_regclass('danelaw_schema') is not null as there",
  );
  if (rows[0]?.there !== true) return undefined;
  const versions = await client.query<{ version: number; oldest_compatible: number }>(
    'select version, oldest_compatible from danelaw_schema',
  );
  const [row] = versions.rows;
  return row === undefined ? undefined : { version: row.version, oldest: row.oldest_compatible };
}

/** @throws QueueUnusableError */
function isCurrent(there: Found | undefined, ours: number): boolean {
  if (there === undefined || there.version < ours) return false;
  if (there.oldest > ours) throw tooNew(ours, there.oldest);
  return true;
}

export function tooNew(ours: number, oldest: number): QueueUnusableError {
  return new QueueUnusableError(
    `the queue in the database was upgraded by a newer danelaw: it takes a program of schema version ` +
      `${oldest} or later, and this one has ${ours}; upgrade danelaw on this machine`,
  );
}
