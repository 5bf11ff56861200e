/** `danelaw serve` as a process of its own, which is killed and started again. */
import { type ChildProcess, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('../bin/danelaw.js', import.meta.url));

export type LogEvent = Readonly<Record<string, unknown>> & { readonly event: string };

const isEvent = (value: unknown): value is LogEvent =>
  typeof value === 'object' && value !== null && 'event' in value && typeof value.event === 'string';

export class RelayProcess {
  readonly #config: string;
  readonly #env: Readonly<Record<string, string>>;
  #child: ChildProcess | undefined;
  #ended: Promise<number | null> = Promise.resolve(null);
  /** The last lines of the log, for a test that fails. */
  readonly lines: string[] = [];
  /** Of the first of these lines: they are looked at again and again, and there are thousands. */
  readonly #parsed: (LogEvent | undefined)[] = [];

  /** @param toml the whole configuration */
  constructor(config: string, toml: string, env: Readonly<Record<string, string>> = {}) {
    writeFileSync(config, toml);
    this.#config = config;
    this.#env = env;
  }

  configure(toml: string): void {
    writeFileSync(this.#config, toml);
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** Resolves when it listens. */
  async start(command: readonly string[] = []): Promise<void> {
    const [program = process.execPath, ...before] = [...command, process.execPath];
    const argv = [...before, PROGRAM, 'serve', '--json', '--config', this.#config];
    const child = spawn(program, argv, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...this.#env },
    });
    this.#child = child;
    this.#ended = new Promise((resolve) => child.once('close', (code) => resolve(code)));
    let errors = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (errors += text));
    await new Promise<void>((resolve, reject) => {
      const lines = createInterface({ input: child.stdout ?? process.stdin });
      lines.on('line', (line) => {
        if (this.lines.push(line) > 5000) {
          this.lines.splice(0, 2500);
          this.#parsed.splice(0, 2500);
        }
        if (line.includes('"event":"started"')) resolve();
      });
      child.once('error', reject);
      child.once('close', (code) =>
        reject(new Error(`the relay ended with ${code} before it listened: ${errors}`)),
      );
    });
  }

  /** What the log has said so far. */
  get events(): LogEvent[] {
    for (const line of this.lines.slice(this.#parsed.length)) {
      const event: unknown = JSON.parse(line);
      this.#parsed.push(isEvent(event) ? event : undefined);
    }
    return this.#parsed.flatMap((event) => event ?? []);
  }

  /** Resolves when the log has an event that is wanted; the test's own time-out ends the wait. */
  async event(isWanted: (event: LogEvent) => boolean): Promise<LogEvent> {
    for (;;) {
      const found = this.events.find(isWanted);
      if (found !== undefined) return found;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }

  /** Resolves when it has ended, with its exit code. */
  get ended(): Promise<number | null> {
    return this.#ended;
  }

  signal(name: NodeJS.Signals): void {
    this.#child?.kill(name);
  }

  async end(name: NodeJS.Signals): Promise<number | null> {
    this.signal(name);
    return await this.#ended;
  }
}
