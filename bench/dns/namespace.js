/**
 * Starts a program of the bench again in a network namespace of its own, where port 53 of every loopback address is free:
 * name servers can only be referred to on that port. Needs no root where users may make namespaces.
 */
import { spawnSync } from 'node:child_process';

const INSIDE = 'DANELAW_BENCH_NAMESPACE';

/** True inside; outside, runs the program there and ends with its exit code. */
export function inNamespace() {
  if (process.env[INSIDE] !== undefined) return true;
  const [script = '', ...args] = process.argv.slice(1);
  const command = 'ip link set lo up && exec "$0" "$@"';
  const { status, error } = spawnSync(
    'unshare',
    ['--net', '--map-root-user', 'sh', '-c', command, process.execPath, script, ...args],
    { stdio: 'inherit', env: { ...process.env, [INSIDE]: '1' } },
  );
  if (error !== undefined) throw error;
  process.exitCode = status ?? 1;
  return false;
}
