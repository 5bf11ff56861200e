/**
 * What an SMTP server says: replies (RFC 5321 section 4.2), read from bytes that nobody has checked.
 *
 * A reply is a three-digit code and text on one or more lines: all but the last have a hyphen after the code
 * (section 4.2.1). The text may start with an enhanced status code (RFC 3463, RFC 2034), which says more than
 * the code does, and is believed only where its class agrees with the code's first digit.
 *
 * The reader takes whatever pieces the network delivers. It holds back no more than one unfinished reply, and
 * a reply that never ends is refused at a bound. What servers write ends up in logs and on terminals, so
 * control characters are made visible and harmless here, once.
 *
 * Not handled: a code that changes between the lines of one reply. Some clients take the last one; we refuse
 * the reply, because two parties that read it differently is how smuggling begins.
 */

/**
 * Octets in one reply line. RFC 5321 section 4.5.3.1.5 says 512; real servers write longer lines (Postfix
 * reads 2048).
 */
export const MAX_REPLY_LINE_OCTETS = 2048;

/** Lines in one reply. An EHLO reply has about twenty, a wordy refusal about as many. */
export const MAX_REPLY_LINES = 256;

/** Octets in one reply, all lines together: room for a wordy refusal, too little to hurt us. */
export const MAX_REPLY_OCTETS = 32 * 1024;

/** Characters of a reply that are shown: a log line and a bounce must not grow with a server's wordiness. */
export const MAX_SHOWN_CHARACTERS = 1000;

/** One complete reply. */
export interface Reply {
  /** 200 to 599. */
  readonly code: number;
  /** RFC 3463, as in `5.1.1`; absent where there is none, or where its class contradicts the code. */
  readonly enhanced?: string;
  /** The text of each line, without code and separator; control characters replaced. Never empty. */
  readonly lines: readonly string[];
}

/** Bytes that are no reply. The connection can't be used any further: it is not known what answers what. */
export interface ReplyFault {
  readonly fault: 'line-too-long' | 'too-many-lines' | 'too-many-octets' | 'no-code' | 'code-changed';
  readonly reason: string;
}

export function isReplyFault(value: Reply | ReplyFault): value is ReplyFault {
  return 'fault' in value;
}

const LF = 0x0a;
const CR = 0x0d;
const EMPTY = Buffer.alloc(0);
const utf8 = new TextDecoder('utf-8');

/** Reads replies from a stream of octets. After a fault it returns that fault for ever. */
export class ReplyParser {
  /** Octets of a line that has not ended yet. */
  #rest: Buffer = EMPTY;
  #lines: string[] = [];
  #octets = 0;
  #code = 0;
  #fault: ReplyFault | undefined;

  /** True where octets have come that are not yet part of a complete reply. */
  get hasRest(): boolean {
    return this.#rest.length > 0 || this.#lines.length > 0;
  }

  /**
   * Takes the next octets from the network.
   *
   * @returns the replies that they complete, in order; a fault, where there is one, is the last
   */
  push(octets: Uint8Array): (Reply | ReplyFault)[] {
    if (this.#fault !== undefined) return [this.#fault];
    const found: (Reply | ReplyFault)[] = [];
    const came = asBuffer(octets);
    let start = 0;
    while (start < came.length) {
      const lineFeed = came.indexOf(LF, start);
      const end = lineFeed === -1 ? came.length : lineFeed + 1;
      // The bound is checked before the piece is kept, so that a line without end costs no more than the
      // bound.
      if (this.#rest.length + end - start > MAX_REPLY_LINE_OCTETS) {
        found.push(
          this.#fail('line-too-long', `a reply line is longer than ${MAX_REPLY_LINE_OCTETS} octets`),
        );
        break;
      }
      if (lineFeed === -1) {
        // A copy: the network's buffer is not ours to keep.
        this.#rest = Buffer.concat([this.#rest, came.subarray(start)]);
        break;
      }
      const outcome =
        this.#rest.length === 0 ? this.#line(came, start, end) : this.#restOfLine(came.subarray(start, end));
      start = end;
      if (outcome === undefined) continue;
      found.push(outcome);
      if (isReplyFault(outcome)) break;
    }
    return found;
  }

  #restOfLine(piece: Buffer): Reply | ReplyFault | undefined {
    const line = Buffer.concat([this.#rest, piece]);
    this.#rest = EMPTY;
    return this.#line(line, 0, line.length);
  }

  /** Takes one whole line with its line end. Returns a reply where the line is the last of one. */
  #line(octets: Buffer, start: number, end: number): Reply | ReplyFault | undefined {
    this.#octets += end - start;
    if (this.#octets > MAX_REPLY_OCTETS) {
      return this.#fail('too-many-octets', `a reply is longer than ${MAX_REPLY_OCTETS} octets`);
    }
    const text = lineText(octets, start, end);
    const code = replyCode(text);
    if (code === undefined)
      return this.#fail('no-code', `a reply line has no reply code: "${text.slice(0, 80)}"`);
    if (this.#lines.length > 0 && code !== this.#code) {
      return this.#fail(
        'code-changed',
        `the reply code changes from ${this.#code} to ${code} within one reply`,
      );
    }
    if (this.#lines.length >= MAX_REPLY_LINES) {
      return this.#fail('too-many-lines', `a reply has more than ${MAX_REPLY_LINES} lines`);
    }
    this.#code = code;
    this.#lines.push(text.slice(4));
    return text[3] === '-' ? undefined : this.#complete();
  }

