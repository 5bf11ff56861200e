import { describe, expect, it } from 'vitest';
import { hanging, paletteFor, widthOf, wrap } from './terminal.js';

const output = (isTTY: boolean, columns?: number) => ({
  write: () => true,
  isTTY,
  ...(columns ? { columns } : {}),
});

describe('colour', () => {
  const rows: [what: string, isTTY: boolean, env: Record<string, string>, coloured: boolean][] = [
    ['a terminal has it', true, { TERM: 'xterm' }, true],
    ['a pipe has not', false, { TERM: 'xterm' }, false],
    ['NO_COLOR takes it away', true, { TERM: 'xterm', NO_COLOR: '1' }, false],
    ['an empty NO_COLOR does not', true, { NO_COLOR: '' }, true],
    ['a dumb terminal has not', true, { TERM: 'dumb' }, false],
  ];
  it.each(rows)('%s', (_, isTTY, env, coloured) => {
    expect(paletteFor(output(isTTY), env).good('ok')).toBe(coloured ? '\u001b[32mok\u001b[0m' : 'ok');
  });
});

describe('wrapping', () => {
  it('breaks at spaces, and inside words that are too long', () => {
    expect(wrap('one two three', 7)).toEqual(['one two', 'three']);
    expect(wrap('abcdefghij k', 4)).toEqual(['abcd', 'efgh', 'ij k']);
    expect(wrap('', 10)).toEqual([]);
  });
  it('hangs further lines under the first', () => {
    expect(hanging('label: ', `${'word '.repeat(10)}end`, 40)).toEqual([
      'label: word word word word word word',
      '       word word word word end',
    ]);
  });
  it('keeps to what can be read', () => {
    expect([
      widthOf(output(true, 20)),
      widthOf(output(true, 100)),
      widthOf(output(true, 400)),
      widthOf(output(false)),
    ]).toEqual([60, 100, 120, 100]);
  });
});
