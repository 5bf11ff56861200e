import { describe, expect, it } from 'vitest';
import { printable, printableJson, printableWithin } from './printable.js';

describe('printable', () => {
  const rows: [what: string, text: string, shown: string][] = [
    ['ordinary text', '250 2.0.0 Ok', '250 2.0.0 Ok'],
    ['other scripts', 'grüße 你好', 'grüße 你好'],
    ['a colour', '\u001b[31mred', '\\x1b[31mred'],
    ['a window title', '\u001b]0;owned\u0007', '\\x1b]0;owned\\x07'],
    ['an 8-bit control sequence', '\u009b31m', '\\x9b31m'],
    ['line ends and tabs', 'a\r\nb\tc', 'a\\r\\nb\\tc'],
    ['a right-to-left override', 'gro.\u202eelpmaxe', 'gro.\\u{202e}elpmaxe'],
    ['an invisible character', 'exa\u200bmple', 'exa\\u{200b}mple'],
    ['a line separator', 'a\u2028b', 'a\\u{2028}b'],
    ['half a surrogate pair', 'a\ud800b', 'a\\u{d800}b'],
    ['a tag character beyond the BMP', 'a\u{e0041}b', 'a\\u{e0041}b'],
  ];
  it.each(rows)('shows %s harmlessly', (_, text, shown) => {
    expect(printable(text)).toBe(shown);
  });

  it('cuts visibly', () => {
    expect(printableWithin('abcdef', 6)).toBe('abcdef');
    expect(printableWithin('abcdefg', 6)).toBe('abcde…');
  });
});

describe('printableJson', () => {
  it('means the same and shows no control character', () => {
    const value = { text: 'a\u001b[0m\u009b\u202e\u2028\u007f\u{e0041}\nb', 'k\u0085': ['ü'] };
    const json = printableJson(value);
    expect(JSON.parse(json)).toEqual(value);
    expect(json.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}]/u);
    expect(json).toContain('ü');
  });
});
