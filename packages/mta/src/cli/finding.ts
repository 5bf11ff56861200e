/**
 * What is worth telling the owner of a domain: each fault or weakness with the rule that makes it one, and
 * the remedy.
 *
 * Severity is about senders with DANE. `error`: they refuse a server, or the mail. `unclear`: it could not be
 * found out now; they would try again later. `warning`: mail flows and is less protected than it could be.
 * `note`: nothing is wrong.
 */
import type { FindingCode } from './finding-codes.js';

export type Severity = 'error' | 'unclear' | 'warning' | 'note';

export interface Finding {
  readonly severity: Severity;
  /** Stable, for machines. */
  readonly code: FindingCode;
  /** Where it was found; null where it is about the domain. */
  readonly host: string | null;
  readonly address: string | null;
  /** The zone whose fault it is, where it is one of a zone. */
  readonly zone: string | null;
  readonly text: string;
  /** `RFC 7672 section 2.2` */
  readonly rule: string;
  readonly remedy: string;
}

export type Place = Pick<Finding, 'host' | 'address'> & Partial<Pick<Finding, 'zone'>>;
/** About the domain as a whole. */
export const DOMAIN: Place = { host: null, address: null };

export function finding(
  severity: Severity,
  code: FindingCode,
  place: Place,
  rule: string,
  text: string,
  remedy: string,
): Finding {
  return { severity, code, zone: null, ...place, text, rule, remedy };
}

export const REPAIR_DNSSEC =
  'Repair the zone: a DS record at the parent must match a key of the zone, and every signature must be in ' +
  'date.';
