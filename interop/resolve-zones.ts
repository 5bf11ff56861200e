/**
 * Names of every kind that DNSSEC treats on its own, in zones of every kind of denial, signed by both tools;
 * and what a validating resolver has to say of each.
 */
import type { Signing, ZonePlan } from './signed-zone.js';

/** What is to be found out about one name. `failed`: no answer may be given. */
export interface Expected {
  readonly status: 'secure' | 'insecure' | 'failed';
  readonly rcode: 'NOERROR' | 'NXDOMAIN' | 'SERVFAIL';
  /** How many records of the type that was asked for. */
  readonly records: number;
}

export interface NameCase extends Expected {
  /** A sentence. */
  readonly title: string;
  readonly name: string;
  readonly type: string;
}

const p256 = { algorithm: 'ECDSAP256SHA256' } as const;

/** Zones that hold all of `names`. */
const namesZones = [
  { origin: 'nsec.ldns', signing: { signer: 'ldns', algorithm: 'ED25519', denial: 'nsec' } },
  { origin: 'nsec3.ldns', signing: { signer: 'ldns', ...p256, denial: 'nsec3', keys: 'two' } },
  { origin: 'opt-out.ldns', signing: { signer: 'ldns', ...p256, denial: 'nsec3-opt-out' } },
  { origin: 'nsec.bind', signing: { signer: 'bind', ...p256, denial: 'nsec', keys: 'two' } },
  {
    origin: 'nsec3.bind',
    signing: { signer: 'bind', algorithm: 'ECDSAP384SHA384', denial: 'nsec3', ds: 'sha384' },
  },
  { origin: 'opt-out.bind', signing: { signer: 'bind', algorithm: 'RSASHA256', denial: 'nsec3-opt-out' } },
] as const satisfies readonly { origin: string; signing: Signing }[];

const names = `
www IN A 192.0.2.1
www IN A 192.0.2.11
www IN AAAA 2001:db8::1
*.wild IN A 192.0.2.2
*.wildalias IN CNAME www
alias IN CNAME www
chain IN CNAME alias
outward IN CNAME www.unsigned.ldns.
to-bogus IN CNAME www.damaged.ldns.
dangling IN CNAME nothing
below IN DNAME target
www.target IN A 192.0.2.3
deep.within.ent IN A 192.0.2.4
unknown IN TYPE65280 \\# 4 0A000001
`;

/** Zones with one thing about them: an algorithm, a broken chain, a damaged proof. */
const specialZones: readonly {
  origin: string;
  signing: Signing | 'unsigned';
  www: Expected;
  nothing: Expected;
}[] = [
  special('unsigned.ldns', 'unsigned', 'insecure'),
  special('unsigned.bind', 'unsigned', 'insecure'),
  special('island.bind', { signer: 'bind', ...p256, denial: 'nsec', ds: 'none' }, 'insecure'),
  special('rsasha1.ldns', { signer: 'ldns', algorithm: 'RSASHA1', denial: 'nsec' }, 'secure'),
  special('rsasha512.ldns', { signer: 'ldns', algorithm: 'RSASHA512', denial: 'nsec3' }, 'secure'),
  special('ed448.bind', { signer: 'bind', algorithm: 'ED448', denial: 'nsec3' }, 'secure'),
  special('ed25519.bind', { signer: 'bind', algorithm: 'ED25519', denial: 'nsec3', ds: 'sha384' }, 'secure'),
  special('iterations.ldns', { signer: 'ldns', ...p256, denial: 'nsec3', iterations: 5 }, 'secure'),
  special('expired.ldns', { signer: 'ldns', ...p256, denial: 'nsec', validity: 'expired' }, 'failed'),
  special('expired.bind', { signer: 'bind', ...p256, denial: 'nsec3', validity: 'expired' }, 'failed'),
  special('wrong-ds.ldns', { signer: 'ldns', ...p256, denial: 'nsec3', ds: 'of-another-key' }, 'failed'),
  special('wrong-ds.bind', { signer: 'bind', ...p256, denial: 'nsec', ds: 'of-another-key' }, 'failed'),
  special('damaged.ldns', { signer: 'ldns', ...p256, denial: 'nsec', damage: ['A'] }, 'failed', 'secure'),
  special('damaged.bind', { signer: 'bind', ...p256, denial: 'nsec3', damage: ['A'] }, 'failed', 'secure'),
  special('denial.ldns', { signer: 'ldns', ...p256, denial: 'nsec', damage: ['NSEC'] }, 'secure', 'failed'),
  special('denial.bind', { signer: 'bind', ...p256, denial: 'nsec3', damage: ['NSEC3'] }, 'secure', 'failed'),
  special('keys.bind', { signer: 'bind', ...p256, denial: 'nsec', damage: ['DNSKEY'] }, 'failed'),
];

function special(
  origin: string,
  signing: Signing | 'unsigned',
  www: Expected['status'],
  nothing: Expected['status'] = www,
): { origin: string; signing: Signing | 'unsigned'; www: Expected; nothing: Expected } {
  return { origin, signing, www: finding(www, 'NOERROR', 1), nothing: finding(nothing, 'NXDOMAIN', 0) };
}

function finding(status: Expected['status'], rcode: Expected['rcode'], records: number): Expected {
  return status === 'failed' ? { status, rcode: 'SERVFAIL', records: 0 } : { status, rcode, records };
}

