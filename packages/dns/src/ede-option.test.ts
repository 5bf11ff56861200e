import { expect, test } from 'vitest';
import { extendedErrors } from './ede-option.js';

const edns = (...options: { code: number; data: Uint8Array }[]) => ({
  udpSize: 1232,
  version: 0,
  do: true,
  options,
});
const error = (code: number, text: string) => ({
  code: 15,
  data: Uint8Array.of(code >> 8, code & 0xff, ...new TextEncoder().encode(text)),
});

test('extended errors are read in their order, other options passed over (RFC 8914 section 2)', () => {
  const cookie = { code: 10, data: Uint8Array.of(0, 6, 1, 2) };
  expect(extendedErrors(edns(error(6, 'bogus: example'), cookie, error(49_152, '')))).toEqual([
    { code: 6, text: 'bogus: example' },
    { code: 49_152, text: '' },
  ]);
  expect(extendedErrors(undefined)).toEqual([]);
});

test('an option too short to hold a code is none', () => {
  expect(
    extendedErrors(edns({ code: 15, data: Uint8Array.of(6) }, { code: 15, data: new Uint8Array(0) })),
  ).toEqual([]);
});

test("a server's words are bounded, on one line, and can't steer a terminal", () => {
  const [steering] = extendedErrors(edns(error(0, 'a\r\nb\u001b[2Jc\u202ed\u0000\u2028e\n')));
  expect(steering?.text).toBe('a b [2Jc d e');
  const [long] = extendedErrors(edns(error(0, 'x'.repeat(5_000))));
  expect(long?.text).toHaveLength(200);
  const [broken] = extendedErrors(edns({ code: 15, data: Uint8Array.of(0, 0, 0xff, 0x61) }));
  expect(broken?.text).toBe('\ufffda');
});
