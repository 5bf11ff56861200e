/**
 * What stands in the generated zones, and what is asked about it: one feature for each kind of name that DNSSEC treats on
 * its own. Names are relative to the zone.
 */
import type { Random } from './random.js';
import type { Question, ZonePlan } from './zone-plan.js';

export interface Feature {
  readonly records: string;
  /** Name, types separated by spaces, what is special. */
  readonly questions: readonly (readonly [name: string, types: string, about: string])[];
}

/** What a feature may point to, in other zones. */
export interface Surroundings {
  readonly random: Random;
  /** Origins of other zones: all have `www`. */
  readonly others: readonly string[];
}

type Maker = (surroundings: Surroundings) => Feature;

/** In every zone. */
export const basis: Maker = () => ({
  records: `
@ IN MX 10 mail
@ IN TXT "v=spf1 -all"
www IN A 192.0.2.1
www IN A 192.0.2.11
www IN AAAA 2001:db8::1
mail IN A 192.0.2.25
_25._tcp.mail IN TLSA 3 1 1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
`,
  questions: [
    ['www', 'A AAAA', 'records'],
    ['WwW', 'A', 'records, by letters in odd case'],
    ['@', 'SOA NS MX DNSKEY', 'the apex'],
    ['@', 'DS', 'DS, which the parent has'],
    ['@', 'A NSEC3PARAM', 'perhaps no such type at the apex'],
    ['_25._tcp.mail', 'TLSA', 'records'],
    ['_tcp.mail', 'A', 'an empty non-terminal'],
    ['www', 'TXT DS', 'no such type'],
    ['www', 'CNAME', 'no alias'],
    ['www', 'ANY', 'all types'],
    ['www', 'RRSIG', 'signatures'],
    ['www', 'NSEC', 'its own denial'],
    ['nothing', 'A', 'no such name'],
    ['a.b.nothing', 'MX', 'no such name, several labels'],
    ['below.www', 'A DS', 'no such name below one that exists'],
    ['nothing', 'ANY', 'no such name, all types'],
  ],
});

const wildcard: Maker = () => ({
  records: `
*.wild IN A 192.0.2.2
*.wild IN TXT "any"
exact.wild IN A 192.0.2.3
deep.under.exact.wild IN A 192.0.2.4
`,
  questions: [
    ['x.wild', 'A TXT', 'expanded from a wildcard'],
    ['x.y.z.wild', 'A', 'expanded from a wildcard, several labels'],
    ['x.wild', 'MX DS CNAME', 'a wildcard without the type'],
    ['*.wild', 'A MX', 'the wildcard itself'],
    ['x.*.wild', 'A', 'below the wildcard itself'],
    ['wild', 'A', 'the name above a wildcard'],
    ['exact.wild', 'A', 'a name beside a wildcard'],
    ['exact.wild', 'TXT', 'no such type beside a wildcard'],
    ['x.exact.wild', 'A', 'no wildcard at the closest encloser'],
    ['under.exact.wild', 'A', 'an empty non-terminal beside a wildcard'],
    ['x.under.exact.wild', 'A', 'no wildcard at the empty non-terminal'],
    ['x.wild', 'ANY', 'all types of a wildcard'],
  ],
});

const apexWildcard: Maker = () => ({
  records: '* IN TXT "everything"',
  questions: [
    ['whatever', 'TXT', 'expanded from a wildcard at the apex'],
    ['what.ever', 'TXT', 'expanded from a wildcard at the apex, two labels'],
    ['whatever', 'A', 'a wildcard at the apex without the type'],
    ['*', 'TXT', 'the wildcard itself'],
  ],
});

const wildcardAlias: Maker = ({ random, others }) => ({
  records: `
*.here IN CNAME www
*.there IN CNAME www.${random.pick(others)}.
*.nowhere IN CNAME missing
`,
  questions: [
    ['x.here', 'A CNAME', 'an alias expanded from a wildcard'],
    ['x.here', 'TXT', 'an alias expanded from a wildcard, without the type'],
    ['x.there', 'A', 'an alias expanded from a wildcard, into another zone'],
    ['x.nowhere', 'A', 'an alias expanded from a wildcard, to nothing'],
  ],
});

