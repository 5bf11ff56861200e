/**
 * The generated Internet: a root, top-level domains of every kind, and below them zones of every signer, algorithm, way of
 * denial and server, whole and broken. The same seed makes the same plan; keys and signatures differ from run to run.
 */
import { Random } from './random.js';
import { basis, questionsOf, zoneContent } from './zone-features.js';
import {
  type Algorithm,
  BREAKAGES,
  type Breakage,
  type DenialPlan,
  type Server,
  type Signer,
  type SigningPlan,
  type Validity,
  type ZonePlan,
} from './zone-plan.js';

export interface Size {
  /** Zones without fault below the top-level domains. */
  readonly whole: number;
  /** How many of each kind of fault. */
  readonly ofEachBreakage: number;
}

const NSEC: DenialPlan = { kind: 'nsec' };
const nsec3 = (optOut: boolean, salt: number, iterations: number): DenialPlan => ({
  kind: 'nsec3',
  optOut,
  salt,
  iterations,
});

/** 150 is what validators still compute; above it, they take the zone for unsigned (RFC 9276 section 3.2). */
const DENIALS: readonly DenialPlan[] = [
  NSEC,
  nsec3(false, 0, 0),
  NSEC,
  nsec3(true, 0, 0),
  nsec3(false, 4, 1),
  nsec3(true, 8, 10),
  nsec3(false, 0, 100),
  nsec3(false, 8, 150),
  nsec3(true, 0, 0),
  nsec3(false, 4, 151),
  nsec3(true, 0, 300),
];

const ALGORITHMS: readonly Algorithm[] = [
  'ECDSAP256SHA256',
  'RSASHA256',
  'ED25519',
  'ECDSAP384SHA384',
  'RSASHA512',
  'ED448',
  'RSASHA1',
  'NSEC3RSASHA1',
];

const SIGNERS: readonly Signer[] = ['ldns', 'bind', 'knot', 'ldns', 'bind', 'knot', 'powerdns'];
const FILE_SERVERS: readonly Server[] = ['nsd', 'bind', 'knot'];

const P256 = { algorithm: 'ECDSAP256SHA256', validity: 'now' } as const;

interface Top {
  readonly origin: string;
  readonly signing: SigningPlan | 'unsigned';
  readonly server: Server;
  readonly breakage?: Breakage;
}

const TOPS: readonly Top[] = [
  { origin: 'ldns-nsec', server: 'nsd', signing: { signer: 'ldns', ...P256, denial: NSEC, keys: 'two' } },
  {
    origin: 'ldns-nsec3',
    server: 'knot',
    signing: { signer: 'ldns', ...P256, algorithm: 'ED25519', denial: nsec3(false, 0, 0), keys: 'one' },
  },
  {
    origin: 'ldns-opt-out',
    server: 'bind',
    signing: { signer: 'ldns', ...P256, denial: nsec3(true, 0, 0), keys: 'two' },
  },
  { origin: 'bind-nsec', server: 'bind', signing: { signer: 'bind', ...P256, denial: NSEC, keys: 'one' } },
  {
    origin: 'bind-nsec3',
    server: 'nsd',
    signing: { signer: 'bind', ...P256, algorithm: 'RSASHA256', denial: nsec3(false, 4, 5), keys: 'two' },
  },
  {
    origin: 'bind-opt-out',
    server: 'knot',
    signing: { signer: 'bind', ...P256, algorithm: 'RSASHA256', denial: nsec3(true, 0, 0), keys: 'two' },
  },
  { origin: 'knot-nsec', server: 'knot', signing: { signer: 'knot', ...P256, denial: NSEC, keys: 'two' } },
  {
    origin: 'knot-nsec3',
    server: 'bind',
    signing: {
      signer: 'knot',
      ...P256,
      algorithm: 'ECDSAP384SHA384',
      denial: nsec3(false, 8, 0),
      keys: 'one',
    },
  },
  {
    origin: 'knot-opt-out',
    server: 'nsd',
    signing: { signer: 'knot', ...P256, denial: nsec3(true, 0, 0), keys: 'two' },
  },
  {
    origin: 'many-rounds',
    server: 'nsd',
    signing: { signer: 'ldns', ...P256, denial: nsec3(false, 4, 200), keys: 'one' },
  },
  { origin: 'plain', server: 'nsd', signing: 'unsigned' },
  {
    origin: 'island',
    server: 'knot',
    signing: { signer: 'knot', ...P256, denial: NSEC, keys: 'one' },
    breakage: 'ds-missing',
  },
];

/** Where the name servers that are called by a name of another zone are found. */
export const SERVERS_ZONE = 'servers';

export function planInternet(seed: number, size: Size): readonly ZonePlan[] {
  const random = new Random(seed);
  const whole = wholeZones(random, size.whole);
  const broken = brokenZones(random, size.ofEachBreakage);
  const below = [...whole, ...broken];
  const children = whole.filter((_, i) => i % 3 === 0).map((zone, i) => childOf(zone, i, random));
  const origins = below.map(({ origin }) => origin);
  const filled = [...below, ...children].map(({ extras, ...zone }) => ({
    ...zone,
    ...zoneContent(zone.origin, extras, { random, others: origins }),
  }));
  return [...tops(), ...filled];
}

/** A zone whose content is not chosen yet. */
type Outline = Omit<ZonePlan, 'records' | 'questions'> & { readonly extras: number };

