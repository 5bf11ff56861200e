/**
 * The words of a master file (RFC 1035 section 5.1): entries of tokens, with comments taken out, parentheses joined and
 * quoted strings kept whole. Escapes stay as written; what they mean depends on the field a token stands in.
 */
import { WireError } from './wire.js';

/** Root hints are 3 kB and trust anchors less; anything near this is not such a file. */
export const MAX_MASTER_FILE_CHARACTERS = 16 * 1024 * 1024;

export interface Token {
  readonly text: string;
  /** Stood between double quotes, which are not part of `text`. */
  readonly quoted: boolean;
}

export interface Entry {
  /** Where it begins, counted from 1, for error messages. */
  readonly line: number;
  /** It begins with a blank: the owner is that of the entry before. */
  readonly indented: boolean;
  readonly tokens: readonly Token[];
}

/**
 * Empty entries are left out.
 * @throws WireError for quotes and parentheses that don't close, or a text over the bound
 */
export function readEntries(text: string): Entry[] {
  if (text.length > MAX_MASTER_FILE_CHARACTERS) {
    throw new WireError(`text of ${text.length} characters (${MAX_MASTER_FILE_CHARACTERS} at most)`);
  }
  const entries: Entry[] = [];
  let tokens: Token[] = [];
  let line = 1;
  let start = { line, indented: false };
  let open = 0;
  let lineStart = true;
  const finish = () => {
    if (tokens.length > 0) entries.push({ ...start, tokens });
    tokens = [];
  };
  for (let at = 0; at < text.length; ) {
    const character = text[at];
    if (lineStart && open === 0) start = { line, indented: character === ' ' || character === '\t' };
    lineStart = character === '\n';
    switch (character) {
      case '\n':
        if (open === 0) finish();
        line++;
        at++;
        break;
      case ' ':
      case '\t':
      case '\r':
        at++;
        break;
      case ';':
        at = endOfLine(text, at);
        break;
      case '(':
        open++;
        at++;
        break;
      case ')':
        if (--open < 0) throw new WireError(`")" without "(" in line ${line}`);
        at++;
        break;
      default: {
        const end = character === '"' ? endOfQuoted(text, at, line) : endOfWord(text, at);
        tokens.push(
          character === '"'
            ? { text: text.slice(at + 1, end - 1), quoted: true }
            : { text: text.slice(at, end), quoted: false },
        );
        at = end;
      }
    }
  }
  if (open > 0) throw new WireError(`"(" of the entry in line ${start.line} is never closed`);
  finish();
  return entries;
}

function endOfLine(text: string, at: number): number {
  const end = text.indexOf('\n', at);
  return end < 0 ? text.length : end;
}

function endOfWord(text: string, start: number): number {
  let at = start;
  while (at < text.length && !' \t\r\n;()"'.includes(text.charAt(at))) at += text[at] === '\\' ? 2 : 1;
  return Math.min(at, text.length);
}

/** Returns the place behind the closing quote. */
function endOfQuoted(text: string, start: number, line: number): number {
  for (let at = start + 1; at < text.length; at++) {
    if (text[at] === '\\') at++;
    else if (text[at] === '"') return at + 1;
    else if (text[at] === '\n') break;
  }
  throw new WireError(`quoted string in line ${line} is not closed in that line`);
}
