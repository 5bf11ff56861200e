/**
 * Octets as text, as zone files write digests and keys: base16 and base64 (RFC 4648; for base32hex see base32hex.ts).
 *
 * Decoders take exactly what the encoders of others write - no white space, no stray bits in the last character - and
 * return undefined for everything else, because a character that is skipped in silence would be another key or digest.
 */

/** Lower case; the empty string for no octets. */
export function encodeHex(octets: Uint8Array): string {
  return view(octets).toString('hex');
}

/** Either case. */
export function decodeHex(text: string): Uint8Array | undefined {
  if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text)) return undefined;
  return new Uint8Array(Buffer.from(text, 'hex'));
}

export function encodeBase64(octets: Uint8Array): string {
  return view(octets).toString('base64');
}

/** Padded (RFC 4648 section 4). */
export function decodeBase64(text: string): Uint8Array | undefined {
  const octets = Buffer.from(text, 'base64');
  return octets.toString('base64') === text ? new Uint8Array(octets) : undefined;
}

function view(octets: Uint8Array): Buffer {
  return Buffer.from(octets.buffer, octets.byteOffset, octets.length);
}
