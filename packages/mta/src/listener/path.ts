/**
 * The line behind `MAIL FROM:` and `RCPT TO:` (RFC 5321 section 4.1.1): a path in angle brackets, then
 * parameters.
 *
 * The path is cut out by its grammar, so that a `>` or a space within a quoted local part ends nothing. What
 * the address is worth, the acceptance decides; here it only has to be one path.
 */

export interface PathAndParameters {
  /** Without brackets and source route; empty for `<>`. */
  readonly address: string;
  /** What follows, without the space before it. */
  readonly parameters: string;
}

/**
 * `MAIL FROM:` and `RCPT TO:` with any blanks around: a space behind the colon is against the grammar, and so
 * common that nobody refuses it.
 */
const MAIL_START = /^MAIL[ \t]+FROM:[ \t]*/i;
const RCPT_START = /^RCPT[ \t]+TO:[ \t]*/i;

/** A source route must be taken and may be ignored (RFC 5321 appendix C). */
const SOURCE_ROUTE = /^@[^\s@,:"<>]+(?:,@[^\s@,:"<>]+)*:/;

/** Section 4.5.3.1.3, brackets included. */
const MAX_PATH_OCTETS = 256;

export type SplitPath = PathAndParameters | 'no-command' | 'no-path';

/** @returns the parts; `no-command` where the line starts otherwise; `no-path` where no path follows */
export function splitPath(command: 'MAIL' | 'RCPT', line: string): SplitPath {
  const start = (command === 'MAIL' ? MAIL_START : RCPT_START).exec(line);
  if (start === null) return 'no-command';
  const rest = line.slice(start[0].length);
  const end = endOfPath(rest);
  if (end === undefined) return 'no-path';
  const path = rest.slice(1, end - 1);
  const after = rest.slice(end);
  if (after !== '' && !/^[ \t]/.test(after)) return 'no-path';
  const address = path.replace(SOURCE_ROUTE, '');
  if (Buffer.byteLength(address) + 2 > MAX_PATH_OCTETS) return 'no-path';
  return { address, parameters: after.trim() };
}

/** @returns the index behind the `>` that closes a path at the start */
function endOfPath(text: string): number | undefined {
  if (text[0] !== '<') return undefined;
  let quoted = false;
  for (let index = 1; index < text.length; index++) {
    const char = text[index];
    if (char === '"') quoted = !quoted;
    else if (quoted && char === '\\') index++;
    else if (!quoted && char === '>') return index + 1;
    else if (!quoted && (char === '<' || char === ' ' || char === '\t')) return undefined;
  }
  return undefined;
}

/** An ESMTP parameter (RFC 5321 section 4.1.2): `value` is undefined where there is no `=`. */
export interface Parameter {
  readonly keyword: string;
  readonly value: string | undefined;
}

const KEYWORD = /^[A-Za-z0-9][A-Za-z0-9-]*$/;
/** esmtp-value, with RFC 6531 section 3.3's UTF-8: no space, no control character, no `=`. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: finding them is the point
const VALUE = /^[^\u0000-\u0020=\u007f-\u009f]+$/;

/** @returns the parameters, keywords in upper case; or what is wrong with them */
export function parseParameters(text: string): readonly Parameter[] | string {
  if (text === '') return [];
  const parameters: Parameter[] = [];
  for (const part of text.split(/[ \t]+/)) {
    const equals = part.indexOf('=');
    const keyword = (equals < 0 ? part : part.slice(0, equals)).toUpperCase();
    const value = equals < 0 ? undefined : part.slice(equals + 1);
    if (!KEYWORD.test(keyword)) return 'A parameter has no keyword';
    // RFC 3461 section 4.5 says so of its own; no other makes sense twice.
    if (parameters.some((other) => other.keyword === keyword)) return `${keyword} stands there twice`;
    if (value !== undefined && !VALUE.test(value)) return `Bad value of ${keyword}`;
    parameters.push({ keyword, value });
  }
  return parameters;
}
