/**
 * The data of one zone: RRsets by owner name, with the places where it is cut (RFC 1034 section 4.2, RFC 2181
 * section 6).
 *
 * What exists is more than what owns records: `_tcp.mx.example` exists as an *empty non-terminal* because
 * `_25._tcp.mx.example` does (RFC 4592 section 2.2.2). Names at and below a delegation are not the zone's
 * own; the addresses kept there are glue.
 */
import { concatBytes, Name, RRTYPE } from '@danelaw/dns';

/**
 * Records of one owner name and type. Their RDATA may be made late (a getter): a DS waits for the child's
 * keys.
 */
export interface Rrset {
  readonly name: Name;
  readonly type: number;
  /** Seconds. */
  readonly ttl: number;
  readonly rdatas: readonly Uint8Array[];
}

const WILDCARD_LABEL = new TextEncoder().encode('*');

/** `*.parent` */
export function wildcardBelow(parent: Name): Name {
  return Name.fromLabels([WILDCARD_LABEL, ...parent.labels()]);
}

const NO_SETS: ReadonlyMap<number, Rrset> = new Map();

export class Zone {
  readonly origin: Name;
  readonly #nodes = new Map<string, { readonly name: Name; readonly sets: Map<number, Rrset> }>();

  constructor(origin: Name) {
    this.origin = origin;
    this.#node(origin);
  }

  /**
   * Adds a set; records of a set that is already there are joined to it. @throws RangeError outside of the
   * zone
   */
  add(set: Rrset): void {
    if (!set.name.isAtOrBelow(this.origin)) {
      throw new RangeError(`${set.name.toAbsolute()} does not lie in the zone ${this.origin.toAbsolute()}`);
    }
    for (let name = set.name; name.labelCount > this.origin.labelCount; name = name.parent())
      this.#node(name);
    const { sets } = this.#node(set.name);
    const known = sets.get(set.type);
    sets.set(set.type, known === undefined ? set : { ...known, rdatas: [...known.rdatas, ...set.rdatas] });
  }

  #node(name: Name): { readonly name: Name; readonly sets: Map<number, Rrset> } {
    const known = this.#nodes.get(name.key);
    if (known !== undefined) return known;
    const node = { name, sets: new Map<number, Rrset>() };
    this.#nodes.set(name.key, node);
    return node;
  }

  set(name: Name, type: number): Rrset | undefined {
    return this.#nodes.get(name.key)?.sets.get(type);
  }

  /** The sets of a name: none for an empty non-terminal, undefined for a name that does not exist. */
  sets(name: Name): ReadonlyMap<number, Rrset> | undefined {
    return this.#nodes.get(name.key)?.sets;
  }

  /** @throws RangeError for a zone without one: it can't be served */
  get soa(): Rrset {
    const soa = this.set(this.origin, RRTYPE.SOA);
    if (soa === undefined) throw new RangeError(`the zone ${this.origin.toAbsolute()} has no SOA record`);
    return soa;
  }

  /** The topmost delegation point at or above the name; the zone's own apex is none. */
  cutAtOrAbove(name: Name): Name | undefined {
    for (let labels = this.origin.labelCount + 1; labels <= name.labelCount; labels++) {
      const ancestor = name.suffix(labels);
      if (this.isCut(ancestor)) return ancestor;
    }
    return undefined;
  }

  isCut(name: Name): boolean {
    return !name.equals(this.origin) && this.set(name, RRTYPE.NS) !== undefined;
  }

  /** The DNAME that redirects this name: one of a proper ancestor (RFC 6672 section 2.3). */
  dnameAbove(name: Name): Rrset | undefined {
    for (let labels = this.origin.labelCount; labels < name.labelCount; labels++) {
      const dname = this.set(name.suffix(labels), RRTYPE.DNAME);
      if (dname !== undefined) return dname;
    }
    return undefined;
  }

  /** The longest existing ancestor, or the name itself (RFC 4592 section 3.3.1). */
  closestEncloser(name: Name): Name {
    let encloser = name;
    while (!this.#nodes.has(encloser.key)) encloser = encloser.parent();
    return encloser;
  }

  /**
   * Names that own records and are this zone's to speak for: delegation points are, what lies below them is
   * not.
   */
  authoritativeNames(): Name[] {
    const names: Name[] = [];
    for (const { name, sets } of this.#nodes.values()) {
      if (sets.size === 0) continue;
      const cut = this.cutAtOrAbove(name);
      if (cut === undefined || cut.equals(name)) names.push(name);
    }
    return names;
  }

  /**
   * The types that a denial may tell of: at a delegation point only NS and DS are the parent's (RFC 4035
   * section 2.3).
   */
  authoritativeTypes(name: Name): number[] {
    const types = [...(this.sets(name) ?? NO_SETS).keys()];
    return this.isCut(name) ? types.filter((type) => type === RRTYPE.NS || type === RRTYPE.DS) : types;
  }
}

/** RFC 4034 section 4.1.2: the type bitmap of NSEC and NSEC3. */
export function typeBitmap(types: Iterable<number>): Uint8Array {
  const windows = new Map<number, Uint8Array>();
  for (const type of types) {
    const bits = windows.get(type >> 8) ?? new Uint8Array(32);
    const at = (type & 0xff) >> 3;
    bits[at] = (bits[at] ?? 0) | (0x80 >> (type & 7));
    windows.set(type >> 8, bits);
  }
  const parts: Uint8Array[] = [];
  for (const [window, bits] of [...windows].sort(([a], [b]) => a - b)) {
    const length = bits.findLastIndex((octet) => octet !== 0) + 1;
    parts.push(Uint8Array.of(window, length), bits.subarray(0, length));
  }
  return concatBytes(parts);
}
