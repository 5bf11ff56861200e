/**
 * The octets a client sends, taken off the socket as far as a marker: a line's CRLF, or a message's lone dot.
 *
 * Reading stops where it is told to, so that the socket can be handed over to TLS with nothing lost and
 * nothing of the clear text left behind.
 */
import type { Socket } from 'node:net';

/**
 * More than this waiting unread, and the client has to wait: a silent server must not collect a mailbox in
 * memory.
 */
const MAX_WAITING = 1 << 20;
/** Postfix ends a session at 100 junk commands, we at one line of this length. */
const MAX_LINE = 1 << 16;
/** A message this long is no test of anything here; its sender is cut off. */
const MAX_CONTENT = 1 << 28;

const CRLF = Buffer.from('\r\n');
const END_OF_CONTENT = Buffer.from('\r\n.\r\n');

export class Incoming {
  readonly #socket: Socket;
  #chunks: Buffer[] = [];
  #waiting = 0;
  #ended = false;
  #wake: () => void = () => {};

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', this.#onData);
    for (const event of ENDINGS) socket.on(event, this.#onEnd);
  }

  /** Octets that are there and have not been taken. */
  get waiting(): number {
    return this.#waiting;
  }

  /** The client has closed its end, or the connection is broken. */
  get ended(): boolean {
    return this.#ended;
  }

  /** One line without its CRLF; `undefined` at the end of the connection or of our patience. */
  async line(): Promise<string | undefined> {
    const octets = await this.#until(CRLF, MAX_LINE);
    return octets?.subarray(0, -CRLF.length).toString('latin1');
  }

  /** All up to the lone dot (RFC 5321 section 4.1.1.4), without it and dot-stuffed as it came. */
  async content(): Promise<Uint8Array | undefined> {
    // The CRLF which ended the DATA line is the one before the first line of the message.
    this.#chunks.unshift(CRLF);
    this.#waiting += CRLF.length;
    const octets = await this.#until(END_OF_CONTENT, MAX_CONTENT);
    return octets?.subarray(CRLF.length, CRLF.length - END_OF_CONTENT.length);
  }

  /** All that has come since, once there is something, or more than `seen` octets; nothing is taken. */
  async peek(seen = 0): Promise<Buffer | undefined> {
    while (this.#waiting <= seen) {
      if (this.#ended) return undefined;
      await this.#more();
    }
    const all = Buffer.concat(this.#chunks);
    this.#chunks = [all];
    return all;
  }

  /** Throws away what has come, and returns it. */
  discard(): Buffer {
    const all = Buffer.concat(this.#chunks);
    this.#chunks = [];
    this.#waiting = 0;
    return all;
  }

  /** Waits for the end of the connection; what still comes is thrown away. */
  async end(): Promise<void> {
    while (!this.#ended) {
      this.discard();
      this.#socket.resume();
      await this.#more();
    }
  }

  /** From now on all that comes is thrown away. */
  ignore(): void {
    this.#socket.off('data', this.#onData);
    this.discard();
    this.#socket.resume();
  }

  /** Gives the socket back, paused, with all that was not taken in front. */
  detach(): void {
    this.#socket.off('data', this.#onData);
    for (const event of ENDINGS) this.#socket.off(event, this.#onEnd);
    this.#socket.pause();
    const rest = this.discard();
    if (rest.length > 0) this.#socket.unshift(rest);
  }

  async #until(marker: Buffer, limit: number): Promise<Buffer | undefined> {
    const passed: Buffer[] = [];
    let length = 0;
    // The marker may lie across two chunks, so the last octets of what was passed are looked at again.
    let tail = Buffer.alloc(0);
    for (;;) {
      const chunk = this.#chunks.shift();
      if (chunk === undefined) {
        if (this.#ended) return undefined;
        this.#socket.resume();
        await this.#more();
        continue;
      }
      const window = Buffer.concat([tail, chunk]);
      const found = window.indexOf(marker);
      const taken = found === -1 ? chunk.length : found + marker.length - tail.length;
      passed.push(chunk.subarray(0, taken));
      length += taken;
      this.#waiting -= taken;
      if (taken < chunk.length) this.#chunks.unshift(chunk.subarray(taken));
      if (found !== -1) return Buffer.concat(passed, length);
      if (length > limit) return undefined;
      tail = window.subarray(Math.max(0, window.length - marker.length + 1));
    }
  }

  #more(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#chunks.push(chunk);
    this.#waiting += chunk.length;
    if (this.#waiting > MAX_WAITING) this.#socket.pause();
    this.#wake();
  };

  readonly #onEnd = (): void => {
    this.#ended = true;
    this.#wake();
  };
}

const ENDINGS = ['end', 'close', 'error'] as const;

/** Undoes the sender's dot-stuffing (RFC 5321 section 4.5.2): the first dot of a line is not part of it. */
export function undotted(wire: Uint8Array): Uint8Array {
  const octets = Buffer.from(wire.buffer, wire.byteOffset, wire.byteLength);
  const parts: Buffer[] = [];
  let from = octets[0] === DOT ? 1 : 0;
  for (;;) {
    const dot = octets.indexOf(LINE_THEN_DOT, from);
    if (dot === -1) break;
    parts.push(octets.subarray(from, dot + CRLF.length));
    from = dot + LINE_THEN_DOT.length;
  }
  parts.push(octets.subarray(from));
  return new Uint8Array(Buffer.concat(parts));
}

const DOT = 0x2e;
const LINE_THEN_DOT = Buffer.from('\r\n.');
