/**
 * A message before it is sent: checked, with CRLF line ends, and with what it asks of a server found out.
 *
 * SMTP ends a message with CRLF . CRLF, and servers differ in what else they take for a line end. A message
 * in which a bare CR or LF stands beside CRLF can therefore be two messages to one server and one to another
 * ("SMTP smuggling"): RFC 5321 section 2.3.8 forbids to send it, and it is refused here. A file whose lines
 * all end with LF is no such thing but a Unix file, and is converted.
 *
 * Dots at the start of a line are doubled while sending (section 4.5.2), a chunk at a time: a message without
 * such a line is sent from the memory it stands in.
 */
import { isAscii, isUtf8 } from 'node:buffer';

/** Octets in a line, without CRLF (RFC 5321 section 4.5.3.1.6, RFC 5322 section 2.1.1). */
export const MAX_LINE_OCTETS = 998;

/** Octets that are handed to the network at a time: one write, one time-out (RFC 5321 section 4.5.3.2.5). */
const CHUNK_OCTETS = 64 * 1024;

/** A message that may be sent. Made by `checkMessage` only. */
export interface Message {
  /** CRLF line ends throughout, the last line's included; dots not yet doubled. */
  readonly octets: Uint8Array;
  /** There are octets above 127: the server must offer 8BITMIME (RFC 6152). */
  readonly eightBit: boolean;
  /**
   * There is UTF-8 in the header section: the server must offer SMTPUTF8 (RFC 6532, RFC 6531 section 3.4).
   */
  readonly utf8Header: boolean;
  /** The header says `TLS-Required: No` (RFC 8689 section 3), once. */
  readonly tlsRequiredNo: boolean;
}

export type MessageFault =
  | 'empty'
  | 'no-header'
  | 'mixed-line-ends'
  | 'bare-cr'
  | 'nul'
  | 'line-too-long'
  | 'header-not-utf8';

export type CheckedMessage =
  | { readonly status: 'ok'; readonly message: Message }
  | {
      readonly status: 'malformed';
      readonly fault: MessageFault;
      /** The first line that is at fault; 1 is the first. */
      readonly line: number;
      /** What is wrong and what to do, for people. */
      readonly reason: string;
    };

const LF = 0x0a;
const CR = 0x0d;
const DOT = 0x2e;

/** Checks a message and gives it CRLF line ends. The octets are not copied where they have them already. */
export function checkMessage(octets: Uint8Array): CheckedMessage {
  if (octets.length === 0) return malformed('empty', 1, 'the message is empty');
  const nul = octets.indexOf(0);
  if (nul !== -1)
    return malformed('nul', lineAt(octets, nul), 'it contains a NUL octet (RFC 5322 section 2.3)');
  const ends = hasCrlfOnly(octets) ? CRLF : checkLineEnds(octets);
  if (ends.status === 'malformed') return ends;
  const normal = ends.ends === 'lf' ? withCrlf(octets) : endingInCrlf(octets);
  if (!startsWithHeaderField(normal)) {
    return malformed(
      'no-header',
      1,
      'the first line is no header field ("Name: value", RFC 5322 section 2.2)',
    );
  }
  const separator = Buffer.from(normal.buffer, normal.byteOffset, normal.length).indexOf('\r\n\r\n');
  const header = normal.subarray(0, separator === -1 ? normal.length : separator);
  const utf8Header = !isAscii(header);
  if (utf8Header && !isUtf8(header)) {
    const reason =
      'its header section is neither ASCII nor UTF-8 (RFC 6532 section 3); encode it as RFC 2047 says';
    return malformed('header-not-utf8', 1, reason);
  }
  const eightBit = utf8Header || !isAscii(normal);
  const tlsRequiredNo = saysTlsRequiredNo(header);
  return { status: 'ok', message: { octets: normal, eightBit, utf8Header, tlsRequiredNo } };
}

/**
 * RFC 8689 section 3: `"TLS-Required:" [FWS] "No" CRLF`. "More than one instance ... MUST NOT appear": where they do,
 * or one says something else, nobody knows what is meant, and nothing is weakened.
 */
function saysTlsRequiredNo(header: Uint8Array): boolean {
  const text = Buffer.from(header.buffer, header.byteOffset, header.length).toString('latin1');
  const fields = text.match(/^tls-required[ \t]*:.*(?:\r\n[ \t].*)*/gimu) ?? [];
  const [field] = fields;
  return fields.length === 1 && field !== undefined && /^[^:]*:\s*no\s*$/iu.test(field);
}

type LineEnds =
  | { readonly status: 'ok'; readonly ends: 'crlf' | 'lf' }
  | Extract<CheckedMessage, { status: 'malformed' }>;

const CRLF: LineEnds = { status: 'ok', ends: 'crlf' };

/** In each octet of a word: 0x0e, which is behind CR and LF, and the highest bit. */
const BEHIND_CR = 0x0e0e0e0e;
const HIGH_BITS = 0x80808080 | 0;

/**
 * True where the message is as nearly all are: each CR and LF is of a CRLF, and no line is too long. Four octets are
 * looked at together: text has hardly any below 0x0e but its line ends.
 */
