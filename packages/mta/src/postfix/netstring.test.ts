import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_REQUEST_OCTETS, NetstringError, NetstringReader, netstring } from './netstring.js';

function read(...pieces: (string | Uint8Array)[]): string[] {
  const reader = new NetstringReader();
  const found: string[] = [];
  for (const piece of pieces) {
    reader.push(Buffer.from(piece));
    for (let next = reader.next(); next !== undefined; next = reader.next()) found.push(next);
  }
  return found;
}

describe('a netstring', () => {
  it.each([
    ['whole', ['5:hello,'], ['hello']],
    ['empty', ['0:,'], ['']],
    ['in pieces', ['1', '1:hel', 'lo world', ','], ['hello world']],
    ['two at once', ['1:a,1:b,'], ['a', 'b']],
    ['with a comma and a colon in it', ['5:a,b:c,'], ['a,b:c']],
    ['not yet complete', ['5:hello'], []],
    ['in UTF-8, counted in octets', ['3:é!,'], ['é!']],
  ])('%s', (_, pieces, expected) => {
    expect(read(...pieces)).toEqual(expected);
  });

  it.each([
    ['without length', ':hello,'],
    ['with a leading zero', '05:hello,'],
    ['with a sign', '+5:hello,'],
    ['with a blank', '5 :hello,'],
    ['with letters', 'GET / HTTP/1.1'],
    ['without comma', '5:hello;'],
    ['too long', `${MAX_REQUEST_OCTETS + 1}:`],
    ['of endless length', '99999'],
  ])('%s is refused', (_, octets) => {
    expect(() => read(octets)).toThrow(NetstringError);
  });

  it('is read as it was written, however it is cut', () => {
    const content = fc.string({ unit: 'grapheme', maxLength: 100 });
    fc.assert(
      fc.property(fc.array(content, { maxLength: 5 }), fc.integer({ min: 1, max: 9 }), (texts, size) => {
        const octets = Buffer.concat(texts.map(netstring));
        const pieces = Array.from({ length: Math.ceil(octets.length / size) }, (__, index) =>
          octets.subarray(index * size, (index + 1) * size),
        );
        expect(read(...pieces)).toEqual(texts);
      }),
    );
  });

  it('never costs more than the bound, whatever comes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 3000 }), (octets) => {
        try {
          for (const text of read(octets))
            expect(Buffer.byteLength(text)).toBeLessThanOrEqual(3 * MAX_REQUEST_OCTETS);
        } catch (error) {
          expect(error).toBeInstanceOf(NetstringError);
        }
      }),
    );
  });
});
