/**
 * MTA-STS policies in a file, so that a restart forgets none: until it has fetched one anew, a sender that has forgotten
 * a policy can be kept from learning of it (RFC 8461 section 10.2).
 */
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { StsCache } from '@danelaw/smtp';

/** @throws (rejects) where there is a file that can't be read; none is as good as an empty one */
export async function loadStsCache(file: string, now: number): Promise<StsCache> {
  const cache = new StsCache();
  try {
    cache.load(await readFile(file, 'utf8'), now);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
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
