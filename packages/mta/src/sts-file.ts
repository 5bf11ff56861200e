/**
 * MTA-STS policies in a file, so that a restart forgets none: until it has fetched one anew, a sender that has forgotten
 * a policy can be kept from learning of it (RFC 8461 section 10.2).
 */
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { StsCache } from '@danelaw/smtp';
import { wordsOf } from './words-of.js';

/** The file is there and can't be read; the message says which, why, and what to do. */
export class StsFileError extends Error {
  override readonly name = 'StsFileError';
}

/** Where a relay keeps it, in its state folder. */
export const stsFileOf = (state: string): string => join(state, 'mta-sts');

/** @throws (rejects) StsFileError where there is a file that can't be read; none is as good as an empty one */
export async function loadStsCache(file: string, now: number): Promise<StsCache> {
  const cache = new StsCache();
  try {
    cache.load(await readFile(file, 'utf8'), now);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return cache;
    throw new StsFileError(
      `can't read the MTA-STS policies in ${file}: ${wordsOf(error)}; let the program's user read and write the file, ` +
        'or remove it: then the policies are fetched anew (RFC 8461 section 10.2 says what that can cost)',
    );
  }
  return cache;
}

/** Whole or not at all: whoever reads the file never finds half of it. */
export async function saveStsCache(file: string, cache: StsCache, now: number): Promise<void> {
  // One name for a process: what a crash has left is overwritten one day, and not joined by more.
  const unfinished = `${file}.${process.pid}.new`;
  try {
    await writeFile(unfinished, cache.save(now), { mode: 0o600, flush: true });
    await rename(unfinished, file);
  } catch (error) {
    // On a full disk, half a file each minute would keep it full.
    await rm(unfinished, { force: true }).catch(() => {});
    throw error;
  }
}
