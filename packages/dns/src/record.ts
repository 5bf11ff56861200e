/**
 * The RDATA of the types that danelaw reads, parsed (RFC 1035, 2782, 3596, 4034, 5155, 6672, 6698). Others stay opaque (RFC 3597).
 *
 * RDATA reaches this file already decompressed (`message.ts` does that), so that the same octets can be hashed for
 * signatures; parsing never changes them.
 */
import { formatIpv4, formatIpv6, parseIpv4, parseIpv6 } from './address.js';
import { Name } from './name.js';
import { RRTYPE, typeNumber } from './rrtype.js';
import { Cursor, concatBytes, WireError } from './wire.js';

export type RecordData =
  | { readonly type: 'A' | 'AAAA'; readonly address: string }
  | { readonly type: 'NS' | 'CNAME' | 'DNAME' | 'PTR'; readonly target: Name }
  | SoaData
  | { readonly type: 'MX'; readonly preference: number; readonly exchange: Name }
  | SrvData
  | { readonly type: 'TXT'; readonly strings: readonly Uint8Array[] }
  | TlsaData
  | DsData
  | DnskeyData
  | RrsigData
  | { readonly type: 'NSEC'; readonly next: Name; readonly types: ReadonlySet<number> }
  | Nsec3Data
  | ({ readonly type: 'NSEC3PARAM' } & Nsec3Parameters)
  | { readonly type: 'OPAQUE'; readonly rdata: Uint8Array };

export interface SoaData {
  readonly type: 'SOA';
  readonly mname: Name;
  readonly rname: Name;
  readonly serial: number;
  readonly refresh: number;
  readonly retry: number;
  readonly expire: number;
  readonly minimum: number;
}

/** RFC 2782. */
export interface SrvData {
  readonly type: 'SRV';
  readonly priority: number;
  readonly weight: number;
  readonly port: number;
  readonly target: Name;
}

export interface TlsaData {
  readonly type: 'TLSA';
  readonly usage: number;
  readonly selector: number;
  readonly matchingType: number;
  readonly data: Uint8Array;
}

export interface DsData {
  readonly type: 'DS';
  readonly keyTag: number;
  readonly algorithm: number;
  readonly digestType: number;
  readonly digest: Uint8Array;
}

export interface DnskeyData {
  readonly type: 'DNSKEY';
  readonly flags: number;
  readonly protocol: number;
  readonly algorithm: number;
  readonly publicKey: Uint8Array;
}

export interface RrsigData {
  readonly type: 'RRSIG';
  readonly typeCovered: number;
  readonly algorithm: number;
  readonly labels: number;
  /** Seconds. */
  readonly originalTtl: number;
  /** Seconds since the epoch modulo 2^32 (RFC 4034 section 3.1.5). */
  readonly expiration: number;
  readonly inception: number;
  readonly keyTag: number;
  readonly signer: Name;
  readonly signature: Uint8Array;
}

export interface Nsec3Parameters {
  readonly hashAlgorithm: number;
  readonly flags: number;
  readonly iterations: number;
  readonly salt: Uint8Array;
}

export interface Nsec3Data extends Nsec3Parameters {
  readonly type: 'NSEC3';
  readonly nextHashed: Uint8Array;
  readonly types: ReadonlySet<number>;
}

/**
 * Parses RDATA by its type's number.
 * @throws WireError where the octets don't have the form of that type, trailing octets included
 */
export function parseRdata(type: number, rdata: Uint8Array): RecordData {
  const cursor = new Cursor(rdata);
  const data = readRdata(type, cursor);
  if (cursor.remaining > 0)
    throw new WireError(`${cursor.remaining} octets too many in RDATA of type ${type}`);
  return data;
}

