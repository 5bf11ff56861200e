/**
 * Presentation format: RDATA and records as the text of zone files (RFC 1035 section 5, RFC 3597 section 5, RFC 4034
 * sections 2.2 to 5.3, RFC 5155 section 3.3, RFC 6698 section 2.2).
 *
 * What is printed can be read back to the same octets: where a type's own form can't promise that (an unknown type,
 * RDATA that is malformed or written in an unusual way), the generic form `\# 3 abcdef` is printed. Only names that are
 * broken or compressed are printed and not read back: RFC 3597 section 5 forbids them in text.
 */

import { decodeBase64, decodeHex, encodeBase64, encodeHex } from './base-encoding.js';
import { formatBase32hex, parseBase32hex } from './base32hex.js';
import { readEntries, type Token } from './master-file-tokens.js';
import { type ResourceRecord, uncompressedRdata } from './message.js';
import { Name } from './name.js';
import {
  type DnskeyData,
  type DsData,
  encodeRdata,
  type Nsec3Parameters,
  parseRdata,
  type RecordData,
} from './record.js';
import { algorithmNumber, className, RRTYPE, typeName, typeNumber } from './rrtype.js';
import { formatTimestamp, parseTimestamp } from './timestamp.js';
import { concatBytes, quote, sameBytes, WireError } from './wire.js';

/** RDLENGTH has 16 bits. */
const MAX_RDATA_OCTETS = 65_535;

/** `example.com. 3600 IN MX 10 mail.example.com.` */
export function formatRecord(record: ResourceRecord): string {
  const { name, ttl, type, rdata } = record;
  return `${name.toAbsolute()} ${ttl} ${className(record.class)} ${typeName(type)} ${formatRdata(type, rdata)}`;
}

/** The RDATA in its type's form, or as `\# length hex`. Names are absolute, with their last dot. */
export function formatRdata(type: number, rdata: Uint8Array): string {
  try {
    // Without the blank in front of a last field that is empty.
    const text = formatData(parseRdata(likeType(type), rdata))?.trimEnd();
    if (text !== undefined && sameBytes(parseRdataText(type, text), rdata)) return text;
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
  }
  return rdata.length === 0 ? '\\# 0' : `\\# ${rdata.length} ${encodeHex(rdata)}`;
}

/** Types that are written like another: CDS, CDNSKEY (RFC 7344), SMIMEA (RFC 8162), HINFO (RFC 1035), SPF (RFC 7208). */
const SAME_FORM: ReadonlyMap<number | undefined, number> = new Map([
  [typeNumber('CDS'), RRTYPE.DS],
  [typeNumber('CDNSKEY'), RRTYPE.DNSKEY],
  [typeNumber('SMIMEA'), RRTYPE.TLSA],
  [typeNumber('HINFO'), RRTYPE.TXT],
  [typeNumber('SPF'), RRTYPE.TXT],
]);

function likeType(type: number): number {
  return SAME_FORM.get(type) ?? type;
}

function formatData(data: RecordData): string | undefined {
  switch (data.type) {
    case 'A':
    case 'AAAA':
      return data.address;
    case 'NS':
    case 'CNAME':
    case 'DNAME':
    case 'PTR':
      return data.target.toAbsolute();
    case 'SOA': {
      const { mname, rname, serial, refresh, retry, expire, minimum } = data;
      return `${mname.toAbsolute()} ${rname.toAbsolute()} ${serial} ${refresh} ${retry} ${expire} ${minimum}`;
    }
    case 'MX':
      return `${data.preference} ${data.exchange.toAbsolute()}`;
    case 'SRV':
      return `${data.priority} ${data.weight} ${data.port} ${data.target.toAbsolute()}`;
    case 'TXT':
      return data.strings.map(formatString).join(' ');
    case 'TLSA':
      return `${data.usage} ${data.selector} ${data.matchingType} ${encodeHex(data.data)}`;
    case 'DS':
      return `${data.keyTag} ${data.algorithm} ${data.digestType} ${encodeHex(data.digest)}`;
    case 'DNSKEY':
      return `${data.flags} ${data.protocol} ${data.algorithm} ${encodeBase64(data.publicKey)}`;
    case 'RRSIG':
      return [
        `${typeName(data.typeCovered)} ${data.algorithm} ${data.labels} ${data.originalTtl}`,
        `${formatTimestamp(data.expiration)} ${formatTimestamp(data.inception)} ${data.keyTag}`,
        `${data.signer.toAbsolute()} ${encodeBase64(data.signature)}`,
      ].join(' ');
    case 'NSEC':
      return [data.next.toAbsolute(), ...formatTypes(data.types)].join(' ');
    case 'NSEC3':
      return [formatNsec3Parameters(data), formatBase32hex(data.nextHashed), ...formatTypes(data.types)].join(
        ' ',
      );
    case 'NSEC3PARAM':
      return formatNsec3Parameters(data);
    case 'OPAQUE':
      return undefined;
    default: {
      const never: never = data;
      return never;
    }
  }
}

