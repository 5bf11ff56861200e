/** Which answers are changed, and how: drawn from all names that Unbound finds secure, each operator as often as any other. */
import type { Message } from '@danelaw/dns';
import type { MutatingProxy } from './mutating-proxy.js';
import { flipOctet, type Mutated, OPERATORS, type Operator } from './mutation.js';
import { Random } from './random.js';
import type { Verdict } from './verdict.js';
import type { Question, ZonePlan } from './zone-plan.js';

export interface Mutation {
  readonly operator: string;
  readonly zone: ZonePlan;
  /** What is asked. */
  readonly question: Question;
  /** Whose answer is changed: the question's own, or that to a question on its chain of trust. */
  readonly target: { readonly name: string; readonly type: string };
  readonly answer: Mutated;
}

interface Sources {
  readonly plans: readonly ZonePlan[];
  readonly verdicts: ReadonlyMap<Question, Verdict>;
  readonly proxy: MutatingProxy;
}

const ALL: Readonly<Record<string, Operator>> = { ...OPERATORS, 'an octet of the message': flipOctet };
export const operatorNames: readonly string[] = Object.keys(ALL);

/** Answers of the same zone that an operator may draw from. */
const OTHERS = 6;
/** Draws after which an operator is thought to have nothing to change anywhere. */
const MAX_DRAWS = 500;
/** Keeps the seeds of neighbours far apart. */
const SEED_STEP = 0x9e3779b1;
/** Their answers are made up of whatever the server likes, or are not judged. */
const LEFT_OUT: readonly string[] = ['ANY', 'RRSIG'];

export async function* mutations(seed: number, count: number, sources: Sources): AsyncGenerator<Mutation> {
  const candidates = sources.plans.flatMap((zone) =>
    zone.questions
      .filter((question) => !LEFT_OUT.includes(question.type))
      .map((question) => ({ zone, question })),
  );
  for (let i = 0; i < count; i++) {
    const operator = operatorNames[i % operatorNames.length] ?? 'nothing';
    // Each has numbers of its own, so that one that comes out differently does not change all that follow.
    yield await draw(operator, candidates, new Random(seed + i * SEED_STEP), sources);
  }
}

async function draw(
  operator: string,
  candidates: readonly { readonly zone: ZonePlan; readonly question: Question }[],
  random: Random,
  { proxy, verdicts }: Sources,
): Promise<Mutation> {
  for (let draws = 0; draws < MAX_DRAWS; draws++) {
    const { zone, question } = random.pick(candidates);
    if (verdicts.get(question)?.status !== 'secure') continue;
    const target = drawTarget(zone, question, random);
    const message = await proxy.original(target.name, target.type);
    const others: Message[] = [];
    for (const other of random.some(zone.questions, OTHERS)) {
      if (other !== question && !LEFT_OUT.includes(other.type))
        others.push(await proxy.original(other.name, other.type));
    }
    const answer = ALL[operator]?.({ message, others, random });
    if (answer !== undefined) return { operator, zone, question, target, answer };
  }
  throw new Error(`${operator}: nothing to change in ${MAX_DRAWS} draws`);
}

/** Mostly the answer itself; else the keys or the delegation of its zone. */
function drawTarget(zone: ZonePlan, question: Question, random: Random): Mutation['target'] {
  const dice = random.below(100);
  if (dice < 75 || zone.origin === '.') return question;
  return { name: zone.origin, type: dice < 87 ? 'DS' : 'DNSKEY' };
}

export function describeMutation({ operator, target, question }: Mutation): string {
  const where =
    target.name === question.name && target.type === question.type
      ? 'its own answer'
      : `${target.name} ${target.type}`;
  return `${operator}, in ${where}`;
}
