/** One question that Unbound and we do not say the same of, with all that a person needs to find out why. */
import type { Verdict } from './verdict.js';
import type { Question, ZonePlan } from './zone-plan.js';

export interface Difference {
  readonly zone: ZonePlan;
  readonly question: Question;
  /** How we got our answer, or what was done to it on the way. */
  readonly way: string;
  readonly ours: Verdict;
  readonly theirs: Verdict;
  /** Where the answer was changed on the way: what it is without that. */
  readonly truth?: Verdict;
}

export function isFailure({ status }: Verdict): boolean {
  return status === 'bogus' || status === 'none';
}

export function describeDifference({ zone, question, ours, theirs }: Difference): string {
  const { name, type, about } = question;
  return [
    `${name} ${type} (${about}; ${describeZone(zone)})`,
    `  we:      ${describeVerdict(ours)}`,
    `  Unbound: ${describeVerdict(theirs)}`,
  ].join('\n');
}

export function describeZone({ origin, signing, server, breakage }: ZonePlan): string {
  const fault = breakage === undefined ? '' : `, ${breakage}`;
  if (signing === 'unsigned') return `${origin}, unsigned, at ${server}${fault}`;
  const { denial, signer, algorithm, keys, validity } = signing;
  const how =
    denial.kind === 'nsec'
      ? 'NSEC'
      : `NSEC3${denial.optOut ? ' opt-out' : ''} ${denial.iterations} iterations, salt ${denial.salt}`;
  return `${origin}, ${signer}, ${algorithm}, ${keys} key(s), ${how}, signatures ${validity}, at ${server}${fault}`;
}

function describeVerdict({ status, rcode, records, reason }: Verdict): string {
  return `${status} ${rcode} [${records.join(' | ')}] ${reason}`;
}
