/**
 * Line ends of messages from programs that get them wrong: each bare CR or LF becomes CRLF (RFC 5321 section
 * 2.3.8).
 *
 * This is safe against smuggling, because dots are doubled anew when the message is sent on: what some server
 * might take for the end of the message is a line with two dots from then on. It changes the message, and with
 * it a signature that it may carry; so it is done only where the administrator asks for it.
 */

const CR = 0x0d;
const LF = 0x0a;

export function normaliseLineEnds(octets: Uint8Array): Uint8Array {
  const normal = new Uint8Array(octets.length * 2);
  let to = 0;
  for (let i = 0; i < octets.length; i++) {
    const octet = octets[i] ?? 0;
    if (octet !== CR && octet !== LF) {
      normal[to++] = octet;
      continue;
    }
    if (octet === CR && octets[i + 1] === LF) i++;
    normal[to++] = CR;
    normal[to++] = LF;
  }
  return normal.subarray(0, to);
}
