/**
 * Dots at the start of a line are doubled on the wire, so that a line of one dot can end the message (RFC 5321 section
 * 4.5.2). Here they are taken back, for those who have a message in that form; `message.ts` doubles them while sending.
 */

const DOT = 0x2e;
const LF = 0x0a;

/** Takes the first of the dots that a line begins with. */
export function withoutDotStuffing(octets: Uint8Array): Uint8Array {
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
