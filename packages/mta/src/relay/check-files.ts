/**
 * The files that a configuration names or that the relay keeps, for `danelaw serve --check`: whether the relay will be able to use them, and
 * whether others may read what should be secret.
 */
import { access, constants, stat } from 'node:fs/promises';
import type { Config } from '../config.js';
import { loadDkimKeys } from '../dkim/dkim-rules.js';
import { readCertificate } from '../listener/certificate-files.js';
import { loadStsCache, stsFileOf } from '../sts-file.js';
import { wordsOf } from '../words-of.js';
import type { SetupFinding } from './check-setup.js';

type Add = (level: SetupFinding['level'], about: string, words: string) => void;

/** @param file the configuration; undefined where there is none */
export async function checkFiles(config: Config, file: string | undefined, add: Add): Promise<void> {
  const { tls, http, queue, sts, state } = config.relay;
  await attempt('dkim', add, async () => {
    const { keys, warnings } = await loadDkimKeys(config.dkim);
    for (const words of warnings) add('warning', 'dkim', words);
    if (keys.length > 0) add('ok', 'dkim', `${keys.length} of ${config.dkim.length} keys can be used`);
  });
  if (tls !== undefined) {
    await attempt('tls', add, async () => void (await readCertificate(tls)));
    await checkMode(tls.key, add);
  }
  if (http !== undefined) {
    const { tokenOf } = await import('../http/watching.js');
    await attempt('http', add, async () => void (await tokenOf(http)));
    if (http.tokenFile !== undefined) await checkMode(http.tokenFile, add);
  }
  if (sts.enabled)
    await attempt('mta-sts', add, async () => void (await loadStsCache(stsFileOf(state), Date.now())));
  const { passwordFile } = queue;
  if (passwordFile !== undefined) {
    await attempt('queue', add, () => access(passwordFile, constants.R_OK));
    await checkMode(passwordFile, add);
  }
  if (file !== undefined && hasSecrets(config)) await checkMode(file, add);
}

/** What can be said wrongly here keeps the relay from starting. */
async function attempt(about: string, add: Add, act: () => Promise<void>): Promise<void> {
  try {
    await act();
  } catch (error) {
    add('error', about, wordsOf(error));
  }
}

/** Hashes of passwords count: who has them can guess at leisure. */
function hasSecrets({ relay, credentials }: Config): boolean {
  const { users, http, queue } = relay;
  const isInUrl = queue.url !== undefined && URL.canParse(queue.url) && new URL(queue.url).password !== '';
  return users.size > 0 || credentials.size > 0 || http?.token !== undefined || isInUrl;
}

const OTHERS_MAY_READ = 0o004;

async function checkMode(file: string, add: Add): Promise<void> {
  const found = await stat(file).catch(() => undefined);
  // Where it is not there, whoever reads it says so.
  if (found === undefined || (found.mode & OTHERS_MAY_READ) === 0) return;
  add('warning', file, 'everybody on this machine may read it, and it holds secrets; chmod 600 (or 640) it');
}
