/**
 * Trust anchors (RFC 4033 section 2): DS or DNSKEY records that are believed without proof, from which every chain of trust
 * begins. Read from the lines that `dig`, `unbound-anchor`, BIND and Debian's dns-root-data write.
 */
import { parseRecords } from './master-file.js';
import type { ResourceRecord } from './message.js';
import type { Name } from './name.js';
import { type DnskeyData, type DsData, parseRdata } from './record.js';
import { ROOT_DS } from './root-anchors.js';
import { CLASS_IN, RRTYPE, typeName } from './rrtype.js';
import { WireError } from './wire.js';

export interface TrustAnchor {
  /** The zone that the anchor speaks for. */
  readonly name: Name;
  readonly data: DsData | DnskeyData;
  readonly rdata: Uint8Array;
}

/** RFC 4034 section 2.1.1: the key may sign a zone. */
const ZONE_KEY = 0x0100;
/** RFC 5011 section 2.1: the key must never be trusted again. */
const REVOKED = 0x0080;
/** RFC 4034 section 2.1.2: the only value there is. */
const DNSSEC_PROTOCOL = 3;

/** SHA-1, SHA-256, SHA-384 (RFC 4034, 4509, 6605). */
const DIGEST_OCTETS: ReadonlyMap<number, number> = new Map([
  [1, 20],
  [2, 32],
  [4, 48],
]);

/** The root's keys 20326 and 38696, by their digests. */
export function rootTrustAnchors(): TrustAnchor[] {
  return parseTrustAnchors(ROOT_DS);
}

/**
 * Reads DS and DNSKEY records in presentation format, TTL and class optional, or BIND's `trust-anchors`, `managed-keys` and
 * `trusted-keys` statements. Other records are refused: an anchor that is misspelt must not be an anchor less.
 *
 * @throws WireError that says which line or record, where one is malformed or can't serve as an anchor, or there is none
 */
export function parseTrustAnchors(input: string | readonly string[]): TrustAnchor[] {
  const text = typeof input === 'string' ? input : input.join('\n');
  const anchors = parseRecords(isBindStatement(text) ? fromBind(text) : text).map(toAnchor);
  if (anchors.length === 0) throw new WireError('no trust anchor in the text: expected DS or DNSKEY records');
  return anchors;
}

function toAnchor(record: ResourceRecord): TrustAnchor {
  const { name, rdata } = record;
  const data = parseRdata(record.type, rdata);
  if (record.class !== CLASS_IN) throw new WireError(`trust anchor for ${name} is not of class IN`);
  switch (data.type) {
    case 'DS':
      if (data.digest.length !== (DIGEST_OCTETS.get(data.digestType) ?? data.digest.length)) {
        throw new WireError(`trust anchor for ${name} has a digest of ${data.digest.length} octets`);
      }
      return { name, data, rdata };
    case 'DNSKEY':
      if ((data.flags & REVOKED) !== 0)
        throw new WireError(`trust anchor for ${name} is a revoked key (RFC 5011)`);
      if ((data.flags & ZONE_KEY) === 0)
        throw new WireError(`trust anchor for ${name} is not a zone key (flags ${data.flags})`);
      if (data.protocol !== DNSSEC_PROTOCOL)
        throw new WireError(`trust anchor for ${name} has protocol ${data.protocol}, not 3`);
      return { name, data, rdata };
    default:
      throw new WireError(
        `${typeName(record.type)} record of ${name} is no trust anchor: only DS and DNSKEY are`,
      );
  }
}

const BIND_STATEMENT = /^\s*(trust-anchors|managed-keys|trusted-keys)\s*\{/m;
/** A key has under a thousand characters; more than a hundred anchors are not expected in one statement. */
const MAX_BIND_CHARACTERS = 64 * 1024;
const BIND_COMMENT = /\/\*[\s\S]*?\*\/|(?:\/\/|#).*/g;
/** One anchor: name, kind (absent in `trusted-keys`), three numbers, the digest or key in one or more strings. */
const BIND_ANCHOR =
  /^\s*"?([^\s";{}]+)"?\s+(?:(initial-key|static-key|initial-ds|static-ds)\s+)?(\d+)\s+(\d+)\s+(\d+)\s+((?:"[^"]*"\s*)+)$/;

function isBindStatement(text: string): boolean {
  return BIND_STATEMENT.test(text);
}

/** BIND's statements as lines of a master file. */
function fromBind(text: string): string {
  if (text.length > MAX_BIND_CHARACTERS) throw new WireError(`trust anchors of ${text.length} characters`);
  const lines: string[] = [];
  // Base64 holds "//" and "#" is in no string: comments are only looked for outside of strings.
  const parts = text.split(/("[^"]*")/);
  const clean = parts.map((part, i) => (i % 2 === 0 ? part.replaceAll(BIND_COMMENT, ' ') : part)).join('');
  for (const part of clean.split(/[;{}]/)) {
    const statement = part.trim();
    if (statement === '' || /^(trust-anchors|managed-keys|trusted-keys)$/.test(statement)) continue;
    const [, name, kind, first, second, third, strings] = BIND_ANCHOR.exec(statement) ?? [];
    if (strings === undefined)
      throw new WireError(`"${statement.slice(0, 60)}" is not a trust anchor of BIND's`);
    const type = kind?.endsWith('-ds') ? RRTYPE.DS : RRTYPE.DNSKEY;
    lines.push(`${name} ${typeName(type)} ${first} ${second} ${third} ${strings.replaceAll('"', ' ')}`);
  }
  return lines.join('\n');
}
