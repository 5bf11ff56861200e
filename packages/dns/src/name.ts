/**
 * Domain names (RFC 1035 section 3.1, RFC 4343) as a type.
 *
 * A name is its uncompressed wire form, in the letters in which it came. Equality and order are those of RFC 4034
 * section 6: US-ASCII letters without case, everything else octet by octet. Text with dots and backslashes is only
 * its printed form, made at the edges.
 */
import { type Cursor, quote, WireError } from './wire.js';

/** RFC 1035 section 2.3.4: octets of a whole name on the wire, length octets and root included. */
export const MAX_NAME_OCTETS = 255;
/** RFC 1035 section 2.3.4. */
export const MAX_LABEL_OCTETS = 63;
/** Pointers followed for one name. Each must point backwards, so this only cuts off long detours early. */
const MAX_POINTERS = 126;

const DOT = 0x2e;
const BACKSLASH = 0x5c;
const ASTERISK = 0x2a;
const UNDERSCORE = 0x5f;

/** Where a name is put together before its length is known; no two are read at a time. */
const SCRATCH = new Uint8Array(MAX_NAME_OCTETS);
/** The same for keys and texts: joining characters one by one costs five times as much. */
const TEXT_SCRATCH = Buffer.alloc(MAX_NAME_OCTETS);
/** 1 for each octet that is printed as the character that it is. */
const PRINTED_PLAINLY = Uint8Array.from({ length: 256 }, (_, octet) =>
  octet >= 0x21 && octet <= 0x7e && !'.\\"();@$'.includes(String.fromCharCode(octet)) ? 1 : 0,
);

export class Name {
  /** `.` */
  static readonly root = new Name(Uint8Array.of(0), 0);

  /** Uncompressed wire form, letters as they came, ending in the root's zero octet. Not to be written to. */
  readonly wire: Uint8Array;
  /** Labels, the root's empty one not counted. */
  readonly labelCount: number;
  #key: string | undefined;
  #text: string | undefined;
  #parent: Name | undefined;

  private constructor(wire: Uint8Array, labelCount: number) {
    this.wire = wire;
    this.labelCount = labelCount;
  }

  /**
   * Reads a printed name: `mail.example.com`, `a\.b.example`, `\000x`; always absolute, with or without a last dot.
   * @throws WireError for empty labels, labels over 63 octets, names over 255 octets, bad escapes, non-ASCII letters
   */
  static parse(text: string): Name {
    if (text === '.') return Name.root;
    if (text === '') throw new WireError('a name can\'t be empty (the root is ".")');
    let start = 0;
    let at = 1;
    let labels = 0;
    for (let i = 0; i < text.length; ) {
      let octet = text.charCodeAt(i);
      if (octet === DOT) {
        closeLabel(start, at, text);
        labels++;
        start = at++;
        i++;
        continue;
      }
      let width = 1;
      if (octet === BACKSLASH) [octet, width] = readEscape(text, i);
      else if (octet > 0x7e || octet < 0x21)
        throw new WireError(`character ${octet} in a name must be escaped or an A-label`);
      if (at >= MAX_NAME_OCTETS - 1) throw new WireError(`name of over ${MAX_NAME_OCTETS} octets`);
      SCRATCH[at++] = octet;
      i += width;
    }
    // `at` points behind a length octet that was reserved for a next label.
    if (at - start - 1 > 0) {
      closeLabel(start, at, text);
      labels++;
      start = at;
    }
    SCRATCH[start] = 0;
    return new Name(SCRATCH.slice(0, start + 1), labels);
  }

  /**
   * Reads a name at the cursor, following compression pointers into the cursor's bytes.
   * Each pointer must point before the place where the part of the name that holds it began: no loop is possible.
   */
  static read(cursor: Cursor): Name {
    const { bytes } = cursor;
    let length = 0;
    let labels = 0;
    let at = cursor.offset;
    let end = cursor.end;
    let segment = at;
    let after = -1;
    let pointers = 0;
    for (;;) {
      if (at >= end) throw new WireError(`name runs past its end at octet ${at}`);
      const octet = bytes[at] ?? 0;
      if (octet === 0) {
        cursor.offset = after >= 0 ? after : at + 1;
        if (length === 0) return Name.root;
        SCRATCH[length++] = 0;
        return new Name(SCRATCH.slice(0, length), labels);
      }
      if (octet >= 0xc0) {
        if (at + 1 >= end) throw new WireError(`compression pointer cut off at octet ${at}`);
        const target = ((octet & 0x3f) << 8) | (bytes[at + 1] ?? 0);
        if (target >= segment)
          throw new WireError(`compression pointer at octet ${at} does not point backwards`);
        if (++pointers > MAX_POINTERS)
          throw new WireError(`more than ${MAX_POINTERS} compression pointers in a name`);
        if (after < 0) after = at + 2;
        at = target;
        segment = target;
        end = bytes.length;
        continue;
      }
      if (octet > MAX_LABEL_OCTETS) throw new WireError(`label type ${octet >> 6} at octet ${at}`);
      const next = at + 1 + octet;
      if (next > end) throw new WireError(`label runs past its end at octet ${at}`);
      if (length + 1 + octet > MAX_NAME_OCTETS - 1)
        throw new WireError(`name of over ${MAX_NAME_OCTETS} octets`);
      while (at < next) SCRATCH[length++] = bytes[at++] ?? 0;
      labels++;
    }
  }

