/**
 * The domains of a survey, as a file has them: one a line, in any script; what stands behind `#` is a comment,
 * and of a line with several columns (a list with ranks, say) the first that is a domain counts.
 */
import { parseMailDomain } from '../address.js';
import { linesOf } from './lines.js';

export interface WorkList {
  /** In A-labels, each once, in the order of the file. */
  readonly domains: readonly string[];
  /** Lines that have no domain, for people: the first few. */
  readonly malformed: readonly string[];
  readonly malformedCount: number;
}

/** Lines that are shown. */
const SHOWN = 5;
/** Characters of a line; longer ones are no domain whatever they are. */
const MAX_LINE = 4096;

/** @throws (rejects) the system's error where the source can't be read */
export async function readWorkList(source: AsyncIterable<Uint8Array | string>): Promise<WorkList> {
  const domains = new Set<string>();
  const malformed: string[] = [];
  let malformedCount = 0;
  for await (const line of linesOf(source)) {
    const text = line.slice(0, MAX_LINE).replace(/#.*$/u, '').trim();
    if (text === '') continue;
    const domain = domainIn(text);
    if (domain === undefined) {
      malformedCount += 1;
      if (malformed.length < SHOWN) malformed.push(line.slice(0, 80));
    } else {
      domains.add(domain);
    }
  }
  return { domains: [...domains], malformed, malformedCount };
}

function domainIn(text: string): string | undefined {
  for (const column of text.split(/[\s,;]+/u)) {
    const word = column.replace(/\.$/u, '').toLowerCase();
    if (!word.includes('.')) continue;
    const parsed = parseMailDomain(word);
    if (parsed.ok && !parsed.domain.startsWith('[')) return parsed.domain.toLowerCase();
  }
  return undefined;
}
