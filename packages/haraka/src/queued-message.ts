/**
 * A message as Haraka keeps it in its queue, and as it may be sent.
 *
 * Queue files hold the message ready for the wire: CRLF line ends, dots at the start of a line doubled (RFC 5321
 * section 4.5.2), no final dot. The dots are taken back here, as they are doubled again while the message is sent.
 */
import type { Readable } from 'node:stream';
import { type CheckedMessage, checkMessage } from '@danelaw/smtp';

const DOT = 0x2e;
const LF = 0x0a;

/** @throws (rejects) what the stream ends with; the signal's reason on abort */
export async function readMessage(stream: Readable, signal: AbortSignal): Promise<CheckedMessage> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) {
    signal.throwIfAborted();
    chunks.push(typeof chunk === 'string' ? Buffer.from(chunk) : chunk);
  }
  return checkMessage(withoutStuffing(Buffer.concat(chunks)));
}

/** Takes the first of the dots that a line begins with. */
export function withoutStuffing(octets: Uint8Array): Uint8Array {
  const plain = Buffer.alloc(octets.length);
  let length = 0;
  let previous = LF;
  for (const octet of octets) {
    if (octet === DOT && previous === LF) {
      // Only the dot that begins the line: the next one has a dot before it.
      previous = octet;
      continue;
    }
    plain[length] = octet;
    length += 1;
    previous = octet;
  }
  return plain.subarray(0, length);
}
