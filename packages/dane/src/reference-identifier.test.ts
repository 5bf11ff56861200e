import { describe, expect, it } from 'vitest';
import { matchesName, matchNames } from './reference-identifier.js';

/** RFC 7672 section 3.2.3. The vectors ask the same of whole certificates; here are the names alone. */
describe('one presented name and one reference name', () => {
  it.each<[string, string, string, boolean]>([
    ['equal', 'mx.example.com', 'mx.example.com', true],
    ['case differs', 'mx.example.com', 'MX.EXAMPLE.com', true],
    ['the reference ends with a dot', 'mx.example.com.', 'mx.example.com', true],
    ['the reference is a U-label', 'mx.bücher.example', 'mx.xn--bcher-kva.example', true],
    ['the presented name is a U-label', 'mx.xn--bcher-kva.example', 'mx.bücher.example', false],
    ['the presented name ends with a dot', 'mx.example.com', 'mx.example.com.', false],
    ['an underscore', '_mx.example.com', '_mx.example.com', true],
    ['a wildcard for one label', 'mx.example.com', '*.example.com', true],
    ['a wildcard for two labels', 'a.mx.example.com', '*.example.com', false],
    ['a wildcard for no label', 'example.com', '*.example.com', false],
    ['a wildcard with one label behind it', 'example.com', '*.com', false],
    ['a wildcard in part of a label', 'smtp1.example.com', 'smtp*.example.com', false],
    ['a wildcard at the end of a label', '1smtp.example.com', '*smtp.example.com', false],
    ['two wildcards', 'a.b.example.com', '*.*.example.com', false],
    ['a wildcard as reference', '*.example.com', '*.example.com', false],
    ['nothing presented', 'mx.example.com', '', false],
    ['nothing asked', '', '', false],
    ['a NUL', 'mx.example.com', 'mx.example.com\0', false],
    ['a space', 'mx.example.com', ' mx.example.com', false],
    ['a line end', 'mx.example.com', 'mx.example.com\n', false],
    ['the end of the name only', 'mx.example.com', 'example.com', false],
  ])('%s', (_, reference, presented, expected) => {
    expect(matchesName(reference, presented)).toBe(expected);
  });

  it('reports which of the references matched, in their order', () => {
    const names = { dnsIds: ['example.com', 'mx.example.com'], commonNames: [] };
    expect(matchNames(['mx.example.com', 'example.com'], names)).toEqual({
      reference: 'mx.example.com',
      presented: 'mx.example.com',
    });
  });

  it('common names count only without any DNS-ID', () => {
    expect(matchNames(['a.example'], { dnsIds: ['b.example'], commonNames: ['a.example'] })).toBeUndefined();
    expect(matchNames(['a.example'], { dnsIds: [], commonNames: ['a.example'] })).toBeDefined();
  });
});
