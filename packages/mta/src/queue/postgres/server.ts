/** What a server has to be, before a queue is kept in it; and brings its schema up to date. */
import { QueueUnusableError } from '../queue.js';
import { type Database, PATIENCE, type Statement } from './database.js';
import { understand } from './failure.js';
import { type Migration, migrate } from './schema.js';

/** Older ones are past their support. */
const OLDEST_SERVER = 130_000;

const SERVER: Statement = {
  name: '',
  text: `select current_setting('server_version_num')::integer as version,
    current_setting('server_version') as version_text,
    current_setting('server_encoding') as encoding,
    pg_is_in_recovery() as standby,
    current_setting('synchronous_commit') as synchronous_commit,
    current_setting('fsync') as fsync,
    current_setting('full_page_writes') as full_page_writes`,
};

interface Server {
  readonly version: number;
  readonly version_text: string;
  readonly encoding: string;
  readonly standby: boolean;
  readonly synchronous_commit: string;
  readonly fsync: string;
  readonly full_page_writes: string;
}

/**
 * @throws (rejects) `QueueUnusableError` where the server can't be used as it is; `QueueUnavailableError`
 *   where it can't be reached
 */
export async function prepareServer(
  database: Database,
  schema: string,
  migrations: readonly Migration[],
  onWarning: (text: string) => void,
): Promise<void> {
  await database.persist(async () => {
    const [server] = await database.ask<Server>(SERVER, []);
    if (server === undefined) throw new Error('a server has settings');
    check(server, onWarning);
    // An upgrade takes as long as it takes.
    const client = database.ownClient(true);
    // An error between two questions comes again with the next one.
    client.on('error', () => {});
    try {
      await client.connect();
    } catch (error) {
      throw understand(error);
    }
    try {
      await migrate(client, schema, migrations);
    } finally {
      await client.end().catch(() => {});
    }
  }, database.deadline(PATIENCE));
}

function check(server: Server, onWarning: (text: string) => void): void {
  const { version, version_text: text, encoding, standby } = server;
  if (version < OLDEST_SERVER) {
    throw new QueueUnusableError(`the database is PostgreSQL ${text}; the queue needs version 13 or later`);
  }
  if (encoding !== 'UTF8') {
    throw new QueueUnusableError(
      `the database's encoding is ${encoding}; the queue needs UTF8 ` +
        '(createdb --encoding=UTF8 --template=template0)',
    );
  }
  if (standby) {
    throw new QueueUnusableError('the database is a standby, and read-only; give the address of the primary');
  }
  if (server.synchronous_commit !== 'on') {
    throw new QueueUnusableError(
      'the database does not let the queue set synchronous_commit: is there a connection pooler between? ' +
        'The queue needs sessions of its own.',
    );
  }
  if (server.fsync !== 'on') {
    onWarning('the database runs with fsync = off: a power failure loses accepted mail; set fsync = on');
  }
  if (server.full_page_writes !== 'on') {
    onWarning(
      'the database runs with full_page_writes = off: a power failure can damage its tables; set it to on',
    );
  }
}
