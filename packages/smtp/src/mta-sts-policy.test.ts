import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_MAX_AGE, MAX_MX_PATTERNS, matchesMx, parseStsPolicy } from './mta-sts-policy.js';

const lines = (...more: string[]): string => ['version: STSv1', ...more].join('\r\n');

describe('parseStsPolicy (RFC 8461 section 3.2)', () => {
  it('reads the example of the RFC', () => {
    const text = lines('mode: enforce', 'mx: mail.example.com', 'mx: *.example.net', 'max_age: 604800', '');
    const policy = { mode: 'enforce', maxAge: 604_800, mx: ['mail.example.com', '*.example.net'] };
    expect(parseStsPolicy(text)).toEqual({ status: 'policy', policy });
    expect(parseStsPolicy(text.replaceAll('\r', ''))).toEqual({ status: 'policy', policy });
  });

  it('takes the first of a repeated field, any order, extensions, blanks at line ends and no line end', () => {
    const text = lines(
      'max_age:1 ',
      'x-more: \u00e9 = 1',
      'mode:\ttesting\t',
      'mx: A.example.',
      'mode: enforce',
    );
    const policy = { mode: 'testing', maxAge: 1, mx: ['a.example'] };
    expect(parseStsPolicy(text)).toEqual({ status: 'policy', policy });
  });

  it('needs no "mx" with the mode none, and cuts max_age to a year', () => {
    const text = lines('mode: none', 'max_age: 9999999999');
    expect(parseStsPolicy(text)).toEqual({
      status: 'policy',
      policy: { mode: 'none', maxAge: MAX_MAX_AGE, mx: [] },
    });
  });

  it.each<[string, string]>([
    ['nothing', ''],
    ['HTML', '<!DOCTYPE html>\n<title>Not found</title>'],
    ['no version', 'mode: none\nmax_age: 1'],
    ['another version', 'version: STSv2\nmode: none\nmax_age: 1'],
    ['no mode', lines('max_age: 1', 'mx: a.example')],
    ['a mode that is none of the three', lines('mode: Enforce', 'max_age: 1', 'mx: a.example')],
    ['no max_age', lines('mode: enforce', 'mx: a.example')],
    ['a negative max_age', lines('mode: enforce', 'max_age: -1', 'mx: a.example')],
    ['no mx', lines('mode: enforce', 'max_age: 1')],
    ['an mx that is no host', lines('mode: enforce', 'max_age: 1', 'mx: a b')],
    ['a star in the middle', lines('mode: enforce', 'max_age: 1', 'mx: mx.*.example')],
    ['a star alone', lines('mode: enforce', 'max_age: 1', 'mx: *')],
    ['several hosts on one line', lines('mode: enforce', 'max_age: 1', 'mx: a.example, b.example')],
    ['a line that is no field', lines('mode: enforce', 'max_age: 1', 'mx: a.example', 'hello')],
    ['an empty line in the middle', lines('mode: enforce', '', 'max_age: 1', 'mx: a.example')],
    [
      'too many hosts',
      lines('mode: none', 'max_age: 1', ...Array(MAX_MX_PATTERNS + 1).fill('mx: a.example')),
    ],
  ])('refuses %s', (_, text) => {
    expect(parseStsPolicy(text)).toMatchObject({ status: 'invalid' });
  });

  it('never throws, whatever it is given', () => {
    const word = fc.oneof(
      fc.string(),
      fc.constantFrom('version: STSv1', 'mode: enforce', 'mx: a.example', 'mx: *.'),
    );
    fc.assert(
      fc.property(fc.array(word), (parts) => {
        const parsed = parseStsPolicy(parts.join('\n'));
        return parsed.status === 'invalid' || parsed.policy.maxAge <= MAX_MAX_AGE;
      }),
    );
  });
});

describe('matchesMx (RFC 8461 section 4.1)', () => {
  it.each<[string, string, boolean]>([
    ['mail.example.com', 'mail.example.com', true],
    ['mail.example.com', 'MAIL.Example.com.', true],
    ['mail.example.com', 'example.com', false],
    ['*.example.com', 'mail.example.com', true],
    ['*.example.com', 'example.com', false],
    ['*.example.com', 'foo.bar.example.com', false],
    ['*.example.com', 'mailexample.com', false],
    ['*.com', 'com', false],
  ])('%s, host %s: %s', (pattern, host, expected) => {
    expect(matchesMx({ mx: ['other.example', pattern] }, host)).toBe(expected);
  });
});
