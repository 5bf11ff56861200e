/** PostgreSQL, in a temporary folder, on a Unix socket and a free port: for a queue of several nodes. */
import { chown, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { freePort } from '../packages/mta/test/free-port.js';
import { run, runOk } from './run.js';
import { type ServerProcess, startServer } from './server-process.js';

/** Debian's package makes it; the server refuses to run as root. */
const POSTGRES_USER = 'postgres';
const PROGRAMS = '/usr/lib/postgresql/15/bin';

/** For `withNeighbours`. */
export const postgresPrograms = {
  initdb: join(PROGRAMS, 'initdb'),
  postgres: join(PROGRAMS, 'postgres'),
  runuser: '/usr/sbin/runuser',
} as const;

export interface PostgresOptions {
  readonly folder: string;
  /** `fsync` and the like. */
  readonly settings?: Readonly<Record<string, string>>;
}

export interface Postgres {
  readonly port: number;
  /** Of the administrator, over the Unix socket; for a queue. */
  readonly url: string;
  /** Over TCP, as a user with a password. */
  urlOf(user: string, password: string, database?: string): string;
  /** As the administrator. */
  query<Row extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<Row[]>;
  /** `fast` ends sessions, `immediate` is a crash. */
  stop(how: 'fast' | 'immediate'): Promise<void>;
  start(): Promise<void>;
  log(): Promise<string>;
}

/** Makes a new cluster and starts it. */
export async function startPostgres({ folder, settings = {} }: PostgresOptions): Promise<Postgres> {
  const data = join(folder, 'data');
  const home = await mkdirOwned(join(folder, 'socket'));
  await mkdirOwned(data);
  const port = await freePort();
  await asPostgres(postgresPrograms.initdb, [
    ...['--pgdata', data, '--encoding', 'UTF8', '--locale', 'C', '--no-sync', '--username', POSTGRES_USER],
    ...['--auth-local', 'trust', '--auth-host', 'scram-sha-256'],
  ]);
  const all = { listen_addresses: '127.0.0.1', unix_socket_directories: home, port: `${port}`, ...settings };
  const url = `postgresql:///postgres?user=${POSTGRES_USER}&host=${encodeURIComponent(home)}&port=${port}`;

  const query = async <Row extends pg.QueryResultRow>(text: string, values: unknown[] = []) => {
    const client = new pg.Client({ connectionString: url });
    client.on('error', () => {});
    await client.connect();
    try {
      return (await client.query<Row>(text, values)).rows;
    } finally {
      await client.end().catch(() => {});
    }
  };

  let server: ServerProcess | undefined;
  const start = async () => {
    server = await startServer({
      name: 'PostgreSQL',
      program: postgresPrograms.runuser,
      args: [
        ...['-u', POSTGRES_USER, '--', postgresPrograms.postgres, '-D', data],
        ...Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
      ],
      ready: async () => {
        await query('select 1');
      },
    });
  };
  const stop = async (how: 'fast' | 'immediate') => {
    const running = server;
    server = undefined;
    if (running === undefined) return;

    await run(postgresPrograms.runuser, [
      ...['-u', POSTGRES_USER, '--', join(PROGRAMS, 'pg_ctl'), 'stop', '-D', data, '-m', how, '-w'],
    ]);
    await running.stop();
  };
  await start();
  return {
    port,
    url,
    urlOf: (user, password, database = 'postgres') =>
      `postgresql://${user}:${encodeURIComponent(password)}@127.0.0.1:${port}/${database}`,
    query,
    stop,
    start,
    log: async () => (await server?.log()) ?? '',
  };
}

async function mkdirOwned(path: string): Promise<string> {
  await mkdir(path, { mode: 0o700 });
  const id = async (which: '-u' | '-g') => Number((await runOk('id', [which, POSTGRES_USER])).trim());
  await chown(path, await id('-u'), await id('-g'));
  return path;
}

async function asPostgres(program: string, args: readonly string[]): Promise<void> {
  await runOk(postgresPrograms.runuser, ['-u', POSTGRES_USER, '--', program, ...args], { cwd: '/' });
}