function wholeZones(random: Random, count: number): Outline[] {
  return Array.from({ length: count }, (_, i): Outline => {
    const top = TOPS[i % TOPS.length] ?? random.pick(TOPS);
    const isUnsigned = i % 17 === 16;
    const signing = isUnsigned ? ('unsigned' as const) : signingOf(random, i);
    return {
      origin: `z${i}.${top.origin}`,
      signing,
      server: serverOf(signing, random),
      glueless: i % 5 === 4,
      extras: 4,
    };
  });
}

/** Every combination comes up some time: the lists have lengths without a common divisor. */
function signingOf(random: Random, i: number): SigningPlan {
  const signer = SIGNERS[i % SIGNERS.length] ?? 'ldns';
  const denial = DENIALS[i % DENIALS.length] ?? NSEC;
  const algorithm = ALGORITHMS[Math.floor(i / 3) % ALGORITHMS.length] ?? 'ED25519';
  return possible({ signer, denial, algorithm, keys: random.chance(50) ? 'one' : 'two', validity: 'now' });
}

/** What the tools refuse to do is changed to what they do. */
function possible(plan: SigningPlan): SigningPlan {
  let { denial, algorithm, signer } = plan;
  // RFC 5155 section 2: RSASHA1 by its first number says that the zone uses NSEC.
  if (denial.kind === 'nsec3' && algorithm === 'RSASHA1') algorithm = 'NSEC3RSASHA1';
  if (denial.kind === 'nsec' && algorithm === 'NSEC3RSASHA1') algorithm = 'RSASHA1';
  // BIND signs with 150 iterations at most; PowerDNS has no RSASHA1 with NSEC3 that it would sign by itself.
  if (denial.kind === 'nsec3' && denial.iterations > 150 && (signer === 'bind' || signer === 'powerdns')) {
    signer = 'ldns';
  }
  if (signer === 'powerdns' && denial.kind === 'nsec3') denial = { ...denial, narrow: denial.salt === 0 };
  return { ...plan, denial, algorithm, signer };
}

function serverOf(signing: SigningPlan | 'unsigned', random: Random): Server {
  if (signing === 'unsigned') return random.pick(['nsd', 'bind', 'knot', 'powerdns']);
  return signing.signer === 'powerdns' ? 'powerdns' : random.pick(FILE_SERVERS);
}

const SECURE_TOPS = TOPS.filter(({ signing, breakage, origin }) => {
  return signing !== 'unsigned' && breakage === undefined && origin !== 'many-rounds';
});

function brokenZones(random: Random, ofEach: number): Outline[] {
  const validities: readonly Validity[] = ['past', 'future', 'just-expired'];
  const kinds: readonly { readonly name: string; breakage?: Breakage; validity?: Validity }[] = [
    ...BREAKAGES.map((breakage) => ({ name: breakage, breakage })),
    ...validities.map((validity) => ({ name: `signed-${validity}`, validity })),
  ];
  return kinds.flatMap(({ name, breakage, validity = 'now' }, kind) =>
    Array.from({ length: ofEach }, (_, i): Outline => {
      const top = SECURE_TOPS[(kind + i * 4) % SECURE_TOPS.length] ?? random.pick(SECURE_TOPS);
      const signer = (['ldns', 'bind', 'knot'] as const)[i % 3] ?? 'ldns';
      const denial = i % 2 === 0 ? NSEC : nsec3(random.chance(50), 0, 0);
      // The key set has a second key where one of the two is to go.
      const keys = breakage === 'zsk-missing' ? 'two' : random.pick(['one', 'two'] as const);
      const signing = { signer, denial, algorithm: P256.algorithm, keys, validity };
      return {
        origin: `${name}-${i}.${top.origin}`,
        signing,
        // NSD serves whatever the file says; so does Knot, but it ends when it looks for an NSEC3 that is not there.
        server: i % 2 === 0 || breakage === 'denials-missing' ? 'nsd' : 'knot',
        glueless: false,
        ...(breakage === undefined ? {} : { breakage }),
        extras: 1,
      };
    }),
  );
}

/** A zone below another: two unsigned for each signed one. */
function childOf({ origin }: Pick<ZonePlan, 'origin'>, i: number, random: Random): Outline {
  const signing = i % 3 === 2 ? signingOf(random, i + 5) : ('unsigned' as const);
  const kind = signing === 'unsigned' ? 'plain' : 'signed';
  // Some stand two labels below, so that a name that only they make stands between.
  const between = i % 4 === 1 ? 'between.' : '';
  return {
    origin: `${kind}.${between}${origin}`,
    signing,
    server: serverOf(signing, random),
    glueless: false,
    extras: 1,
  };
}

function tops(): ZonePlan[] {
  const content = { records: '', glueless: false } as const;
  const topQuestions = [
    ['@', 'SOA NS DNSKEY DS', 'the apex of a top-level domain'],
    ['nothing', 'A', 'no such name below a top-level domain'],
  ] as const;
  return [
    {
      ...content,
      origin: '.',
      server: 'nsd',
      signing: { signer: 'ldns', ...P256, denial: NSEC, keys: 'two' },
      questions: questionsOf(
        {
          records: '',
          questions: [
            ['@', 'SOA NS DNSKEY DS A', 'the root'],
            ['nothing', 'A DS', 'no such top-level domain'],
          ],
        },
        '.',
      ),
    },
    ...TOPS.map((top) => ({
      ...content,
      ...top,
      questions: questionsOf({ records: '', questions: topQuestions }, top.origin),
    })),
    {
      ...content,
      origin: SERVERS_ZONE,
      server: 'nsd',
      signing: { signer: 'ldns', ...P256, denial: NSEC, keys: 'one' },
      records: basis({ random: new Random(0), others: [] }).records,
      questions: [],
    },
  ];
}
