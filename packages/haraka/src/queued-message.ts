/**
 * A message as Haraka keeps it in its queue, and as it may be sent.
 *
 * Queue files hold the message ready for the wire: CRLF line ends, dots at the start of a line doubled (RFC 5321
 * section 4.5.2), no final dot. The dots are taken back here, as they are doubled again while the message is sent.
 */
import type { Readable } from 'node:stream';
import { type CheckedMessage, checkMessage, withoutDotStuffing } from '@danelaw/smtp';

/** @throws (rejects) what the stream ends with; the signal's reason on abort */
export async function readMessage(stream: Readable, signal: AbortSignal): Promise<CheckedMessage> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) {
    signal.throwIfAborted();
    chunks.push(typeof chunk === 'string' ? Buffer.from(chunk) : chunk);
  }
  return checkMessage(withoutDotStuffing(Buffer.concat(chunks)));
}
