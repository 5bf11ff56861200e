/**
 * Answers as they are kept: small. An answer in the form that callers get takes about 1,700 octets of memory, nearly all of it
 * in the objects around a few octets of RDATA (a typed array of its own alone takes over 200). Kept are the octets, in
 * strings of one octet a character, and what is read from them is read again when the answer is used.
 */
import type { Alias, Answered } from './lookup.js';
import { parseRdata, requireType } from './record.js';

export interface PackedAnswer {
  /** All but the records. */
  readonly rest: Answered;
  readonly records: readonly PackedRecord[];
}

interface PackedRecord {
  readonly name: string;
  readonly type: string;
  readonly ttl: number;
  /** Octets as characters. */
  readonly rdata: string;
}

const NO_RECORDS: Answered['records'] = [];
const NO_ALIASES: readonly Alias[] = [];

/** Estimates, checked by the bench: map entry, key, times and the answer's own fields; each record; each alias. */
const ENTRY_OCTETS = 480;
const RECORD_OCTETS = 90;
const ALIAS_OCTETS = 120;

export function pack(lookup: Answered): PackedAnswer {
  const { name: asked, canonicalName, aliases } = lookup;
  // Equal strings are kept once.
  const shared = (name: string) => (name === asked ? asked : name === canonicalName ? canonicalName : name);
  return {
    rest: {
      ...lookup,
      canonicalName: shared(canonicalName),
      records: NO_RECORDS,
      aliases: aliases.length === 0 ? NO_ALIASES : aliases,
    },
    records: lookup.records.map(({ name, type, ttl, rdata }) => ({
      name: shared(name),
      type,
      ttl,
      rdata: asCharacters(rdata),
    })),
  };
}

/** Where RDATA is read as text: a view as Buffer of octets that few would cost ten times as much. */
const SCRATCH = Buffer.alloc(512);

function asCharacters(rdata: Uint8Array): string {
  const { length } = rdata;
  if (length > SCRATCH.length) return Buffer.from(rdata.buffer, rdata.byteOffset, length).toString('latin1');
  SCRATCH.set(rdata);
  return SCRATCH.toString('latin1', 0, length);
}

/** @param age seconds since it was packed */
export function unpack({ rest, records }: PackedAnswer, age: number): Answered {
  const left = (ttl: number) => Math.max(0, ttl - age);
  return {
    ...rest,
    ttl: left(rest.ttl),
    records: records.map(({ name, type, ttl, rdata: text }) => {
      const rdata = new Uint8Array(text.length);
      for (let i = 0; i < text.length; i++) rdata[i] = text.charCodeAt(i);
      return { name, type, ttl: left(ttl), data: parseRdata(requireType(type), rdata), rdata };
    }),
  };
}

/** Octets of memory, by estimate. */
export function weigh(key: string, { rest, records }: PackedAnswer): number {
  let octets = ENTRY_OCTETS + 3 * key.length + rest.aliases.length * ALIAS_OCTETS;
  for (const { rdata } of records) octets += RECORD_OCTETS + rdata.length;
  return octets;
}
