import { describe, expect, it } from 'vitest';
import { DerError, DerReader, TAG } from './der.js';
import { readTime } from './validity.js';

const element = (tag: number, text: string) =>
  new DerReader(Buffer.from([tag, text.length, ...Buffer.from(text)])).read();

describe('times of a certificate (RFC 5280 section 4.1.2.5)', () => {
  it.each<[string, number, string, string]>([
    ['a UTCTime of this century', TAG.utcTime, '491231235959Z', '2049-12-31T23:59:59.000Z'],
    ['a UTCTime of the last century', TAG.utcTime, '500101000000Z', '1950-01-01T00:00:00.000Z'],
    ['a GeneralizedTime', TAG.generalizedTime, '20500101000000Z', '2050-01-01T00:00:00.000Z'],
    ['no well-defined end', TAG.generalizedTime, '99991231235959Z', '9999-12-31T23:59:59.000Z'],
    [
      'a year of two digits is not of the last century',
      TAG.generalizedTime,
      '00500101000000Z',
      '0050-01-01T00:00:00.000Z',
    ],
    ['a leap day', TAG.utcTime, '240229000000Z', '2024-02-29T00:00:00.000Z'],
  ])('%s', (_, tag, text, expected) => {
    expect(readTime(element(tag, text)).toISOString()).toBe(expected);
  });

  it.each<[string, number, string]>([
    ['no seconds', TAG.utcTime, '2401010000Z'],
    ['a zone', TAG.utcTime, '240101000000+0100'],
    ['fractions', TAG.generalizedTime, '20240101000000.5Z'],
    ['no such day', TAG.utcTime, '230229000000Z'],
    ['no such hour', TAG.utcTime, '240101240000Z'],
    ['month 0', TAG.utcTime, '240001000000Z'],
    ['another tag', TAG.integer, '240101000000Z'],
    ['nothing', TAG.utcTime, ''],
  ])('%s is malformed', (_, tag, text) => {
    expect(() => readTime(element(tag, text))).toThrow(DerError);
  });
});