  /** From labels, leftmost first, without the root's. */
  static fromLabels(labels: readonly Uint8Array[]): Name {
    let length = 1;
    for (const label of labels) {
      if (label.length === 0 || label.length > MAX_LABEL_OCTETS)
        throw new WireError(`label of ${label.length} octets`);
      length += label.length + 1;
    }
    if (length > MAX_NAME_OCTETS)
      throw new WireError(`name of ${length} octets (${MAX_NAME_OCTETS} at most)`);
    const wire = new Uint8Array(length);
    let at = 0;
    for (const label of labels) {
      wire[at] = label.length;
      wire.set(label, at + 1);
      at += label.length + 1;
    }
    return new Name(wire, labels.length);
  }

  get isRoot(): boolean {
    return this.labelCount === 0;
  }

  /** The leftmost label is `*` (RFC 4592 section 2.1.1). */
  get isWildcard(): boolean {
    return this.wire[0] === 1 && this.wire[1] === ASTERISK;
  }

  /** The leftmost label begins with an underscore: one that a protocol defines (RFC 8552). */
  get isUnderscored(): boolean {
    return this.labelCount > 0 && this.wire[1] === UNDERSCORE;
  }

  /** Equal for equal names and only for those: the canonical form as a Latin-1 string, to be used as a map's key. */
  get key(): string {
    if (this.#key === undefined) {
      for (let i = 0; i < this.wire.length; i++) TEXT_SCRATCH[i] = lower(this.wire[i] ?? 0);
      this.#key = TEXT_SCRATCH.toString('latin1', 0, this.wire.length);
    }
    return this.#key;
  }

  /** RFC 4034 section 6.2: wire form in lower case. */
  canonical(): Uint8Array {
    const canonical = new Uint8Array(this.wire.length);
    for (let i = 0; i < canonical.length; i++) canonical[i] = lower(this.wire[i] ?? 0);
    return canonical;
  }

  /** Views of the labels, leftmost first. */
  labels(): Uint8Array[] {
    const labels: Uint8Array[] = [];
    for (let at = 0; ; ) {
      const length = this.wire[at] ?? 0;
      if (length === 0) return labels;
      labels.push(this.wire.subarray(at + 1, at + 1 + length));
      at += length + 1;
    }
  }

