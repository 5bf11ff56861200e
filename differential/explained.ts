/**
 * Differences from Unbound that are meant. Each has its reason, with the RFC's words, in docs/conformance-dnssec.md under the
 * same title; each is as narrow as it can be said.
 */
import { type Difference, isFailure } from './difference.js';
import { agree } from './verdict.js';
import type { ZonePlan } from './zone-plan.js';

export interface Explanation {
  /** The heading in docs/conformance-dnssec.md, "Differences from Unbound". */
  readonly title: string;
  /** What it is about: names as they are, or answers that were changed (which ones those are depends on every octet). */
  readonly about: 'names' | 'changed answers';
  readonly applies: (difference: Difference) => boolean;
}

export const EXPLANATIONS: readonly Explanation[] = [
  {
    title: 'SHA-1 digests beside stronger ones are ignored',
    about: 'names',
    // The zone itself, or one that an alias leads to.
    applies: ({ ours, theirs }) =>
      /of ds-sha256-damaged-sha1-good-\S+ matches its DS/.test(ours.reason) && !isFailure(theirs),
  },
  {
    title: 'Signature dates are taken to the second',
    about: 'names',
    applies: ({ ours, theirs }) =>
      /of (\S+\.)?signed-just-expired-\S+ expired on/.test(ours.reason) && !isFailure(theirs),
  },
  {
    title: 'The CNAME that a DNAME makes needs no signature',
    about: 'names',
    applies: ({ question, ours, theirs }) =>
      ours.status === 'secure' &&
      theirs.status !== 'secure' &&
      (theirs.reason.includes('DS got DNAME answer') ||
        (question.type === 'CNAME' && question.about === 'a name under a DNAME')),
  },
  {
    title: 'An absence that other answers have proved is not asked for',
    about: 'names',
    applies: ({ zone, question, ours, theirs }) =>
      zone.server === 'powerdns' &&
      question.name.startsWith('\\000') &&
      ours.status === 'secure' &&
      ours.records.length === 0 &&
      theirs.status === 'none',
  },
  {
    title: 'What the answer does not need is not judged',
    about: 'changed answers',
    applies: ({ truth, ours }) => truth !== undefined && ours.status === 'secure' && agree(ours, truth),
  },
  {
    title: 'A denial expanded from a wildcard is not used',
    about: 'changed answers',
    applies: ({ truth, ours, theirs }) =>
      truth !== undefined &&
      isFailure(ours) &&
      ours.reason.includes('is expanded from a wildcard') &&
      agree(theirs, truth),
  },
  {
    title: 'Above 150 iterations, what is not signed may be anything',
    about: 'changed answers',
    applies: ({ truth, zone, theirs }) =>
      truth !== undefined && hasTooManyIterations(zone) && !isFailure(theirs),
  },
  {
    title: 'A message that contradicts itself is refused',
    about: 'changed answers',
    applies: ({ truth, way, ours, theirs }) =>
      truth !== undefined && SELF_CONTRADICTIONS.includes(way) && isFailure(ours) && agree(theirs, truth),
  },
  {
    title: 'A proof missing from one message is not taken from another',
    about: 'changed answers',
    applies: ({ truth, question, ours, theirs }) =>
      truth !== undefined &&
      ours.status === 'bogus' &&
      /alias|DNAME/.test(question.about) &&
      agree(theirs, truth),
  },
  {
    title: 'Which failure it is',
    about: 'names',
    applies: ({ ours, theirs, truth, question }) =>
      isFailure(ours) && isFailure(theirs) && (truth !== undefined || /alias|DNAME/.test(question.about)),
  },
];

/** Mutations that put two things where only one can be, or the answer where none is looked for. */
const SELF_CONTRADICTIONS: readonly string[] = [
  'a record added to an RRset',
  'unsigned records added to the answer',
  'an alias put in front',
  'the answer moved to the authority section',
];

/** RFC 9276; 150 is the bound of both. */
function hasTooManyIterations({ signing }: ZonePlan): boolean {
  return signing !== 'unsigned' && signing.denial.kind === 'nsec3' && signing.denial.iterations > 150;
}

export function explanationOf(difference: Difference): Explanation | undefined {
  return EXPLANATIONS.find(({ applies }) => applies(difference));
}
