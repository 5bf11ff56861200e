/**
 * Zones written down as in a zone file (RFC 1035 section 5.1): one record a line, `owner [TTL] [IN] TYPE
 * RDATA`.
 *
 * `@` is the zone's origin, names without a last dot are relative to it, in RDATA too. A zone that gives no
 * SOA gets one.
 */
import { Name, parseRecordText, RRTYPE } from '@danelaw/dns';
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
  const { name, type, ttl, rdata } = parseRecordText(line, { origin, defaultTtl: DEFAULT_TTL });
  return { name, type, ttl, rdatas: [rdata] };
}
