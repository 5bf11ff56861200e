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
  readonly name: Name;
  readonly type: number;
  ttl: number;
  readonly rdatas: Uint8Array[];
  readonly signatures: RrsigData[];
}

/** RRsets that are looked through one by one; where there are more, they are found by key. */
const FEW = 8;

/** The RRsets of one section, found by name and type. */
export class RRsets {
  readonly #sets: Growing[] = [];
  #byKey: Map<string, Growing> | undefined;

  constructor(records: readonly ResourceRecord[]) {
    let isSigned = false;
    for (const record of records) {
      if (record.class !== CLASS_IN) continue;
      if (record.type === RRTYPE.RRSIG) isSigned = true;
      else this.#add(record);
    }
    if (!isSigned) return;
    for (const record of records)
      if (record.class === CLASS_IN && record.type === RRTYPE.RRSIG) this.#sign(record);
  }

  #add(record: ResourceRecord): void {
    const { name, type, ttl, rdata } = record;
    const set = this.#find(name, type);
    if (set === undefined) {
      const made = { name, type, ttl, rdatas: [rdata], signatures: [] };
      this.#sets.push(made);
      if (this.#sets.length > FEW) this.#index(made);
      return;
    }
    set.ttl = Math.min(set.ttl, ttl);
    // No two records of an RRset are the same (RFC 2181 section 5): one that came twice is one.
    if (!set.rdatas.some((other) => sameBytes(other, rdata))) set.rdatas.push(rdata);
  }

  #index(made: Growing): void {
    this.#byKey ??= new Map(this.#sets.map((set) => [keyOf(set.name, set.type), set]));
    this.#byKey.set(keyOf(made.name, made.type), made);
  }

  #sign(record: ResourceRecord): void {
    let signature: RrsigData;
    try {
      signature = parseRrsig(record.rdata);
    } catch (error) {
      if (error instanceof WireError) return;
      throw error;
    }
    this.#find(record.name, signature.typeCovered)?.signatures.push(signature);
  }

  #find(name: Name, type: number): Growing | undefined {
    if (this.#byKey !== undefined) return this.#byKey.get(keyOf(name, type));
    for (const set of this.#sets) if (set.type === type && set.name.equals(name)) return set;
    return undefined;
  }

  get(name: Name, type: number): RRset | undefined {
    return this.#find(name, type);
  }

  /** The first of that type whose owner the name lies below. */
  firstAbove(name: Name, type: number): RRset | undefined {
    for (const set of this.#sets) if (set.type === type && name.isBelow(set.name)) return set;
    return undefined;
  }

  ofType(type: number): RRset[] {
    return this.#sets.filter((set) => set.type === type);
  }

  at(name: Name): RRset[] {
    return this.#sets.filter((set) => set.name.equals(name));
  }
}

function keyOf(name: Name, type: number): string {
  return `${type} ${name.key}`;
}
