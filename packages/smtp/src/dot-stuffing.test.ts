import { describe, expect, it } from 'vitest';
import { withoutDotStuffing } from './dot-stuffing.js';

const text = (octets: Uint8Array): string => Buffer.from(octets).toString('latin1');

describe('withoutDotStuffing', () => {
  it.each([
    ['a doubled dot at the start of a line', 'a\r\n..b\r\n', 'a\r\n.b\r\n'],
    ['a line that is two dots', 'a\r\n..\r\nb\r\n', 'a\r\n.\r\nb\r\n'],
    ['three dots, one of them added', '...\r\n', '..\r\n'],
    ['dots within a line stay', 'a..b\r\n. c..\r\n', 'a..b\r\n c..\r\n'],
    ['the very first line', '..x', '.x'],
    ['nothing', '', ''],
  ])('%s (RFC 5321 section 4.5.2)', (_, stuffed, plain) => {
    expect(text(withoutDotStuffing(Buffer.from(stuffed, 'latin1')))).toBe(plain);
  });

  it('keeps octets above 127', () => {
    expect(text(withoutDotStuffing(Buffer.from('\xe9\r\n..\xff\r\n', 'latin1')))).toBe('\xe9\r\n.\xff\r\n');
  });
});
