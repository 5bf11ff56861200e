import { describe, expect, it } from 'vitest';
import { canonicalName, canonicalRdns, commonNames } from './distinguished-name.js';

const tlv = (tag: number, ...parts: Uint8Array[]): Buffer => {
  const content = Buffer.concat(parts);
  return Buffer.concat([Buffer.from([tag, content.length]), content]);
};
const CN = Buffer.from('0603550403', 'hex');
const O = Buffer.from('060355040a', 'hex');
const attribute = (type: Buffer, value: string | Buffer, tag = 0x0c): Buffer =>
  tlv(0x30, type, tlv(tag, Buffer.from(value)));
const name = (...rdns: Buffer[][]): Buffer => tlv(0x30, ...rdns.map((rdn) => tlv(0x31, ...rdn)));

const plain = name([attribute(O, 'Example Trust')], [attribute(CN, 'Root')]);

describe('names that are equal (RFC 5280 section 7.1)', () => {
  it.each<[string, Buffer]>([
    ['in other case', name([attribute(O, 'EXAMPLE trust')], [attribute(CN, 'rOOT')])],
    ['with other white space', name([attribute(O, '  Example   Trust ')], [attribute(CN, 'Root\t')])],
    ['in another string type', name([attribute(O, 'Example Trust', 0x13)], [attribute(CN, 'Root', 0x16)])],
    ['in two octets a letter', name([attribute(O, 'Example Trust')], [attribute(CN, '\0R\0o\0o\0t', 0x1e)])],
    [
      'in four octets a letter',
      name([attribute(O, 'Example Trust')], [attribute(CN, '\0\0\0R\0\0\0o\0\0\0o\0\0\0t', 0x1c)]),
    ],
  ])('%s', (_, other) => {
    expect(canonicalName(other)).toBe(canonicalName(plain));
  });

  it('whatever the order within one RDN', () => {
    const one = name([attribute(O, 'Example'), attribute(CN, 'Root')]);
    const two = name([attribute(CN, 'Root'), attribute(O, 'Example')]);
    expect(canonicalName(one)).toBe(canonicalName(two));
  });
});

describe('names that are not equal', () => {
  it.each<[string, Buffer]>([
    ['RDNs in another order', name([attribute(CN, 'Root')], [attribute(O, 'Example Trust')])],
    ['one RDN in place of two', name([attribute(O, 'Example Trust'), attribute(CN, 'Root')])],
    ['an RDN more', name([attribute(O, 'Example Trust')], [attribute(CN, 'Root')], [attribute(CN, 'Root')])],
    ['another attribute type', name([attribute(O, 'Example Trust')], [attribute(O, 'Root')])],
    ['no white space', name([attribute(O, 'ExampleTrust')], [attribute(CN, 'Root')])],
    ['a value that is not text', name([attribute(O, 'Example Trust')], [attribute(CN, 'Root', 0x04)])],
    ['text that is not UTF-8', name([attribute(O, 'Example Trust')], [attribute(CN, Buffer.from([0xff]))])],
    ['letters outside ASCII in other case', name([attribute(O, 'Example Trust')], [attribute(CN, 'ROÖT')])],
  ])('%s', (_, other) => {
    expect(canonicalName(other)).not.toBe(canonicalName(plain));
  });

  it('a value can not pass for two attributes', () => {
    const two = name([attribute(CN, 'a'), attribute(O, 'b')]);
    const one = name([attribute(CN, 'a","2.5.4.10="b')]);
    expect(canonicalName(one)).not.toBe(canonicalName(two));
  });
});

describe('parts of a name', () => {
  it('RDNs come from the root of the tree down', () => {
    expect(canonicalRdns(plain)).toHaveLength(2);
    expect(canonicalRdns(name([attribute(O, 'Example Trust')]))).toEqual(canonicalRdns(plain).slice(0, 1));
  });

  it('common names come in order, with what is in them', () => {
    expect(commonNames(name([attribute(CN, 'a\0b'), attribute(O, 'x')], [attribute(CN, 'c')]))).toEqual([
      'a\0b',
      'c',
    ]);
    expect(commonNames(name())).toEqual([]);
  });
});
