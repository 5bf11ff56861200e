/** One case on one side: mail is handed in, and watched until all of it has come out at the other end. */
import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { cpuOf, memoryOf } from './process-tree.js';
import type { Running } from './sides.js';
import type { Sink } from './sink-process.js';

export interface Measured {
  /** Messages a second, from the first greeting to the last delivery. */
  readonly rate: number;
  /** Seconds for 1,000 messages, of all processes of the side. */
  readonly cpu: number;
  /** The like, of the mail servers that it delivers to. */
  readonly sinkCpu: number;
  /** The like, of the name servers. */
  readonly dnsCpu: number;
  /** Mebibytes. */
  readonly memory: number;
  /** Milliseconds from the acknowledgement of a message to its delivery. */
  readonly p50: number;
  readonly p99: number;
  readonly connections: number;
  readonly resumed: number;
}

export interface Load {
  readonly messages: number;
  readonly clients: number;
  /** Messages go to them in turn. */
  readonly domains: readonly string[];
}

interface Handed {
  readonly begun: number;
  readonly acknowledged: readonly number[];
}

const LOAD = fileURLToPath(new URL('load.js', import.meta.url));
/** Processes that end, and settlements that are written behind the delivery, are counted, too. */
const SETTLE = 1000;
const LOOK_EVERY = 500;
/** Postfix does 200 a second on a busy machine. */
const ARRIVE_WITHIN = 180_000;

export async function measure(
  side: Running,
  { sink, nameServers }: { readonly sink: Sink; readonly nameServers: readonly number[] },
  load: Load,
): Promise<Measured> {
  await sink.ask('reset');
  const counted = [side.pids, [sink.pid], nameServers];
  const before = counted.map(cpuOfAll);
  let memory = 0;
  const look = (): void => {
    memory = Math.max(memory, side.pids.map(memoryOf).reduce(sum, 0));
  };
  const looking = setInterval(look, LOOK_EVERY);
  const handed = await handIn(side, load);
  const { connections, resumed } = await sink.until(
    ({ messages }) => messages >= load.messages,
    ARRIVE_WITHIN,
  );
  clearInterval(looking);
  look();
  const arrived = await sink.times();
  await sleep(SETTLE);
  const [cpu = 0, sinkCpu = 0, dnsCpu = 0] = counted
    .map(cpuOfAll)
    .map((after, i) => ((after - (before[i] ?? 0)) / load.messages) * 1000);
  const delays = handed.acknowledged
    .map((at, number) => Math.max(0, (arrived.get(number) ?? Number.NaN) - at))
    .sort((a, b) => a - b);
  const share = (part: number): number =>
    delays[Math.min(delays.length - 1, Math.floor(delays.length * part))] ?? 0;
  const seconds = (Math.max(...arrived.values()) - handed.begun) / 1000;
  const rate = load.messages / seconds;
  return { rate, cpu, sinkCpu, dnsCpu, memory, p50: share(0.5), p99: share(0.99), connections, resumed };
}

const sum = (a: number, b: number): number => a + b;
const cpuOfAll = (pids: readonly number[]): number => pids.map(cpuOf).reduce(sum, 0);

async function handIn({ address, port }: Running, { messages, clients, domains }: Load): Promise<Handed> {
  const argv = [LOAD, address, String(port), String(messages), String(clients)];
  const child = spawn(process.execPath, argv, { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.end(domains.join('\n'));
  let printed = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    printed += text;
  });
  const code = await new Promise((resolve) => child.once('close', resolve));
  if (code !== 0) throw new Error(`the clients ended with ${code}`);
  return JSON.parse(printed);
}
