/**
 * Haraka as it comes from npm, with a configuration folder of its own: it takes mail from anybody for anybody, and sends
 * it on by the plugin.
 *
 * Beside the plugin stands a witness: a small plugin that writes down what Haraka's hooks say of each message.
 */
import { mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { greets } from './mail-server.js';
import { type StartedServer, startServer } from './server-process.js';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

export const haraka = here('./node-programs/node_modules/Haraka/bin/haraka');

/** One call of a hook, as the witness saw it. */
export interface Sighting {
  readonly hook: 'delivered' | 'deferred' | 'bounce';
  readonly recipients: readonly string[];
  /** `delivered`: host, address, reply, and whether there was TLS. */
  readonly host?: string;
  readonly address?: string;
  readonly response?: string;
  readonly secured?: boolean;
  /** `deferred` and `bounce`: why. */
  readonly reason?: string;
  /** What the plugin left at the queued message. */
  readonly authenticated?: readonly (unknown | null)[];
}

export interface HarakaServer extends StartedServer {
  sightings(): Promise<readonly Sighting[]>;
  /** Has it try all mail that waits. */
  flush(): void;
}

export interface HarakaOptions {
  /** An empty folder, or one that Haraka has been in. */
  readonly folder: string;
  readonly port: number;
  /** Files of the configuration folder. */
  readonly config: Readonly<Record<string, string>>;
  /** Source of a plugin that is asked before danelaw. */
  readonly before?: string;
}

export async function startHaraka({
  folder,
  port,
  config,
  before = '',
}: HarakaOptions): Promise<HarakaServer> {
  const witnessed = join(folder, 'witnessed');
  await configure(folder);
  await writeFile(join(folder, 'plugins', 'witness.js'), witness(witnessed));
  await writeFile(join(folder, 'plugins', 'before.js'), before);
  // As `haraka -i` does: without it Haraka ends at the first connection.
  const connection = await readFile(
    here('./node-programs/node_modules/Haraka/config/connection.ini'),
    'utf8',
  );
  const files = {
    'connection.ini': connection,
    plugins: 'witness\nbefore\ndanelaw\n',
    me: 'haraka.sender.example\n',
    'smtp.ini': `listen=127.0.0.1:${port}\nnodes=0\n`,
    'log.ini': '[main]\nlevel=info\n',
    'outbound.ini': 'local_mx_ok=true\ntemp_fail_intervals=1h\n',
    ...config,
  };
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, 'config', name), text);
  const server = await startServer({
    name: 'Haraka',
    program: process.execPath,
    args: [haraka, '-c', folder],
    ready: () => greets('127.0.0.1', port),
  });
  return {
    ...server,
    flush: () => server.signal('SIGHUP'),
    sightings: async () =>
      (await readFile(witnessed, 'utf8').catch(() => ''))
        .split('\n')
        .filter((line) => line !== '')
        .map((line): Sighting => JSON.parse(line)),
  };
}

/** Folders, where they are not there yet: Haraka can be started again with what it has in its queue. */
async function configure(folder: string): Promise<void> {
  for (const name of ['config', 'plugins', 'queue', 'node_modules']) {
    await mkdir(join(folder, name), { recursive: true });
  }
  const link = join(folder, 'node_modules', 'haraka-plugin-danelaw');
  await rm(link, { force: true });
  await symlink(here('../packages/haraka'), link);
}

/** Haraka's plugins are CommonJS without an import of the codes, which are in scope. */
const witness = (file: string): string => `
const { appendFileSync } = require('node:fs');
const see = (hook, mail, more) => appendFileSync(${JSON.stringify(file)}, JSON.stringify({
  hook,
  recipients: mail.todo.rcpt_to.map((each) => each.address),
  authenticated: mail.danelaw?.recipients.map((each) => each.tls?.authenticated ?? null),
  ...more,
}) + '\\n');
exports.hook_rcpt = (next, connection) => { connection.relaying = true; next(OK); };
exports.hook_delivered = (next, mail, [host, address, response, , , , recipients, secured]) => {
  see('delivered', mail, { recipients: recipients.map((each) => each.address), host, address, response, secured });
  next();
};
exports.hook_deferred = (next, mail, { err }) => { see('deferred', mail, { reason: String(err) }); next(); };
exports.hook_bounce = (next, mail, error) => { see('bounce', mail, { reason: error.message }); next(); };
`;
