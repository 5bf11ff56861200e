import fc from 'fast-check';
import { expect, test } from 'vitest';
import { undotted } from './incoming.js';

const text = (octets: Uint8Array) => Buffer.from(octets).toString('latin1');

test.each([
  ['', ''],
  ['..\r\n', '.\r\n'],
  ['a\r\n..b\r\n', 'a\r\n.b\r\n'],
  ['..\r\n..\r\n...\r\n', '.\r\n.\r\n..\r\n'],
  ['.a\r\n', 'a\r\n'],
  ['a\n..b\r..c\r\n', 'a\n..b\r..c\r\n'],
])('%j was %j before the sender stuffed it', (wire, content) => {
  expect(text(undotted(Buffer.from(wire)))).toBe(content);
});

test('whatever was stuffed comes out as it went in', () => {
  const piece = fc.constantFrom('.', '\r\n', '\r', '\n', 'a', '..', '\r\n.');
  fc.assert(
    fc.property(fc.array(piece), (pieces) => {
      const content = pieces.join('');
      const wire = content.replace(/^\./, '..').replaceAll('\r\n.', '\r\n..');
      expect(text(undotted(Buffer.from(wire)))).toBe(content);
    }),
  );
});
