/**
 * Netstrings: `5:hello,` - length, colon, octets, comma (http://cr.yp.to/proto/netstrings.txt). Postfix's socketmap
 * puts each request and each reply into one.
 */

/** The longest key is a domain name in brackets with a port; four times as much is no key any more. */
export const MAX_REQUEST_OCTETS = 1024;
const LENGTH_DIGITS = String(MAX_REQUEST_OCTETS).length;

const COLON = 0x3a;
const COMMA = 0x2c;

/** What was sent is no netstring, or too long a one: where the next begins is not known. */
export class NetstringError extends Error {
  override readonly name = 'NetstringError';
}

/** Takes octets as they come, and gives netstrings as they are complete. */
export class NetstringReader {
  #octets = Buffer.alloc(0);

  push(octets: Uint8Array): void {
    this.#octets = Buffer.concat([this.#octets, octets]);
  }

  /**
   * The next netstring's content; undefined where more octets are needed.
   *
   * @throws NetstringError
   */
  next(): string | undefined {
    const octets = this.#octets;
    if (octets.length === 0) return undefined;
    const head = octets.subarray(0, LENGTH_DIGITS + 1);
    const colon = head.indexOf(COLON);
    const digits = (colon === -1 ? head : head.subarray(0, colon)).toString('latin1');
    // The length is bounded before anything of that length is waited for.
    if (
      !/^(?:0|[1-9][0-9]*)?$/u.test(digits) ||
      (colon === -1 && head.length > LENGTH_DIGITS) ||
      colon === 0
    ) {
      throw new NetstringError('a netstring begins with its length and a colon');
    }
    if (colon === -1) return undefined;
    const length = Number(digits);
    if (length > MAX_REQUEST_OCTETS)
      throw new NetstringError(`a request has ${MAX_REQUEST_OCTETS} octets at most`);
    const end = colon + 1 + length;
    if (octets.length <= end) return undefined;
    if (octets[end] !== COMMA) throw new NetstringError('a netstring ends with a comma');
    this.#octets = octets.subarray(end + 1);
    return octets.subarray(colon + 1, end).toString('utf8');
  }
}

export function netstring(content: string): Buffer {
  const octets = Buffer.from(content, 'utf8');
  return Buffer.concat([Buffer.from(`${octets.length}:`), octets, Buffer.from(',')]);
}
