import { describe, expect, it } from 'vitest';
import { type ReadOptions, readLocalMessage } from './sendmail-message.js';

function read(
  input: string,
  options: Partial<ReadOptions> = {},
): { text: string; recipients: readonly string[] } {
  const { octets, recipients } = readLocalMessage(Buffer.from(input), {
    ignoreDots: true,
    from: undefined,
    ...options,
  });
  return { text: Buffer.from(octets).toString(), recipients };
}

describe('a message of a local program', () => {
  it.each<[string, string, string]>([
    ['a Unix file', 'A: b\n\nc\n', 'A: b\r\n\r\nc\r\n'],
    [
      'CRLF in the header and LF below, as PHP writes',
      'A: b\r\nC: d\r\n\r\ne\nf\n',
      'A: b\r\nC: d\r\n\r\ne\r\nf\r\n',
    ],
    ['the line of a mailbox file', 'From ann@a.example Wed Nov 25 2026\nA: b\n\nc\n', 'A: b\r\n\r\nc\r\n'],
    [
      'Bcc, in whatever case and however long',
      'A: b\nBCC: x@y,\n z@y\nC: d\n\nBcc: text\n',
      'A: b\r\nC: d\r\n\r\nBcc: text\r\n',
    ],
    ['Return-Path', 'Return-Path: <x@y>\nA: b\n\n', 'A: b\r\n\r\n'],
    ['no header', 'hello world\n', 'hello world\r\n'],
    ['nothing', '', ''],
    ['UTF-8 in the header', 'Subject: ü\nBcc: x@y\n\nü\n', 'Subject: ü\r\n\r\nü\r\n'],
  ])('with %s', (_, input, expected) => {
    expect(read(input).text).toBe(expected);
  });

  it.each<[string, string, string]>([
    ['in the middle', 'A: b\n\nc\n.\nd\n', 'A: b\r\n\r\nc\r\n'],
    ['at the start', '.\nA: b\n', ''],
    ['in front of a word', 'A: b\n\n.c\n', 'A: b\r\n\r\n.c\r\n'],
  ])('ends at a single dot %s, unless -i says otherwise', (_, input, expected) => {
    expect(read(input, { ignoreDots: false }).text).toBe(expected);
    expect(read(input).text).toBe(input.replaceAll('\n', '\r\n'));
  });

  it.each<[string, string, string]>([
    ['is added where it is missing', 'A: b\n\nc\n', 'From: x <a@b>\r\nA: b\r\n\r\nc\r\n'],
    ['is not added where it is there', 'from: c\n\nd\n', 'from: c\r\n\r\nd\r\n'],
    ['makes a header where there is none', 'hello\n', 'From: x <a@b>\r\n\r\nhello\r\n'],
  ])('From %s', (_, input, expected) => {
    expect(read(input, { from: 'x <a@b>' }).text).toBe(expected);
  });

  it.each<[string, string, string[]]>([
    ['To, Cc and Bcc', 'To: a@x\nCc: b@x\nBcc: c@x\nFrom: d@x\n\nTo: e@x\n', ['a@x', 'b@x', 'c@x']],
    [
      'several fields, folds, names, comments',
      'To: "A, B" <a@x>,\n b@x (her)\nTo: <c@x>\n\n',
      ['a@x', 'b@x', 'c@x'],
    ],
    ['groups', 'To: us: a@x, b@x;\nCc: undisclosed-recipients:;\n\n', ['a@x', 'b@x']],
    ['names of this machine', 'To: root, a@x\n\n', ['root', 'a@x']],
    ['Resent fields in place of the others', 'To: a@x\nResent-To: b@x\nResent-Bcc: c@x\n\n', ['b@x', 'c@x']],
    ['a header that names nobody', 'Subject: x\n\n', []],
  ])('names its recipients: %s', (_, input, expected) => {
    expect(read(input).recipients).toEqual(expected);
  });

  it('with a header that is too large stays as it is, so that it is refused and nobody sees its Bcc as text', () => {
    const input = `Bcc: hidden@x\r\n${'A: b\r\n'.repeat(20_000)}\r\nc\r\n`;
    expect(read(input, { from: 'x <a@b>' })).toEqual({ text: input, recipients: [] });
  });
});
