/** What is common to all files in the folder of a roll-over. */
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Private keys may be beside it. */
export const FOLDER_MODE = 0o700;
export const FILE_MODE = 0o600;

/**
 * Makes a folder and those above it. Node's own way of it turns in circles for ever where the system makes none, as in /proc.
 *
 * @throws (rejects) with the system's error
 */
export async function makeFolder(folder: string): Promise<void> {
  const above = dirname(folder);
  const isMade = await tryToMake(folder);
  if (isMade || above === folder) return;
  await makeFolder(above);
  await mkdir(folder, { mode: FOLDER_MODE });
}

/** @returns false where there is nothing that it could be made in; true where it is there */
async function tryToMake(folder: string): Promise<boolean> {
  try {
    await mkdir(folder, { mode: FOLDER_MODE });
    return true;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'EEXIST') return true;
    if (code === 'ENOENT') return false;
    throw error;
  }
}

/** The folder can't be used; the message is for people. */
export class RolloverStateError extends Error {
  override readonly name = 'RolloverStateError';
}
