/** A file that is there whole, or is what it was. */
import { rename, rm, writeFile } from 'node:fs/promises';
import { CommandError, EXIT } from './exit.js';
import { fileErrorText } from './network-options.js';

/** @throws (rejects) CommandError (73) */
export async function writeWhole(file: string, text: string): Promise<void> {
  const unfinished = `${file}.${process.pid}.new`;
  try {
    await writeFile(unfinished, text);
    await rename(unfinished, file);
  } catch (error) {
    await rm(unfinished, { force: true }).catch(() => {});
    throw new CommandError(EXIT.CANT_CREATE, `can't write ${file}: ${fileErrorText(error)}`);
  }
}
