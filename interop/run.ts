/** Runs a program to its end. */
import { spawn } from 'node:child_process';

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly input?: string | Uint8Array;
  /** Milliseconds after which the program is killed, and the promise rejects. */
  readonly limit?: number;
}

/**
 * Long enough for a key pair on a loaded machine, short enough that a hanging program is named in the report.
 */
const DEFAULT_LIMIT = 60_000;

/** Runs `program` and gives its output, whatever its exit code. */
export async function run(
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Finished> {
  const signal = AbortSignal.timeout(options.limit ?? DEFAULT_LIMIT);
  const child = spawn(program, args, { signal, killSignal: 'SIGKILL', stdio: 'pipe', ...cwdOf(options) });
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
  // A program that ends without reading its input closes the pipe; its exit code tells the story.
  child.stdin.on('error', () => {});
  child.stdin.end(options.input ?? '');
  const text = (chunks: Buffer[]) => Buffer.concat(chunks).toString('utf8');
  return new Promise((resolve, reject) => {
    child.once('error', (error) => {
      reject(new Error(`${program} ${args.join(' ')}: ${error.message}\n${text(stderr)}`, { cause: error }));
    });
    child.once('close', (code) => resolve({ code, stdout: text(stdout), stderr: text(stderr) }));
  });
}

/** Runs a program that has to succeed, and gives what it printed. */
export async function runOk(
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const { code, stdout, stderr } = await run(program, args, options);
  if (code !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${code}:\n${stdout}${stderr}`);
  return stdout;
}

function cwdOf({ cwd }: RunOptions): { cwd?: string } {
  return cwd === undefined ? {} : { cwd };
}
