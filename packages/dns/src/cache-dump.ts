/**
 * The cache as text, so that a restart starts warm: one JSON object a line, the first says under which trust anchors and
 * whose trust the rest was learned. Lines that are not understood are left out, never an error: a cache is no archive.
 *
 * The file is as trustworthy as the program's other state: whoever can write it can say what is secure. Keep it where only
 * the program can.
 */
import type { Kept } from './cache.js';
import type { Alias, Answered, AnswerRecord } from './lookup.js';
import { parseRdata } from './record.js';
import { typeNumber } from './rrtype.js';
import { WireError } from './wire.js';

/** Changes when older programs could no longer read what is written. */
const FORMAT = 'danelaw-dns-cache-1';
/** Lines read; a cache of 64 MiB holds about 100,000 answers. */
const MAX_LINES = 500_000;

export type KeptAnswer = readonly [key: string, kept: Kept];

/** @param origin what the answers rest on; a dump is read only where it is the same */
export function writeDump(origin: string, answers: Iterable<KeptAnswer>): string {
  const lines = [JSON.stringify({ format: FORMAT, origin })];
  for (const [key, { lookup, stored, expires }] of answers) {
    const records = lookup.records.map(({ name, type, ttl, rdata }) => [name, type, ttl, base64(rdata)]);
    const { chain, ...plain } = lookup;
    lines.push(JSON.stringify({ key, stored, expires, lookup: { ...plain, records } }));
  }
  return `${lines.join('\n')}\n`;
}

export function readDump(origin: string, dump: string): KeptAnswer[] {
  const [first = '', ...lines] = dump.split('\n', MAX_LINES);
  const head = readJson(first);
  if (!isObject(head) || head['format'] !== FORMAT || head['origin'] !== origin) return [];
  return lines.flatMap((line) => {
    const answer = readLine(readJson(line));
    return answer === undefined ? [] : [answer];
  });
}

function readLine(line: unknown): KeptAnswer | undefined {
  if (!isObject(line) || !isObject(line['lookup'])) return undefined;
  const { key, stored, expires } = line;
  if (typeof key !== 'string' || !isTime(stored) || !isTime(expires)) return undefined;
  const lookup = readLookup(line['lookup']);
  return lookup === undefined ? undefined : [key, { lookup, stored, expires }];
}

function readLookup(plain: Readonly<Record<string, unknown>>): Answered | undefined {
  const { name, type, status, rcode, reason, canonicalName, ttl } = plain;
  const aliases = readAll(plain['aliases'], readAlias);
  const records = readAll(plain['records'], readRecord);
  const isText = typeof name === 'string' && typeof type === 'string' && typeof canonicalName === 'string';
  if (!isText || !isTime(ttl) || aliases === undefined || records === undefined) return undefined;
  if (rcode !== 'NOERROR' && rcode !== 'NXDOMAIN') return undefined;
  const answer = { name, type, rcode, records, aliases, canonicalName, ttl, chain: [] } as const;
  if (status === 'secure') return { status, ...answer };
  return status === 'insecure' && typeof reason === 'string' ? { status, reason, ...answer } : undefined;
}

function readAlias(plain: unknown): Alias | undefined {
  if (!isObject(plain)) return undefined;
  const { from, to, status } = plain;
  if (typeof from !== 'string' || typeof to !== 'string') return undefined;
  return status === 'secure' || status === 'insecure' ? { from, to, status } : undefined;
}

function readRecord(plain: unknown): AnswerRecord | undefined {
  if (!Array.isArray(plain)) return undefined;
  const [name, type, ttl, octets]: unknown[] = plain;
  if (typeof name !== 'string' || typeof type !== 'string' || !isTime(ttl) || typeof octets !== 'string')
    return undefined;
  const number = typeNumber(type);
  if (number === undefined) return undefined;
  const rdata = new Uint8Array(Buffer.from(octets, 'base64'));
  try {
    return { name, type, ttl, data: parseRdata(number, rdata), rdata };
  } catch (error) {
    if (error instanceof WireError) return undefined;
    throw error;
  }
}

/** All or nothing: half an RRset would be another one. */
function readAll<T>(list: unknown, read: (item: unknown) => T | undefined): T[] | undefined {
  if (!Array.isArray(list)) return undefined;
  const items = list.map(read);
  return items.every((item) => item !== undefined) ? items : undefined;
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}

function base64(octets: Uint8Array): string {
  return Buffer.from(octets.buffer, octets.byteOffset, octets.length).toString('base64');
}
