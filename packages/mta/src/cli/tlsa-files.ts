/**
 * The files that `danelaw tlsa` is given: read, with their passwords, and put together - or refused, by the name of the one that
 * is at fault.
 */
import { readFile, stat } from 'node:fs/promises';
import { ContentsError, type Item, readContents } from '../tlsa/file-contents.js';
import { assemble, type Material, MaterialError, type NamedItem } from '../tlsa/material.js';
import { CommandError, EXIT } from './exit.js';
import { fileErrorText } from './network-options.js';
import { askPassword } from './password-input.js';
import { printable } from './printable.js';
import type { Io } from './terminal.js';

export interface FileOptions {
  readonly passwordFile?: string;
}

/** @throws CommandError 64 without a password that is needed, 65 where the contents won't do, 66 where a file can't be read */
export async function readMaterial(
  files: readonly string[],
  options: FileOptions,
  io: Io,
): Promise<Material> {
  const items: NamedItem[] = [];
  for (const file of files) {
    const read = await readItems(file, options, io);
    await warnOfReaders(file, read, io);
    items.push(...read.map((item) => ({ item, from: file })));
  }
  return withinData(() => assemble(items));
}

/** What material can't give is an error in the data. */
export function withinData<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof MaterialError) throw new CommandError(EXIT.DATA, error.message);
    throw error;
  }
}

async function readItems(file: string, options: FileOptions, io: Io): Promise<readonly Item[]> {
  const octets = await readFile(file).catch((error: unknown) => {
    throw new CommandError(EXIT.NO_INPUT, `can't read ${file}: ${fileErrorText(error)}`);
  });
  try {
    return await readContents(octets, () => passwordFor(file, options, io));
  } catch (error) {
    if (error instanceof ContentsError) throw new CommandError(EXIT.DATA, `${file}: ${error.message}`);
    throw error;
  }
}

async function passwordFor(file: string, { passwordFile }: FileOptions, io: Io): Promise<string> {
  if (passwordFile !== undefined) {
    const text = await readFile(passwordFile, 'utf8').catch((error: unknown) => {
      throw new CommandError(
        EXIT.NO_INPUT,
        `--password-file: can't read ${passwordFile}: ${fileErrorText(error)}`,
      );
    });
    return text.split(/\r?\n/u, 1)[0] ?? '';
  }
  if (io.stdin.isTTY === true) return await askPassword(io, `Password of ${printable(file)}: `);
  throw new CommandError(
    EXIT.USAGE,
    `${file} needs a password: give --password-file, or run this at a terminal`,
  );
}

/** Read, write or execute, for everybody. A group is commonly meant (`ssl-cert`). */
const OTHERS = 0o007;

/** PKCS #12 counts as well: it opened only because a private key is in it. */
async function warnOfReaders(file: string, items: readonly Item[], io: Io): Promise<void> {
  if (!items.some(({ kind }) => kind === 'private key')) return;
  const { mode } = await stat(file).catch(() => ({ mode: 0 }));
  if ((mode & OTHERS) === 0) return;
  io.stderr.write(
    `danelaw: ${printable(file)} has a private key in it that everybody on this machine can read: "chmod o= ` +
      `${printable(file)}", and make a new key if anybody could have\n`,
  );
}
