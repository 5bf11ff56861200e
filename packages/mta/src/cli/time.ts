/** `--at TIME`: the moment at which DNSSEC signatures and certificates are judged. */

const EPOCH_SECONDS = /^[0-9]{1,12}$/;
const ISO = /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?)(Z|[+-]\d{2}:\d{2})?)?$/i;

/**
 * Reads seconds since the epoch or an ISO 8601 time; one without a zone is UTC, as certificates and
 * signatures are.
 * @returns milliseconds since the epoch; undefined where it is neither
 */
export function parseTime(text: string): number | undefined {
  if (EPOCH_SECONDS.test(text)) return Number(text) * 1000;
  const match = ISO.exec(text);
  if (match === null) return undefined;
  const [, date = '', time = '00:00', zone = 'Z'] = match;
  const milliseconds = Date.parse(`${date}T${time}${zone.toUpperCase()}`);
  // Date.parse turns 30 February into 1 March; a clock must not guess.
  if (Number.isNaN(milliseconds) || !isCalendarDate(date)) return undefined;
  return milliseconds;
}

function isCalendarDate(date: string): boolean {
  const parsed = new Date(`${date}T00:00Z`);
  return !Number.isNaN(parsed.getTime()) && parsed.toISOString().startsWith(date);
}

/**
 * The system's clock, or one that starts at `start` now and runs on from there. Milliseconds since the epoch.
 */
export function clockFrom(start: number | undefined): () => number {
  if (start === undefined) return Date.now;
  const begun = performance.now();
  return () => start + (performance.now() - begun);
}
