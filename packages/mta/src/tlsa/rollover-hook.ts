/** The operator's own program, which publishes records, retires them, and switches the server to a key. */
import { spawn } from 'node:child_process';

export interface HookCall {
  readonly program: string;
  readonly step: 'publish' | 'retire' | 'switch';
  /** Added to our own environment. */
  readonly variables: Readonly<Record<string, string>>;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
}

/** Milliseconds; a server that is reloaded takes seconds. */
const PATIENCE = 300_000;

/** @returns why it did not succeed; undefined where it did */
export function callHook({ program, step, variables, env, signal }: HookCall): Promise<string | undefined> {
  signal.throwIfAborted();
  return new Promise((resolve) => {
    const child = spawn(program, [step], {
      env: { ...env, ...variables },
      // What it says is for people: standard output is ours.
      stdio: ['ignore', 2, 2],
      signal,
      timeout: PATIENCE,
    });
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code, killed) => {
      if (code === 0) resolve(undefined);
      else resolve(code === null ? `it was ended by ${killed ?? 'a signal'}` : `it ended with ${code}`);
    });
  });
}