function readRdata(type: number, cursor: Cursor): RecordData {
  switch (type) {
    case RRTYPE.A:
      return { type: 'A', address: formatIpv4(cursor.bytes, cursor.skip(4)) };
    case RRTYPE.AAAA:
      return { type: 'AAAA', address: formatIpv6(cursor.bytes, cursor.skip(16)) };
    case RRTYPE.NS:
      return { type: 'NS', target: Name.read(cursor) };
    case RRTYPE.CNAME:
      return { type: 'CNAME', target: Name.read(cursor) };
    case RRTYPE.DNAME:
      return { type: 'DNAME', target: Name.read(cursor) };
    case RRTYPE.PTR:
      return { type: 'PTR', target: Name.read(cursor) };
    case RRTYPE.SOA:
      return readSoa(cursor);
    case RRTYPE.MX:
      return { type: 'MX', preference: cursor.u16(), exchange: Name.read(cursor) };
    case RRTYPE.SRV:
      return {
        type: 'SRV',
        priority: cursor.u16(),
        weight: cursor.u16(),
        port: cursor.u16(),
        target: Name.read(cursor),
      };
    case RRTYPE.TXT:
      return { type: 'TXT', strings: readStrings(cursor) };
    case RRTYPE.TLSA:
      return {
        type: 'TLSA',
        usage: cursor.u8(),
        selector: cursor.u8(),
        matchingType: cursor.u8(),
        data: cursor.copyRest(),
      };
    case RRTYPE.DS:
      return readDs(cursor);
    case RRTYPE.DNSKEY:
      return readDnskey(cursor);
    case RRTYPE.RRSIG:
      return readRrsig(cursor);
    case RRTYPE.NSEC:
      return { type: 'NSEC', next: Name.read(cursor), types: readTypeBitmap(cursor) };
    case RRTYPE.NSEC3:
      return readNsec3(cursor);
    case RRTYPE.NSEC3PARAM:
      return { type: 'NSEC3PARAM', ...readNsec3Parameters(cursor) };
    default:
      return { type: 'OPAQUE', rdata: cursor.rest() };
  }
}

export function parseRrsig(rdata: Uint8Array): RrsigData {
  const cursor = new Cursor(rdata);
  return readRrsig(cursor);
}

export function parseDnskey(rdata: Uint8Array): DnskeyData {
  return readDnskey(new Cursor(rdata));
}

export function parseDs(rdata: Uint8Array): DsData {
  return readDs(new Cursor(rdata));
}

/** The target of a CNAME, DNAME or NS record. */
export function parseTarget(rdata: Uint8Array): Name {
  return Name.read(new Cursor(rdata));
}

function readSoa(cursor: Cursor): SoaData {
  const mname = Name.read(cursor);
  const rname = Name.read(cursor);
  return {
    type: 'SOA',
    mname,
    rname,
    serial: cursor.u32(),
    refresh: cursor.u32(),
    retry: cursor.u32(),
    expire: cursor.u32(),
    minimum: cursor.u32(),
  };
}

function readStrings(cursor: Cursor): Uint8Array[] {
  const strings = [cursor.take(cursor.u8())];
  while (cursor.remaining > 0) strings.push(cursor.take(cursor.u8()));
  return strings;
}

function readDs(cursor: Cursor): DsData {
  return {
    type: 'DS',
    keyTag: cursor.u16(),
    algorithm: cursor.u8(),
    digestType: cursor.u8(),
    digest: cursor.rest(),
  };
}

function readDnskey(cursor: Cursor): DnskeyData {
  return {
    type: 'DNSKEY',
    flags: cursor.u16(),
    protocol: cursor.u8(),
    algorithm: cursor.u8(),
    publicKey: cursor.rest(),
  };
}

function readRrsig(cursor: Cursor): RrsigData {
  return {
    type: 'RRSIG',
    typeCovered: cursor.u16(),
    algorithm: cursor.u8(),
    labels: cursor.u8(),
    originalTtl: cursor.u32(),
    expiration: cursor.u32(),
    inception: cursor.u32(),
    keyTag: cursor.u16(),
    signer: Name.read(cursor),
    signature: cursor.rest(),
  };
}

function readNsec3Parameters(cursor: Cursor): Nsec3Parameters {
  return {
    hashAlgorithm: cursor.u8(),
    flags: cursor.u8(),
    iterations: cursor.u16(),
    salt: cursor.take(cursor.u8()),
  };
}

function readNsec3(cursor: Cursor): Nsec3Data {
  const parameters = readNsec3Parameters(cursor);
  const nextHashed = cursor.take(cursor.u8());
  return { type: 'NSEC3', ...parameters, nextHashed, types: readTypeBitmap(cursor) };
}

/** RFC 4034 section 4.1.2: windows in ascending order, 1 to 32 octets each. */
function readTypeBitmap(cursor: Cursor): ReadonlySet<number> {
  const types = new Set<number>();
  let previous = -1;
  while (cursor.remaining > 0) {
    const window = cursor.u8();
    if (window <= previous) throw new WireError('type bitmap windows out of order');
    previous = window;
    const length = cursor.u8();
    if (length < 1 || length > 32) throw new WireError(`type bitmap window of ${length} octets`);
    const bits = cursor.take(length);
    for (let i = 0; i < length; i++) {
      const octet = bits[i] ?? 0;
      for (let bit = 0; bit < 8; bit++) if (octet & (0x80 >> bit)) types.add(window * 256 + i * 8 + bit);
    }
  }
  return types;
}

