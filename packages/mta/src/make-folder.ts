/**
 * Makes a folder and those above it, for their owner alone. Node's own way of that (`recursive`) turns in circles for ever where
 * the system makes none though there is one above, as in /proc.
 */
import { mkdir, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';

/** Keys, queues and addresses are in it. */
const FOLDER_MODE = 0o700;

/**
 * @returns the highest that was made; undefined where all were there
 * @throws (rejects) with the system's error
 */
export async function makeFolder(folder: string): Promise<string | undefined> {
  const path = resolve(folder);
  const above = dirname(path);
  const found = await tryToMake(path);
  if (found !== 'nothing above') return found === 'made' ? path : undefined;
  if (above === path) throw new Error(`${path} can't be made`);
  const first = await makeFolder(above);
  // What stands above is there now: who says otherwise says so for good.
  if ((await tryToMake(path)) === 'nothing above') await mkdir(path, { mode: FOLDER_MODE });
  return first ?? path;
}

async function tryToMake(path: string): Promise<'made' | 'there' | 'nothing above'> {
  try {
    await mkdir(path, { mode: FOLDER_MODE });
    return 'made';
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'EEXIST' && (await stat(path)).isDirectory()) return 'there';
    if (code === 'ENOENT') return 'nothing above';
    throw error;
  }
}
