import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeXtext } from './xtext.js';

const long = Number(process.env['DANELAW_FUZZ'] ?? 0);
const runs = long > 0 ? { numRuns: long } : { numRuns: 1_000, seed: 3461 };
const timeout = long > 0 ? long * 5 : 30_000;

describe('xtext (RFC 3461 section 4)', () => {
  it.each<[string, string, string | undefined]>([
    ['takes what stands for itself', 'QQ314159', 'QQ314159'],
    ['takes nothing', '', ''],
    ['decodes two digits in upper case', 'a+2Bb+3Dc+20d', 'a+b=c d'],
    ['refuses digits in lower case', 'a+2bb', undefined],
    ['refuses a plus without digits', 'a+', undefined],
    ['refuses a plus with one digit', 'a+2', undefined],
    ['refuses an equals sign', 'a=b', undefined],
    ['refuses a space', 'a b', undefined],
    ['refuses UTF-8', 'ü', undefined],
    ['refuses an encoded line end, which would be a line of a report', 'a+0D+0AX-Evil:+20yes', undefined],
    ['refuses an encoded NUL', '+00', undefined],
    ['refuses an encoded octet beyond ASCII (section 4.4)', '+FC', undefined],
    ['refuses an encoded DEL', '+7F', undefined],
  ])('%s', (_, text, expected) => {
    expect(decodeXtext(text)).toBe(expected);
  });

  it(
    'decodes whatever is encoded',
    () => {
      const printable = fc.stringMatching(/^[ -~]*$/);
      fc.assert(
        fc.property(printable, (text) => {
          const encoded = text.replace(
            /[+= ]/g,
            (char) => `+${char.charCodeAt(0).toString(16).toUpperCase()}`,
          );
          expect(decodeXtext(encoded)).toBe(text);
        }),
        runs,
      );
    },
    timeout,
  );

  it(
    'gives printable ASCII or nothing, whatever comes',
    () => {
      fc.assert(
        fc.property(
          fc.string({ unit: 'grapheme', maxLength: 20 }),
          fc.string({ maxLength: 20 }),
          (one, two) => {
            for (const text of [one, `+${two}`]) expect(decodeXtext(text) ?? '').toMatch(/^[ -~]*$/);
          },
        ),
        runs,
      );
    },
    timeout,
  );
});
