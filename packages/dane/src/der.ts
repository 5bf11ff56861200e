/**
 * A strict reader of DER (X.690), as far as certificates need it.
 *
 * DANE compares digests of exact octets: of a whole certificate, or of its SubjectPublicKeyInfo. So nothing here is
 * ever decoded and encoded again. An element is a window on the octets that were sent, and an encoding that is
 * not DER (indefinite or over-long length, trailing octets) is refused, so that no two readers can disagree about
 * where an element ends.
 */

/** The octets are not the DER that was expected. The message says what was found, without the name of the file. */
export class DerError extends Error {
  override readonly name = 'DerError';
}

/** Identifier octets (X.690 section 8.1.2), low tag numbers only: certificates have no others. */
export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectIdentifier: 0x06,
  utf8String: 0x0c,
  printableString: 0x13,
  teletexString: 0x14,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  visibleString: 0x1a,
  universalString: 0x1c,
  bmpString: 0x1e,
  sequence: 0x30,
  set: 0x31,
} as const;

/** `[n]`, constructed, of the context class. */
export const contextTag = (number: number): number => 0xa0 | number;

/** Nesting that a certificate may have; real ones need about ten, and recursion must end before the stack does. */
const MAX_DEPTH = 32;
/** Octets of one length field: four say up to 4 GiB, far above any certificate. */
const MAX_LENGTH_OCTETS = 4;
const CONSTRUCTED = 0x20;

/** One element. Its octets are windows, no copies, and made when they are asked for: most elements are passed over. */
export class DerElement {
  readonly tag: number;
  readonly #bytes: Uint8Array;
  readonly #start: number;
  readonly #contentStart: number;
  readonly #end: number;

  constructor(bytes: Uint8Array, start: number, contentStart: number, end: number, tag: number) {
    this.tag = tag;
    this.#bytes = bytes;
    this.#start = start;
    this.#contentStart = contentStart;
    this.#end = end;
  }

  /** Its value. */
  get content(): Uint8Array {
    return this.#bytes.subarray(this.#contentStart, this.#end);
  }

  /** The whole of it, with tag and length. */
  get encoded(): Uint8Array {
    return this.#bytes.subarray(this.#start, this.#end);
  }
}

/** Reads the elements of one value in turn. Each read consumes at least two octets or throws `DerError`. */
export class DerReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get atEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  /** The next element, whatever its tag. */
  read(): DerElement {
    const start = this.#at;
    const tag = this.#octet();
    if ((tag & 0x1f) === 0x1f) throw new DerError(`high tag number at octet ${start}`);
    const length = this.#length();
    const end = this.#at + length;
    if (end > this.#bytes.length) {
      throw new DerError(
        `element at octet ${start} claims ${length} octets, ${this.#bytes.length - this.#at} are left`,
      );
    }
    const element = new DerElement(this.#bytes, start, this.#at, end, tag);
    this.#at = end;
    return element;
  }

  /** The next element, which must have this tag. */
  expect(tag: number, what: string): DerElement {
    if (this.atEnd) throw new DerError(`${what} is missing`);
    const element = this.read();
    if (element.tag !== tag) throw new DerError(`${what} has tag 0x${hex(element.tag)}, not 0x${hex(tag)}`);
    return element;
  }

  /** The next element if it has this tag; else nothing is consumed. */
  optional(tag: number): DerElement | undefined {
    return this.#bytes[this.#at] === tag ? this.read() : undefined;
  }

  /** Nothing may follow. */
  end(what: string): void {
    if (!this.atEnd) throw new DerError(`${this.#bytes.length - this.#at} octets after the end of ${what}`);
  }

  #octet(): number {
    const octet = this.#bytes[this.#at];
    if (octet === undefined) throw new DerError(`ends within an element, at octet ${this.#at}`);
    this.#at += 1;
    return octet;
  }

  /** X.690 section 10.1: definite, and in the fewest octets. */
  #length(): number {
    const first = this.#octet();
    if (first < 0x80) return first;
    const count = first & 0x7f;
    if (count === 0) throw new DerError('indefinite length');
    if (count > MAX_LENGTH_OCTETS) throw new DerError(`length of ${count} octets`);
    let length = 0;
    for (let i = 0; i < count; i += 1) length = length * 256 + this.#octet();
    if (length < 0x80 || length < 256 ** (count - 1))
      throw new DerError('length in more octets than it needs');
    return length;
  }
}

/** Reads exactly one element that fills all the octets. */
export function readWhole(bytes: Uint8Array, tag: number, what: string): DerReader {
  const outer = new DerReader(bytes);
  const element = outer.expect(tag, what);
  outer.end(what);
  return new DerReader(element.content);
}

/**
 * Walks every element down to the primitive ones.
 *
 * For values that a more lenient decoder reads afterwards: what passes here has one meaning only.
 * @throws DerError
 */
export function checkDer(bytes: Uint8Array, depth = 0): void {
  if (depth > MAX_DEPTH) throw new DerError(`nested deeper than ${MAX_DEPTH}`);
  const reader = new DerReader(bytes);
  while (!reader.atEnd) {
    const { tag, content } = reader.read();
    if (tag & CONSTRUCTED) checkDer(content, depth + 1);
    else if (tag === TAG.boolean) readBoolean(content);
    else if (tag === TAG.integer) checkInteger(content);
  }
}

/** X.690 section 11.1: DER has one TRUE. */
export function readBoolean(content: Uint8Array): boolean {
  if (content.length !== 1 || (content[0] !== 0x00 && content[0] !== 0xff))
    throw new DerError('BOOLEAN is not DER');
  return content[0] === 0xff;
}

/** X.690 section 8.3.2: an INTEGER has at least one octet, and no more than it needs. */
function checkInteger(content: Uint8Array): void {
  const [first, second] = content;
  if (first === undefined) throw new DerError('INTEGER without octets');
  if (second === undefined) return;
  if ((first === 0x00 && second < 0x80) || (first === 0xff && second >= 0x80)) {
    throw new DerError('INTEGER in more octets than it needs');
  }
}

/** The dotted form of an OBJECT IDENTIFIER's content. */
export function readObjectIdentifier(content: Uint8Array): string {
  const arcs: number[] = [];
  let arc = 0;
  let inArc = false;
  for (const octet of content) {
    if (!inArc && octet === 0x80) throw new DerError('OBJECT IDENTIFIER is not DER');
    arc = arc * 128 + (octet & 0x7f);
    if (!Number.isSafeInteger(arc)) throw new DerError('OBJECT IDENTIFIER has an arc past any real one');
    inArc = octet >= 0x80;
    if (inArc) continue;
    if (arcs.length === 0) {
      const root = Math.min(2, Math.floor(arc / 40));
      arcs.push(root, arc - root * 40);
    } else arcs.push(arc);
    arc = 0;
  }
  if (inArc || arcs.length === 0) throw new DerError('OBJECT IDENTIFIER ends within an arc');
  return arcs.join('.');
}

const hex = (octet: number): string => octet.toString(16).padStart(2, '0');
