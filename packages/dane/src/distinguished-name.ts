/**
 * Distinguished names (RFC 5280 section 4.1.2.4): do two of them name the same, and which common names are in one.
 *
 * Section 7.1 compares attribute values without regard to case, to the string type and to extra white space. OpenSSL
 * does the same, with case folded for ASCII only; so does this.
 */
import { DerReader, readObjectIdentifier, readWhole, TAG } from './der.js';

const ID_AT_COMMON_NAME = '2.5.4.3';
const ID_EMAIL_ADDRESS = '1.2.840.113549.1.9.1';

interface Attribute {
  readonly type: string;
  readonly tag: number;
  readonly value: Uint8Array;
}

/** A key that is equal for names that RFC 5280 takes as equal. @throws DerError */
export function canonicalName(name: Uint8Array): string {
  return JSON.stringify(canonicalRdns(name));
}

/** One comparable string for each RDN, from the root of the tree down. @throws DerError */
export function canonicalRdns(name: Uint8Array): string[] {
  return readRdns(name).map((rdn) =>
    JSON.stringify(rdn.map(({ type, tag, value }) => `${type}=${canonicalValue(tag, value)}`).sort()),
  );
}

/** Every common name, in order of appearance, as characters (a NUL in it stays a NUL). @throws DerError */
export function commonNames(name: Uint8Array): string[] {
  return attributeValues(name, ID_AT_COMMON_NAME);
}

/** Every emailAddress attribute (RFC 5280 section 4.1.2.6, deprecated and in use). @throws DerError */
export function emailAddresses(name: Uint8Array): string[] {
  return attributeValues(name, ID_EMAIL_ADDRESS);
}

function attributeValues(name: Uint8Array, type: string): string[] {
  return readRdns(name)
    .flat()
    .filter((attribute) => attribute.type === type)
    .map(({ tag, value }) => decodeString(tag, value) ?? '');
}

function readRdns(name: Uint8Array): Attribute[][] {
  const sequence = readWhole(name, TAG.sequence, 'Name');
  const rdns: Attribute[][] = [];
  while (!sequence.atEnd) {
    const set = new DerReader(sequence.expect(TAG.set, 'RelativeDistinguishedName').content);
    const attributes: Attribute[] = [];
    while (!set.atEnd) {
      const pair = new DerReader(set.expect(TAG.sequence, 'AttributeTypeAndValue').content);
      const type = readObjectIdentifier(pair.expect(TAG.objectIdentifier, 'attribute type').content);
      const { tag, content } = pair.read();
      pair.end('AttributeTypeAndValue');
      attributes.push({ type, tag, value: content });
    }
    rdns.push(attributes);
  }
  return rdns;
}

function canonicalValue(tag: number, value: Uint8Array): string {
  const text = decodeString(tag, value);
  // Types that are not text compare octet by octet, with their tag.
  if (text === undefined) return `#${tag}:${Buffer.from(value).toString('hex')}`;
  const folded = text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
  return `"${folded.replace(/[ \t\n\v\f\r]+/g, ' ').replace(/^ | $/g, '')}`;
}

/** The characters of a directory string; `undefined` where the type is not text or the octets are not of the type. */
function decodeString(tag: number, value: Uint8Array): string | undefined {
  const octets = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  switch (tag) {
    case TAG.utf8String:
      try {
        return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(octets);
      } catch {
        return undefined;
      }
    case TAG.printableString:
    case TAG.teletexString:
    case TAG.ia5String:
    case TAG.visibleString:
      return octets.toString('latin1');
    case TAG.bmpString:
      return octets.length % 2 === 0 ? Buffer.from(octets).swap16().toString('utf16le') : undefined;
    case TAG.universalString:
      return decodeUniversal(octets);
    default:
      return undefined;
  }
}

function decodeUniversal(octets: Buffer): string | undefined {
  if (octets.length % 4 !== 0) return undefined;
  let text = '';
  for (let at = 0; at < octets.length; at += 4) {
    const point = octets.readUInt32BE(at);
    if (point > 0x10ffff) return undefined;
    text += String.fromCodePoint(point);
  }
  return text;
}
