import { describe, expect, it } from 'vitest';
import { checkDer, DerError, DerReader, readObjectIdentifier, readWhole, TAG } from './der.js';

const bytes = (hex: string): Uint8Array => Buffer.from(hex.replace(/ /g, ''), 'hex');

describe('what is DER and what is not (X.690 sections 8 and 10)', () => {
  it.each<[string, string]>([
    ['an empty SEQUENCE', '30 00'],
    ['a length of 127 in one octet', `04 7f ${'00'.repeat(127)}`],
    ['a length of 128 in two octets', `04 81 80 ${'00'.repeat(128)}`],
    ['a length of 256 in three octets', `04 82 0100 ${'00'.repeat(256)}`],
    ['elements within elements', '30 05 30 03 02 01 05'],
    ['a negative INTEGER', '02 01 ff'],
    ['an INTEGER that needs its zero', '02 02 00 80'],
  ])('%s is', (_, hex) => {
    expect(() => checkDer(bytes(hex))).not.toThrow();
  });

  it.each<[string, string]>([
    ['an indefinite length', '30 80 00 00'],
    ['a length of 127 in two octets', `04 81 7f ${'00'.repeat(127)}`],
    ['a length with a leading zero', `04 82 0080 ${'00'.repeat(128)}`],
    ['a length of five octets', '04 85 00 00 00 00 00'],
    ['a length past the end', '30 05 02 01'],
    ['a tag without length', '30'],
    ['a length field that ends early', '30 82 01'],
    ['a high tag number', '1f 81 00 00'],
    ['TRUE as 1', '01 01 01'],
    ['an empty BOOLEAN', '01 00'],
    ['an empty INTEGER', '02 00'],
    ['an INTEGER with a zero too many', '02 02 00 7f'],
    ['a negative INTEGER with an octet too many', '02 02 ff 80'],
    ['an element within that reaches past its parent', '30 03 04 05 00'],
  ])('%s is not', (_, hex) => {
    expect(() => checkDer(bytes(hex))).toThrow(DerError);
  });

  it('nesting is bounded', () => {
    let nested = Buffer.from([0x30, 0x00]);
    for (let depth = 0; depth < 50; depth += 1)
      nested = Buffer.concat([Buffer.from([0x30, nested.length]), nested]);
    expect(() => checkDer(nested)).toThrow('nested deeper');
  });
});

describe('elements', () => {
  it('are windows on the octets as sent', () => {
    const whole = bytes('30 03 02 01 05 04 00');
    const element = new DerReader(whole).read();
    expect(Buffer.from(element.encoded).toString('hex')).toBe('3003020105');
    expect(element.encoded.buffer).toBe(whole.buffer);
  });

  it('must fill the octets where they are the whole', () => {
    expect(() => readWhole(bytes('30 00 00'), TAG.sequence, 'Thing')).toThrow(
      '1 octets after the end of Thing',
    );
  });
});

describe('object identifiers', () => {
  it.each<[string, string]>([
    ['2a 86 48 86 f7 0d 01 01 0b', '1.2.840.113549.1.1.11'],
    ['55 1d 11', '2.5.29.17'],
    ['88 37 03', '2.999.3'],
    ['2b', '1.3'],
  ])('%s is %s', (hex, dotted) => {
    expect(readObjectIdentifier(bytes(hex))).toBe(dotted);
  });

  it.each(['', '55 9d', '80 01', '55 80 01', 'ff ff ff ff ff ff ff ff ff 7f'])('"%s" is none', (hex) => {
    expect(() => readObjectIdentifier(bytes(hex))).toThrow(DerError);
  });
});