function formatNsec3Parameters(data: Nsec3Parameters): string {
  const salt = data.salt.length === 0 ? '-' : encodeHex(data.salt);
  return `${data.hashAlgorithm} ${data.flags} ${data.iterations} ${salt}`;
}

function formatTypes(types: ReadonlySet<number>): string[] {
  return [...types].sort((a, b) => a - b).map(typeName);
}

/** A character-string between quotes (RFC 1035 section 5.1). */
function formatString(octets: Uint8Array): string {
  let text = '';
  for (const octet of octets) {
    if (octet === 0x22 || octet === 0x5c) text += `\\${String.fromCharCode(octet)}`;
    else if (octet < 0x20 || octet > 0x7e) text += `\\${String(octet).padStart(3, '0')}`;
    else text += String.fromCharCode(octet);
  }
  return `"${text}"`;
}

/**
 * The RDATA that a text in presentation format stands for. Names without a last dot are absolute too.
 * @throws WireError where the text does not have the form of that type
 */
export function parseRdataText(type: number, text: string): Uint8Array {
  const [entry, ...more] = readEntries(text);
  if (more.length > 0) throw new WireError('RDATA in more than one line, without parentheses');
  return parseRdataTokens(type, entry?.tokens ?? [], Name.root);
}

/** The same, from the tokens of a master file's entry; names without a last dot are relative to `origin`. */
export function parseRdataTokens(type: number, tokens: readonly Token[], origin: Name): Uint8Array {
  const fields = new Fields(tokens, origin);
  const rdata = fields.isGeneric ? readGeneric(type, fields) : encodeRdata(readData(type, fields));
  fields.end();
  if (rdata.length > MAX_RDATA_OCTETS) throw new WireError(`RDATA of ${rdata.length} octets (65535 at most)`);
  return rdata;
}

/** RFC 3597 section 5: `\# length hex`. For a type that is known, the octets must be well-formed and uncompressed. */
function readGeneric(type: number, fields: Fields): Uint8Array {
  fields.text('\\#');
  const length = fields.integer('length of RDATA', MAX_RDATA_OCTETS);
  const rdata = fields.hex('RDATA');
  if (rdata.length !== length)
    throw new WireError(`RDATA of ${rdata.length} octets is said to have ${length}`);
  if (!sameBytes(uncompressedRdata(type, rdata), rdata))
    throw new WireError('compressed name in generic RDATA');
  return rdata;
}

function readData(type: number, fields: Fields): RecordData {
  switch (likeType(type)) {
    case RRTYPE.A:
      return { type: 'A', address: fields.text('IPv4 address') };
    case RRTYPE.AAAA:
      return { type: 'AAAA', address: fields.text('IPv6 address') };
    case RRTYPE.NS:
    case RRTYPE.CNAME:
    case RRTYPE.DNAME:
    case RRTYPE.PTR:
      return { type: 'CNAME', target: fields.name('target') };
    case RRTYPE.SOA:
      return {
        type: 'SOA',
        mname: fields.name('MNAME'),
        rname: fields.name('RNAME'),
        serial: fields.integer('serial', 0xffffffff),
        refresh: fields.seconds('refresh'),
        retry: fields.seconds('retry'),
        expire: fields.seconds('expire'),
        minimum: fields.seconds('minimum'),
      };
    case RRTYPE.MX:
      return {
        type: 'MX',
        preference: fields.integer('preference', 0xffff),
        exchange: fields.name('exchange'),
      };
    case RRTYPE.SRV:
      return {
        type: 'SRV',
        priority: fields.integer('priority', 0xffff),
        weight: fields.integer('weight', 0xffff),
        port: fields.integer('port', 0xffff),
        target: fields.name('target'),
      };
    case RRTYPE.TXT:
      return { type: 'TXT', strings: fields.strings() };
    case RRTYPE.TLSA:
      return {
        type: 'TLSA',
        usage: fields.mnemonicOr(TLSA_USAGES, 'certificate usage'),
        selector: fields.mnemonicOr(TLSA_SELECTORS, 'selector'),
        matchingType: fields.mnemonicOr(TLSA_MATCHING_TYPES, 'matching type'),
        data: fields.hex('certificate association data'),
      };
    case RRTYPE.DS:
      return readDs(fields);
    case RRTYPE.DNSKEY:
      return readDnskey(fields);
    case RRTYPE.RRSIG:
      return {
        type: 'RRSIG',
        typeCovered: fields.type('type covered'),
        algorithm: fields.algorithm(),
        labels: fields.integer('labels', 0xff),
        originalTtl: fields.seconds('original TTL'),
        expiration: parseTimestamp(fields.text('expiration')),
        inception: parseTimestamp(fields.text('inception')),
        keyTag: fields.integer('key tag', 0xffff),
        signer: fields.name("signer's name"),
        signature: fields.base64('signature'),
      };
    case RRTYPE.NSEC:
      return { type: 'NSEC', next: fields.name('next domain name'), types: fields.types() };
    case RRTYPE.NSEC3:
      return {
        type: 'NSEC3',
        ...readNsec3Parameters(fields),
        nextHashed: parseBase32hex(fields.text('next hashed owner name')),
        types: fields.types(),
      };
    case RRTYPE.NSEC3PARAM:
      return { type: 'NSEC3PARAM', ...readNsec3Parameters(fields) };
    default:
      throw new WireError(
        `no text form is known here for ${typeName(type)}: write it as \\# LENGTH HEX (RFC 3597)`,
      );
  }
}

