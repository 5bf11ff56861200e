/** The mail servers that are compared: each is started with nothing in its queue and its caches. */
import { spawn } from 'node:child_process';
import { mkdir, open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { startIteratingUnbound } from '../../interop/iterating-unbound.js';
import { startSendingPostfix } from '../../interop/sending-postfix.js';
import { freePort } from '../../packages/mta/test/free-port.js';
import type { MailInternet } from './mail-internet.js';

/** A side that takes mail. */
export interface Running {
  readonly address: string;
  readonly port: number;
  /** Of processes that, with all that they start, are this side. */
  readonly pids: readonly number[];
  /** What it has logged, for a run that fails. */
  log(): Promise<string>;
  stop(): Promise<void>;
}

export interface Side {
  readonly name: string;
  /** Postfix: its better number is the bar. */
  readonly isReference: boolean;
  /** The cases that it is made for; all where it is left out. */
  readonly only?: readonly string[];
  start(internet: MailInternet, folder: string): Promise<Running>;
}

const PROGRAM = fileURLToPath(new URL('../../packages/mta/bin/danelaw.js', import.meta.url));
const FLOOR = fileURLToPath(new URL('floor.js', import.meta.url));
const UNIT = fileURLToPath(new URL('../../packaging/danelaw.service', import.meta.url));
const RESOLVER = '127.9.0.53';
const POSTFIX = '127.0.0.7';
const LOOK_EVERY = 25;
/** The Node.js that runs danelaw; by default the one that runs this. */
const NODE = process.env['BENCH_NODE'] ?? process.execPath;
/** More options for the process of danelaw: profiles, traces. */
const NODE_OPTIONS = (process.env['BENCH_NODE_OPTIONS'] ?? '').split(' ').filter((word) => word !== '');

const SETTINGS = ['smtp_tls_security_level = dane', 'smtp_tls_loglevel = 0', 'in_flow_delay = 0'];
const REUSE = 'smtp_tls_connection_reuse = yes';
const TICKETS = 'smtp_tls_session_cache_database = btree:$data_directory/smtp_scache';

export const SIDES: readonly Side[] = [
  {
    name: 'danelaw, from the root',
    isReference: false,
    start: (internet, folder) => danelaw(internet, folder),
  },
  {
    name: 'danelaw, AD of Unbound',
    isReference: false,
    start: (internet, folder) =>
      withUnbound(internet, folder, () =>
        danelaw(internet, folder, `resolver = ["${RESOLVER}"]\ntrust = "ad"\n`),
      ),
  },
  {
    name: 'danelaw, through Unbound',
    isReference: false,
    start: (internet, folder) =>
      withUnbound(internet, folder, () => danelaw(internet, folder, `resolver = ["${RESOLVER}"]\n`)),
  },
  {
    name: 'Node.js alone',
    isReference: false,
    only: ['c', 'd'],
    start: (internet, folder) => withUnbound(internet, folder, () => floor()),
  },
  postfixSide('Postfix', []),
  postfixSide('Postfix, reuse', [REUSE]),
  postfixSide('Postfix, tickets', [TICKETS]),
  postfixSide('Postfix, reuse, tickets', [REUSE, TICKETS]),
];

function postfixSide(name: string, settings: readonly string[]): Side {
  return {
    name,
    isReference: true,
    start: (internet, folder) => withUnbound(internet, folder, () => postfix(folder, settings)),
  };
}

async function withUnbound(
  internet: MailInternet,
  folder: string,
  start: () => Promise<Running>,
): Promise<Running> {
  const own = join(folder, 'unbound');
  await mkdir(own);
  const unbound = await startIteratingUnbound(RESOLVER, internet, own, internet.known);
  const running = await start();
  return {
    ...running,
    pids: [...running.pids, unbound.pid],
    stop: async () => {
      await running.stop();
      await unbound.stop();
    },
  };
}

async function floor(): Promise<Running> {
  const address = '127.0.0.1';
  const port = await freePort();
  const argv = [FLOOR, address, String(port), RESOLVER];
  const child = spawn(NODE, argv, { stdio: ['ignore', 'pipe', 'pipe'], env: await asService() });
  const ended = new Promise((resolve) => child.once('close', resolve));
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (said += text));
  while (!said.includes('listening')) {
    if (child.exitCode !== null) throw new Error(`it ended: ${said}`);
    await sleep(LOOK_EVERY);
  }
  return {
    address,
    port,
    pids: [child.pid ?? 0],
    log: async () => said,
    stop: async () => {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

async function postfix(folder: string, settings: readonly string[]): Promise<Running> {
  const own = join(folder, 'postfix');
  await mkdir(own);
  const started = await startSendingPostfix({
    folder: own,
    address: POSTFIX,
    resolver: RESOLVER,
    settings: [...SETTINGS, ...settings],
  });
  const { address, port, pid, log, stop } = started;
  return { address, port, pids: [pid], log, stop };
}

/** The environment that danelaw has as a service. */
async function asService(): Promise<NodeJS.ProcessEnv> {
  const unit = await readFile(UNIT, 'utf8');
  const lines = [...unit.matchAll(/^Environment=(.*)$/gmu)].flatMap(([, line = '']) => line.split(' '));
  const set = lines.map((each) => [each.slice(0, each.indexOf('=')), each.slice(each.indexOf('=') + 1)]);
  return { ...process.env, ...Object.fromEntries(set) };
}

/** @param dns lines of its `[dns]` table */
async function danelaw(
  { rootHintsFile, trustAnchors }: MailInternet,
  folder: string,
  dns = 'resolver = "iterate"\n',
): Promise<Running> {
  const file = (name: string): string => join(folder, name);
  const address = '127.0.0.1';
  const port = await freePort();
  await writeFile(file('root.hints'), rootHintsFile);
  await writeFile(file('root.ds'), `${trustAnchors.join('\n')}\n`);
  await writeFile(
    file('danelaw.toml'),
    `
hostname = "sender.test"
state = "${file('state')}"

[[listen]]
address = "${address}:${port}"

[dns]
${dns}trust_anchor = "${file('root.ds')}"
root_hints = "${file('root.hints')}"

[sts]
enabled = false
`,
  );
  const log = await open(file('log'), 'w');
  const argv = [...NODE_OPTIONS, PROGRAM, 'serve', '--json', '--config', file('danelaw.toml')];
  const child = spawn(NODE, argv, { stdio: ['ignore', log.fd, log.fd], env: await asService() });
  const ended = new Promise((resolve) => child.once('close', resolve));
  await log.close();
  const said = async (): Promise<string> => await readFile(file('log'), 'utf8');
  while (!(await said()).includes('"event":"started"')) {
    if (child.exitCode !== null) throw new Error(`danelaw ended: ${await said()}`);
    await sleep(LOOK_EVERY);
  }
  return {
    address,
    port,
    pids: [child.pid ?? 0],
    log: said,
    stop: async () => {
      child.kill('SIGTERM');
      await ended;
    },
  };
}
