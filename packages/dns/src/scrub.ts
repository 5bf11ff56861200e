/** What a server may say: of its own zone, and of what it was asked. The rest is thrown away (RFC 5452 section 6). */
import type { Question, Tried } from './ask-server.js';
import { readReferral } from './delegation.js';
import type { Message, ResourceRecord } from './message.js';
import type { Name } from './name.js';
import { RCODE, RRTYPE } from './rrtype.js';

const DENIAL_TYPES: ReadonlySet<number> = new Set([RRTYPE.SOA, RRTYPE.NSEC, RRTYPE.NSEC3, RRTYPE.RRSIG]);

const ALIAS_TYPES: ReadonlySet<number> = new Set([RRTYPE.CNAME, RRTYPE.DNAME]);

/**
 * A reply that leads nowhere is a trouble of that server: neither an answer, nor a proof of absence, nor a way further down.
 * Such servers are lame: they were named for the zone and don't have it.
 */
export function unlessLame(message: Message, zone: Name, question: Question): Tried {
  const says =
    message.flags.aa ||
    message.answer.length > 0 ||
    message.rcode === RCODE.NXDOMAIN ||
    message.authority.some((record) => record.type === RRTYPE.SOA && record.name.isAtOrBelow(zone)) ||
    readReferral(message, zone, question.name) !== undefined;
  return says
    ? { kind: 'reply', message }
    : { kind: 'malformed', reason: `does not have the zone ${zone} (lame)` };
}

/**
 * The answer as far as the zone's server can speak for it. What stands at the end of an alias is left out, even where it
 * lies in the same zone: there may be a zone cut between, and it will be asked for by its own name.
 */
export function scrub(message: Message, zone: Name, question: Question): Message {
  const isWithin = (record: ResourceRecord) => record.name.isAtOrBelow(zone);
  const answer = message.answer.filter(
    (record) =>
      isWithin(record) && (record.name.equals(question.name) || isDnameAbove(record, message, question.name)),
  );
  // The SOA record, too, speaks of the end of an alias; the other denials may prove the alias itself (from a wildcard).
  const isAlias = question.type !== RRTYPE.CNAME && answer.some((record) => ALIAS_TYPES.has(record.type));
  const authority = message.authority.filter(
    (record) => isWithin(record) && DENIAL_TYPES.has(record.type) && !(isAlias && record.type === RRTYPE.SOA),
  );
  return { ...message, answer, authority, additional: [] };
}

/** A DNAME above the name, or its signature. */
function isDnameAbove(record: ResourceRecord, message: Message, name: Name): boolean {
  if (!name.isBelow(record.name)) return false;
  if (record.type === RRTYPE.DNAME) return true;
  const isSigned = message.answer.some(
    (other) => other.type === RRTYPE.DNAME && other.name.equals(record.name),
  );
  return record.type === RRTYPE.RRSIG && isSigned;
}
