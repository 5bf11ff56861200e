/**
 * What is wrong with a watched domain, now. Two looks find the same problem where its key is the same: what its words
 * say may change (a date, a reply), the problem is the one that somebody was told of.
 */

/** The worst first. `critical`: mail is refused, or will be within hours. `warning`: it will be, or is less protected than it could be. */
export const LEVELS = ['critical', 'unknown', 'warning'] as const;
export type Level = (typeof LEVELS)[number];

export interface Problem {
  readonly domain: string;
  readonly level: Level;
  /** Stable, for machines: `tlsa-mismatch`, `signature-expires`. */
  readonly code: string;
  /** The host, the address or the zone that it is about; empty where it is the domain itself. */
  readonly place: string;
  readonly text: string;
  readonly rule: string;
  readonly remedy: string;
}

export const keyOf = ({ domain, code, place }: Problem): string => JSON.stringify([domain, code, place]);

export function worst(problems: Iterable<Problem>): Level | undefined {
  const found = new Set([...problems].map(({ level }) => level));
  return LEVELS.find((level) => found.has(level));
}
