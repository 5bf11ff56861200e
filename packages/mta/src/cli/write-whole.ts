/** A file that is there whole, or is what it was. */
import { rename, rm, writeFile } from 'node:fs/promises';
import { codeOf } from '../queue/embedded/disk.js';
import { wordsOf } from '../words-of.js';
import { CommandError, EXIT } from './exit.js';

/** @throws (rejects) CommandError (73) */
export async function writeWhole(file: string, text: string): Promise<void> {
  const unfinished = `${file}.${process.pid}.new`;
  try {
    await writeFile(unfinished, text);
    await rename(unfinished, file);
  } catch (error) {
    await rm(unfinished, { force: true }).catch(() => {});
    throw new CommandError(EXIT.CANT_CREATE, `can't write ${file}: ${writeErrorText(error)}`);
  }
}

/** `there is no such folder`, rather than `ENOENT: no such file or directory, open 'x'`. */
export function writeErrorText(error: unknown): string {
  switch (codeOf(error)) {
    case 'ENOENT':
    case 'ENOTDIR':
      return 'there is no such folder';
    case 'EACCES':
    case 'EPERM':
      return 'writing it is not permitted';
    case 'ENOSPC':
    case 'EDQUOT':
      return 'there is no room on the disk';
    case 'EISDIR':
      return 'it is a directory';
    default:
      return wordsOf(error);
  }
}