/** The number of a type that must be known, for callers that hold a mnemonic. */
export function requireType(text: string): number {
  const number = typeNumber(text);
  if (number === undefined) throw new WireError(`"${text}" is not a DNS type (a mnemonic or TYPEnnn)`);
  return number;
}

/**
 * Writes RDATA; names in it are not compressed. `parseRdata` of the result gives the same data again.
 * @throws WireError where a value does not fit its field
 */
export function encodeRdata(data: RecordData): Uint8Array {
  switch (data.type) {
    case 'A':
      return addressOctets(parseIpv4(data.address), data.address);
    case 'AAAA':
      return addressOctets(parseIpv6(data.address), data.address);
    case 'NS':
    case 'CNAME':
    case 'DNAME':
    case 'PTR':
      return data.target.wire;
    case 'SOA': {
      const { mname, rname, serial, refresh, retry, expire, minimum } = data;
      return concatBytes([
        mname.wire,
        rname.wire,
        u32(serial),
        u32(refresh),
        u32(retry),
        u32(expire),
        u32(minimum),
      ]);
    }
    case 'MX':
      return concatBytes([u16(data.preference), data.exchange.wire]);
    case 'SRV':
      return concatBytes([u16(data.priority), u16(data.weight), u16(data.port), data.target.wire]);
    case 'TXT':
      if (data.strings.length === 0)
        throw new WireError('a TXT record has at least one string (RFC 1035 section 3.3.14)');
      return concatBytes(data.strings.map(lengthPrefixed));
    case 'TLSA':
      return concatBytes([u8(data.usage), u8(data.selector), u8(data.matchingType), data.data]);
    case 'DS':
      return concatBytes([u16(data.keyTag), u8(data.algorithm), u8(data.digestType), data.digest]);
    case 'DNSKEY':
      return concatBytes([u16(data.flags), u8(data.protocol), u8(data.algorithm), data.publicKey]);
    case 'RRSIG':
      return concatBytes([
        concatBytes([u16(data.typeCovered), u8(data.algorithm), u8(data.labels), u32(data.originalTtl)]),
        concatBytes([u32(data.expiration), u32(data.inception), u16(data.keyTag)]),
        data.signer.wire,
        data.signature,
      ]);
    case 'NSEC':
      return concatBytes([data.next.wire, encodeTypeBitmap(data.types)]);
    case 'NSEC3':
      return concatBytes([
        encodeNsec3Parameters(data),
        lengthPrefixed(data.nextHashed),
        encodeTypeBitmap(data.types),
      ]);
    case 'NSEC3PARAM':
      return encodeNsec3Parameters(data);
    case 'OPAQUE':
      return data.rdata;
    default: {
      const never: never = data;
      return never;
    }
  }
}

function encodeNsec3Parameters(data: Nsec3Parameters): Uint8Array {
  return concatBytes([
    u8(data.hashAlgorithm),
    u8(data.flags),
    u16(data.iterations),
    lengthPrefixed(data.salt),
  ]);
}

/** RFC 4034 section 4.1.2. Windows without types and octets without bits at their end are left out. */
export function encodeTypeBitmap(types: ReadonlySet<number>): Uint8Array {
  const windows = new Map<number, number[]>();
  for (const type of [...types].sort((a, b) => a - b)) {
    const window = windows.get(type >> 8) ?? [];
    const octet = (type & 0xff) >> 3;
    while (window.length <= octet) window.push(0);
    window[octet] = (window[octet] ?? 0) | (0x80 >> (type & 7));
    windows.set(type >> 8, window);
  }
  return concatBytes([...windows].map(([window, octets]) => Uint8Array.of(window, octets.length, ...octets)));
}

function addressOctets(octets: Uint8Array | undefined, text: string): Uint8Array {
  if (octets === undefined) throw new WireError(`"${text}" is not an address of that family`);
  return octets;
}

function lengthPrefixed(octets: Uint8Array): Uint8Array {
  return concatBytes([u8(octets.length), octets]);
}

function u8(value: number): Uint8Array {
  return Uint8Array.of(within(value, 0xff));
}

function u16(value: number): Uint8Array {
  within(value, 0xffff);
  return Uint8Array.of(value >> 8, value);
}

function u32(value: number): Uint8Array {
  within(value, 0xffffffff);
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
}

function within(value: number, largest: number): number {
  if (!Number.isInteger(value) || value < 0 || value > largest)
    throw new WireError(`${value} is not within 0 and ${largest}`);
  return value;
}
