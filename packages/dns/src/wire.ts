/** What is common to all readers of bytes from the network: one error type, and a cursor that can't leave its bytes. */

/** The bytes are not what the RFC says they must be. The message says what, and at which octet. */
export class WireError extends Error {
  override readonly name = 'WireError';
}

/** Reads big-endian integers and octets from a slice; every step past the end is a WireError. */
export class Cursor {
  readonly bytes: Uint8Array;
  readonly end: number;
  offset: number;

  constructor(bytes: Uint8Array, offset = 0, end = bytes.length) {
    this.bytes = bytes;
    this.offset = offset;
    this.end = end;
  }

  get remaining(): number {
    return this.end - this.offset;
  }

  private need(count: number): void {
    if (count > this.end - this.offset) {
      throw new WireError(`${count} octets wanted at octet ${this.offset}, ${this.remaining} left`);
    }
  }

  u8(): number {
    this.need(1);
    return this.bytes[this.offset++] ?? 0;
  }

  u16(): number {
    this.need(2);
    const high = this.bytes[this.offset] ?? 0;
    const low = this.bytes[this.offset + 1] ?? 0;
    this.offset += 2;
    return (high << 8) | low;
  }

  u32(): number {
    return this.u16() * 0x10000 + this.u16();
  }

  /** Passes over so many octets. @returns the place of the first of them */
  skip(count: number): number {
    this.need(count);
    this.offset += count;
    return this.offset - count;
  }

  /** A view, not a copy. */
  take(count: number): Uint8Array {
    this.need(count);
    const taken = this.bytes.subarray(this.offset, this.offset + count);
    this.offset += count;
    return taken;
  }

  /** All that is left, as a copy: of few octets that costs a tenth of a view. */
  copyRest(): Uint8Array {
    const copy = this.bytes.slice(this.offset, this.end);
    this.offset = this.end;
    return copy;
  }

  /** All that is left. */
  rest(): Uint8Array {
    return this.take(this.remaining);
  }
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return compareBytes(a, b) === 0;
}

/** Left-justified unsigned order (RFC 4034 section 6.3); a proper prefix sorts first. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shorter = Math.min(a.length, b.length);
  for (let i = 0; i < shorter; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

export function concatBytes(parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** The beginning of a text from outside, for error messages. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}...` : text);
}
