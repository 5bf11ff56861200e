/** Days and domains, as TLS reports count by them. */
import { isIP } from 'node:net';
import { parseDomain } from '@danelaw/smtp';

/** A UTC day, `2026-11-25` (RFC 8460 section 4.1). */
export type Day = string;

export const DAY_MILLISECONDS = 86_400_000;

export function dayOf(time: number): Day {
  return new Date(time).toISOString().slice(0, 10);
}

/** Milliseconds since the epoch at which the day begins; NaN for what is no day. */
export function startOf(day: Day): number {
  return /^\d{4}-\d{2}-\d{2}$/u.test(day) ? Date.parse(`${day}T00:00:00Z`) : Number.NaN;
}

export function endOf(day: Day): number {
  return startOf(day) + DAY_MILLISECONDS;
}

/** A domain that may have a TLSRPT record: a name in A-labels and lower case, no address. */
export function isPolicyDomain(domain: string): boolean {
  return parseDomain(domain) === domain && !domain.startsWith('[') && isIP(domain) === 0;
}
