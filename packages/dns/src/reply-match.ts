/**
 * Whether a message is the reply to a query: the first line against forged answers (RFC 5452 section 9.1, RFC
 * 7766 section 7). Looks at octets alone, so that junk is thrown away before anything parses it.
 */
import { OPCODE, RCODE } from './rrtype.js';

const HEADER_OCTETS = 12;
/** Type and class, behind the name of a question. */
const QUESTION_TAIL_OCTETS = 4;

/**
 * True if `reply` is a response with the id, opcode and question of `query`. Letters of the name may differ
 * in case (RFC 4343). An error without any question is a reply too: some servers answer FORMERR so. And so
 * may any response to an update be (RFC 2136 section 3.8).
 */
export function isReplyTo(query: Uint8Array, reply: Uint8Array): boolean {
  if (reply.length < HEADER_OCTETS || query.length < HEADER_OCTETS) return false;
  if (reply[0] !== query[0] || reply[1] !== query[1]) return false;
  const flags = reply[2] ?? 0;
  if ((flags & 0x80) === 0 || ((flags ^ (query[2] ?? 0)) & 0x78) !== 0) return false;
  const questions = u16(reply, 4);
  if (questions === 0) return (flags & 0x78) === OPCODE.UPDATE << 3 || isErrorWithoutAnswer(reply);
  return questions === 1 && sameQuestion(query, reply);
}

function isErrorWithoutAnswer(reply: Uint8Array): boolean {
  const rcode = (reply[3] ?? 0) & 0xf;
  const isAnswer = rcode === RCODE.NOERROR || rcode === RCODE.NXDOMAIN || rcode === RCODE.YXDOMAIN;
  return !isAnswer && u16(reply, 6) === 0;
}

function sameQuestion(query: Uint8Array, reply: Uint8Array): boolean {
  const nameEnd = endOfName(query);
  const end = nameEnd + QUESTION_TAIL_OCTETS;
  if (nameEnd < 0 || end > query.length || end > reply.length) return false;
  // Length octets are under 64 and so never taken for letters.
  for (let at = HEADER_OCTETS; at < nameEnd; at++) if (lower(query[at]) !== lower(reply[at])) return false;
  for (let at = nameEnd; at < end; at++) if (query[at] !== reply[at]) return false;
  return true;
}

/** Behind the root label of the first question's name; -1 where it runs past the end or is compressed. */
function endOfName(message: Uint8Array): number {
  for (let at = HEADER_OCTETS; at < message.length; ) {
    const length = message[at] ?? 0;
    if (length === 0) return at + 1;
    if (length > 63) return -1;
    at += length + 1;
  }
  return -1;
}

function lower(octet = 0): number {
  return octet >= 0x41 && octet <= 0x5a ? octet + 0x20 : octet;
}

function u16(octets: Uint8Array, at: number): number {
  return ((octets[at] ?? 0) << 8) | (octets[at + 1] ?? 0);
}
