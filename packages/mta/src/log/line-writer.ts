/**
 * Writes lines to a file descriptor, in blocks behind the work's back, and comes to terms with what is there.
 *
 * A log is not worth the relay: mail goes on where nobody reads the log, where its disk is full, where the program
 * that reads it has gone. So what waits is bounded; lines that find no room are counted, and the next line that can
 * be written says how many they were. A line that was begun is finished, so what is read later is whole lines.
 */
import { write, writeSync } from 'node:fs';

/** Octets that are written at a time, where nothing hurries. */
const BLOCK = 8 * 1024;
/** Milliseconds for which lines wait for others. */
const AT_LATEST = 200;
/** Octets that wait, about: minutes of a busy relay's log. */
export const MOST_WAITING = 8 * 1024 * 1024;
/** Milliseconds before another try: where the reader is slow, and where the disk fails. */
const SOON = 100;
const LATER = 1000;
/** Tries to write the last lines before the program ends: a second in all. */
const LAST_TRIES = 50;
const LAST_PAUSE = 20;

/** What the system is asked for; tests give another. */
export interface LineFile {
  readonly write: (octets: Uint8Array, done: (error: Error | null, written: number) => void) => void;
  /** @throws the system's error */
  readonly writeSync: (octets: Uint8Array) => number;
}

export const lineFile = (fd: number): LineFile => ({
  write: (octets, done) => write(fd, octets, done),
  writeSync: (octets) => writeSync(fd, octets),
});

export class LineWriter {
  readonly #file: LineFile;
  /** The line that says how many were left out. */
  readonly #lostLine: (count: number) => string;
  #lines: string[] = [];
  #waiting = 0;
  /** What is being written. */
  #block: Uint8Array = NOTHING;
  #isWriting = false;
  #isGone = false;
  #lost = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(file: LineFile, lostLine: (count: number) => string) {
    this.#file = file;
    this.#lostLine = lostLine;
  }

  /** @param line with its LF */
  write(line: string): void {
    if (this.#isGone) return;
    if (this.#waiting + line.length > MOST_WAITING) {
      this.#lost += 1;
      return;
    }
    this.#lines.push(line);
    this.#waiting += line.length;
    if (this.#waiting >= BLOCK) this.hurry();
    else this.#wakeIn(AT_LATEST);
  }

  /** Writes what is waiting now, and waits for nothing. */
  hurry(): void {
    if (this.#isWriting || !this.#fill()) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#isWriting = true;
    this.#file.write(this.#block, (error, written) => {
      this.#isWriting = false;
      if (error === null) {
        this.#block = this.#block.subarray(written);
        if (this.#block.length > 0 || this.#waiting >= BLOCK) this.hurry();
        else if (this.#lines.length > 0) this.#wakeIn(AT_LATEST);
      } else if (codeOf(error) === 'EPIPE') this.#end();
      else this.#wakeIn(codeOf(error) === 'EAGAIN' ? SOON : LATER);
    });
  }

  /** Writes everything before it returns, as far as that can be done within a second. */
  flush(): void {
    // What is under way is the system's already.
    if (this.#isWriting) this.#block = NOTHING;
    for (let tries = 0; tries < LAST_TRIES && this.#fill(); ) {
      try {
        this.#block = this.#block.subarray(this.#file.writeSync(this.#block));
      } catch (error) {
        if (codeOf(error) !== 'EAGAIN') return;
        tries += 1;
        Atomics.wait(CLOCK, 0, 0, LAST_PAUSE);
      }
    }
  }

  /** False where there is nothing to write. */
  #fill(): boolean {
    if (this.#block.length > 0) return true;
    if (this.#isGone || this.#lines.length === 0) return false;
    if (this.#lost > 0) this.#lines.push(this.#lostLine(this.#lost));
    this.#lost = 0;
    this.#block = Buffer.from(this.#lines.join(''));
    this.#lines = [];
    this.#waiting = 0;
    return true;
  }

  #wakeIn(milliseconds: number): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.hurry();
    }, milliseconds).unref();
  }

  /** Nobody reads any more. */
  #end(): void {
    this.#isGone = true;
    this.#block = NOTHING;
    this.#lines = [];
  }
}

const NOTHING = new Uint8Array();
/** Nobody wakes who waits for it. */
const CLOCK = new Int32Array(new SharedArrayBuffer(4));

const codeOf = (error: unknown): unknown =>
  error instanceof Error && 'code' in error ? error.code : undefined;
