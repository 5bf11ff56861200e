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
/** The same for keys: joining characters one by one costs five times as much. */
const KEY_SCRATCH = Buffer.alloc(MAX_NAME_OCTETS);

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
    const wire = new Uint8Array(MAX_NAME_OCTETS);
    let start = 0;
    let at = 1;
    let labels = 0;
    const close = () => {
      const length = at - start - 1;
      if (length === 0) throw new WireError(`empty label in ${quote(text)}`);
      if (length > MAX_LABEL_OCTETS)
        throw new WireError(`label of ${length} octets in ${quote(text)} (63 at most)`);
      wire[start] = length;
      labels++;
      start = at++;
    };
    for (let i = 0; i < text.length; ) {
      let octet = text.charCodeAt(i);
      if (octet === DOT) {
        close();
        i++;
        continue;
      }
      let width = 1;
      if (octet === BACKSLASH) [octet, width] = readEscape(text, i);
      else if (octet > 0x7e || octet < 0x21)
        throw new WireError(`character ${octet} in a name must be escaped or an A-label`);
      if (at >= MAX_NAME_OCTETS - 1) throw new WireError(`name of over ${MAX_NAME_OCTETS} octets`);
      wire[at++] = octet;
      i += width;
    }
    // `at` points behind a length octet that was reserved for a next label.
    if (at - start - 1 > 0) close();
    return new Name(wire.slice(0, start + 1), labels);
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
      for (let i = 0; i < this.wire.length; i++) KEY_SCRATCH[i] = lower(this.wire[i] ?? 0);
      this.#key = KEY_SCRATCH.toString('latin1', 0, this.wire.length);
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
    return this === other || (this.wire.length === other.wire.length && this.key === other.key);
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
      this.#parent = new Name(this.wire.subarray(at), this.labelCount - 1);
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
    if (this.#text === undefined) this.#text = this.isRoot ? '.' : this.labels().map(printLabel).join('.');
    return this.#text;
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
    else if ('.\\"();@$'.includes(String.fromCharCode(octet))) text += `\\${String.fromCharCode(octet)}`;
    else text += String.fromCharCode(octet);
  }
  return text;
}
