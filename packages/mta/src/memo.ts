/**
 * What was found out about a text lately: the same client, and the same address, come again with the next message.
 *
 * Only for what depends on the text alone, as long as the memo lives.
 */

/** Texts that are remembered; then all are forgotten. */
const MOST = 1000;
/** Characters of a text that is remembered: more than any path of SMTP has (RFC 5321 section 4.5.3.1.3). */
const LONGEST = 256;

export class Memo<T> {
  readonly #find: (text: string) => T;
  readonly #found = new Map<string, T>();

  constructor(find: (text: string) => T) {
    this.#find = find;
  }

  of(text: string): T {
    const known = this.#found.get(text);
    if (known !== undefined) return known;
    const found = this.#find(text);
    if (text.length > LONGEST) return found;
    if (this.#found.size >= MOST) this.#found.clear();
    this.#found.set(text, found);
    return found;
  }
}
