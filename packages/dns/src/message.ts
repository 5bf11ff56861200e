/**
 * DNS messages (RFC 1035 section 4, EDNS of RFC 6891): parsed into records that keep their RDATA as octets, and written.
 *
 * Names inside RDATA are decompressed on reading for the types that RFC 3597 section 4 allows to be compressed, and for the
 * others whose names are signed in lower case; every other RDATA stays as it came. The octets are then what RFC 4034
 * section 6 calls the uncompressed form, ready to be put under a signature check.
 */
import { MAX_LABEL_OCTETS, MAX_NAME_OCTETS, Name } from './name.js';
import { CLASS_IN, RRTYPE, typeNumber } from './rrtype.js';
import { Cursor, concatBytes, WireError } from './wire.js';

/** A whole message; TCP's length prefix allows no more. */
export const MAX_MESSAGE_OCTETS = 65_535;
/** Records read of one message; 65,535 octets can hold about 5,900 empty ones, real answers hold under a hundred. */
export const MAX_RECORDS = 2_000;

export interface Question {
  readonly name: Name;
  readonly type: number;
  readonly class: number;
}

export interface ResourceRecord {
  readonly name: Name;
  readonly type: number;
  readonly class: number;
  /** Seconds; values with the top bit set are read as 0 (RFC 2181 section 8). */
  readonly ttl: number;
  /** Decompressed. */
  readonly rdata: Uint8Array;
}

export interface Flags {
  readonly qr: boolean;
  readonly aa: boolean;
  readonly tc: boolean;
  readonly rd: boolean;
  readonly ra: boolean;
  readonly ad: boolean;
  readonly cd: boolean;
}

export interface EdnsOption {
  readonly code: number;
  readonly data: Uint8Array;
}

export interface Edns {
  readonly udpSize: number;
  readonly version: number;
  readonly do: boolean;
  readonly options: readonly EdnsOption[];
}

export interface Message {
  readonly id: number;
  readonly opcode: number;
  readonly flags: Flags;
  /** Extended by EDNS where there is one: 12 bits. */
  readonly rcode: number;
  readonly questions: readonly Question[];
  readonly answer: readonly ResourceRecord[];
  readonly authority: readonly ResourceRecord[];
  /** Without the OPT record, which is `edns`. */
  readonly additional: readonly ResourceRecord[];
  readonly edns?: Edns;
}

/**
 * @param asked the name of the question, if it is known: where it comes in the same letters, it need not be read again
 * @throws WireError where the octets are not a DNS message, or cross a bound
 */
export function parseMessage(bytes: Uint8Array, asked?: Name): Message {
  if (bytes.length > MAX_MESSAGE_OCTETS) throw new WireError(`message of ${bytes.length} octets`);
  const cursor = new Cursor(bytes);
  const id = cursor.u16();
  const bits = cursor.u16();
  const questionCount = cursor.u16();
  const answerCount = cursor.u16();
  const authorityCount = cursor.u16();
  const additionalCount = cursor.u16();
  if (questionCount > 1) throw new WireError(`${questionCount} questions in one message`);
  if (answerCount + authorityCount + additionalCount > MAX_RECORDS)
    throw new WireError(`more than ${MAX_RECORDS} records in one message`);
  const names = new OwnerNames(cursor);
  const questions =
    questionCount === 0 ? [] : [{ name: names.readAsked(asked), type: cursor.u16(), class: cursor.u16() }];
  const answer = readSection(cursor, answerCount, names);
  const authority = readSection(cursor, authorityCount, names);
  const additional = readSection(cursor, additionalCount, names);
  const opt = onlyOpt(additional);
  const extended = opt === undefined ? 0 : ((opt.ttl >>> 24) & 0xff) << 4;
  const message = {
    id,
    opcode: (bits >> 11) & 0xf,
    flags: {
      qr: (bits & 0x8000) !== 0,
      aa: (bits & 0x0400) !== 0,
      tc: (bits & 0x0200) !== 0,
      rd: (bits & 0x0100) !== 0,
      ra: (bits & 0x0080) !== 0,
      ad: (bits & 0x0020) !== 0,
      cd: (bits & 0x0010) !== 0,
    },
    rcode: (bits & 0xf) | extended,
    questions,
    answer,
    authority,
    additional: withoutOpt(additional, opt),
  };
  return opt === undefined ? message : { ...message, edns: readEdns(opt) };
}

function onlyOpt(additional: readonly ResourceRecord[]): ResourceRecord | undefined {
  let opt: ResourceRecord | undefined;
  for (const record of additional) {
    if (record.type !== RRTYPE.OPT) continue;
    if (opt !== undefined) throw new WireError('more than one OPT record (RFC 6891 section 6.1.1)');
    opt = record;
  }
  return opt;
}

