/**
 * Signs what the relay writes itself - bounces, TLS reports (RFC 8460 section 3 asks for it) - by the same keys as what it
 * accepts.
 */
import { readHeader } from '../acceptance/header-section.js';
import type { NewMessage } from '../queue/queue.js';
import type { Dkim } from './dkim.js';

/** The message with its signatures on top; the same where there is no key for its From field. */
export async function signMessage(message: NewMessage, dkim: Dkim | undefined): Promise<NewMessage> {
  const header = readHeader(message.body);
  if (dkim === undefined || header === undefined) return message;
  const { body, envelope } = message;
  const signatures = await dkim.sign({
    fields: header.fields,
    body: body.subarray(header.bodyStart),
    time: envelope.arrived,
  });
  return signatures === '' ? message : { ...message, body: Buffer.concat([Buffer.from(signatures), body]) };
}
