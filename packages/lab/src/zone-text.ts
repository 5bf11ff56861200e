/**
 * Zones written down as in a zone file (RFC 1035 section 5.1): one record a line, `owner [TTL] [IN] TYPE RDATA`.
 *
 * `@` is the zone's origin, names without a last dot are relative to it, in RDATA too. A zone that gives no SOA gets one.
 */
import { Name, RRTYPE, requireType, WireError } from '@danelaw/dns';
import { parseRdataText } from './rdata-text.js';
import { type Rrset, Zone } from './zone.js';

/** Seconds. Long enough that a cache is worth testing, short enough for a day of practice. */
export const DEFAULT_TTL = 3600;
/** Seconds that a denial may be kept: the SOA's MINIMUM (RFC 2308 section 5). */
export const NEGATIVE_TTL = 300;

/** @throws WireError, naming the line, where a line is no record */
export function parseZone(origin: string | Name, lines: readonly string[]): Zone {
  const apex = typeof origin === 'string' ? Name.parse(origin) : origin;
  const zone = new Zone(apex);
  for (const line of lines) zone.add(parseRecordLine(apex, line));
  if (zone.set(apex, RRTYPE.SOA) === undefined) {
    zone.add(parseRecordLine(apex, `@ SOA ns hostmaster 1 7200 900 1209600 ${NEGATIVE_TTL}`));
  }
  return zone;
}

/** One line as a set of one record. */
export function parseRecordLine(origin: Name, line: string): Rrset {
  try {
    const fields = /^(\S+)\s+(?:(\d+)\s+)?(?:IN\s+)?([A-Z][A-Z0-9]*)\s+(.*\S)\s*$/.exec(line);
    const [, owner, ttl, mnemonic, rdata] = fields ?? [];
    if (owner === undefined || mnemonic === undefined || rdata === undefined) {
      throw new WireError('a record is written as OWNER [TTL] [IN] TYPE RDATA');
    }
    const type = requireType(mnemonic);
    return {
      name: absoluteName(origin, owner),
      type,
      ttl: ttl === undefined ? DEFAULT_TTL : Number(ttl),
      rdatas: [parseRdataText(type, absoluteRdata(origin, type, rdata))],
    };
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    throw new WireError(`${error.message}, in the line "${line}" of the zone ${origin.toAbsolute()}`);
  }
}

/** A name as a zone file has it: `@`, relative, or absolute with its last dot. */
export function absoluteName(origin: Name, text: string): Name {
  if (text === '@') return origin;
  if (text.endsWith('.')) return Name.parse(text);
  return Name.parse(origin.isRoot ? text : `${text}.${origin.toString()}`);
}

/** Which of the fields of the RDATA are names. */
const NAME_FIELDS: ReadonlyMap<number, readonly number[]> = new Map([
  [RRTYPE.NS, [0]],
  [RRTYPE.CNAME, [0]],
  [RRTYPE.DNAME, [0]],
  [RRTYPE.PTR, [0]],
  [RRTYPE.SOA, [0, 1]],
  [RRTYPE.MX, [1]],
  [RRTYPE.SRV, [3]],
]);

function absoluteRdata(origin: Name, type: number, text: string): string {
  const names = NAME_FIELDS.get(type);
  if (names === undefined) return text;
  const fields = text.split(/\s+/);
  return fields
    .map((field, i) => (names.includes(i) ? absoluteName(origin, field).toAbsolute() : field))
    .join(' ');
}
