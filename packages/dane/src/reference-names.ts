/**
 * Which names a server's certificate may be for, when a DANE-TA record vouches for its issuer (RFC 7672 section 3.2.2).
 *
 * The TLSA base domain always counts. What counts beside it depends on how the server was found: through a secure MX
 * RRset the mail domain itself is as good, because DNSSEC ties the two together. Through an insecure one it is not: an
 * attacker who forged the MX could present any certificate of the same CA.
 *
 * The unexpanded MX host is not a reference name where the base domain is its expansion; and the recipient's domain is
 * none where the administrator named the relay.
 */

/** How the server was found. */
export type ServerOrigin = MxOrigin | ImplicitMxOrigin | RelayOrigin;

/** By an MX RRset, or a list of hosts that the administrator gave for the domain (which is secure a priori). */
export interface MxOrigin {
  readonly kind: 'mx';
  /** Of the MX look-up, with every alias on the way to it. */
  readonly status: 'secure' | 'insecure';
  /** The domain whose MX records were asked for: the recipient's, or one that the administrator set in its place. */
  readonly nextHop: string;
  /** The name at the end of its aliases, which has the MX records; `nextHop` itself where it is no alias. */
  readonly expandedNextHop: string;
}

/** The domain has no MX records, and is its own server. */
export interface ImplicitMxOrigin {
  readonly kind: 'implicit-mx';
  readonly nextHop: string;
}

/** A host that the administrator named, without MX resolution. */
export interface RelayOrigin {
  readonly kind: 'relay';
  readonly relay: string;
}

/** The reference names besides the base domain: `otherNames` of `verifyCertificate`. */
export function referenceNames(origin: ServerOrigin, baseDomain: string): readonly string[] {
  return unique(namesOf(origin), baseDomain);
}

function namesOf(origin: ServerOrigin): readonly string[] {
  switch (origin.kind) {
    case 'mx':
      // "The original next-hop domain ... MUST be included as a second reference identifier. The CNAME-expanded
      // original next-hop domain MUST be included as a third"; insecure: "the MX hostname is the only" one.
      return origin.status === 'secure' ? [origin.nextHop, origin.expandedNextHop] : [];
    case 'implicit-mx':
      // "If MX records were not used and the TLSA base domain is the CNAME-expanded original next-hop domain, then the
      // original next-hop domain MUST be included". Otherwise the two are one, and `unique` drops it.
      return [origin.nextHop];
    case 'relay':
      return [origin.relay];
    default: {
      const never: never = origin;
      return never;
    }
  }
}

/** Without the base domain and without repetitions; names are compared, not rewritten, but for a trailing dot. */
function unique(names: readonly string[], baseDomain: string): string[] {
  const seen = new Set([canonical(baseDomain)]);
  return names
    .map((name) => name.replace(/\.$/, ''))
    .filter((name) => {
      if (seen.has(canonical(name))) return false;
      seen.add(canonical(name));
      return true;
    });
}

const canonical = (name: string): string => name.toLowerCase().replace(/\.$/, '');
