/**
 * A report once more, in 7 bits: with the header of the message that it is about in place of the whole.
 *
 * A report returns an 8-bit message as it is, since message/rfc822 may not be encoded (RFC 2046 section 5.2.1). Where the
 * sender's own server takes no 8-bit mail, he would hear nothing at all: a report that fails causes no other.
 */
import { isAscii } from 'node:buffer';
import type { Claim, NewMessage } from '../queue/queue.js';

/** RFC 3463: conversion required but not supported. */
const CONVERSION_REQUIRED = '5.6.3';

/** Whether a report of ours came back for nothing but its 8-bit content. */
export function needsSevenBits(
  { envelope }: Pick<Claim, 'envelope'>,
  outcomes: readonly { readonly enhancedStatus: string | null }[],
): boolean {
  const { origin, eightBit, utf8Header } = envelope;
  const isReport = origin.kind === 'bounce' && eightBit && !utf8Header;
  return isReport && outcomes.some(({ enhancedStatus }) => enhancedStatus === CONVERSION_REQUIRED);
}

/** Undefined where the report is not as we write them. @param id of the new report */
export function sevenBitReport(
  { id: old, envelope, recipients }: Claim,
  body: Uint8Array,
  { id, now }: { readonly id: string; readonly now: number },
): NewMessage | undefined {
  const text = Buffer.from(body.buffer, body.byteOffset, body.length).toString('latin1');
  const delimiter = `\r\n--=_${old}`;
  // Its signatures, which stand on top, are of what it was.
  const start = text.search(/^From: /mu);
  const last = text.indexOf(`${delimiter}\r\nContent-Type: message/rfc822\r\n`);
  if (start === -1 || last === -1) return undefined;
  const content = text.indexOf('\r\n\r\n', last) + '\r\n\r\n'.length;
  const end = text.indexOf('\r\n\r\n', content);
  const header = end === -1 ? '' : text.slice(content, end + '\r\n'.length);
  const type = 'Content-Type: text/rfc822-headers\r\nContent-Transfer-Encoding: 7bit';
  const plain = Buffer.from(
    `${text.slice(start, last)}${delimiter}\r\n${type}\r\n\r\n${header}${delimiter}--\r\n`,
    'latin1',
  );
  if (!isAscii(plain)) return undefined;
  return {
    id,
    envelope: { ...envelope, eightBit: false, arrived: now },
    recipients: recipients.map(({ address, destination, notify, orcpt }) => ({
      address,
      destination,
      notify,
      orcpt,
    })),
    body: plain,
  };
}
