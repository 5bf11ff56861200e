import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseParameters, type SplitPath, splitPath } from './path.js';

const long = Number(process.env['DANELAW_FUZZ'] ?? 0);
const runs = long > 0 ? { numRuns: long } : { numRuns: 1_000, seed: 5321 };
const timeout = long > 0 ? long * 5 : 30_000;

describe('the path of MAIL and RCPT (RFC 5321 section 4.1.2)', () => {
  it.each<[string, string, SplitPath]>([
    ['an address', 'MAIL FROM:<me@example.org>', { address: 'me@example.org', parameters: '' }],
    ['the null sender', 'MAIL FROM:<>', { address: '', parameters: '' }],
    ['lower case', 'mail from:<me@example.org>', { address: 'me@example.org', parameters: '' }],
    [
      'a space behind the colon',
      'MAIL FROM: <me@example.org>',
      { address: 'me@example.org', parameters: '' },
    ],
    ['parameters', 'MAIL FROM:<> SIZE=1  BODY=7BIT', { address: '', parameters: 'SIZE=1  BODY=7BIT' }],
    ['a quoted ">"', 'MAIL FROM:<"a> b"@example.org> X', { address: '"a> b"@example.org', parameters: 'X' }],
    [
      'a quoted quote',
      'MAIL FROM:<"a\\"> b"@example.org>',
      { address: '"a\\"> b"@example.org', parameters: '' },
    ],
    [
      'a source route, ignored',
      'MAIL FROM:<@a.example,@b.example:me@c>',
      { address: 'me@c', parameters: '' },
    ],
    ['UTF-8', 'MAIL FROM:<ü@bücher.example>', { address: 'ü@bücher.example', parameters: '' }],
    ['another command', 'RCPT TO:<me@example.org>', 'no-command'],
    ['no colon', 'MAIL FROM <me@example.org>', 'no-command'],
    ['no bracket', 'MAIL FROM:me@example.org', 'no-path'],
    ['no end', 'MAIL FROM:<me@example.org', 'no-path'],
    ['a quote without an end', 'MAIL FROM:<"me@example.org>', 'no-path'],
    ['two addresses', 'MAIL FROM:<me@example.org><you@example.org>', 'no-path'],
    ['a space within', 'MAIL FROM:<me @example.org>', 'no-path'],
    ['a parameter without a space before it', 'MAIL FROM:<me@example.org>SIZE=1', 'no-path'],
    ['nested brackets', 'MAIL FROM:<<me@example.org>>', 'no-path'],
    ['nothing', 'MAIL FROM:', 'no-path'],
    ['more than 256 octets (section 4.5.3.1.3)', `MAIL FROM:<${'a'.repeat(243)}@example.org>`, 'no-path'],
  ])('%s', (_, line, expected) => {
    expect(splitPath('MAIL', line)).toEqual(expected);
  });

  it(
    'never finds a bracket, blank or end of line in an address but within quotes',
    () => {
      const parts = fc.constantFrom('<', '>', '"', '\\', ' ', '@', 'a', '.', ':', ',', 'ü', '=', '\t');
      fc.assert(
        fc.property(fc.array(parts, { maxLength: 20 }), (pieces) => {
          const split = splitPath('RCPT', `RCPT TO:<${pieces.join('')}`);
          if (typeof split === 'string') return;
          expect(split.address.replace(/"(?:[^"\\]|\\.)*"/g, '')).not.toMatch(/[<> \t]/);
        }),
        runs,
      );
    },
    timeout,
  );
});

describe('ESMTP parameters', () => {
  it.each<[string, string, ReturnType<typeof parseParameters>]>([
    ['none', '', []],
    ['one without a value', 'SMTPUTF8', [{ keyword: 'SMTPUTF8', value: undefined }]],
    ['one with a value', 'size=12', [{ keyword: 'SIZE', value: '12' }]],
    ['UTF-8 in a value (RFC 6531 section 3.3)', 'X=ü', [{ keyword: 'X', value: 'ü' }]],
    ['a value of nothing', 'SIZE=', 'Bad value of SIZE'],
    ['a second "="', 'X=a=b', 'Bad value of X'],
    ['a control character', 'X=a\u0000b', 'Bad value of X'],
    ['twice the same (RFC 3461 section 4.5)', 'RET=FULL ret=HDRS', 'RET stands there twice'],
    ['no keyword', '=1', 'A parameter has no keyword'],
    ['a keyword that is none', 'ENV_ID=1', 'A parameter has no keyword'],
  ])('%s', (_, text, expected) => {
    expect(parseParameters(text)).toEqual(expected);
  });
});
