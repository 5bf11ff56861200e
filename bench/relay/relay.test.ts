/**
 * The relay beside Postfix: both take messages and deliver them under DANE, durably, into one server that insists on
 * TLS. Started by `npm run bench:relay`; the numbers are printed, and nothing is asserted but that all mail arrived.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type Internet, type Scenario, startInternet } from '@danelaw/lab';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { selfSignedLeaf } from '../../interop/certificates.js';
import { makeFolder, removeFolder } from '../../interop/folder.js';
import { freePort } from '../../interop/free-port.js';
import { startIteratingUnbound } from '../../interop/iterating-unbound.js';
import { startSendingPostfix } from '../../interop/sending-postfix.js';
import { RelayProcess } from '../../packages/mta/test/relay-process.js';
import { cpuOf, memoryOf } from './process-tree.js';

const MESSAGES = Number(process.env['BENCH_MESSAGES'] ?? 3000);
const CONNECTIONS = Number(process.env['BENCH_CONNECTIONS'] ?? 20);
const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 2);
const SINK = '127.0.0.99';
const RESOLVER = '127.9.0.53';
const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

const open: (() => Promise<void> | void)[] = [];
let internet: Internet;
let folder: string;
let sink: Sink;
const rows: Row[] = [];

interface Row {
  readonly side: string;
  readonly rate: number;
  readonly cpu: number;
  readonly memory: number;
  readonly p50: number;
  readonly p99: number;
  readonly connections: number;
}

beforeAll(async () => {
  folder = await makeFolder('bench-relay');
  open.unshift(() => removeFolder(folder));
  const certificate = await selfSignedLeaf('sink', folder);
  const destination: Scenario = {
    domain: 'busy.example',
    shows: 'One destination, authenticated by 3 1 1.',
    rule: 'RFC 7672 section 3.1.1',
    zones: {
      'busy.example': {
        records: ['@ MX 10 mx', `mx A ${SINK}`, `_25._tcp.mx TLSA ${certificate.daneEe}`],
      },
    },
    expected: { status: 'deferred', because: 'nobody asks' },
  };
  internet = await startInternet([destination], { dnsPort: 53, smtpPort: 25 });
  open.unshift(() => internet.close());
  sink = new Sink([SINK, '25', certificate.chainFile, certificate.keyFile]);
  open.unshift(() => sink.close());
  await sink.line();
});
afterAll(async () => {
  for (const close of open) await close();
  report();
});

describe('one destination', () => {
  for (let round = 1; round <= ROUNDS; round++) {
    it(`danelaw, round ${round}`, async () => {
      const port = await freePort();
      const anchor = join(folder, 'root.ds');
      await writeFile(anchor, internet.trustAnchors.join('\n'));
      const { address, port: dnsPort } = internet.resolver;
      const relay = new RelayProcess(
        join(folder, 'danelaw.toml'),
        `
hostname = "sender.test"
state = "${join(folder, `state-${round}`)}"

[[listen]]
address = "127.0.0.1:${port}"

[dns]
resolver = ["${address}#${dnsPort}"]
trust_anchor = "${anchor}"

[sts]
enabled = false
`,
      );
      await relay.start();
      try {
        rows.push(await measure('danelaw', '127.0.0.1', port, [relay.pid]));
      } finally {
        await relay.end('SIGTERM');
      }
    });

    for (const reuse of [false, true]) {
      const side = reuse ? 'Postfix, connection reuse' : 'Postfix';
      it(`${side}, round ${round}`, async () => {
        const own = join(folder, `postfix-${round}-${reuse}`);
        await mkdir(join(own, 'unbound'), { recursive: true });
        await mkdir(join(own, 'postfix'));
        const unbound = await startIteratingUnbound(RESOLVER, internet, join(own, 'unbound'));
        const postfix = await startSendingPostfix({
          folder: join(own, 'postfix'),
          address: '127.0.0.7',
          resolver: RESOLVER,
          settings: [
            'smtp_tls_security_level = dane',
            `smtp_tls_connection_reuse = ${reuse ? 'yes' : 'no'}`,
            'smtp_tls_loglevel = 0',
            'in_flow_delay = 0',
          ],
        });
        try {
          rows.push(await measure(side, postfix.address, postfix.port, [postfix.pid, unbound.pid]));
        } finally {
          await postfix.stop();
          await unbound.stop();
        }
      });
    }
  }
});

async function measure(side: string, address: string, port: number, roots: readonly number[]): Promise<Row> {
  // The first messages pay for look-ups, processes and compilation.
  await load(address, port, 200);
  await sink.arrived(200);
  await sink.ask('reset');
  const cpuBefore = roots.reduce((sum, root) => sum + cpuOf(root), 0);
  let memory = 0;
  const looking = setInterval(() => {
    memory = Math.max(
      memory,
      roots.reduce((sum, root) => sum + memoryOf(root), 0),
    );
  }, 250);
  const begun = performance.now();
  await load(address, port, MESSAGES);
  const { p50, p99, connections } = await sink.arrived(MESSAGES);
  const seconds = (performance.now() - begun) / 1000;
  clearInterval(looking);
  await new Promise((resolve) => setTimeout(resolve, 500)); // processes end, and are counted with their parent
  const cpu = roots.reduce((sum, root) => sum + cpuOf(root), 0) - cpuBefore;
  await sink.ask('reset');
  const rate = MESSAGES / seconds;
  return { side, rate, cpu: (cpu / MESSAGES) * 1000, memory, p50, p99, connections };
}

async function load(address: string, port: number, messages: number): Promise<void> {
  const argv = [
    here('load.js'),
    address,
    String(port),
    String(messages),
    String(CONNECTIONS),
    'busy.example',
  ];
  const child = spawn(process.execPath, argv, { stdio: ['ignore', 'inherit', 'inherit'] });
  const code = await new Promise((resolve) => child.once('close', resolve));
  expect(code).toBe(0);
}

/** The server, in a process of its own. */
class Sink {
  readonly #child: ChildProcess;
  readonly #lines: string[] = [];
  #waiter: ((line: string) => void) | undefined;

