/** The files of `danelaw survey`, and what is said where one is not as it should be. */
import { createReadStream } from 'node:fs';
import { ResultFile, ResultFileError } from '../survey/result-file.js';
import type { SurveyResult } from '../survey/survey-result.js';
import { readWorkList, type WorkList } from '../survey/work-list.js';
import { CommandError, EXIT } from './exit.js';
import { fileErrorText } from './network-options.js';
import { printable } from './printable.js';
import type { SurveyorOptions } from './surveyor.js';
import type { Io } from './terminal.js';
import { writeErrorText } from './write-whole.js';

export interface SurveyCommandOptions extends SurveyorOptions {
  readonly output?: string;
  readonly concurrency: number;
  readonly connect?: true;
  readonly summary?: true;
  readonly html?: string;
  readonly queue?: string;
  readonly queuePasswordFile?: string;
  readonly name?: string;
  readonly delete?: true;
}

/** @throws (rejects) CommandError 65 where it has no domain, 66 where it can't be read */
export async function readDomains(file: string, io: Io): Promise<readonly string[]> {
  const list = await readable(file, () => readWorkList(file === '-' ? io.stdin : createReadStream(file)));
  sayMalformed(list, io);
  return list.domains;
}

/** @throws (rejects) CommandError 65 where it has something else, 66 where it can't be read */
export async function readable<T>(file: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof ResultFileError) throw new CommandError(EXIT.DATA, error.message);
    if (!(error instanceof Error && 'code' in error)) throw error;
    throw new CommandError(EXIT.NO_INPUT, `can't read ${file}: ${fileErrorText(error)}`);
  }
}

/** @throws (rejects) CommandError 65 where it has something else, 73 where it can't be written */
export async function openResults(file: string, known: (result: SurveyResult) => void): Promise<ResultFile> {
  try {
    return await ResultFile.open(file, known);
  } catch (error) {
    if (error instanceof ResultFileError) {
      throw new CommandError(EXIT.DATA, `${error.message}; name another file with -o`);
    }
    throw writingFailed(file, error);
  }
}

/** The system's error as a CommandError; any other as it is. */
export function writingFailed(file: string, error: unknown): unknown {
  if (!(error instanceof Error && 'syscall' in error)) return error;
  return new CommandError(EXIT.CANT_CREATE, `can't write ${file}: ${writeErrorText(error)}`);
}

function sayMalformed({ malformed, malformedCount, domains }: WorkList, { stderr }: Io): void {
  if (domains.length === 0) throw new CommandError(EXIT.DATA, 'there is no domain in the file');
  if (malformedCount === 0) return;
  const some = malformed.map((line) => `"${printable(line)}"`).join(', ');
  const more = malformedCount > malformed.length ? ', ...' : '';
  stderr.write(`danelaw: ${malformedCount} lines have no domain and are left out: ${some}${more}\n`);
}