function hasCrlfOnly(octets: Uint8Array): boolean {
  const { length, buffer, byteOffset } = octets;
  if (byteOffset % 4 !== 0) return false;
  const words = new Int32Array(buffer, byteOffset, length >> 2);
  let start = 0;
  for (let at = 0; at < length; at++) {
    if ((at & 3) === 0) {
      let word = at >> 2;
      // An octet below 0x0e leaves its highest bit set when 0x0e is taken from it, and had none before.
      while (word < words.length && !hasLow(words[word] ?? 0)) word++;
      at = word << 2;
    }
    const octet = octets[at];
    if (octet === LF) return false;
    if (octet !== CR) continue;
    if (octets[at + 1] !== LF || at - start > MAX_LINE_OCTETS) return false;
    at += 1;
    start = at + 1;
  }
  return length - start <= MAX_LINE_OCTETS;
}

const hasLow = (word: number): boolean => ((word - BEHIND_CR) & ~word & HIGH_BITS) !== 0;

/** Which line ends the message has: all CRLF or all LF. Anything else is refused. */
function checkLineEnds(octets: Uint8Array): LineEnds {
  const mixed = 'bare LF and CRLF line ends are mixed (RFC 5321 section 2.3.8); convert them to one kind';
  let ends: 'crlf' | 'lf' | undefined;
  let nextCr = octets.indexOf(CR);
  let line = 1;
  for (let start = 0; start < octets.length; line++) {
    const lf = octets.indexOf(LF, start);
    let end = lf === -1 ? octets.length : lf;
    if (nextCr !== -1 && nextCr < end) {
      if (nextCr !== end - 1 || lf === -1) {
        return malformed('bare-cr', line, 'a CR stands alone, without LF (RFC 5321 section 2.3.8)');
      }
      if (ends === 'lf') return malformed('mixed-line-ends', line, mixed);
      ends = 'crlf';
      nextCr = octets.indexOf(CR, lf);
      end -= 1;
    } else if (lf !== -1) {
      if (ends === 'crlf') return malformed('mixed-line-ends', line, mixed);
      ends = 'lf';
    }
    if (end - start > MAX_LINE_OCTETS) {
      const reason = `a line is longer than ${MAX_LINE_OCTETS} octets (RFC 5321 section 4.5.3.1.6)`;
      return malformed('line-too-long', line, `${reason}; encode the text as quoted-printable or base64`);
    }
    start = lf === -1 ? octets.length : lf + 1;
  }
  return { status: 'ok', ends: ends ?? 'crlf' };
}

function malformed(
  fault: MessageFault,
  line: number,
  reason: string,
): Extract<CheckedMessage, { status: 'malformed' }> {
  return { status: 'malformed', fault, line, reason: `the message is malformed at line ${line}: ${reason}` };
}

function lineAt(octets: Uint8Array, position: number): number {
  let line = 1;
  for (let lf = octets.indexOf(LF); lf !== -1 && lf < position; lf = octets.indexOf(LF, lf + 1)) line++;
  return line;
}

/**
 * field-name = 1*ftext (RFC 5322 section 3.6.8), with the blanks before the colon that section 4.5 still
 * allows.
 */
function startsWithHeaderField(octets: Uint8Array): boolean {
  const line = Buffer.from(octets.buffer, octets.byteOffset, Math.min(octets.length, MAX_LINE_OCTETS));
  return /^[\x21-\x39\x3b-\x7e]+[ \t]*:/u.test(line.toString('latin1'));
}

function withCrlf(octets: Uint8Array): Uint8Array {
  let lines = 0;
  for (let lf = octets.indexOf(LF); lf !== -1; lf = octets.indexOf(LF, lf + 1)) lines++;
  const converted = new Uint8Array(octets.length + lines);
  let to = 0;
  for (let start = 0; start < octets.length; ) {
    const lf = octets.indexOf(LF, start);
    const end = lf === -1 ? octets.length : lf;
    converted.set(octets.subarray(start, end), to);
    to += end - start;
    if (lf !== -1) {
      converted[to++] = CR;
      converted[to++] = LF;
    }
    start = end + 1;
  }
  return endingInCrlf(converted);
}

function endingInCrlf(octets: Uint8Array): Uint8Array {
  return octets.at(-1) === LF ? octets : Buffer.concat([octets, Buffer.from('\r\n')]);
}

/**
 * The message as it goes over the wire after 354, in chunks: dots doubled (RFC 5321 section 4.5.2), no final
 * dot.
 */
export function* dotStuffed(octets: Uint8Array): Generator<Uint8Array> {
  for (let start = 0; start < octets.length; start += CHUNK_OCTETS) {
    const end = Math.min(start + CHUNK_OCTETS, octets.length);
    yield stuffChunk(octets, start, end);
  }
}

function stuffChunk(octets: Uint8Array, start: number, end: number): Uint8Array {
  const chunk = octets.subarray(start, end);
  const pieces: Uint8Array[] = [];
  let kept = 0;
  for (let dot = chunk.indexOf(DOT); dot !== -1; dot = chunk.indexOf(DOT, dot + 1)) {
    const before = start + dot - 1;
    if (before >= 0 && octets[before] !== LF) continue;
    pieces.push(chunk.subarray(kept, dot + 1));
    kept = dot; // the dot is sent again as the start of the next piece
  }
  return pieces.length === 0 ? chunk : Buffer.concat([...pieces, chunk.subarray(kept)]);
}