  constructor(argv: readonly string[]) {
    this.#child = spawn(process.execPath, [here('sink.js'), ...argv], { stdio: ['pipe', 'pipe', 'inherit'] });
    createInterface({ input: this.#child.stdout ?? process.stdin }).on('line', (line) => {
      const waiter = this.#waiter;
      this.#waiter = undefined;
      if (waiter === undefined) this.#lines.push(line);
      else waiter(line);
    });
  }

  async line(): Promise<string> {
    const line = this.#lines.shift();
    if (line !== undefined) return line;
    return await new Promise((resolve) => {
      this.#waiter = resolve;
    });
  }

  async ask(
    what: 'report' | 'reset',
  ): Promise<{ messages: number; connections: number; p50: number; p99: number }> {
    this.#child.stdin?.write(`${what}\n`);
    const { messages, connections, p50, p99 } = JSON.parse(await this.line());
    return {
      messages: Number(messages),
      connections: Number(connections),
      p50: Number(p50),
      p99: Number(p99),
    };
  }

  /** Resolves when so many messages are there. */
  async arrived(count: number) {
    for (;;) {
      const found = await this.ask('report');
      if (found.messages >= count) return found;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  close(): void {
    this.#child.kill();
  }
}

function report(): void {
  const header = ['side', 'messages/s', 'CPU s/1000', 'MiB (PSS)', 'p50 ms', 'p99 ms', 'connections'];
  const lines = rows.map(({ side, rate, cpu, memory, p50, p99, connections }) =>
    [side, rate.toFixed(0), cpu.toFixed(2), memory.toFixed(0), p50, p99, connections].join(' | '),
  );
  console.log([`${MESSAGES} messages, ${CONNECTIONS} clients`, header.join(' | '), ...lines].join('\n'));
}
