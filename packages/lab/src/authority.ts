/**
 * What an authoritative server answers from its zones: the algorithm of RFC 1034 section 4.3.2 with the
 * additions of RFC 4035 section 3.1, RFC 5155 section 7.2, RFC 4592 (wildcards) and RFC 6672 (DNAME).
 *
 * No sockets here; `nameserver.ts` puts the answer into a message.
 */
import { CLASS_IN, Name, parseTarget, type Question, RCODE, type ResourceRecord, RRTYPE } from '@danelaw/dns';
import type { Denial } from './denial.js';
import { negativeTtl, type SignedZone } from './sign.js';
import { type Rrset, wildcardBelow, type Zone } from './zone.js';

/** A zone as a server holds it; without `signed` it goes out as it is. */
export interface ServedZone {
  readonly zone: Zone;
  readonly signed?: SignedZone;
}

export interface Reply {
  rcode: number;
  /** The authority of whoever owns the first name of the answer (RFC 1035 section 4.1.1). */
  aa: boolean;
  readonly answer: ResourceRecord[];
  readonly authority: ResourceRecord[];
  readonly additional: ResourceRecord[];
}

/**
 * Steps of aliases that are followed inside one server's zones; a loop ends here and the client must see to
 * it.
 */
const MAX_ALIASES = 16;

/** Pseudo-type 0 of RFC 2931 is not ours; these four ask for a transfer or mail types that nobody has. */
const TRANSFER_TYPES: ReadonlySet<number> = new Set([251, 252, 253, 254]);

/** @param dnssec the client set DO and gets signatures and proofs (RFC 4035 section 3.1) */
export function answerFromZones(zones: readonly ServedZone[], question: Question, dnssec: boolean): Reply {
  const reply: Reply = { rcode: RCODE.NOERROR, aa: true, answer: [], authority: [], additional: [] };
  if (TRANSFER_TYPES.has(question.type)) return { ...reply, rcode: RCODE.NOTIMP, aa: false };
  let name = question.name;
  for (let step = 0; step <= MAX_ALIASES; step++) {
    const served = zoneFor(zones, name, question.type);
    if (served === undefined) {
      // An alias led out of this server's zones: the client goes on from there.
      return step === 0 ? { ...reply, rcode: RCODE.REFUSED, aa: false } : reply;
    }
    const target = new ZoneAnswer(served, reply, dnssec).add(name, question.type, step === 0);
    if (target === undefined) return reply;
    name = target;
  }
  return reply;
}

/**
 * The deepest zone that holds the name; a DS is the parent's to answer where this server has it (section
 * 3.1.4.1).
 */
function zoneFor(zones: readonly ServedZone[], name: Name, type: number): ServedZone | undefined {
  let deepest: ServedZone | undefined;
  let above: ServedZone | undefined;
  for (const served of zones) {
    const { origin } = served.zone;
    if (!name.isAtOrBelow(origin)) continue;
    if (type === RRTYPE.DS && origin.equals(name) && !origin.isRoot) {
      above = served;
      continue;
    }
    if (deepest === undefined || origin.labelCount > deepest.zone.origin.labelCount) deepest = served;
  }
  return deepest ?? above;
}

/** Puts what one zone knows of one name into the reply. */
class ZoneAnswer {
  readonly #zone: Zone;
  readonly #signed: SignedZone | undefined;
  readonly #reply: Reply;
  readonly #served: ServedZone;

  constructor(served: ServedZone, reply: Reply, dnssec: boolean) {
    this.#zone = served.zone;
    this.#signed = dnssec ? served.signed : undefined;
    this.#reply = reply;
    this.#served = served;
  }

  /** @returns the name to go on with, where an alias was followed */
  add(name: Name, type: number, first: boolean): Name | undefined {
    const zone = this.#zone;
    const cut = zone.cutAtOrAbove(name);
    if (cut !== undefined && !(type === RRTYPE.DS && cut.equals(name))) {
      this.#referral(cut);
      if (first) this.#reply.aa = false;
      return undefined;
    }
    const dname = zone.dnameAbove(name);
    if (dname !== undefined) return this.#throughDname(name, dname);
    if (zone.sets(name) !== undefined) return this.#atNode(name, name, type);
    const closestEncloser = zone.closestEncloser(name);
    const wildcard = wildcardBelow(closestEncloser);
    if (zone.sets(wildcard) === undefined) {
      this.#reply.rcode = RCODE.NXDOMAIN;
      this.#deny((denial) => denial.nameError(name, closestEncloser));
      return undefined;
    }
    return this.#atNode(name, wildcard, type);
  }

