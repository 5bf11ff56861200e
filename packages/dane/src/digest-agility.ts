/**
 * Digest algorithm agility (RFC 7671 section 9; RFC 7672 section 5 makes it a MUST for SMTP clients).
 *
 * A publisher may list one key under several digests, for clients that know only the weaker. Whoever knows the stronger
 * must not accept the weaker - else an attacker who can forge the weaker digest decides. So for each usage and
 * selector only the strongest digest counts. Full(0) is no digest and is never set aside; an unusable record was
 * discarded before and shadows nothing.
 */
import type { RecordJudgement } from './usable.js';

/** Matching types that are digests, by falling strength: SHA2-512(2), SHA2-256(1). */
export const DIGESTS_BY_STRENGTH: readonly number[] = [2, 1];

/** Sets weaker digests aside, and changes nothing else. */
export function strongestOnly(judged: readonly RecordJudgement[]): readonly RecordJudgement[] {
  if (judged.length < 2) return judged;
  const strongest = new Map<string, number>();
  for (const judgement of judged) {
    if (!('usable' in judgement) || judgement.usable.matchingType === 0) continue;
    const { matchingType } = judgement.usable;
    const present = strongest.get(groupOf(judgement));
    if (present === undefined || isStronger(matchingType, present))
      strongest.set(groupOf(judgement), matchingType);
  }
  return judged.map((judgement) => {
    if (!('usable' in judgement) || judgement.usable.matchingType === 0) return judgement;
    const best = strongest.get(groupOf(judgement));
    if (best === undefined || best === judgement.usable.matchingType) return judgement;
    const { usage, selector } = judgement.record;
    return {
      record: judgement.record,
      setAside: `a stronger digest is published beside it, ${usage} ${selector} ${best} (RFC 7671 section 9)`,
    };
  });
}

const groupOf = ({ record }: RecordJudgement): string => `${record.usage} ${record.selector}`;

const isStronger = (a: number, b: number): boolean =>
  DIGESTS_BY_STRENGTH.indexOf(a) < DIGESTS_BY_STRENGTH.indexOf(b);
