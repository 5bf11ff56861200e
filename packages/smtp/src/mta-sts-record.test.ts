import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readStsRecord } from './mta-sts-record.js';

describe('readStsRecord (RFC 8461 section 3.1)', () => {
  it.each<[string, readonly string[], string]>([
    ['the example of the RFC', ['v=STSv1; id=20160831085700Z;'], '20160831085700Z'],
    ['no delimiter at the end', ['v=STSv1;id=a'], 'a'],
    ['white space around delimiters', ['v=STSv1 \t; id=a ;'], 'a'],
    ['extensions, in any order', ['v=STSv1; x-1.b_c=y:z; id=a'], 'a'],
    ['of two ids the first', ['v=STSv1; id=a; id=b'], 'a'],
    ['other records beside it', ['v=spf1 -all', 'v=STSv1; id=a', 'v=STSv2; id=b'], 'a'],
    ['an id of 32 characters', [`v=STSv1; id=${'x'.repeat(32)}`], 'x'.repeat(32)],
  ])('reads %s', (_, texts, id) => {
    expect(readStsRecord(texts)).toEqual({ status: 'record', id });
  });

  it.each<[string, readonly string[]]>([
    ['no record at all', []],
    ['none that begins with the version', ['id=a; v=STSv1;', 'V=STSv1; id=a', 'v=STSv10; id=a', 'v=STSv1']],
  ])('finds none in %s', (_, texts) => {
    expect(readStsRecord(texts)).toEqual({ status: 'none' });
  });

  it('never throws, whatever it is given', () => {
    const field = fc.constantFrom('v=STSv1', ';', ' ', 'id=', 'a', '=', '\t', '\u0000', 'x=y');
    const text = fc.array(field).map((parts) => `v=STSv1;${parts.join('')}`);
    fc.assert(
      fc.property(fc.array(fc.oneof(text, fc.string())), (texts) => {
        const found = readStsRecord(texts);
        return found.status !== 'record' || /^[A-Za-z0-9]{1,32}$/u.test(found.id);
      }),
    );
  });

  it.each<[string, readonly string[]]>([
    ['two records', ['v=STSv1; id=a', 'v=STSv1; id=a']],
    ['no id', ['v=STSv1; x=y']],
    ['nothing but a version', ['v=STSv1;']],
    ['an empty id', ['v=STSv1; id=']],
    ['an id that is too long', [`v=STSv1; id=${'x'.repeat(33)}`]],
    ['an id with a hyphen', ['v=STSv1; id=a-b']],
    ['a field without a value', ['v=STSv1; id=a; x']],
    ['an empty field', ['v=STSv1;; id=a']],
    ['octets that are not ASCII', ['v=STSv1; id=a; x=\u00e9']],
  ])('refuses %s', (_, texts) => {
    expect(readStsRecord(texts)).toMatchObject({ status: 'invalid' });
  });
});