function readDs(fields: Fields): DsData {
  return {
    type: 'DS',
    keyTag: fields.integer('key tag', 0xffff),
    algorithm: fields.algorithm(),
    digestType: fields.integer('digest type', 0xff),
    digest: fields.hex('digest'),
  };
}

function readDnskey(fields: Fields): DnskeyData {
  return {
    type: 'DNSKEY',
    flags: fields.integer('flags', 0xffff),
    protocol: fields.integer('protocol', 0xff),
    algorithm: fields.algorithm(),
    publicKey: fields.base64('public key'),
  };
}

function readNsec3Parameters(fields: Fields): Nsec3Parameters {
  const hashAlgorithm = fields.integer('hash algorithm', 0xff);
  const flags = fields.integer('flags', 0xff);
  const iterations = fields.integer('iterations', 0xffff);
  const salt = fields.text('salt');
  return {
    hashAlgorithm,
    flags,
    iterations,
    salt: salt === '-' ? new Uint8Array(0) : requireHex(salt, 'salt'),
  };
}

/** RFC 7218 section 2. */
const TLSA_USAGES = new Map([
  ['PKIX-TA', 0],
  ['PKIX-EE', 1],
  ['DANE-TA', 2],
  ['DANE-EE', 3],
  ['PRIVCERT', 255],
]);
const TLSA_SELECTORS = new Map([
  ['CERT', 0],
  ['SPKI', 1],
  ['PRIVSEL', 255],
]);
const TLSA_MATCHING_TYPES = new Map([
  ['FULL', 0],
  ['SHA2-256', 1],
  ['SHA2-512', 2],
  ['PRIVMATCH', 255],
]);

/** The tokens of one record's RDATA, read field by field from the left. */
class Fields {
  readonly #tokens: readonly Token[];
  readonly #origin: Name;
  #at = 0;

  constructor(tokens: readonly Token[], origin: Name) {
    this.#tokens = tokens;
    this.#origin = origin;
  }

  get isGeneric(): boolean {
    const first = this.#tokens[0];
    return first !== undefined && !first.quoted && first.text === '\\#';
  }

  text(what: string): string {
    const token = this.#tokens[this.#at++];
    if (token === undefined) throw new WireError(`${what} is missing`);
    return token.text;
  }