  #complete(): Reply {
    const lines = this.#lines;
    this.#lines = [];
    this.#octets = 0;
    const enhanced = enhancedStatus(this.#code, lines[0] ?? '');
    return enhanced === undefined ? { code: this.#code, lines } : { code: this.#code, enhanced, lines };
  }

  #fail(fault: ReplyFault['fault'], reason: string): ReplyFault {
    this.#fault = { fault, reason };
    this.#rest = EMPTY;
    this.#lines = [];
    return this.#fault;
  }
}

/**
 * Reply-code = %x32-35 %x30-35 %x30-39, a line's end, a space or a hyphen after it; the second digit is not held
 * against anybody. Undefined where the line does not begin like that.
 */
function replyCode(text: string): number | undefined {
  const first = text.charCodeAt(0);
  const second = text.charCodeAt(1);
  const third = text.charCodeAt(2);
  if (!(first >= DIGIT_2 && first <= DIGIT_5 && isDigit(second) && isDigit(third))) return undefined;
  if (text.length > 3 && text[3] !== ' ' && text[3] !== '-') return undefined;
  return (first - DIGIT_0) * 100 + (second - DIGIT_0) * 10 + (third - DIGIT_0);
}

const DIGIT_0 = 0x30;
const DIGIT_2 = 0x32;
const DIGIT_5 = 0x35;
const DIGIT_9 = 0x39;

const isDigit = (code: number): boolean => code >= DIGIT_0 && code <= DIGIT_9;

/**
 * The enhanced status code at the start of a reply's text, where its class is the code's (RFC 2034 section
 * 4).
 */
function enhancedStatus(code: number, text: string): string | undefined {
  if (text[1] !== '.') return undefined;
  const match = /^([245]\.[0-9]{1,3}\.[0-9]{1,3})(?: |$)/u.exec(text);
  const status = match?.[1];
  return status !== undefined && Number(status[0]) === Math.floor(code / 100) ? status : undefined;
}

/**
 * A line as text: without its line end, UTF-8 where it is that (RFC 6531 section 3.7.4.1), controls replaced.
 */
function lineText(octets: Buffer, start: number, lineEnd: number): string {
  let end = lineEnd - 1;
  if (end > start && octets[end - 1] === CR) end -= 1;
  const text = octets.toString('latin1', start, end);
  return isPlain(text) ? text : printable(utf8.decode(octets.subarray(start, end)));
}

/** Printable ASCII, as nearly every line is: the same in every charset, and harmless. */
const isPlain = (text: string): boolean => /^[ -~]*$/u.test(text);

const asBuffer = (octets: Uint8Array): Buffer =>
  Buffer.isBuffer(octets) ? octets : Buffer.from(octets.buffer, octets.byteOffset, octets.length);

/**
 * Text that a terminal or a log can't be harmed by: no control characters, no line separators, no bidi
 * controls.
 */
export function printable(text: string): string {
  return text.replaceAll('\t', ' ').replace(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu, '\ufffd');
}

/** A reply on one line, as it is shown in results and logs: `550 5.1.1 no such user`. */
export function formatReply(reply: Reply): string {
  const text = `${reply.code} ${reply.lines.join(' ')}`.trimEnd();
  return text.length > MAX_SHOWN_CHARACTERS ? `${text.slice(0, MAX_SHOWN_CHARACTERS)}...` : text;
}
