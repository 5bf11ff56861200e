/** Starts our own program as its users do: the compiled command line, in a process of its own. */
import { fileURLToPath } from 'node:url';
import { inside } from './namespaces.js';
import { networkPrograms } from './neighbours.js';
import type { PrivateDns } from './private-dns.js';
import { type Finished, run } from './run.js';

const program = fileURLToPath(new URL('../packages/mta/bin/danelaw.js', import.meta.url));

/** `validate`: danelaw proves every answer itself; `ad`: it believes Unbound's AD bit. */
export type Trust = 'validate' | 'ad';

/** The options that make danelaw ask the private DNS. */
export function dnsOptions({ unbound, trustAnchorFile }: PrivateDns, trust: Trust): string[] {
  return ['--resolver', `127.0.0.1#${unbound.port}`, '--trust', trust, '--trust-anchor', trustAnchorFile];
}

export async function danelaw(args: readonly string[], input: string | Uint8Array = ''): Promise<Finished> {
  return run(process.execPath, [program, ...args], { input });
}

/** The same, where the network is another. @param environment `NAME=value` */
export async function danelawIn(
  namespace: string,
  args: readonly string[],
  environment: readonly string[] = [],
  input: string | Uint8Array = '',
): Promise<Finished> {
  const command = ['/usr/bin/env', ...environment, process.execPath, program, ...args];
  return run(networkPrograms.ip, [...inside(namespace), ...command], { input });
}

/** The JSON object that a command printed; an error with everything it said where it printed none. */
export function jsonOf(finished: Finished): unknown {
  try {
    return JSON.parse(finished.stdout);
  } catch (cause) {
    const { code, stdout, stderr } = finished;
    throw new Error(`danelaw printed no JSON (exit ${code}):\n${stdout}\n${stderr}`, { cause });
  }
}
