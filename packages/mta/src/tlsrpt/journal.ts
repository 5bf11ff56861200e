/**
 * Files of lines that are only ever appended to, each line with a checksum:
 *
 *     danelaw-tlsrpt-1
 *     9ae0daaf {"w":"k2x","d":"example.org",...}
 *
 * A crash in the middle of a write leaves a torn last line, which its checksum gives away; the lines before
 * it hold. Whatever is appended afterwards begins a line of its own. One write is one line or several, so
 * processes that append to the same file do not mix theirs (POSIX: O_APPEND).
 */
import { open, readFile, rename, stat } from 'node:fs/promises';
import { crc32 } from 'node:zlib';

/** Changes when older programs could no longer read what is written. */
export const FORMAT = 'danelaw-tlsrpt-1';
/**
 * Octets that are read of one file; what is longer is damaged, or not ours. A day's counts have some forty
 * million at most (`MAX_CHARACTERS`); a file is written anew when it has twice that.
 */
export const MAX_JOURNAL_OCTETS = 192 * 1024 * 1024;
/** Files are for their owner alone: they say with whom mail is exchanged. */
export const FILE_MODE = 0o600;

export interface JournalRead {
  readonly values: readonly unknown[];
  /** Lines that were passed over. */
  readonly damaged: number;
  /** Not a journal of this format: nothing was read. */
  readonly foreign: boolean;
}

function encode(value: unknown): string {
  const json = JSON.stringify(value);
  return `${checksum(json)} ${json}\n`;
}

const checksum = (text: string): string => crc32(text).toString(16).padStart(8, '0');

/**
 * Appends lines, on disk when it resolves. Octets of the file then.
 *
 * @throws the system's error, as when the disk is full
 */
export async function appendLines(file: string, values: readonly unknown[]): Promise<number> {
  const handle = await open(file, 'a', FILE_MODE);
  try {
    const { size } = await handle.stat();
    // After a torn line the new ones must begin on their own; an empty line is passed over.
    const head = size === 0 ? `${FORMAT}\n` : '\n';
    await handle.appendFile(head + values.map(encode).join(''));
    await handle.datasync();
    return (await handle.stat()).size;
  } finally {
    await handle.close();
  }
}

/** Replaces a file by these lines: all of them, or the file stays as it was. */
export async function writeLines(file: string, values: readonly unknown[]): Promise<number> {
  const temporary = `${file}.${process.pid}.tmp`;
  const handle = await open(temporary, 'w', FILE_MODE);
  try {
    await handle.writeFile(`${FORMAT}\n${values.map(encode).join('')}`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporary, file);
  return (await stat(file)).size;
}

/** Reads what is there. A file that is missing has no lines. */
export async function readLines(file: string): Promise<JournalRead> {
  const nothing = { values: [], damaged: 0, foreign: false };
  let text: string;
  try {
    if ((await stat(file)).size > MAX_JOURNAL_OCTETS) return { ...nothing, foreign: true };
    text = await readFile(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return nothing;
    throw error;
  }
  const [first, ...lines] = text.split('\n');
  if (first === '' && lines.length === 0) return nothing;
  if (first !== FORMAT) return { ...nothing, foreign: true };
  const values: unknown[] = [];
  let damaged = 0;
  for (const line of lines) {
    // Two processes may both have found the file new.
    if (line === '' || line === FORMAT) continue;
    const json = line.slice(9);
    if (line[8] === ' ' && line.slice(0, 8) === checksum(json)) values.push(JSON.parse(json));
    else damaged += 1;
  }
  return { values, damaged, foreign: false };
}