/** The whole tree: a root and a top-level domain signed by ldns, one signed by BIND, and the zones above. */
export const resolveZones: readonly ZonePlan[] = [
  { origin: '.', records: '', signing: { signer: 'ldns', ...p256, denial: 'nsec', keys: 'two' } },
  { origin: 'ldns', records: '', signing: { signer: 'ldns', ...p256, denial: 'nsec', keys: 'two' } },
  {
    origin: 'bind',
    records: '',
    signing: { signer: 'bind', algorithm: 'RSASHA256', denial: 'nsec3-opt-out', keys: 'two' },
  },
  ...namesZones.flatMap(({ origin, signing }): ZonePlan[] => [
    { origin, records: names, signing },
    { origin: `child.${origin}`, records: 'www IN A 192.0.2.5', signing: 'unsigned' },
  ]),
  ...specialZones.map(({ origin, signing }) => ({ origin, records: 'www IN A 192.0.2.6', signing })),
];

/**
 * Below an opt-out NSEC3 that covers the next closer name there may be an unsigned delegation: what rests on
 * it is not proved (RFC 5155 section 9.2).
 */
function namesCases(origin: string, { denial, signer }: Signing): NameCase[] {
  const cover = denial === 'nsec3-opt-out' ? 'insecure' : 'secure';
  // ldns sets the opt-out flag but gives unsigned delegations an NSEC3 record all the same: their lack of DS
  // is proved.
  const delegationDs = signer === 'ldns' ? 'secure' : cover;
  const row = (title: string, name: string, type: string, expected: Expected): NameCase => ({
    title,
    name: name === '@' ? origin : `${name}.${origin}`,
    type,
    ...expected,
  });
  return [
    row('an RRset with its signature', 'www', 'A', finding('secure', 'NOERROR', 2)),
    row('the apex', '@', 'SOA', finding('secure', 'NOERROR', 1)),
    row('the DS, which the parent has', '@', 'DS', finding('secure', 'NOERROR', 1)),
    row('a type nobody knows', 'unknown', 'TYPE65280', finding('secure', 'NOERROR', 1)),
    row('no such type', 'www', 'TXT', finding('secure', 'NOERROR', 0)),
    row('no such name', 'nothing', 'A', finding(cover, 'NXDOMAIN', 0)),
    row('no such name below an existing one', 'a.b.www', 'A', finding(cover, 'NXDOMAIN', 0)),
    row('a wildcard', 'x.wild', 'A', finding(cover, 'NOERROR', 1)),
    row('a wildcard several labels deep', 'x.y.wild', 'A', finding(cover, 'NOERROR', 1)),
    row('a wildcard that lacks the type', 'x.wild', 'TXT', finding(cover, 'NOERROR', 0)),
    row('the wildcard itself', '*.wild', 'A', finding('secure', 'NOERROR', 1)),
    row('the name above a wildcard', 'wild', 'A', finding('secure', 'NOERROR', 0)),
    row('a wildcard alias', 'x.wildalias', 'A', finding(cover, 'NOERROR', 2)),
    row('an alias', 'alias', 'A', finding('secure', 'NOERROR', 2)),
    row('an alias asked for as such', 'alias', 'CNAME', finding('secure', 'NOERROR', 1)),
    row('an alias of an alias', 'chain', 'AAAA', finding('secure', 'NOERROR', 1)),
    row('an alias without the type', 'alias', 'MX', finding('secure', 'NOERROR', 0)),
    row('an alias of nothing', 'dangling', 'A', finding(cover, 'NXDOMAIN', 0)),
    row('an alias into an unsigned zone', 'outward', 'A', finding('insecure', 'NOERROR', 1)),
    row('an alias to a bogus name', 'to-bogus', 'A', finding('failed', 'SERVFAIL', 0)),
    row('a name under a DNAME', 'www.below', 'A', finding('secure', 'NOERROR', 1)),
    row('no such name under a DNAME', 'nothing.below', 'A', finding(cover, 'NXDOMAIN', 0)),
    row('the DNAME itself', 'below', 'DNAME', finding('secure', 'NOERROR', 1)),
    row('the name that has the DNAME', 'below', 'A', finding('secure', 'NOERROR', 0)),
    row('an empty non-terminal', 'ent', 'A', finding('secure', 'NOERROR', 0)),
    row('an empty non-terminal within another', 'within.ent', 'MX', finding('secure', 'NOERROR', 0)),
    row('the absent DS of an unsigned delegation', 'child', 'DS', finding(delegationDs, 'NOERROR', 0)),
    row('a name in an unsigned delegation', 'www.child', 'A', finding('insecure', 'NOERROR', 1)),
    row('no such name in an unsigned delegation', 'nothing.child', 'A', finding('insecure', 'NXDOMAIN', 0)),
  ];
}

export const nameCases: readonly NameCase[] = [
  ...namesZones.flatMap(({ origin, signing }) => namesCases(origin, signing)),
  ...specialZones.flatMap(({ origin, www, nothing }): NameCase[] => [
    { title: 'an address', name: `www.${origin}`, type: 'A', ...www },
    { title: 'no such name', name: `nothing.${origin}`, type: 'A', ...nothing },
  ]),
];
