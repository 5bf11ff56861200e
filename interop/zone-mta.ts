/**
 * A sender process of ZoneMTA from npm, with the plugin, and with a stand-in for the queue (`zone-mta-sender.cjs`):
 * ZoneMTA as a whole needs MongoDB and Redis.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

export const zoneMta = here('./node-programs/node_modules/zone-mta/bin/check-bounce.js');

/** What ZoneMTA told its queue about one message. */
export interface Told {
  readonly cmd: 'RELEASE' | 'DEFER' | 'BOUNCE';
  readonly id: string;
  /** `DEFER` and `BOUNCE`. */
  readonly response?: string;
  readonly category?: string;
  /** `RELEASE`. */
  readonly status?: { readonly delivered: boolean; readonly mx: string; readonly response: string };
}

export interface Mail {
  readonly id: string;
  readonly from: string;
  readonly to: string;
  readonly headers: readonly string[];
  /** CRLF line ends, latin1. */
  readonly body: string;
}

export interface ZoneMtaSender {
  readonly plugins: readonly string[];
  send(mail: Mail): void;
  /** Waits until a message has been released, deferred or bounced: what was told of it, in order. */
  told(id: string, last: Told['cmd']): Promise<readonly Told[]>;
  log(): string;
  stop(): Promise<void>;
}

/** A loaded machine gets time; a broken plugin fails at once, by the log. */
const TOLD_WITHIN = 30_000;

/** @param section the plugin's section of the configuration */
export async function startZoneMtaSender(
  folder: string,
  section: Readonly<Record<string, unknown>>,
): Promise<ZoneMtaSender> {
  await mkdir(join(folder, 'config'));
  const config = {
    // A folder of plugins, of which `zone-mta` is the one.
    pluginsPath: here('../packages'),
    plugins: { 'zone-mta': { enabled: 'sender', ...section } },
    zones: { default: { connections: 1, pool: [{ address: '0.0.0.0', name: 'mail.sender.example' }] } },
    mtaSts: { enabled: false },
    dns: { caching: false },
    log: { level: 'info' },
    queue: {},
    dbs: {},
    dkim: { enabled: false },
  };
  await writeFile(join(folder, 'config', 'default.json'), JSON.stringify(config));
  const child = fork(here('./zone-mta-sender.cjs'), [], {
    cwd: folder,
    env: { ...process.env, NODE_CONFIG_DIR: join(folder, 'config') },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  let printed = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => {
      printed += chunk.toString('utf8');
    });
  }
  const told = new Journal(child, () => printed);
  const killAtExit = (): void => void child.kill('SIGKILL');
  process.once('exit', killAtExit);
  return {
    plugins: await told.ready,
    send: (mail) => void child.send(messageFor(mail)),
    told: (id, last) => told.until(id, last),
    log: () => printed,
    stop: async () => {
      process.off('exit', killAtExit);
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    },
  };
}

/** A delivery as the queue has it (`lib/mail-queue.js`). */
function messageFor({ id, from, to, headers, body }: Mail): { delivery: object; body: string } {
  const octets = Buffer.from(body, 'latin1');
  const delivery = {
    id,
    seq: '001',
    from,
    recipient: to,
    domain: to.slice(to.lastIndexOf('@') + 1),
    headers: headers.map((line) => ({ key: line.slice(0, line.indexOf(':')).toLowerCase(), line })),
    dnsOptions: {},
    bodySize: octets.length,
    transtype: 'ESMTP',
    origin: '127.0.0.1',
    created: 0,
    parsedEnvelope: { from },
  };
  return { delivery, body: octets.toString('base64') };
}

/** What the process says, and who waits for it. */
class Journal {
  readonly ready: Promise<readonly string[]>;
  readonly #told: Told[] = [];
  readonly #log: () => string;
  #wake: () => void = () => {};

  constructor(child: ChildProcess, log: () => string) {
    this.#log = log;
    this.ready = new Promise((resolve, reject) => {
      child.once('exit', (code) => reject(new Error(`the sender ended with ${code}\n${log()}`)));
      child.on('message', (message: Told | { cmd: 'READY'; plugins: string[] }) => {
        if (message.cmd === 'READY') resolve(message.plugins);
        else this.#told.push(message);
        this.#wake();
      });
    });
  }

  async until(id: string, last: Told['cmd']): Promise<readonly Told[]> {
    const over = AbortSignal.timeout(TOLD_WITHIN);
    while (!over.aborted) {
      const about = this.#told.filter((each) => each.id === id);
      if (about.some(({ cmd }) => cmd === last)) return about;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        over.addEventListener('abort', () => resolve(), { once: true });
      });
    }
    throw new Error(`${id}: no ${last}, but ${JSON.stringify(this.#told)}\n${this.#log()}`);
  }
}
