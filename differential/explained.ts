/** Differences from Unbound that are meant, each with its reason in docs/conformance-dnssec.md. */
import type { Difference } from './difference.js';

export interface Explanation {
  /** The heading in docs/conformance-dnssec.md, "Differences from Unbound". */
  readonly title: string;
  readonly applies: (difference: Difference) => boolean;
}

export const EXPLANATIONS: readonly Explanation[] = [];

export function explanationOf(difference: Difference): Explanation | undefined {
  return EXPLANATIONS.find(({ applies }) => applies(difference));
}
