/** RRsets with the signatures that came with them: the unit that DNSSEC signs (RFC 4034 section 3, RFC 2181 section 5). */
import type { ResourceRecord } from '../message.js';
import type { Name } from '../name.js';
import { parseRrsig, type RrsigData } from '../record.js';
import { CLASS_IN, RRTYPE } from '../rrtype.js';
import { sameBytes, WireError } from '../wire.js';

export interface RRset {
  readonly name: Name;
  readonly type: number;
  /** Seconds; the lowest of its records (RFC 2181 section 5.2). */
  readonly ttl: number;
  readonly rdatas: readonly Uint8Array[];
  /** The RRSIGs that cover it, malformed ones left out. */
  readonly signatures: readonly RrsigData[];
}

interface Growing {
  name: Name;
  type: number;
  ttl: number;
  rdatas: Uint8Array[];
  signatures: RrsigData[];
}

/** The RRsets of one section, found by name and type. */
export class RRsets {
  readonly #sets = new Map<string, Growing>();

  constructor(records: readonly ResourceRecord[]) {
    const signatures: ResourceRecord[] = [];
    for (const record of records) {
      if (record.class !== CLASS_IN) continue;
      if (record.type === RRTYPE.RRSIG) signatures.push(record);
      else this.#add(record);
    }
    for (const record of signatures) this.#sign(record);
  }

  #add(record: ResourceRecord): void {
    const key = keyOf(record.name, record.type);
    const set = this.#sets.get(key);
    if (set === undefined) {
      const { name, type, ttl, rdata } = record;
      this.#sets.set(key, { name, type, ttl, rdatas: [rdata], signatures: [] });
      return;
    }
    set.ttl = Math.min(set.ttl, record.ttl);
    // No two records of an RRset are the same (RFC 2181 section 5): one that came twice is one.
    if (!set.rdatas.some((rdata) => sameBytes(rdata, record.rdata))) set.rdatas.push(record.rdata);
  }

  #sign(record: ResourceRecord): void {
    let signature: RrsigData;
    try {
      signature = parseRrsig(record.rdata);
    } catch (error) {
      if (error instanceof WireError) return;
      throw error;
    }
    this.#sets.get(keyOf(record.name, signature.typeCovered))?.signatures.push(signature);
  }

  get(name: Name, type: number): RRset | undefined {
    return this.#sets.get(keyOf(name, type));
  }

  ofType(type: number): RRset[] {
    return [...this.#sets.values()].filter((set) => set.type === type);
  }

  at(name: Name): RRset[] {
    return [...this.#sets.values()].filter((set) => set.name.equals(name));
  }
}

function keyOf(name: Name, type: number): string {
  return `${type} ${name.key}`;
}
