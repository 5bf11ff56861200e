/**
 * The lines of an export, out of the octets of a file or a pipe.
 *
 * A line ends in LF and in nothing else: U+2028 may stand in what a server said, and Node's `readline` would cut
 * there. It is decoded when it is whole, so that no character is cut in two; and its pieces are put together once,
 * as one line holds a message.
 */

const LF = 0x0a;

export async function* exportLines(input: AsyncIterable<Uint8Array | string>): AsyncGenerator<string> {
  let pieces: Buffer[] = [];
  for await (const chunk of input) {
    let rest =
      typeof chunk === 'string'
        ? Buffer.from(chunk)
        : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
    for (let end = rest.indexOf(LF); end >= 0; end = rest.indexOf(LF)) {
      pieces.push(rest.subarray(0, end));
      yield Buffer.concat(pieces).toString('utf8').replace(/\r$/u, '');
      pieces = [];
      rest = rest.subarray(end + 1);
    }
    if (rest.length > 0) pieces.push(rest);
  }
  if (pieces.length > 0) yield Buffer.concat(pieces).toString('utf8');
}
