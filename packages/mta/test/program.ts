/**
 * The compiled program, started as a person starts it: a process of its own, against a lab that the test
 * started.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Internet } from '@danelaw/lab';

const PROGRAM = fileURLToPath(new URL('../bin/danelaw.js', import.meta.url));

export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export function start(...argv: string[]): ChildProcess {
  // Neither the tester's colours nor the tester's terminal may change what is printed.
  const env = { ...process.env, NO_COLOR: '', FORCE_COLOR: '0' };
  return spawn(process.execPath, [PROGRAM, ...argv], { stdio: ['pipe', 'pipe', 'pipe'], env });
}

export function run(argv: readonly string[], input: string | Uint8Array = ''): Promise<Ended> {
  const child = start(...argv);
  let out = '';
  let err = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (err += text));
  // A program that refuses its arguments ends before it has read its input.
  child.stdin?.on('error', () => {});
  child.stdin?.end(input);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, out, err }));
  });
}

/** The options that point a command to the lab. */
export function dnsOptions(internet: Internet, trustAnchor: string): string[] {
  const { address, port } = internet.resolver;
  return ['--resolver', `${address}#${port}`, '--trust-anchor', trustAnchor];
}
