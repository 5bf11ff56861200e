/**
 * The third part of a report: the message that it is about, or its header (RFC 3461 section 6.2, RFC 6522 section 3).
 *
 * A message with a UTF-8 header goes as message/global, in base64 where the report itself is ASCII (RFC 6533 section
 * 4.5); all others go as message/rfc822, in which no encoding but 8bit is allowed.
 */
import { isAscii } from 'node:buffer';
import { headerEnd } from '../acceptance/header-section.js';
import type { QueuedEnvelope } from '../queue/queue.js';

/** One part of the report: type, encoding, octets. */
export interface Part {
  readonly type: string;
  readonly encoding: '7bit' | '8bit' | 'base64' | 'quoted-printable';
  readonly octets: Uint8Array;
}

/** Octets that are returned whole where the sender asked for it (RET=FULL). */
export const MAX_FULL_OCTETS = 1024 * 1024;
/** The same where he did not say: enough to know the message again. */
export const MAX_UNASKED_OCTETS = 64 * 1024;
/** Octets of a header; what is longer is cut at the end of a line. */
const MAX_HEADER_OCTETS = 64 * 1024;

export interface ReturnedInput {
  readonly body: Uint8Array;
  readonly envelope: Pick<QueuedEnvelope, 'ret' | 'requireTls' | 'utf8Header'>;
  /** The report tells of a failure; others return the header only (RFC 3461 section 6.2). */
  readonly failed: boolean;
  /** The report may be UTF-8. */
  readonly wide: boolean;
}

export function returnedContent({ body, envelope, failed, wide }: ReturnedInput): Part {
  const { ret, requireTls, utf8Header } = envelope;
  const limit = ret === 'full' ? MAX_FULL_OCTETS : MAX_UNASKED_OCTETS;
  // RFC 8689 section 5: "the server MUST behave as if RET=HDRS was present".
  const whole = failed && !requireTls && ret !== 'hdrs' && body.length <= limit;
  const octets = whole ? body : headerOf(body);
  if (utf8Header) {
    const type = whole ? 'message/global' : 'message/global-headers';
    return { type, encoding: wide ? '8bit' : 'base64', octets };
  }
  const type = whole ? 'message/rfc822' : 'text/rfc822-headers';
  return { type, encoding: isAscii(octets) ? '7bit' : '8bit', octets };
}

function headerOf(body: Uint8Array): Uint8Array {
  const header = body.subarray(0, headerEnd(body));
  if (header.length <= MAX_HEADER_OCTETS) return header;
  return header.subarray(0, header.subarray(0, MAX_HEADER_OCTETS).lastIndexOf(0x0a) + 1);
}
