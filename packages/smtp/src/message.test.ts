import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkMessage, dotStuffed, MAX_LINE_OCTETS, type MessageFault } from './message.js';

const check = (text: string) => checkMessage(Buffer.from(text, 'utf8'));
const octetsOf = (text: string): string => {
  const checked = check(text);
  if (checked.status !== 'ok') throw new Error(checked.reason);
  return Buffer.from(checked.message.octets).toString('utf8');
};

describe('checkMessage', () => {
  it.each<[string, string, string]>([
    ['leaves CRLF as it is', 'A: b\r\n\r\ntext\r\n', 'A: b\r\n\r\ntext\r\n'],
    ['converts a Unix file, whose lines all end with LF', 'A: b\n\ntext\n', 'A: b\r\n\r\ntext\r\n'],
    ['ends the last line where it does not end', 'A: b\r\n\r\ntext', 'A: b\r\n\r\ntext\r\n'],
    ['ends the last line of a Unix file', 'A: b\n\ntext', 'A: b\r\n\r\ntext\r\n'],
    ['takes a header without a body', 'A: b\r\n', 'A: b\r\n'],
    ['takes one line without line end', 'A: b', 'A: b\r\n'],
    ['takes blanks before the colon (RFC 5322 section 4.5)', 'A : b\r\n', 'A : b\r\n'],
    ['takes lines of 998 octets', `A: b\r\n\r\n${'x'.repeat(998)}\r\n`, `A: b\r\n\r\n${'x'.repeat(998)}\r\n`],
  ])('%s', (_, text, expected) => {
    expect(octetsOf(text)).toBe(expected);
  });

  it('says the same however the octets lie in memory', () => {
    const parts = [
      '\r\n',
      '\r\n',
      '\r',
      '\n',
      'x',
      'xyz',
      '\t',
      '\u000b',
      '\u000e',
      '\u00e9',
      'x'.repeat(998),
    ];
    const text = fc
      .array(fc.constantFrom(...parts), { maxLength: 12 })
      .map((some) => `A: b\r\n${some.join('')}`);
    fc.assert(
      fc.property(text, (message) => {
        const octets = Buffer.from(message, 'latin1');
        const answers = [0, 1, 2, 3].map((offset) => {
          const moved = new Uint8Array(offset + octets.length).subarray(offset);
          moved.set(octets);
          const checked = checkMessage(moved);
          return checked.status === 'ok' ? Buffer.from(checked.message.octets).toString('latin1') : checked;
        });
        expect(answers).toEqual(answers.map(() => answers[1]));
      }),
    );
  });

  it.each<[string, string, MessageFault, number]>([
    ['an empty message', '', 'empty', 1],
    ['a message without header', 'hello world\r\n', 'no-header', 1],
    ['a message that starts with an empty line', '\r\nA: b\r\n', 'no-header', 1],
    ['an mbox separator', 'From a@b Mon Nov 24\nA: b\n', 'no-header', 1],
    ['a folded line at the start', ' A: b\r\n', 'no-header', 1],
    ['a NUL (RFC 5322 section 2.3)', 'A: b\r\n\r\na\u0000b\r\n', 'nul', 3],
    ['a bare CR (RFC 5321 section 2.3.8)', 'A: b\r\n\r\na\rb\r\n', 'bare-cr', 3],
    ['a bare CR in a Unix file', 'A: b\n\na\rb\n', 'bare-cr', 3],
    ['a CR at the very end', 'A: b\r\n\r\na\r', 'bare-cr', 3],
    ['CR CR LF', 'A: b\r\r\n', 'bare-cr', 1],
    ['a bare LF among CRLF', 'A: b\r\n\r\na\nb\r\n', 'mixed-line-ends', 3],
    ['a smuggled end of message, LF . CRLF', 'A: b\r\n\r\na\n.\r\nMAIL FROM:<x>\r\n', 'mixed-line-ends', 3],
    ['a smuggled end of message, CR . CR', 'A: b\r\n\r\na\r.\rMAIL FROM:<x>\r\n', 'bare-cr', 3],
    ['one CRLF in a Unix file', 'A: b\n\na\r\nb\n', 'mixed-line-ends', 3],
    ['a line of 999 octets', `A: b\r\n\r\n${'x'.repeat(MAX_LINE_OCTETS + 1)}\r\n`, 'line-too-long', 3],
  ])('refuses %s', (_, text, fault, line) => {
    expect(check(text)).toMatchObject({ status: 'malformed', fault, line });
  });

  it('refuses a header that is neither ASCII nor UTF-8 (RFC 6532)', () => {
    expect(checkMessage(Buffer.from('A: \xe9\r\n\r\n', 'latin1'))).toMatchObject({
      fault: 'header-not-utf8',
    });
  });

  it.each<[string, string, object]>([
    ['nothing for ASCII', 'A: b\r\n\r\nc\r\n', { eightBit: false, utf8Header: false }],
    [
      '8BITMIME for an 8-bit body (RFC 6152)',
      'A: b\r\n\r\n\u00e9\r\n',
      { eightBit: true, utf8Header: false },
    ],
    [
      'SMTPUTF8 for a UTF-8 header (RFC 6532)',
      'A: \u00e9\r\n\r\nc\r\n',
      { eightBit: true, utf8Header: true },
    ],
  ])('finds that a message asks for %s', (_, text, expected) => {
    expect(check(text)).toMatchObject({ message: expected });
  });

  it('does not copy a message that needs no change', () => {
    const octets = Buffer.from('A: b\r\n\r\nc\r\n');
    const checked = checkMessage(octets);
    expect(checked.status === 'ok' && checked.message.octets).toBe(octets);
  });
});

describe('dotStuffed', () => {
  const stuffed = (text: string): string =>
    Buffer.concat([...dotStuffed(Buffer.from(text, 'latin1'))]).toString('latin1');

  it.each<[string, string, string]>([
    ['a dot at the start of the message', '.a\r\n', '..a\r\n'],
    ['a dot alone', 'a\r\n.\r\nb\r\n', 'a\r\n..\r\nb\r\n'],
    ['two dots', 'a\r\n..\r\n', 'a\r\n...\r\n'],
    ['dots in several lines', '.\r\n.\r\n', '..\r\n..\r\n'],
  ])('doubles %s (RFC 5321 section 4.5.2)', (_, text, expected) => {
    expect(stuffed(text)).toBe(expected);
  });

  it('leaves dots within lines alone', () => {
    expect(stuffed('a.b\r\nc.\r\n')).toBe('a.b\r\nc.\r\n');
  });

  it.each([65534, 65535, 65536, 65537])(
    'doubles a dot beside the edge of a chunk (line starts at %i)',
    (start) => {
      const before = `${'x'.repeat(start - 2)}\r\n`;
      expect(stuffed(`${before}.\r\n`)).toBe(`${before}..\r\n`);
    },
  );

  it('sends a message without such lines from the memory it stands in', () => {
    const octets = Buffer.alloc(200_000, 'x');
    for (const chunk of dotStuffed(octets)) expect(chunk.buffer).toBe(octets.buffer);
  });
});
