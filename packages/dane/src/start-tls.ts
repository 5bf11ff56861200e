/**
 * From a greeting in clear to the point where TLS begins, for the protocols that begin so. Each dialogue ends
 * with the server's word that it is ready.
 *
 * Nothing said in clear is believed but that word; and where anything stands behind it that came in clear too,
 * somebody has put it there to be taken for part of the TLS session: the connection is given up (RFC 3207
 * section 4.2, RFC 9051 section 11.1; CVE-2011-0411 and its relatives).
 */
import type { Duplex } from 'node:stream';
import { DaneConnectError } from './connect-error.js';

/**
 * Brings a connection to where TLS begins: `none` where it does at once, a protocol that is known here, or a
 * function of yours, which must leave nothing unread and remove its listeners.
 */
export type StartTls =
  | 'none'
  | 'smtp'
  | 'imap'
  | 'pop3'
  | ((plain: Duplex, signal: AbortSignal) => Promise<void>);

interface Step {
  /** Nothing is said before the greeting is there. */
  readonly say?: string;
  /** The line that ends the server's answer, where all is well. */
  readonly expect: RegExp;
  /** Lines of the answer that lead up to it. Any other line is a refusal. */
  readonly more?: RegExp;
}

/** Stands for what is said in EHLO. */
const HELO_NAME = '<name>';

const DIALOGUES: Readonly<Record<'smtp' | 'imap' | 'pop3', readonly Step[]>> = {
  /** RFC 3207. The name is a formality: it is said again inside TLS, with the truth, by whoever goes on. */
  smtp: [
    { expect: /^220(?: |$)/u, more: /^220-/u },
    { say: `EHLO ${HELO_NAME}`, expect: /^250(?: |$)/u, more: /^250-/u },
    { say: 'STARTTLS', expect: /^220(?: |$)/u, more: /^220-/u },
  ],
  /** RFC 9051 section 6.2.1. Untagged lines may stand anywhere. */
  imap: [{ expect: /^\* OK/iu }, { say: 'a1 STARTTLS', expect: /^a1 OK/iu, more: /^\* (?!BYE)/iu }],
  /** RFC 2595 section 4. */
  pop3: [{ expect: /^\+OK/u }, { say: 'STLS', expect: /^\+OK/u }],
};

/** Octets in a line; RFC 5321 allows 512 in a reply line, IMAP's capabilities may be longer. */
const MAX_LINE_OCTETS = 8192;
/** Lines in one answer. */
const MAX_LINES = 100;

/**
 * @param heloName said in EHLO
 * @throws (rejects) DaneConnectError `starttls`; the signal's reason on abort
 */
export async function startTls(
  plain: Duplex,
  how: StartTls,
  signal: AbortSignal,
  heloName = '[127.0.0.1]',
): Promise<void> {
  if (how === 'none') return;
  if (typeof how === 'function') return await how(plain, signal);
  const lines = new Lines(plain, signal);
  try {
    for (const step of DIALOGUES[how]) {
      if (step.say !== undefined) plain.write(`${step.say.replace(HELO_NAME, heloName)}\r\n`);
      await answer(lines, step);
    }
    if (lines.hasRest)
      throw refusal('the server, or somebody before it, said more in clear than it was asked for');
  } finally {
    lines.release();
  }
}

async function answer(lines: Lines, { say, expect, more }: Step): Promise<void> {
  for (let count = 0; count < MAX_LINES; count += 1) {
    const line = await lines.next();
    if (expect.test(line)) return;
    if (more?.test(line) !== true) {
      const shown = line.replace(/[^\x20-\x7e]/gu, '?').slice(0, 200);
      throw refusal(`the server answered ${say ?? 'with a greeting'}: "${shown}"`);
    }
  }
  throw refusal(`the server's answer has more than ${MAX_LINES} lines`);
}

const refusal = (words: string): DaneConnectError => new DaneConnectError('starttls', `no TLS: ${words}`);

/** Reads lines, and can tell whether there is more than lines were asked for. */
class Lines {
  readonly #plain: Duplex;
  readonly #signal: AbortSignal;
  #octets = Buffer.alloc(0);
  #ended: Error | undefined;
  #wake: () => void = () => {};

  constructor(plain: Duplex, signal: AbortSignal) {
    this.#plain = plain;
    this.#signal = signal;
    plain.on('data', this.#onData).on('error', this.#onEnd).on('end', this.#onEnd).on('close', this.#onEnd);
    signal.addEventListener('abort', this.#onEnd);
  }

  get hasRest(): boolean {
    return this.#octets.length > 0;
  }

  async next(): Promise<string> {
    for (;;) {
      this.#signal.throwIfAborted();
      const end = this.#octets.indexOf('\n');
      if (end !== -1) {
        const line = this.#octets.subarray(0, end).toString('latin1').replace(/\r$/u, '');
        this.#octets = this.#octets.subarray(end + 1);
        return line;
      }
      if (this.#octets.length > MAX_LINE_OCTETS)
        throw refusal(`a line is longer than ${MAX_LINE_OCTETS} octets`);
      if (this.#ended !== undefined) throw refusal(this.#ended.message);
      this.#plain.resume();
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  release(): void {
    const plain = this.#plain;
    plain
      .off('data', this.#onData)
      .off('error', this.#onEnd)
      .off('end', this.#onEnd)
      .off('close', this.#onEnd);
    plain.pause();
    this.#signal.removeEventListener('abort', this.#onEnd);
  }

  readonly #onData = (octets: Buffer): void => {
    this.#octets = Buffer.concat([this.#octets, octets]);
    // A server that talks without end is not listened to without end.
    if (this.#octets.length > MAX_LINE_OCTETS * 2) this.#plain.pause();
    this.#wake();
  };

  readonly #onEnd = (error?: unknown): void => {
    this.#ended ??= error instanceof Error ? error : new Error('the server ended the connection');
    this.#wake();
  };
}