function withoutOpt(
  additional: readonly ResourceRecord[],
  opt: ResourceRecord | undefined,
): readonly ResourceRecord[] {
  if (opt === undefined) return additional;
  return additional.length === 1 ? NO_RECORDS : additional.filter((record) => record !== opt);
}

/** Owners that are remembered of one message. */
const MAX_OWNER_NAMES = 16;

/** The owners of an answer are mostly one name, pointed to: those that were read first are found by the octet at which they begin. */
class OwnerNames {
  readonly #cursor: Cursor;
  readonly #offsets: number[] = [];
  readonly #names: Name[] = [];

  constructor(cursor: Cursor) {
    this.#cursor = cursor;
  }

  read(): Name {
    const cursor = this.#cursor;
    const { bytes, offset } = cursor;
    const octet = bytes[offset] ?? 0;
    if (octet >= 0xc0 && cursor.remaining >= 2) {
      const known = this.#offsets.indexOf(((octet & 0x3f) << 8) | (bytes[offset + 1] ?? 0));
      const name = known < 0 ? undefined : this.#names[known];
      if (name !== undefined) {
        cursor.offset += 2;
        return name;
      }
    }
    return this.#remember(offset, Name.read(cursor));
  }

  readAsked(asked: Name | undefined): Name {
    const cursor = this.#cursor;
    const { bytes, offset } = cursor;
    if (asked === undefined || !startsWith(bytes, offset, asked.wire)) return this.read();
    cursor.offset += asked.wire.length;
    return this.#remember(offset, asked);
  }

  #remember(offset: number, name: Name): Name {
    if (this.#names.length < MAX_OWNER_NAMES) {
      this.#offsets.push(offset);
      this.#names.push(name);
    }
    return name;
  }
}

function startsWith(bytes: Uint8Array, at: number, beginning: Uint8Array): boolean {
  if (bytes.length - at < beginning.length) return false;
  for (let i = 0; i < beginning.length; i++) if (bytes[at + i] !== beginning[i]) return false;
  return true;
}

const NO_RECORDS: readonly ResourceRecord[] = [];
const NO_OCTETS = new Uint8Array(0);

function readSection(cursor: Cursor, count: number, names: OwnerNames): readonly ResourceRecord[] {
  if (count === 0) return NO_RECORDS;
  const records: ResourceRecord[] = [];
  for (let i = 0; i < count; i++) {
    const name = names.read();
    const type = cursor.u16();
    const rrclass = cursor.u16();
    const ttl = cursor.u32();
    const length = cursor.u16();
    if (length > cursor.remaining) throw new WireError(`RDATA of ${length} octets runs past the message`);
    const end = cursor.offset + length;
    const rdata = decompressRdata(type, cursor.bytes, cursor.offset, end);
    cursor.offset = end;
    // OPT puts flags where others have the TTL (RFC 6891 section 6.1.3).
    const seconds = type !== RRTYPE.OPT && ttl > 0x7fffffff ? 0 : ttl;
    records.push({ name, type, class: rrclass, ttl: seconds, rdata });
  }
  return records;
}

/** Where names stand in RDATA: octets before, character-strings before, names, octets after. */
export interface NameLayout {
  readonly before: number;
  readonly strings?: number;
  readonly names: number;
}

/**
 * The types of RFC 4034 section 6.2 (whose names are put into lower case), which are also those that may carry compressed
 * names; and NSEC. Types that RFC 1035 made and nobody uses any more are among them: zones still may have them.
 */
const NAMES_IN_RDATA: ReadonlyMap<number, NameLayout> = new Map<number, NameLayout>([
  [RRTYPE.NS, { before: 0, names: 1 }],
  [RRTYPE.CNAME, { before: 0, names: 1 }],
  [RRTYPE.DNAME, { before: 0, names: 1 }],
  [RRTYPE.PTR, { before: 0, names: 1 }],
  [RRTYPE.SOA, { before: 0, names: 2 }],
  [RRTYPE.MX, { before: 2, names: 1 }],
  [RRTYPE.SRV, { before: 6, names: 1 }],
  [RRTYPE.RRSIG, { before: 18, names: 1 }],
  [RRTYPE.NSEC, { before: 0, names: 1 }],
  ...['MD', 'MF', 'MB', 'MG', 'MR', 'NXT'].map((type) => [oldType(type), { before: 0, names: 1 }] as const),
  ...['MINFO', 'RP'].map((type) => [oldType(type), { before: 0, names: 2 }] as const),
  ...['AFSDB', 'RT', 'KX'].map((type) => [oldType(type), { before: 2, names: 1 }] as const),
  [oldType('PX'), { before: 2, names: 2 }],
  [oldType('SIG'), { before: 18, names: 1 }],
  [oldType('NAPTR'), { before: 4, strings: 3, names: 1 }],
]);