  equals(other: Name): boolean {
    if (this === other) return true;
    const { length } = this.wire;
    if (length !== other.wire.length) return false;
    if (this.#key !== undefined && other.#key !== undefined) return this.#key === other.#key;
    // Length octets are under 64 and so never taken for letters.
    for (let i = 0; i < length; i++) if (lower(this.wire[i] ?? 0) !== lower(other.wire[i] ?? 0)) return false;
    return true;
  }

  /** True for the name itself and for all names below it. */
  isAtOrBelow(ancestor: Name): boolean {
    const extra = this.labelCount - ancestor.labelCount;
    return extra >= 0 && this.suffix(ancestor.labelCount).equals(ancestor);
  }

  isBelow(ancestor: Name): boolean {
    return this.labelCount > ancestor.labelCount && this.isAtOrBelow(ancestor);
  }

  /** One label less; the root's parent is the root. Made once: a walk to the root is taken many times. */
  parent(): Name {
    if (this.labelCount <= 1) return Name.root;
    if (this.#parent === undefined) {
      const at = (this.wire[0] ?? 0) + 1;
      // A copy: a view of so few octets would cost ten times as much.
      this.#parent = new Name(this.wire.slice(at), this.labelCount - 1);
      this.#parent.#key = this.key.slice(at);
    }
    return this.#parent;
  }

  /** The last `count` labels. */
  suffix(count: number): Name {
    if (count >= this.labelCount) return this;
    if (count <= 0) return Name.root;
    let name: Name = this;
    while (name.labelCount > count) name = name.parent();
    return name;
  }

  /** `label.this`; the label in printed form (escapes allowed, no dot) or as octets. */
  prepend(label: string | Uint8Array): Name {
    const octets = typeof label === 'string' ? singleLabel(label) : label;
    return Name.fromLabels([octets, ...this.labels()]);
  }

  /** Puts the labels of this name that stand above `from` in front of `to` (RFC 6672 section 2.2). */
  replaceSuffix(from: Name, to: Name): Name {
    return Name.fromLabels([...this.labels().slice(0, this.labelCount - from.labelCount), ...to.labels()]);
  }

  /** `*.this` */
  wildcard(): Name {
    return this.prepend(Uint8Array.of(ASTERISK));
  }

  /** Labels that both names have in common, counted from the root. */
  commonLabels(other: Name): number {
    let count = Math.min(this.labelCount, other.labelCount);
    while (!this.suffix(count).equals(other.suffix(count))) count--;
    return count;
  }

  /** RFC 4034 section 6.1: negative, zero or positive, as for `sort`. */
  compare(other: Name): number {
    const a = this.labels();
    const b = other.labels();
    for (let i = 1; i <= a.length && i <= b.length; i++) {
      const difference = compareLabels(a[a.length - i] ?? EMPTY, b[b.length - i] ?? EMPTY);
      if (difference !== 0) return difference;
    }
    return a.length - b.length;
  }

  /** Printed form without a trailing dot; the root is `.`. */
  toString(): string {
    this.#text ??= this.isRoot ? '.' : (this.#plainText() ?? this.labels().map(printLabel).join('.'));
    return this.#text;
  }

  /** Undefined where something has to be escaped. */
  #plainText(): string | undefined {
    const { wire } = this;
    const end = wire.length - 1;
    for (let at = 0, labelEnd = 0; at < end; at++) {
      const octet = wire[at] ?? 0;
      if (at === labelEnd) {
        labelEnd = at + 1 + octet;
        TEXT_SCRATCH[at] = DOT;
      } else if (PRINTED_PLAINLY[octet] === 1) TEXT_SCRATCH[at] = octet;
      else return undefined;
    }
    return TEXT_SCRATCH.toString('latin1', 1, end);
  }

  /** Printed form with the trailing dot, as in zone files. */
  toAbsolute(): string {
    return this.isRoot ? '.' : `${this.toString()}.`;
  }

  toJSON(): string {
    return this.toString();
  }
}

const EMPTY = new Uint8Array(0);

function lower(octet: number): number {
  return octet >= 0x41 && octet <= 0x5a ? octet + 0x20 : octet;
}

function compareLabels(a: Uint8Array, b: Uint8Array): number {
  const shorter = Math.min(a.length, b.length);
  for (let i = 0; i < shorter; i++) {
    const difference = lower(a[i] ?? 0) - lower(b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** Writes the length of the label in `SCRATCH` that begins behind `start`. */
function closeLabel(start: number, end: number, text: string): void {
  const length = end - start - 1;
  if (length === 0) throw new WireError(`empty label in ${quote(text)}`);
  if (length > MAX_LABEL_OCTETS)
    throw new WireError(`label of ${length} octets in ${quote(text)} (63 at most)`);
  SCRATCH[start] = length;
}

/** RFC 1035 section 5.1: `\DDD` or `\X`. Returns the octet and how many characters it took. */
function readEscape(text: string, at: number): [octet: number, width: number] {
  const digits = /^[0-9]{3}/.exec(text.slice(at + 1, at + 4))?.[0];
  if (digits !== undefined) {
    const octet = Number(digits);
    if (octet > 255) throw new WireError(`escape \\${digits} is not an octet`);
    return [octet, 4];
  }
  const octet = text.charCodeAt(at + 1);
  if (Number.isNaN(octet) || octet > 0x7e || octet < 0x20 || (octet >= 0x30 && octet <= 0x39)) {
    throw new WireError(`bad escape at character ${at} of ${quote(text)}`);
  }
  return [octet, 2];
}

function singleLabel(text: string): Uint8Array {
  const name = Name.parse(text);
  const [label, ...rest] = name.labels();
  if (label === undefined || rest.length > 0) throw new WireError(`${quote(text)} is not one label`);
  return label;
}

/** Characters with a meaning in zone files are escaped, so that the text can be read back. */
function printLabel(label: Uint8Array): string {
  let text = '';
  for (const octet of label) {
    if (octet < 0x21 || octet > 0x7e) text += `\\${String(octet).padStart(3, '0')}`;
    else if (PRINTED_PLAINLY[octet] === 0) text += `\\${String.fromCharCode(octet)}`;
    else text += String.fromCharCode(octet);
  }
  return text;
}
