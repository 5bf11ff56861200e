/** Alias steps as messages show them: a CNAME, or a DNAME above the name (RFC 1034 section 3.6.2, RFC 6672). */
import type { RRset, RRsets } from './dnssec/rrset.js';
import type { Message } from './message.js';
import type { Name } from './name.js';
import { parseTarget } from './record.js';
import { RRTYPE } from './rrtype.js';
import { WireError } from './wire.js';

export interface AliasStep {
  /** What has to be signed: the CNAME itself, or the DNAME that it was made from. */
  readonly proof: RRset;
  /** The CNAME as RRset; for a DNAME the one that it makes (RFC 6672 section 3.1), whatever was sent. */
  readonly cname: {
    readonly name: Name;
    readonly type: number;
    readonly ttl: number;
    readonly rdatas: Uint8Array[];
  };
  readonly target: Name;
}

/**
 * The alias step that leads on from `name`; undefined where it is no alias. A DNAME goes first, for nothing else
 * can exist below it.
 * @throws WireError where the alias is malformed, doubled, or the name that it makes is too long
 */
export function aliasAt(sets: RRsets, name: Name): AliasStep | undefined {
  const dname = sets.firstAbove(name, RRTYPE.DNAME);
  if (dname !== undefined) {
    const target = name.replaceSuffix(dname.name, onlyTarget(dname));
    return {
      proof: dname,
      target,
      cname: { name, type: RRTYPE.CNAME, ttl: dname.ttl, rdatas: [target.wire] },
    };
  }
  const cname = sets.get(name, RRTYPE.CNAME);
  if (cname === undefined) return undefined;
  return { proof: cname, target: onlyTarget(cname), cname: { ...cname, rdatas: [...cname.rdatas] } };
}

function onlyTarget(set: RRset): Name {
  const [rdata, ...others] = set.rdatas;
  if (rdata === undefined || others.length > 0) throw new WireError(`${set.name} has more than one alias`);
  return parseTarget(rdata);
}

/**
 * True where the message says what is at a name that it was not asked for but led to: records, or an absence, which
 * comes with the SOA of a zone that holds the name (RFC 2308 section 2).
 */
export function speaksOf(message: Message, sets: RRsets, name: Name): boolean {
  return (
    sets.at(name).length > 0 ||
    sets.ofType(RRTYPE.DNAME).some((set) => name.isBelow(set.name)) ||
    message.authority.some((record) => record.type === RRTYPE.SOA && name.isAtOrBelow(record.name))
  );
}
