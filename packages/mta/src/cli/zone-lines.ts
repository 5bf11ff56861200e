/**
 * Files of resource records that a person gives: trust anchors and root hints.
 *
 * They are master files (RFC 1035 section 5.1) as other software writes them: BIND's and Unbound's anchor files, the
 * `root.key` of Debian's dns-root-data, IANA's `named.root`. Only what stands in such files is read: records of one
 * line or in parentheses, comments, blank lines.
 */
import { isIP } from 'node:net';
import { CommandError, EXIT } from './exit.js';

/** No anchor or hints file is anywhere near as long; a wrong file name should not cost all memory. */
const MAX_FILE_CHARACTERS = 1_000_000;

const ANCHOR_TYPES = new Set(['DS', 'DNSKEY']);
const ADDRESS_TYPES = new Set(['A', 'AAAA']);

/** The DS and DNSKEY records of a file, one a string, in presentation form. */
export function readAnchors(text: string, file: string): string[] {
  const lines = recordLines(text, file);
  const anchors = lines.filter((line) => typeOf(line, ANCHOR_TYPES) !== undefined);
  if (anchors.length === 0) {
    throw new CommandError(
      EXIT.CONFIG,
      `--trust-anchor: ${file} has no DS or DNSKEY record; without one nothing can be proved`,
    );
  }
  return anchors;
}

/** The addresses of the root servers; NS records of the file add nothing to them. */
export function readRootHints(text: string, file: string): { name: string; address: string }[] {
  const hints: { name: string; address: string }[] = [];
  for (const line of recordLines(text, file)) {
    if (typeOf(line, ADDRESS_TYPES) === undefined) continue;
    const fields = line.split(' ');
    const [name = '', address = ''] = [fields[0], fields.at(-1)];
    if (isIP(address) === 0)
      throw new CommandError(EXIT.CONFIG, `--root-hints: ${file}: "${address}" is not an IP address`);
    hints.push({ name, address });
  }
  if (hints.length === 0)
    throw new CommandError(EXIT.CONFIG, `--root-hints: ${file} has no A or AAAA record`);
  return hints;
}

/** The type of `owner [ttl] [class] type rdata...`, if it is one of these. */
function typeOf(line: string, types: ReadonlySet<string>): string | undefined {
  return line
    .split(' ')
    .slice(1, 4)
    .map((field) => field.toUpperCase())
    .find((field) => types.has(field));
}

/** Records on one line each, comments gone, white space made single. */
function recordLines(text: string, file: string): string[] {
  if (text.length > MAX_FILE_CHARACTERS)
    throw new CommandError(EXIT.CONFIG, `${file} is too long to be a file of a few records`);
  const lines: string[] = [];
  let open = '';
  for (const raw of text.split(/\r?\n/)) {
    const line = `${open} ${raw.replace(/;.*$/, '')}`.replace(/\s+/g, ' ').trim();
    const depth = count(line, '(') - count(line, ')');
    if (depth > 0) {
      open = line;
      continue;
    }
    open = '';
    const record = line.replace(/[()]/g, ' ').replace(/\s+/g, ' ').trim();
    if (record !== '' && !record.startsWith('$')) lines.push(record);
  }
  if (open !== '') throw new CommandError(EXIT.CONFIG, `${file}: a parenthesis is not closed`);
  return lines;
}

function count(text: string, character: string): number {
  return text.split(character).length - 1;
}
