/**
 * What a client sends, cut into command lines and messages.
 *
 * It takes the place of smtp-server's own parser, which lets a bare LF end a command, undoes dots behind a
 * bare LF, and copies a message several times. Here a command ends in CR LF alone; one with a CR or LF
 * elsewhere is handed over as faulty, and never run.
 *
 * As long as a command or a message waits for its answer nothing more is taken from the socket, so that a
 * client that doesn't wait for its replies is held up by TCP.
 */
import { SMTPStream } from 'smtp-server/lib/smtp-stream.js';
import type { MessageCollector } from './message-collector.js';
import { MessageReader } from './message-reader.js';

/** How a line came. `text` is empty where it is longer than the bound. */
export interface CommandLine {
  readonly octets: Buffer;
  readonly fault: 'line-end' | 'too-long' | undefined;
}

/** What is done with what the stream finds. */
export interface CommandHandler {
  /** `done` is called once, at any time, when the next line may come. */
  line(line: CommandLine, done: () => void): void;
  /** Octets that a line may have at this moment. */
  maxLineOctets(): number;
}

/** A message that is coming in. */
interface Receiving {
  readonly reader: MessageReader;
  readonly collector: MessageCollector;
  readonly patience: () => AbortSignal;
  readonly ended: (done: () => void) => void;
}

const LF = 0x0a;
const CR = 0x0d;

/** Commands of one chunk that are run in a row; then other connections have their turn. */
const MAX_COMMANDS_IN_A_ROW = 100;

export class CommandStream extends SMTPStream {
  readonly #handler: CommandHandler;
  #chunk: Buffer = EMPTY;
  #at = 0;
  #next: () => void = NOTHING;
  /** A line that has no end yet, and whether it is too long to be kept. */
  #held: Buffer = EMPTY;
  #tooLong = false;
  #receiving: Receiving | undefined;

  constructor(handler: CommandHandler) {
    super();
    this.#handler = handler;
  }

  /** Something has come that is not answered. */
  get pending(): boolean {
    return this.#held.length > 0 || this.#at < this.#chunk.length;
  }

  /**
   * What follows is a message. `ended` is called when it is complete (or given up by the collector and read
   * to its end); commands go on when it calls back.
   */
  receive(collector: MessageCollector, patience: () => AbortSignal, ended: (done: () => void) => void): void {
    this.#receiving = { reader: new MessageReader(), collector, patience, ended };
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding | 'buffer', next: () => void): void {
    this.#chunk = chunk;
    this.#at = 0;
    this.#next = next;
    this.#run();
  }

  /** A line without an end is no command, and is not run when the client leaves. */
  override _flushData(): void {
    this.#held = EMPTY;
  }

  /** Goes through the chunk until it is used up or something has to be waited for. */
  #run(): void {
    for (let commands = 0; !this.isClosed && this.#at < this.#chunk.length; ) {
      const receiving = this.#receiving;
      if (receiving !== undefined) {
        if (!this.#feed(receiving)) return;
        continue;
      }
      const line = this.#takeLine();
      if (line === undefined) break;
      if (
        !runNow(
          (done) => this.#handler.line(line, done),
          () => this.#run(),
        )
      )
        return;
      if (++commands < MAX_COMMANDS_IN_A_ROW) continue;
      setImmediate(() => this.#run());
      return;
    }
    const next = this.#next;
    this.#chunk = EMPTY;
    this.#next = NOTHING;
    next();
  }

  /** @returns false where something has to be waited for */
  #feed(receiving: Receiving): boolean {
    const { reader, collector, patience, ended } = receiving;
    const wait = collector.prepare(this.#chunk.length - this.#at, patience);
    if (wait !== undefined) {
      void wait.then(() => this.#run());
      return false;
    }
    const end = reader.read(this.#chunk, this.#at, collector);
    this.#at = end ?? this.#chunk.length;
    if (end === undefined) return true;
    this.#receiving = undefined;
    return runNow(ended, () => this.#run());
  }

  #takeLine(): CommandLine | undefined {
    const end = this.#chunk.indexOf(LF, this.#at);
    const part = this.#chunk.subarray(this.#at, end < 0 ? undefined : end + 1);
    this.#at += part.length;
    const bound = this.#handler.maxLineOctets();
    if (this.#held.length + part.length > bound) this.#tooLong = true;
    // A copy, so that a few octets don't keep a large chunk in memory.
    if (this.#tooLong) this.#held = EMPTY;
    else if (end < 0) this.#held = Buffer.concat([this.#held, part]);
    if (end < 0) return undefined;
    const line = this.#held.length === 0 ? part : Buffer.concat([this.#held, part]);
    this.#held = EMPTY;
    if (this.#tooLong) {
      this.#tooLong = false;
      return { octets: EMPTY, fault: 'too-long' };
    }
    const octets = line.subarray(0, -2);
    const wellEnded = line.length >= 2 && line[line.length - 2] === CR && !octets.includes(CR);
    return { octets: wellEnded ? octets : EMPTY, fault: wellEnded ? undefined : 'line-end' };
  }
}

const EMPTY: Buffer = Buffer.alloc(0);
const NOTHING = (): void => {};

/**
 * Runs something that calls back at any time.
 * @param later what to go on with where it calls back after this has returned
 * @returns true where it has called back already
 */
function runNow(start: (done: () => void) => void, later: () => void): boolean {
  let state: 'starting' | 'waiting' | 'done' = 'starting';
  start(() => {
    const waited = state === 'waiting';
    state = 'done';
    if (waited) later();
  });
  if (isDone(state)) return true;
  state = 'waiting';
  return false;
}

/** Keeps the compiler from thinking that nothing can have changed. */
const isDone = (state: string): boolean => state === 'done';
