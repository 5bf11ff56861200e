/** The mail servers of the bench, in a process of their own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

export interface SinkState {
  readonly messages: number;
  readonly connections: number;
  readonly resumed: number;
  /** Connections that are open now. */
  readonly open: number;
}

const PROGRAM = fileURLToPath(new URL('sink.js', import.meta.url));
const LOOK_EVERY = 20;

export class Sink {
  readonly #child: ChildProcess;
  readonly #lines: string[] = [];
  #waiter: ((line: string) => void) | undefined;

  constructor(argv: readonly string[]) {
    this.#child = spawn(process.execPath, [PROGRAM, ...argv], { stdio: ['pipe', 'pipe', 'inherit'] });
    createInterface({ input: this.#child.stdout ?? process.stdin }).on('line', (line) => {
      const waiter = this.#waiter;
      this.#waiter = undefined;
      if (waiter === undefined) this.#lines.push(line);
      else waiter(line);
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Resolves when it listens. */
  async ready(): Promise<void> {
    await this.#line();
  }

  async ask(what: 'report' | 'reset'): Promise<SinkState> {
    const { messages, connections, resumed, open } = JSON.parse(await this.#asked(what));
    return {
      messages: Number(messages),
      connections: Number(connections),
      resumed: Number(resumed),
      open: Number(open),
    };
  }

  /** By number of the message: when it was there, in milliseconds since the epoch. */
  async times(): Promise<ReadonlyMap<number, number>> {
    return new Map(JSON.parse(await this.#asked('times')));
  }

  /** Resolves when it `is` so. @throws (rejects) where that takes longer than `within` milliseconds */
  async until(is: (state: SinkState) => boolean, within: number): Promise<SinkState> {
    const giveUpAt = performance.now() + within;
    for (;;) {
      const found = await this.ask('report');
      if (is(found)) return found;
      if (performance.now() > giveUpAt) throw new Error(`waited in vain: ${JSON.stringify(found)}`);
      await sleep(LOOK_EVERY);
    }
  }

  close(): void {
    this.#child.kill();
  }

  async #asked(what: string): Promise<string> {
    this.#child.stdin?.write(`${what}\n`);
    return await this.#line();
  }

  async #line(): Promise<string> {
    const line = this.#lines.shift();
    if (line !== undefined) return line;
    return await new Promise((resolve) => {
      this.#waiter = resolve;
    });
  }
}
