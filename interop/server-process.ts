/**
 * A server as a child process in the foreground: started, waited for until it answers, ended, its log kept.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';

export interface ServerProcess {
  readonly pid: number;
  /** What it printed so far (and what `extraLog` adds). */
  log(): Promise<string>;
  stop(): Promise<void>;
}

export interface StartedServer extends ServerProcess {
  /** To the server and its children. */
  signal(name: NodeJS.Signals): void;
}

export interface ServerOptions {
  /** For messages: `NSD`. */
  readonly name: string;
  readonly program: string;
  readonly args: readonly string[];
  /** Asks the server something; throws as long as it does not answer. */
  readonly ready: () => Promise<void>;
  /** Log files that the server writes by itself. */
  readonly extraLog?: () => Promise<string>;
}

/**
 * A server answers within a second here; a loaded machine gets time, a broken configuration fails at once.
 */
const READY_WITHIN = 30_000;
const ASK_EVERY = 25;
/** Servers end on SIGTERM within a second; one that does not is killed. */
const STOP_WITHIN = 5_000;

export async function startServer(options: ServerOptions): Promise<StartedServer> {
  const { name, program, args } = options;
  // A process group of its own, so that the server's children end with it.
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  let printed = '';
  let ended: string | undefined;
  const collect = (chunk: Buffer) => {
    printed += chunk.toString('utf8');
  };
  child.stdout.on('data', collect);
  child.stderr.on('data', collect);
  const gone = new Promise<void>((resolve) => {
    child.once('error', (error) => {
      ended ??= error.message;
      resolve();
    });
    child.once('exit', (code, signal) => {
      ended ??= `exit ${code ?? signal}`;
      resolve();
    });
  });
  const killAtExit = () => signalGroup(child, 'SIGKILL');
  process.once('exit', killAtExit);

  const log = async () => printed + ((await options.extraLog?.().catch(() => '')) ?? '');
  const stop = async () => {
    if (ended === undefined) {
      signalGroup(child, 'SIGTERM');
      await Promise.race([gone, sleep(STOP_WITHIN, undefined, { ref: false })]);
    }
    signalGroup(child, 'SIGKILL');
    await gone;
    process.removeListener('exit', killAtExit);
  };

  const giveUpAt = performance.now() + READY_WITHIN;
  let lastRefusal: unknown;
  while (ended === undefined && performance.now() < giveUpAt) {
    try {
      await options.ready();
      return { pid: child.pid ?? 0, log, stop, signal: (name) => signalGroup(child, name) };
    } catch (refusal) {
      lastRefusal = refusal;
      await sleep(ASK_EVERY);
    }
  }
  const why = ended ?? `no answer within ${READY_WITHIN} ms (${lastRefusal})`;
  await stop();
  throw new Error(`${name} did not start: ${why}\n${program} ${args.join(' ')}\n${await log()}`);
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // The whole group has ended already.
  }
}
