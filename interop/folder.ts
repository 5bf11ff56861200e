/** A temporary folder: made for one group of tests, removed by it. */
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export async function makeFolder(purpose: string): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), `danelaw-interop-${purpose}-`));
  // Postfix and Exim work as users of their own: they have to get through.
  await chmod(path, 0o755);
  return path;
}

export async function removeFolder(path: string): Promise<void> {
  // A server's last child may still write while its folder goes.
  await rm(path, { recursive: true, force: true, maxRetries: 5 });
}