  /**
   * @param node where the data lies: the name itself, or the wildcard that matches it (RFC 4592 section
   * 3.3.1)
   */
  #atNode(name: Name, node: Name, type: number): Name | undefined {
    const closestEncloser = node.parent();
    const isWildcard = !node.equals(name);
    const cname = this.#zone.set(node, RRTYPE.CNAME);
    const aliased = cname !== undefined && !BESIDE_CNAME.has(type);
    const sets = aliased ? [cname] : this.#setsOf(node, type);
    if (sets.length === 0) {
      this.#deny((denial) =>
        isWildcard ? denial.wildcardNoData(name, closestEncloser) : denial.noData(name),
      );
      return undefined;
    }
    for (const set of sets) this.#put(this.#reply.answer, set, name);
    if (isWildcard) this.#prove((denial) => denial.wildcardAnswer(name, closestEncloser));
    const rdata = aliased ? cname.rdatas[0] : undefined;
    return rdata === undefined ? undefined : parseTarget(rdata);
  }

  #setsOf(node: Name, type: number): Rrset[] {
    const { signed } = this.#served;
    const all = [...(this.#zone.sets(node)?.values() ?? [])];
    if (type === RRTYPE.ANY) return all;
    if (type === RRTYPE.RRSIG) {
      const rdatas = all.flatMap((set) => signed?.signatures(set) ?? []);
      return rdatas.length === 0 ? [] : [{ name: node, type, ttl: this.#zone.soa.ttl, rdatas }];
    }
    // DNSKEY, NSEC and NSEC3PARAM are there for clients that do not set DO, too.
    const set = signed?.set(node, type) ?? this.#zone.set(node, type);
    return set === undefined ? [] : [set];
  }

  /** RFC 6672 section 3.1: the DNAME, and a CNAME made from it, which is not signed. */
  #throughDname(name: Name, dname: Rrset): Name | undefined {
    this.#put(this.#reply.answer, dname, dname.name);
    const rdata = dname.rdatas[0];
    if (rdata === undefined) return undefined;
    const kept = name.labels().slice(0, name.labelCount - dname.name.labelCount);
    const target = joined(kept, parseTarget(rdata));
    if (target === undefined) {
      this.#reply.rcode = RCODE.YXDOMAIN;
      return undefined;
    }
    const { ttl } = dname;
    this.#reply.answer.push({ name, type: RRTYPE.CNAME, class: CLASS_IN, ttl, rdata: target.wire });
    return target;
  }

  /**
   * RFC 4035 section 3.1.4: NS, DS or the proof that there is none, and the addresses of servers below the
   * cut.
   */
  #referral(cut: Name): void {
    const { authority, additional } = this.#reply;
    const ns = this.#zone.set(cut, RRTYPE.NS);
    if (ns === undefined) return;
    for (const rdata of ns.rdatas) {
      authority.push({ name: cut, type: RRTYPE.NS, class: CLASS_IN, ttl: ns.ttl, rdata });
    }
    const ds = this.#zone.set(cut, RRTYPE.DS);
    if (ds === undefined) this.#prove((denial) => denial.unsignedReferral(cut));
    else if (this.#signed !== undefined) this.#put(authority, ds, cut);
    for (const rdata of ns.rdatas) this.#glue(parseTarget(rdata), additional);
  }

  #glue(server: Name, additional: ResourceRecord[]): void {
    for (const type of [RRTYPE.A, RRTYPE.AAAA]) {
      const set = this.#zone.set(server, type);
      if (set === undefined) continue;
      for (const rdata of set.rdatas) {
        additional.push({ name: server, type, class: CLASS_IN, ttl: set.ttl, rdata });
      }
    }
  }

  /** The SOA, by which a denial is kept (RFC 2308 section 3), and the proof. */
  #deny(choose: (denial: Denial) => Rrset[]): void {
    const { soa } = this.#zone;
    this.#put(this.#reply.authority, soa, soa.name, negativeTtl(this.#zone));
    this.#prove(choose);
  }

  #prove(choose: (denial: Denial) => Rrset[]): void {
    for (const set of this.#signed?.denial(choose) ?? []) this.#put(this.#reply.authority, set, set.name);
  }

  /** A set and its signatures, under the name that was asked for. */
  #put(section: ResourceRecord[], set: Rrset, name: Name, ttl = set.ttl): void {
    const { type } = set;
    for (const rdata of set.rdatas) section.push({ name, type, class: CLASS_IN, ttl, rdata });
    if (type === RRTYPE.RRSIG) return;
    for (const rdata of this.#signed?.signatures(set) ?? []) {
      section.push({ name, type: RRTYPE.RRSIG, class: CLASS_IN, ttl, rdata });
    }
  }
}

/** Types that may be asked for at an alias itself (RFC 4034 section 3, RFC 4035 section 2.5). */
const BESIDE_CNAME: ReadonlySet<number> = new Set([RRTYPE.CNAME, RRTYPE.NSEC, RRTYPE.RRSIG, RRTYPE.ANY]);

function joined(labels: readonly Uint8Array[], suffix: Name): Name | undefined {
  try {
    return Name.fromLabels([...labels, ...suffix.labels()]);
  } catch {
    return undefined;
  }
}
