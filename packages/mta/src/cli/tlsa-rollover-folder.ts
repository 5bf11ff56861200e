/** The folder of a roll-over, for one process at a time; and what its owner has put into it. */
import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { formatTlsa, tlsaRecordFor, tlsaRecordForKey } from '@danelaw/dane';
import { makeFolder } from '../make-folder.js';
import { parametersOf, recordOf } from '../tlsa/record-text.js';
import { afterClockChange, type Rollover } from '../tlsa/rollover.js';
import { FILE_MODE, RolloverStateError } from '../tlsa/rollover-folder.js';
import { nextKeyOf } from '../tlsa/rollover-keys.js';
import { readRollover } from '../tlsa/rollover-state.js';
import type { ViewOptions } from '../tlsa/rollover-view.js';
import { clockMoved, type Moment } from '../tlsa/steady-clock.js';
import { takeLock } from '../tlsrpt/process-lock.js';
import { CommandError, EXIT, type ExitCode } from './exit.js';
import { printable } from './printable.js';
import type { Io } from './terminal.js';
import { readMaterial } from './tlsa-files.js';
import type { RolloverOptions } from './tlsa-rollover-options.js';
import { writeErrorText } from './write-whole.js';

/** A dry run makes no folder and waits for nobody. */
export async function inFolder(
  { state: folder, dryRun }: RolloverOptions,
  work: (folder: string) => Promise<ExitCode>,
): Promise<ExitCode> {
  const release = dryRun === true ? undefined : await locked(folder);
  try {
    return await work(folder);
  } catch (error) {
    if (error instanceof RolloverStateError) throw new CommandError(EXIT.DATA, error.message);
    throw error;
  } finally {
    await release?.();
  }
}

async function locked(folder: string): Promise<() => Promise<void>> {
  try {
    await makeFolder(folder);
    const release = await takeLock(folder, 'rollover', FILE_MODE);
    if (release !== undefined) return release;
  } catch (error) {
    throw new CommandError(EXIT.CONFIG, `--state: can't work in ${folder}: ${folderErrorText(error)}`);
  }
  throw new CommandError(EXIT.TEMPORARY, `another process works in ${folder}`);
}

function folderErrorText(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return code === 'ENOTDIR' ? 'it, or what it would lie in, is no folder' : writeErrorText(error);
}

export async function existing(folder: string): Promise<Rollover> {
  const found = await readRollover(folder);
  if (found !== undefined) return found;
  throw new CommandError(
    EXIT.NO_INPUT,
    `there is no roll-over in ${folder}: begin with "danelaw tlsa rollover start"`,
  );
}

/**
 * What was kept, as far as the clock allows. Where it was set meanwhile, and another clock tells of it, the waiting begins anew.
 *
 * @throws CommandError 75 where it is earlier than at the last look and nobody can tell why
 */
export function withinTime(found: Rollover, moment: Moment, io: Io): Rollover {
  const { now, steady } = moment;
  const moved = clockMoved({ now: found.lastLook, steady: found.steady }, moment);
  if (moved !== undefined && moved !== 0) {
    const way = moved > 0 ? 'forward' : 'back';
    const seconds = Math.round(Math.abs(moved) / 1000);
    io.stderr.write(
      `danelaw: the clock was set ${way} by ${seconds} s since the last look: what was waited for is waited for anew\n`,
    );
    return { ...afterClockChange(found, now), steady };
  }
  if (now >= found.lastLook) return { ...found, steady };
  throw new CommandError(
    EXIT.TEMPORARY,
    'the clock was set back: it is earlier than at the last look, so nothing is done; set it right, or where it was wrong ' +
      'before, begin anew in another folder',
  );
}

/** Where the certificate for a key that was made here is put. */
export const NEXT_CERTIFICATE = 'next.pem';

/**
 * The certificates that the server is to be switched to: those of the start, or `next.pem`; and the key that they belong to is
 * still the one whose record is published.
 */
export async function preparedIn(
  folder: string,
  rollover: Rollover,
  options: RolloverOptions,
  io: Io,
): Promise<ViewOptions['prepared']> {
  if (rollover.direction === 'back') return undefined;
  const key = await nextKeyOf(folder, rollover);
  if (key?.isExposed === true) {
    io.stderr.write(
      `danelaw: everybody on this machine can read the next key in ${printable(folder)}: "chmod o= ` +
        `${printable(join(folder, 'next.key'))}", and begin with a new one if anybody could have\n`,
    );
  }
  if (key !== undefined && !isNamedBy(key.spki, rollover.next)) {
    return `the key in ${join(folder, 'next.key')} is not the one whose record was to be published: somebody has exchanged it`;
  }
  const given = rollover.chains.map((chain) => chain.map((der) => Buffer.from(der, 'base64')));
  const file = join(folder, NEXT_CERTIFICATE);
  const isThere = await lstat(file).then(
    () => true,
    () => false,
  );
  if (!isThere) return given;
  const { servers } = await readMaterial([file], options, io);
  const found = servers.map(({ chain }) => chain);
  // One that was renewed before it was used takes the place of the one that was given at the start.
  if (given.length > 0 && !found.every((chain) => holdsNamed(chain, rollover.next))) return given;
  return found.length === 0 ? `there is no certificate in ${file}` : found;
}

function holdsNamed(chain: readonly Uint8Array[], records: readonly string[]): boolean {
  return records.map(recordOf).some((record) => {
    const parameters = parametersOf(record);
    return chain.some((der) => formatTlsa(tlsaRecordFor(der, parameters)) === formatTlsa(record));
  });
}

function isNamedBy(spki: Uint8Array, records: readonly string[]): boolean {
  return records.map(recordOf).every((record) => {
    const { usage, selector, matchingType } = parametersOf(record);
    if (usage !== 3 || selector !== 1) return true;
    return formatTlsa(tlsaRecordForKey(spki, { usage, matchingType })) === formatTlsa(record);
  });
}
