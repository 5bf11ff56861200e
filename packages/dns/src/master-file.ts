/**
 * Master files (RFC 1035 section 5): small texts of resource records, such as root hints, trust anchors and test zones.
 * `$ORIGIN`, `$TTL` (RFC 2308 section 4), omitted owners and TTLs, comments and parentheses are understood; `$INCLUDE`
 * and `$GENERATE` are refused.
 */
import { type Entry, readEntries } from './master-file-tokens.js';
import type { ResourceRecord } from './message.js';
import { Name } from './name.js';
import { parseName, parseRdataTokens, parseSeconds, requireTypeNumber } from './presentation.js';
import { CLASS_IN, classNumber } from './rrtype.js';
import { quote, WireError } from './wire.js';

export interface MasterFileOptions {
  /** Names without a last dot are relative to it; the root by default, so that they are absolute. */
  readonly origin?: Name;
  /** Seconds, for records before the first TTL and the first `$TTL`; 0 by default. */
  readonly defaultTtl?: number;
}

/** RFC 2181 section 8: a TTL has 31 bits. */
const MAX_TTL = 0x7fffffff;

/**
 * Reads the one record of a text.
 * @throws WireError where there is none, or more than one, or it is malformed
 */
export function parseRecordText(text: string, options: MasterFileOptions = {}): ResourceRecord {
  const [record, ...more] = parseRecords(text, options);
  if (record === undefined) throw new WireError('no resource record in the text');
  if (more.length > 0) throw new WireError(`${more.length + 1} resource records where one was expected`);
  return record;
}

/**
 * Reads all records of a text, in their order.
 * @throws WireError that names the line, at the first that is malformed
 */
export function parseRecords(text: string, options: MasterFileOptions = {}): ResourceRecord[] {
  const reader = new MasterFileReader(options);
  const records: ResourceRecord[] = [];
  for (const entry of readEntries(text)) {
    try {
      const record = reader.read(entry);
      if (record !== undefined) records.push(record);
    } catch (error) {
      if (error instanceof WireError)
        throw new WireError(`line ${entry.line}: ${error.message}`, { cause: error });
      throw error;
    }
  }
  return records;
}

/** What one entry leaves behind for the next. */
class MasterFileReader {
  #origin: Name;
  #owner: Name | undefined;
  #class = CLASS_IN;
  /** From `$TTL` once there is one, else the last that was stated. */
  #ttl: number;
  #ttlByDirective = false;

  constructor(options: MasterFileOptions) {
    this.#origin = options.origin ?? Name.root;
    this.#ttl = options.defaultTtl ?? 0;
  }

  read(entry: Entry): ResourceRecord | undefined {
    const [first] = entry.tokens;
    if (first !== undefined && !first.quoted && !entry.indented && first.text.startsWith('$')) {
      this.#directive(entry);
      return undefined;
    }
    return this.#record(entry);
  }

  #directive(entry: Entry): void {
    const [directive, value, extra] = entry.tokens.map((token) => token.text);
    const what = directive?.toUpperCase() ?? '';
    if (what !== '$ORIGIN' && what !== '$TTL') throw new WireError(`${quote(what)} is not understood`);
    if (value === undefined || extra !== undefined) throw new WireError(`${what} takes one value`);
    if (what === '$ORIGIN') {
      this.#origin = parseName(value, this.#origin);
      return;
    }
    this.#ttl = requireTtl(value);
    this.#ttlByDirective = true;
  }

  #record(entry: Entry): ResourceRecord {
    const words = entry.tokens.map((token) => token.text);
    let at = 0;
    if (!entry.indented) this.#owner = parseName(words[at++] ?? '', this.#origin);
    if (this.#owner === undefined)
      throw new WireError('the first record begins with a blank: it has no owner name');
    // [TTL] [class] or [class] [TTL] (RFC 1035 section 5.1).
    let ttl: number | undefined;
    let rrclass: number | undefined;
    for (; ; at++) {
      const word = words[at] ?? '';
      if (ttl === undefined && /^[0-9]/.test(word)) ttl = requireTtl(word);
      else if (rrclass === undefined && classNumber(word) !== undefined) rrclass = classNumber(word);
      else break;
    }
    if (words[at] === undefined) throw new WireError(`record of ${this.#owner} has no type`);
    const type = requireTypeNumber(words[at] ?? '', `record of ${this.#owner}`);
    const rdata = parseRdataTokens(type, entry.tokens.slice(at + 1), this.#origin);
    if (rrclass !== undefined) this.#class = rrclass;
    if (ttl !== undefined && !this.#ttlByDirective) this.#ttl = ttl;
    return { name: this.#owner, type, class: this.#class, ttl: ttl ?? this.#ttl, rdata };
  }
}

function requireTtl(text: string): number {
  const ttl = parseSeconds(text);
  if (ttl === undefined || ttl > MAX_TTL) throw new WireError(`${quote(text)} is not a TTL in seconds`);
  return ttl;
}
