/**
 * Finds the end of a message in what a client sends behind DATA, and undoes the doubled dots (RFC 5321
 * section 4.5.2).
 *
 * A message ends in CR LF `.` CR LF and in nothing else. Senders and receivers that disagree about that can
 * be made to see two messages where there was one (SMTP smuggling): so a bare CR or LF is never part of a
 * line end here; it is content, goes on to the acceptance as it came, and is judged there. A dot at the start
 * of a line that has more on it is deleted, where "start" again means behind CR LF.
 *
 * Nothing is held back but the dot whose meaning is open, so that it does not matter how the octets were cut
 * into segments.
 */

/** Takes what belongs to the message: `chunk` from `start` up to `end`, which is not valid for longer. */
export interface OctetSink {
  add(chunk: Uint8Array, start: number, end: number): void;
}

const CR = 0x0d;
const LF = 0x0a;
const DOT = 0x2e;
const LINE_START_DOT = Buffer.from('\r\n.');

const ONE_DOT_LESS = Buffer.from('\r');

/**
 * What has just been seen. `dot` and `dot-cr`: a dot at the start of a line, or that and a CR, which are not
 * in the sink yet.
 */
type State = 'text' | 'cr' | 'line-start' | 'dot' | 'dot-cr';

export class MessageReader {
  // The line end before the message is the one behind DATA: `.` CR LF alone is an empty message.
  #state: State = 'line-start';

  /** @returns the index behind the end of the message; undefined where it has not ended */
  read(chunk: Buffer, start: number, sink: OctetSink): number | undefined {
    let from = start;
    let index = start;
    while (index < chunk.length) {
      switch (this.#state) {
        case 'text': {
          // The way of nearly all octets: on to the next dot at the start of a line, wherever that is.
          const found = chunk.indexOf(LINE_START_DOT, index);
          if (found >= 0) {
            index = found + 2;
            this.#state = 'line-start';
            break;
          }
          index = chunk.length;
          const last = chunk[index - 1];
          if (last === CR) this.#state = 'cr';
          else if (last === LF && index - 2 >= start && chunk[index - 2] === CR) this.#state = 'line-start';
          break;
        }
        case 'cr': {
          const octet = chunk[index];
          if (octet === LF) {
            this.#state = 'line-start';
            index++;
          } else if (octet === CR) index++;
          else this.#state = 'text';
          break;
        }
        case 'line-start':
          if (chunk[index] !== DOT) {
            this.#state = 'text';
            break;
          }
          sink.add(chunk, from, index);
          from = ++index;
          this.#state = 'dot';
          break;
        case 'dot':
          // The dot is gone either way; a CR may be the terminator's.
          if (chunk[index] === CR) {
            from = ++index;
            this.#state = 'dot-cr';
          } else if (chunk[index] === DOT) {
            // Not the start of a line any more, whatever follows.
            index++;
            this.#state = 'text';
          } else this.#state = 'text';
          break;
        case 'dot-cr':
          if (chunk[index] === LF) return index + 1;
          // `.` CR and something else: a line that goes on.
          sink.add(ONE_DOT_LESS, 0, 1);
          from = index;
          this.#state = 'cr';
          break;
      }
    }
    if (from < chunk.length) sink.add(chunk, from, chunk.length);
    return undefined;
  }
}