  name(what: string): Name {
    return parseName(this.text(what), this.#origin);
  }

  integer(what: string, largest: number): number {
    const text = this.text(what);
    const value = /^[0-9]{1,10}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value <= largest))
      throw new WireError(`${what} is ${quote(text)}, not a number from 0 to ${largest}`);
    return value;
  }

  seconds(what: string): number {
    const text = this.text(what);
    const value = parseSeconds(text);
    if (value === undefined) throw new WireError(`${what} is ${quote(text)}, not a time in seconds`);
    return value;
  }

  type(what: string): number {
    return requireTypeNumber(this.text(what), what);
  }

  algorithm(): number {
    const text = this.text('algorithm');
    const number = algorithmNumber(text);
    if (number === undefined) throw new WireError(`${quote(text)} is not a DNSSEC algorithm`);
    return number;
  }

  mnemonicOr(mnemonics: ReadonlyMap<string, number>, what: string): number {
    const known = mnemonics.get(this.#tokens[this.#at]?.text.toUpperCase() ?? '');
    if (known === undefined) return this.integer(what, 0xff);
    this.#at++;
    return known;
  }

  /** Everything that is left; white space within is allowed (RFC 4034 section 5.3). */
  hex(what: string): Uint8Array {
    return requireHex(this.#rest(), what);
  }

  base64(what: string): Uint8Array {
    const octets = decodeBase64(this.#rest());
    if (octets === undefined) throw new WireError(`${what} is not base64`);
    return octets;
  }

  types(): ReadonlySet<number> {
    const types = new Set<number>();
    while (this.#at < this.#tokens.length) types.add(this.type('type bit maps'));
    return types;
  }

  strings(): Uint8Array[] {
    const strings: Uint8Array[] = [];
    while (this.#at < this.#tokens.length) strings.push(parseString(this.text('string')));
    return strings;
  }

  end(): void {
    const token = this.#tokens[this.#at];
    if (token !== undefined) throw new WireError(`${quote(token.text)} after the end of the RDATA`);
  }

  #rest(): string {
    const from = this.#at;
    this.#at = this.#tokens.length;
    return this.#tokens
      .slice(from)
      .map((token) => token.text)
      .join('');
  }
}

function requireHex(text: string, what: string): Uint8Array {
  const octets = decodeHex(text);
  if (octets === undefined) throw new WireError(`${what} is not hexadecimal, or has an odd number of digits`);
  return octets;
}

export function requireTypeNumber(text: string, what: string): number {
  const number = typeNumber(text);
  if (number === undefined)
    throw new WireError(`${what}: ${quote(text)} is not a record type (a mnemonic or TYPEnnn)`);
  return number;
}

/** `@` is the origin, and a name without a last dot is relative to it (RFC 1035 section 5.1). */
export function parseName(text: string, origin: Name): Name {
  if (text === '@') return origin;
  const name = Name.parse(text);
  if (origin.isRoot || isAbsolute(text)) return name;
  return Name.fromLabels([...name.labels(), ...origin.labels()]);
}

/** Ends in a dot that no backslash escapes. */
function isAbsolute(text: string): boolean {
  const backslashes = /(\\*)\.$/.exec(text.slice(-256))?.[1];
  return backslashes !== undefined && backslashes.length % 2 === 0;
}

/** Seconds, or BIND's `1h30m`; undefined where it is neither or does not fit 32 bits. */
export function parseSeconds(text: string): number | undefined {
  if (/^[0-9]{1,10}$/.test(text)) return Number(text) <= 0xffffffff ? Number(text) : undefined;
  if (text.length > 32 || !/^(?:[0-9]+[smhdw])+$/i.test(text)) return undefined;
  let seconds = 0;
  for (const [, count, unit = 's'] of text.toLowerCase().matchAll(/([0-9]+)([smhdw])/g)) {
    seconds += Number(count) * (SECONDS.get(unit) ?? 1);
  }
  return seconds <= 0xffffffff ? seconds : undefined;
}

const SECONDS = new Map([
  ['s', 1],
  ['m', 60],
  ['h', 3_600],
  ['d', 86_400],
  ['w', 604_800],
]);

const ESCAPE = /\\(?:([0-9]{3})|([^0-9]))|\\/gu;
/** RFC 1035 section 3.3. */
const MAX_STRING_OCTETS = 255;

/** A character-string: `\DDD` and `\X` resolved, other characters as UTF-8. */
function parseString(text: string): Uint8Array {
  // An octet takes four characters at most: a longer text need not be read to know that it does not fit.
  if (text.length > MAX_STRING_OCTETS * 4)
    throw new WireError(`string of over ${MAX_STRING_OCTETS} octets: ${quote(text)}`);
  const encoder = new TextEncoder();
  const parts: Uint8Array[] = [];
  let from = 0;
  for (const match of text.matchAll(ESCAPE)) {
    const [whole, digits, character] = match;
    if (digits === undefined && character === undefined)
      throw new WireError(`bad escape in string ${quote(text)}`);
    if (Number(digits ?? 0) > 255) throw new WireError(`escape ${whole} is not an octet`);
    parts.push(encoder.encode(text.slice(from, match.index)));
    parts.push(digits === undefined ? encoder.encode(character) : Uint8Array.of(Number(digits)));
    from = match.index + whole.length;
  }
  parts.push(encoder.encode(text.slice(from)));
  return concatBytes(parts);
}