function oldType(mnemonic: string): number {
  const number = typeNumber(mnemonic);
  if (number === undefined) throw new Error(`no type ${mnemonic}`);
  return number;
}

function decompressRdata(type: number, bytes: Uint8Array, start: number, end: number): Uint8Array {
  if (start === end) return NO_OCTETS;
  const layout = NAMES_IN_RDATA.get(type);
  if (layout === undefined) return bytes.subarray(start, end);
  const namesStart = start + beforeNames(layout, bytes, start, end);
  if (!hasPointer(bytes, namesStart, end, layout.names)) return bytes.subarray(start, end);
  const cursor = new Cursor(bytes, start, end);
  const parts: Uint8Array[] = [cursor.take(namesStart - start)];
  for (let i = 0; i < layout.names; i++) parts.push(Name.read(cursor).wire);
  parts.push(cursor.rest());
  return concatBytes(parts);
}

/** Octets in front of the names; past the end where the RDATA is cut off. */
function beforeNames(layout: NameLayout, bytes: Uint8Array, start: number, end: number): number {
  let at = start + layout.before;
  for (let left = layout.strings ?? 0; left > 0; left--) at += at < end ? (bytes[at] ?? 0) + 1 : 1;
  return at - start;
}

/** False only where that many names stand there whole and within their limits: the octets are then uncompressed already. */
function hasPointer(bytes: Uint8Array, start: number, end: number, names: number): boolean {
  let at = start;
  for (let left = names; left > 0; left--) {
    const nameStart = at;
    for (let length = -1; length !== 0; at += length + 1) {
      length = at < end ? (bytes[at] ?? 0) : 0xff;
      if (length > MAX_LABEL_OCTETS) return true;
    }
    if (at - nameStart > MAX_NAME_OCTETS) return true;
  }
  return at > end;
}

/** RDATA that stands alone, its compressed names (which could only point into itself) written out. */
export function uncompressedRdata(type: number, rdata: Uint8Array): Uint8Array {
  return decompressRdata(type, rdata, 0, rdata.length);
}

/**
 * The names' place is needed once more, to put them into lower case (RFC 4034 section 6.2, RFC 6840 section 5.1).
 * @returns undefined for types without such names
 */
export function namesInRdata(
  type: number,
  rdata: Uint8Array,
): { readonly before: number; readonly names: number } | undefined {
  const layout = NAMES_IN_RDATA.get(type);
  if (layout === undefined) return undefined;
  return { before: beforeNames(layout, rdata, 0, rdata.length), names: layout.names };
}

function readEdns(opt: ResourceRecord): Edns {
  const options = opt.rdata.length === 0 ? NO_OPTIONS : readOptions(opt.rdata);
  return { udpSize: opt.class, version: (opt.ttl >>> 16) & 0xff, do: (opt.ttl & 0x8000) !== 0, options };
}

const NO_OPTIONS: readonly EdnsOption[] = [];

function readOptions(rdata: Uint8Array): EdnsOption[] {
  const cursor = new Cursor(rdata);
  const options: EdnsOption[] = [];
  while (cursor.remaining > 0) options.push({ code: cursor.u16(), data: cursor.take(cursor.u16()) });
  return options;
}

export interface QueryOptions {
  readonly id: number;
  readonly name: Name;
  readonly type: number;
  readonly rd?: boolean;
  readonly cd?: boolean;
  readonly ad?: boolean;
  /** Adds an OPT record; `do` asks for DNSSEC records (RFC 3225). */
  readonly edns?: Edns;
}

const HEADER_OCTETS = 12;
/** Type and class, behind a question's name. */
const QUESTION_TAIL_OCTETS = 4;
/** The root's name, type, class, TTL and length, before an OPT record's options. */
const OPT_HEAD_OCTETS = 11;

/** A query for one name and type in class IN. Written at one go: there is nothing to compress in it. */
export function encodeQuery(query: QueryOptions): Uint8Array {
  const { name, edns } = query;
  const flags = (query.rd ? 0x0100 : 0) | (query.ad ? 0x0020 : 0) | (query.cd ? 0x0010 : 0);
  const opt = edns === undefined ? undefined : encodeEdns(edns, 0);
  const nameEnd = HEADER_OCTETS + name.wire.length;
  const questionEnd = nameEnd + QUESTION_TAIL_OCTETS;
  const optOctets = opt === undefined ? 0 : OPT_HEAD_OCTETS + opt.rdata.length;
  const octets = new Uint8Array(questionEnd + optOctets);
  put16(octets, 0, query.id);
  put16(octets, 2, flags);
  put16(octets, 4, 1);
  put16(octets, 10, opt === undefined ? 0 : 1);
  octets.set(name.wire, HEADER_OCTETS);
  put16(octets, nameEnd, query.type);
  put16(octets, nameEnd + 2, CLASS_IN);
  if (opt !== undefined) {
    put16(octets, questionEnd + 1, opt.type);
    put16(octets, questionEnd + 3, opt.class);
    put16(octets, questionEnd + 5, Math.floor(opt.ttl / 0x10000));
    put16(octets, questionEnd + 7, opt.ttl & 0xffff);
    put16(octets, questionEnd + 9, opt.rdata.length);
    octets.set(opt.rdata, questionEnd + OPT_HEAD_OCTETS);
  }
  return octets;
}

