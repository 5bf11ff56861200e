/**
 * The message that Nodemailer has composed (and signed, where DKIM is configured), as octets that may be sent.
 *
 * Nodemailer's own SMTP transport turns every bare CR and LF into CRLF while it sends; so does this one, before
 * dots are doubled: no octet sequence of the message can then end it early (RFC 5321 section 2.3.8). DKIM
 * signatures are made over the same line ends.
 */
import { addAbortSignal, type Readable } from 'node:stream';
import { checkMessage, type Message } from '@danelaw/smtp';
import { DanelawMailError } from './mail-error.js';

/**
 * Reads and checks the message.
 *
 * @throws DanelawMailError `ESTREAM` where a part can't be read, `EMESSAGE` where the whole can't be sent; on
 * abort whatever the stream throws
 */
export async function readMessage(stream: Readable, limit: number, signal: AbortSignal): Promise<Message> {
  const octets = await readAll(addAbortSignal(signal, stream), limit);
  const first = checkMessage(octets);
  if (first.status === 'ok') return first.message;
  const lineEnds = first.fault === 'bare-cr' || first.fault === 'mixed-line-ends';
  const checked = lineEnds ? checkMessage(withCrlf(octets)) : first;
  if (checked.status === 'ok') return checked.message;
  throw new DanelawMailError('EMESSAGE', checked.reason);
}

async function readAll(stream: Readable, limit: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const chunk of stream) {
      const octets: Uint8Array = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
      length += octets.length;
      // Leaving the loop destroys the stream.
      if (length > limit)
        throw new DanelawMailError('EMESSAGE', `the message is longer than ${limit} octets`);
      chunks.push(octets);
    }
  } catch (error) {
    if (error instanceof DanelawMailError) throw error;
    const words = error instanceof Error ? error.message : String(error);
    throw new DanelawMailError('ESTREAM', `the message can't be read: ${words}`, { cause: error });
  }
  return Buffer.concat(chunks, length);
}

/** latin1 keeps every octet as it is. */
function withCrlf(octets: Buffer): Buffer {
  return Buffer.from(octets.toString('latin1').replace(/\r\n|\r|\n/gu, '\r\n'), 'latin1');
}
