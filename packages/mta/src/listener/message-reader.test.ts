import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MessageReader } from './message-reader.js';

const long = Number(process.env['DANELAW_FUZZ'] ?? 0);
const runs = long > 0 ? { numRuns: long } : { numRuns: 2_000, seed: 4552 };
const timeout = long > 0 ? long * 5 : 30_000;

interface Read {
  /** The message; undefined where it did not end. */
  readonly message: string | undefined;
  /** What follows its end. */
  readonly rest: string;
}

function read(pieces: readonly string[]): Read {
  const reader = new MessageReader();
  const parts: Buffer[] = [];
  const sink = {
    add: (chunk: Uint8Array, start: number, end: number) =>
      parts.push(Buffer.from(chunk.subarray(start, end))),
  };
  for (const [index, piece] of pieces.entries()) {
    const chunk = Buffer.from(piece, 'latin1');
    const end = reader.read(chunk, 0, sink);
    if (end === undefined) continue;
    const rest = chunk.toString('latin1', end) + pieces.slice(index + 1).join('');
    return { message: Buffer.concat(parts).toString('latin1'), rest };
  }
  return { message: undefined, rest: '' };
}

/** RFC 5321 section 4.5.2, written down line by line. */
function reference(text: string): Read {
  const lines: string[] = [];
  let left = text;
  for (;;) {
    const end = left.indexOf('\r\n');
    if (end < 0) return { message: undefined, rest: '' };
    const line = left.slice(0, end);
    left = left.slice(end + 2);
    if (line === '.') return { message: lines.join(''), rest: left };
    lines.push(`${line.startsWith('.') ? line.slice(1) : line}\r\n`);
  }
}

describe('the end of a message (RFC 5321 section 4.5.2)', () => {
  it.each<[string, string, Read]>([
    ['an empty message', '.\r\nQUIT\r\n', { message: '', rest: 'QUIT\r\n' }],
    ['a message', 'a\r\nb\r\n.\r\n', { message: 'a\r\nb\r\n', rest: '' }],
    ['a doubled dot', '..\r\n.\r\n', { message: '.\r\n', rest: '' }],
    ['a doubled dot before text', '..a\r\n.\r\n', { message: '.a\r\n', rest: '' }],
    ['a dot that was not doubled', '.a\r\n.\r\n', { message: 'a\r\n', rest: '' }],
    ['three dots', '...\r\n.\r\n', { message: '..\r\n', rest: '' }],
    ['a dot within a line', 'a.\r\n.\r\n', { message: 'a.\r\n', rest: '' }],
    ['a dot and a bare CR', '.\ra\r\n.\r\n', { message: '\ra\r\n', rest: '' }],
    ['a dot, two CRs and an LF', '.\r\r\n.\r\n', { message: '\r\r\n', rest: '' }],
    ['no end', 'a\r\n.', { message: undefined, rest: '' }],
  ])('%s', (_, text, expected) => {
    expect(read([text])).toEqual(expected);
  });

  // What some senders let through and some receivers took for the end, as published in December 2023 and
  // later.
  it.each([
    ['LF . LF', '\n.\n'],
    ['LF . CR LF', '\n.\r\n'],
    ['CR LF . LF', '\r\n.\n'],
    ['CR LF . CR', '\r\n.\r'],
    ['CR . CR', '\r.\r'],
    ['CR . CR LF', '\r.\r\n'],
    ['CR . LF', '\r.\n'],
    ['LF . CR', '\n.\r'],
    ['CR LF . CR CR LF', '\r\n.\r\r\n'],
    ['LF LF . CR LF', '\n\n.\r\n'],
    ['CR CR LF . LF', '\r\r\n.\n'],
    ['CR LF NUL . CR LF', '\r\n\0.\r\n'],
    ['CR LF . NUL CR LF', '\r\n.\0\r\n'],
    ['CR NUL LF . CR LF', '\r\0\n.\r\n'],
    ['CR LF space . CR LF', '\r\n .\r\n'],
    ['CR LF . space CR LF', '\r\n. \r\n'],
    ['CR LF .. CR LF', '\r\n..\r\n'],
  ])('%s is none', (_, sequence) => {
    const smuggled = `a${sequence}MAIL FROM:<evil@example.org>\r\n.\r\n`;
    for (const pieces of [[smuggled], [...smuggled]]) {
      const { message, rest } = read(pieces);
      expect(rest).toBe('');
      expect(message).toContain('MAIL FROM:<evil@example.org>');
    }
  });

  it(
    'is found where it is, and nothing else changed, however it is cut into pieces',
    () => {
      const octets = fc.constantFrom('\r\n', '\r', '\n', '.', '.', 'a', '\0', '\r\n.', '\r\n.\r\n');
      fc.assert(
        fc.property(
          fc.array(octets, { maxLength: 30 }),
          fc.array(fc.nat(40), { maxLength: 12 }),
          (parts, cuts) => {
            const text = parts.join('');
            const places = [
              0,
              ...cuts.map((cut) => Math.min(cut, text.length)).sort((a, b) => a - b),
              text.length,
            ];
            const pieces = places.slice(1).map((end, index) => text.slice(places[index], end));
            expect(read(pieces)).toEqual(reference(text));
            expect(read([...text])).toEqual(reference(text));
          },
        ),
        runs,
      );
    },
    timeout,
  );
});
