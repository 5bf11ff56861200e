/**
 * The file of results: lines of JSON, written as they come. A survey that was stopped goes on where it was: what
 * the file has is not asked again, and a line that was cut off by a crash is taken away.
 */
import { createReadStream } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { printableLine } from '../cli/printable.js';
import { linesOf } from './lines.js';
import { parseResult, type SurveyResult } from './survey-result.js';

/** The file is something else than results. */
export class ResultFileError extends Error {
  override readonly name = 'ResultFileError';
}

/** Octets that are gathered before they are written. */
const BATCH = 64 * 1024;
/** Milliseconds that a result waits to be written at most. */
const WRITE_EVERY = 1000;

/**
 * Every result of a file, in order.
 * @throws (rejects) ResultFileError where a line but the last is none; the system's error where it can't be read
 */
export async function* readResults(file: string): AsyncGenerator<SurveyResult> {
  let number = 0;
  let broken: number | undefined;
  for await (const line of linesOf(createReadStream(file, 'utf8'))) {
    number += 1;
    if (broken !== undefined) {
      throw new ResultFileError(`${file}, line ${broken}: this is no result of a survey`);
    }
    const result = parseResult(line);
    if (result === undefined) broken = number;
    else yield result;
  }
  // One cut-off line is what a crash leaves; a file of one line that is no result is somebody else's.
  if (broken === 1) throw new ResultFileError(`${file}, line 1: this is no result of a survey`);
}

export class ResultFile {
  readonly #handle: FileHandle;
  #gathered: string[] = [];
  #octets = 0;
  #writing: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;

  private constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  /**
   * Opens it to add to, and hands what it has to `known`.
   * @throws (rejects) ResultFileError, or the system's error
   */
  static async open(file: string, known: (result: SurveyResult) => void): Promise<ResultFile> {
    const handle = await open(file, 'a+', 0o644);
    try {
      const { size } = await handle.stat();
      if (size > 0) {
        for await (const result of readResults(file)) known(result);
        await handle.truncate(await endOfLastLine(handle, size));
      }
      return new ResultFile(handle);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** @throws (rejects) the system's error, of this write or of one before */
  async add(result: SurveyResult): Promise<void> {
    const line = `${printableLine(result)}\n`;
    this.#gathered.push(line);
    this.#octets += line.length;
    this.#timer ??= setTimeout(() => void this.#write().catch(() => {}), WRITE_EVERY);
    if (this.#octets >= BATCH) await this.#write();
    else await this.#writing;
  }

  async close(): Promise<void> {
    try {
      await this.#write();
      await this.#handle.sync();
    } finally {
      await this.#handle.close();
    }
  }

  #write(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const text = this.#gathered.join('');
    this.#gathered = [];
    this.#octets = 0;
    this.#writing = this.#writing.then(() => this.#handle.appendFile(text));
    // Whoever adds next hears of it.
    this.#writing.catch(() => {});
    return this.#writing;
  }
}

/** A line is whole when its end is there. */
async function endOfLastLine(handle: FileHandle, size: number): Promise<number> {
  const length = Math.min(size, BATCH);
  const { buffer } = await handle.read(Buffer.alloc(length), 0, length, size - length);
  return size - length + buffer.lastIndexOf(0x0a) + 1;
}
