/**
 * The header section of a message (RFC 5322 section 2.2), taken apart as far as a relay has to look into it:
 * which fields there are, in which order, and where the body begins.
 *
 * A field is kept as it stands, folds and all, one character for each octet (`latin1`): what is signed, counted
 * or left out is the octets, whatever they are meant to be. Lines that are no field belong to nobody and have an
 * empty name.
 */

export interface HeaderField {
  /** In lower case, without the blanks before the colon that RFC 5322 section 4.5 still allows. */
  readonly name: string;
  /** Name, colon and value with its folds; without the CRLF at its end. */
  readonly line: string;
}

export interface HeaderSection {
  readonly fields: readonly HeaderField[];
  /** Where the body begins; the length of the message where it has none. */
  readonly bodyStart: number;
}

/**
 * Octets of a header section. Real ones have a few thousand; thousands of recipients in To and Cc make some
 * hundred thousand. A section is taken apart as text, and this is what that may cost.
 */
export const MAX_HEADER_OCTETS = 1024 * 1024;

/** Fields of a header section: real ones have some hundred. Each costs work of its own, where they are signed most. */
export const MAX_HEADER_FIELDS = 10_000;

/** Where the header section ends, its empty line not included. */
export function headerEnd(octets: Uint8Array): number {
  const end = asBuffer(octets).indexOf('\r\n\r\n');
  return end === -1 ? octets.length : end + 2;
}

/**
 * @param octets a message that `checkMessage` has let pass: CRLF line ends throughout
 * @returns undefined where the header section is longer than `MAX_HEADER_OCTETS`, or has more fields than there may be
 */
export function readHeader(octets: Uint8Array): HeaderSection | undefined {
  const end = headerEnd(octets);
  if (end > MAX_HEADER_OCTETS) return undefined;
  const fields = asBuffer(octets)
    .toString('latin1', 0, end)
    .split(/\r\n(?![ \t])/u);
  if (fields.at(-1) === '') fields.pop();
  if (fields.length > MAX_HEADER_FIELDS) return undefined;
  return { fields: fields.map(toField), bodyStart: Math.min(end + 2, octets.length) };
}

/** The value of a field, unfolded (RFC 5322 section 2.2.3), as the UTF-8 that it is (RFC 6532). */
export function fieldValue({ line }: HeaderField): string {
  const value = line.slice(line.indexOf(':') + 1).replaceAll('\r\n', '');
  return Buffer.from(value, 'latin1').toString('utf8').trim();
}

function toField(line: string): HeaderField {
  const colon = line.indexOf(':');
  return { name: colon === -1 ? '' : line.slice(0, colon).trimEnd().toLowerCase(), line };
}

function asBuffer(octets: Uint8Array): Buffer {
  return Buffer.from(octets.buffer, octets.byteOffset, octets.length);
}