const aliases: Maker = ({ random, others }) => ({
  records: `
alias IN CNAME www
chain IN CNAME alias
across IN CNAME www.${random.pick(others)}.
across2 IN CNAME across
dangling IN CNAME missing
dangling-across IN CNAME missing.${random.pick(others)}.
to-top IN CNAME ${random.pick(others).split('.').at(-1)}.
to-nodata IN CNAME mail
`,
  questions: [
    ['alias', 'A AAAA', 'an alias'],
    ['AliaS', 'A', 'an alias, by letters in odd case'],
    ['alias', 'CNAME', 'an alias asked for as such'],
    ['alias', 'DS', 'DS at an alias'],
    ['alias', 'MX', 'an alias to a name without the type'],
    ['chain', 'A', 'an alias of an alias'],
    ['chain', 'MX', 'an alias of an alias to a name without the type'],
    ['across', 'A MX', 'an alias into another zone'],
    ['across2', 'A', 'an alias of an alias into another zone'],
    ['dangling', 'A', 'an alias to nothing'],
    ['dangling-across', 'A', 'an alias to nothing in another zone'],
    ['to-top', 'SOA', 'an alias to the apex of a zone above'],
    ['to-nodata', 'AAAA', 'an alias to a name without the type'],
    ['below.alias', 'A', 'no such name below an alias'],
    ['alias', 'ANY', 'all types of an alias'],
  ],
});

const longChain: Maker = ({ random }) => {
  const length = random.pick([8, 10, 11, 12, 13, 20]);
  const steps = Array.from({ length }, (_, i) => `c${i} IN CNAME ${i + 1 === length ? 'www' : `c${i + 1}`}`);
  return {
    records: steps.join('\n'),
    questions: [['c0', 'A', `an alias over ${length} steps`]],
  };
};

const aliasLoop: Maker = () => ({
  records: `
loop1 IN CNAME loop2
loop2 IN CNAME loop1
self IN CNAME self
`,
  questions: [
    ['loop1', 'A', 'aliases in a circle'],
    ['self', 'A', 'an alias of itself'],
    ['loop1', 'CNAME', 'an alias in a circle, asked for as such'],
  ],
});

const dname: Maker = ({ random, others }) => {
  const long = `${'l'.repeat(63)}.${'o'.repeat(63)}.${'n'.repeat(60)}`;
  return {
    records: `
moved IN DNAME target
www.target IN A 192.0.2.5
moved-across IN DNAME ${random.pick(others)}.
moved-far IN DNAME ${long}
moved-nowhere IN DNAME missing
into-moved IN CNAME www.moved
`,
    questions: [
      ['www.moved', 'A CNAME', 'a name under a DNAME'],
      ['www.moved', 'MX', 'a name under a DNAME, without the type'],
      ['missing.moved', 'A', 'no such name under a DNAME'],
      ['moved', 'DNAME A', 'the owner of a DNAME'],
      ['www.moved-across', 'A', 'a name under a DNAME into another zone'],
      [`${'a'.repeat(40)}.${'b'.repeat(40)}.moved-far`, 'A', 'a DNAME that makes the name too long'],
      ['x.moved-nowhere', 'A', 'a DNAME to nothing'],
      ['into-moved', 'A', 'an alias to a name under a DNAME'],
      ['www.moved', 'DS', 'DS under a DNAME'],
      ['www.moved', 'ANY', 'all types under a DNAME'],
    ],
  };
};

const emptyNonTerminals: Maker = () => ({
  records: `
deep.within.ent IN A 192.0.2.6
x.*.star IN A 192.0.2.7
`,
  questions: [
    ['ent', 'A DS TXT', 'an empty non-terminal'],
    ['within.ent', 'MX', 'an empty non-terminal within another'],
    ['other.ent', 'A', 'no such name below an empty non-terminal'],
    ['y.star', 'A', 'a wildcard that is an empty non-terminal'],
    ['*.star', 'A', 'the wildcard that is an empty non-terminal'],
    ['within.ent', 'ANY', 'all types of an empty non-terminal'],
  ],
});

