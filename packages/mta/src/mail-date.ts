/** Dates as they stand in messages: `Wed, 25 Nov 2026 15:35:33 +0000` (RFC 5322 section 3.3), always in UTC. */

/** @param time milliseconds since the epoch */
export function mailDate(time: number): string {
  return new Date(time).toUTCString().replace('GMT', '+0000');
}
