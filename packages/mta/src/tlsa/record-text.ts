/**
 * TLSA records as the text that goes into a zone: in their own form (RFC 6698 section 2.2), in the form for software that does
 * not know them (RFC 3597 section 5), and as commands for nsupdate (RFC 2136).
 */
import { formatTlsa, type TlsaParameters, type TlsaRecord } from '@danelaw/dane';
import { RRTYPE } from '@danelaw/dns';

export interface RecordOwner {
  /** `_25._tcp.mx.example.org`, without a dot at the end. */
  readonly name: string;
  /** Seconds; the zone's own where it is absent. */
  readonly ttl?: number;
}

/** RFC 7672 section 2.2.3, RFC 6698 section 3. */
export function tlsaName(host: string, port: number): string {
  return `_${port}._tcp.${host}`;
}

export function zoneLine(owner: RecordOwner, record: TlsaRecord): string {
  return `${start(owner)} TLSA ${formatTlsa(record)}`;
}

/** RFC 3597 section 5: `TYPE52 \# 35 ...`. */
export function genericLine(owner: RecordOwner, { usage, selector, matchingType, data }: TlsaRecord): string {
  const rdata = Buffer.concat([Uint8Array.of(usage, selector, matchingType), data]);
  return `${start(owner)} TYPE${RRTYPE.TLSA} \\# ${rdata.length} ${rdata.toString('hex')}`;
}

const start = ({ name, ttl }: RecordOwner): string => `${name}. ${ttl === undefined ? '' : `${ttl} `}IN`;

/** What `formatTlsa` gave. */
export function recordOf(text: string): TlsaRecord {
  const [usage, selector, matchingType, data = ''] = text.split(' ');
  return {
    usage: Number(usage),
    selector: Number(selector),
    matchingType: Number(matchingType),
    data: Buffer.from(data, 'hex'),
  };
}

/** Of a record that matched something, and so can be used. */
export function parametersOf(record: TlsaRecord): TlsaParameters {
  const { selector, matchingType } = record;
  return {
    usage: record.usage === 2 ? 2 : 3,
    selector: selector === 0 ? 0 : 1,
    matchingType: matchingType === 0 || matchingType === 2 ? matchingType : 1,
  };
}

/** `3 1 1`, of those that senders of mail go by: others match nothing, ever (RFC 7672 section 3.1.3). */
export function combinationsIn(records: readonly string[]): readonly string[] {
  const all = records.map((record) => record.split(' ', 3).join(' '));
  return [...new Set(all)].filter((each) => /^[23] [01] [012]$/u.test(each));
}

/** Seconds. An update has to say one; an hour is short enough to change a key within a morning. */
export const DEFAULT_TTL = 3600;

/** Adds and deletes nothing: what is there stays beside it, as a roll-over needs (RFC 7671 section 8.1). */
export function nsupdateScript(
  { name, ttl = DEFAULT_TTL }: RecordOwner,
  records: readonly TlsaRecord[],
): string {
  const lines = records.map((record) => `update add ${zoneLine({ name, ttl }, record)}`);
  return [...lines, 'send', ''].join('\n');
}