/** Names in RDATA, which are signed in lower case for these types (RFC 4034 section 6.2), and octets of every kind. */
const oddities: Maker = () => ({
  records: `
MiXeD IN RP Foo.Bar Baz.Bar
MiXeD IN AFSDB 1 Foo.Bar
MiXeD IN KX 1 Foo.Bar
MiXeD IN MINFO Foo.Bar Baz.Bar
MiXeD IN NAPTR 100 10 "U" "E2U+sip" "!^.*$!sip:X@Example!" Re.Place.Ment
MiXeD IN SRV 0 0 443 Foo.Bar
MiXeD IN PTR Foo.Bar
MiXeD IN HINFO "Cpu" "Os"
\\000\\255bin IN A 192.0.2.8
z\\.dot IN A 192.0.2.9
under_score IN TYPE65280 \\# 4 0A000001
under_score IN CAA 0 issue "CA.Example"
zero 0 IN A 192.0.2.10
`,
  questions: [
    ['mixed', 'RP AFSDB KX MINFO NAPTR SRV PTR HINFO', 'names in RDATA with capital letters'],
    ['MIXED', 'SRV', 'names with capital letters everywhere'],
    ['\\000\\255bin', 'A TXT', 'octets that are no letters'],
    ['\\000\\254bin', 'A', 'no such name beside octets that are no letters'],
    ['z\\.dot', 'A MX', 'a dot within a label'],
    ['under_score', 'TYPE65280 CAA TYPE65281', 'types that few know'],
    ['zero', 'A', 'a TTL of zero'],
  ],
});

const large: Maker = ({ random }) => {
  const text = `"${'t'.repeat(200)}"`;
  const count = random.pick([8, 16, 40]);
  return {
    records: Array.from({ length: count }, (_, i) => `large IN TXT "${i}" ${text}`).join('\n'),
    questions: [
      ['large', 'TXT', 'too large for UDP'],
      ['large', 'A', 'no such type beside what is too large for UDP'],
    ],
  };
};

/** Names that only unsigned delegations make: with opt-out they have no NSEC3 at all. The zones are added elsewhere. */
const unsignedBelow: Maker = () => ({
  records: `
hidden.away IN NS ns.hidden.away
ns.hidden.away IN A 127.0.0.1
lame IN NS ns.lame
ns.lame IN A 127.0.0.1
`,
  questions: [
    ['away', 'A DS', 'an empty non-terminal made by an unsigned delegation'],
    ['hidden.away', 'DS', 'DS of an unsigned delegation'],
    ['other.away', 'A', 'no such name beside an unsigned delegation'],
    ['lame', 'DS', 'DS of a delegation to nobody'],
  ],
});

const optional: readonly Maker[] = [
  wildcard,
  wildcard,
  apexWildcard,
  wildcardAlias,
  aliases,
  aliases,
  longChain,
  aliasLoop,
  dname,
  dname,
  emptyNonTerminals,
  emptyNonTerminals,
  oddities,
  large,
  unsignedBelow,
];

/** The basis and some of the rest. */
export function zoneContent(
  origin: string,
  extras: number,
  surroundings: Surroundings,
): Pick<ZonePlan, 'records' | 'questions'> {
  const makers = [basis, ...new Set(surroundings.random.some(optional, extras))];
  // A wildcard at the apex would leave no name that does not exist.
  const features = makers.map((maker) => maker(surroundings));
  return {
    records: features.map(({ records }) => records.trim()).join('\n'),
    questions: features.flatMap((feature) => questionsOf(feature, origin)),
  };
}

export function questionsOf(feature: Feature, origin: string): Question[] {
  return feature.questions.flatMap(([name, types, about]) =>
    types.split(' ').map((type) => ({ name: absolute(name, origin), type, about })),
  );
}

function absolute(name: string, origin: string): string {
  if (name === '@') return origin;
  return origin === '.' ? name : `${name}.${origin}`;
}
