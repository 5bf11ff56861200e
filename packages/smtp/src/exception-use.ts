/**
 * That a rule which ends by itself was applied: an exception, or an audit. RFC 7672 section 9.1 asks that neither be made
 * lightly, so each use is told as data, for whoever logs and counts it.
 */
import { patternOf, type ResolvedPolicy } from './policy-table.js';

/** One use of one rule; plain data. */
export interface ExceptionUse {
  /** `exception`: the rule holds for a time. `audit`: what fails is reported, and mail is delivered all the same. */
  readonly kind: 'exception' | 'audit';
  /** The rule's place in the table, from 1. */
  readonly rule: number;
  /** What it matches, as the table has it: `.example.org`, `mx mail.example.net`. */
  readonly pattern: string;
  /** Why it was made. */
  readonly reason: string;
  /** ISO 8601: it does not apply from then on. */
  readonly expires: string;
}

/** What of this policy is there for a time only; a rule can be both. */
export function exceptionUses({ rule, audit }: ResolvedPolicy): readonly ExceptionUse[] {
  if (rule === undefined) return [];
  const use = (kind: ExceptionUse['kind'], { reason, expires }: { reason: string; expires: number }) => ({
    kind,
    rule: rule.number,
    pattern: patternOf(rule),
    reason,
    expires: new Date(expires).toISOString(),
  });
  return [
    ...(rule.exception === undefined ? [] : [use('exception', rule.exception)]),
    ...(audit === undefined ? [] : [use('audit', audit)]),
  ];
}
