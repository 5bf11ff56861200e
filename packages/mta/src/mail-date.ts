/** Dates as they stand in messages: `Wed, 25 Nov 2026 15:35:33 +0000` (RFC 5322 section 3.3), always in UTC. */

let last = { second: Number.NaN, text: '' };

/** @param time milliseconds since the epoch */
export function mailDate(time: number): string {
  // A busy relay writes thousands within the same second.
  const second = Math.floor(time / 1000);
  if (second !== last.second) {
    last = { second, text: new Date(time).toUTCString().replace('GMT', '+0000') };
  }
  return last.text;
}
