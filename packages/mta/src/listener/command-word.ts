/** The first word of a command, and what EHLO and HELO say. */

export interface CommandWord {
  /** In upper case. */
  readonly verb: string;
  /** Octets as characters; without the blanks around it. */
  readonly argument: string;
}

/** What is longer is no verb, and not worth a place in the log. */
const MAX_VERB = 12;

export function splitCommand(octets: Buffer): CommandWord {
  const text = octets.toString('latin1');
  const blank = text.search(/[ \t]/);
  const word = blank < 0 ? text : text.slice(0, blank);
  const verb = word.length <= MAX_VERB && /^[A-Za-z0-9]*$/.test(word) ? word.toUpperCase() : '?';
  return { verb, argument: blank < 0 ? '' : text.slice(blank).trim() };
}

/** RFC 5321 section 4.5.3.1.2, octets. */
const MAX_HELLO = 255;

/**
 * Clients say all kinds of names, and RFC 5321 section 4.1.4 does not let a server refuse mail for it; but a
 * name ends up in a Received field, where blanks, brackets and quotes mean something.
 */
export function helloProblem(argument: string): string | undefined {
  if (argument === '') return 'Say your name behind EHLO or HELO';
  if (argument.length > MAX_HELLO) return 'This name is too long';
  return /^[A-Za-z0-9.:_[\]-]+$/.test(argument) ? undefined : 'This is no name of a host';
}