function put16(octets: Uint8Array, at: number, value: number): void {
  octets[at] = (value >> 8) & 0xff;
  octets[at + 1] = value & 0xff;
}

/**
 * Writes a message; owner names are compressed, names in RDATA are not.
 * @throws WireError where it would be over 65,535 octets
 */
export function encodeMessage(message: Message): Uint8Array {
  const writer = new MessageWriter();
  const { flags } = message;
  writer.u16(message.id);
  writer.u16(
    (flags.qr ? 0x8000 : 0) |
      ((message.opcode & 0xf) << 11) |
      (flags.aa ? 0x0400 : 0) |
      (flags.tc ? 0x0200 : 0) |
      (flags.rd ? 0x0100 : 0) |
      (flags.ra ? 0x0080 : 0) |
      (flags.ad ? 0x0020 : 0) |
      (flags.cd ? 0x0010 : 0) |
      (message.rcode & 0xf),
  );
  writer.u16(message.questions.length);
  writer.u16(message.answer.length);
  writer.u16(message.authority.length);
  writer.u16(message.additional.length + (message.edns === undefined ? 0 : 1));
  for (const question of message.questions) {
    writer.name(question.name);
    writer.u16(question.type);
    writer.u16(question.class);
  }
  for (const section of [message.answer, message.authority, message.additional]) {
    for (const record of section) writer.record(record);
  }
  if (message.edns !== undefined) writer.record(encodeEdns(message.edns, message.rcode));
  return writer.finish();
}

function encodeEdns(edns: Edns, rcode: number): ResourceRecord {
  const rdata = edns.options.length === 0 ? NO_OCTETS : encodeOptions(edns.options);
  const ttl = (rcode >>> 4) * 0x1000000 + edns.version * 0x10000 + (edns.do ? 0x8000 : 0);
  return { name: Name.root, type: RRTYPE.OPT, class: edns.udpSize, ttl, rdata };
}

function encodeOptions(options: readonly EdnsOption[]): Uint8Array {
  const parts = options.flatMap(({ code, data }) => [
    Uint8Array.of(code >> 8, code & 0xff, data.length >> 8, data.length & 0xff),
    data,
  ]);
  return concatBytes(parts);
}

class MessageWriter {
  #bytes = new Uint8Array(512);
  #length = 0;
  readonly #offsets = new Map<string, number>();

  #reserve(count: number): void {
    const wanted = this.#length + count;
    if (wanted > MAX_MESSAGE_OCTETS) throw new WireError(`message of over ${MAX_MESSAGE_OCTETS} octets`);
    if (wanted <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(wanted, this.#bytes.length * 2));
    larger.set(this.#bytes);
    this.#bytes = larger;
  }

  u16(value: number): void {
    this.#reserve(2);
    this.#bytes[this.#length++] = (value >> 8) & 0xff;
    this.#bytes[this.#length++] = value & 0xff;
  }

  octets(octets: Uint8Array): void {
    this.#reserve(octets.length);
    this.#bytes.set(octets, this.#length);
    this.#length += octets.length;
  }

  /** With compression (RFC 1035 section 4.1.4), letters of the first use kept. */
  name(name: Name): void {
    for (let rest = name; ; rest = rest.parent()) {
      if (rest.isRoot) {
        this.octets(Uint8Array.of(0));
        return;
      }
      const known = this.#offsets.get(rest.key);
      if (known !== undefined) {
        this.u16(0xc000 | known);
        return;
      }
      if (this.#length < 0x4000) this.#offsets.set(rest.key, this.#length);
      this.octets(rest.wire.subarray(0, (rest.wire[0] ?? 0) + 1));
    }
  }

  record(record: ResourceRecord): void {
    this.name(record.name);
    this.u16(record.type);
    this.u16(record.class);
    this.u16(Math.floor(record.ttl / 0x10000));
    this.u16(record.ttl & 0xffff);
    this.u16(record.rdata.length);
    this.octets(record.rdata);
  }

  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }
}
