/**
 * Names of messages in the queue: short, sorted by arrival, good for file names, logs and Received fields.
 *
 * Ten digits of milliseconds and eight of chance, in Crockford's base 32 (no i, l, o, u): forty random bits
 * keep two nodes apart that accept in the same millisecond.
 */
const DIGITS = '0123456789abcdefghjkmnpqrstvwxyz';
const TIME_DIGITS = 10;
const RANDOM_OCTETS = 5;

/**
 * @param now milliseconds since the epoch
 * @param random gives that many random octets
 */
export function makeQueueId(now: number, random: (octets: number) => Uint8Array): string {
  let time = '';
  for (let rest = Math.max(0, Math.floor(now)), i = 0; i < TIME_DIGITS; i++) {
    time = DIGITS.charAt(rest % 32) + time;
    rest = Math.floor(rest / 32);
  }
  let bits = 0n;
  for (const octet of random(RANDOM_OCTETS)) bits = (bits << 8n) | BigInt(octet);
  let chance = '';
  for (let i = 0; i < (RANDOM_OCTETS * 8) / 5; i++) {
    chance = DIGITS.charAt(Number(bits & 31n)) + chance;
    bits >>= 5n;
  }
  return time + chance;
}

/** Whether a text is such a name. What is no name never reaches a file system or a database. */
export function isQueueId(text: string): boolean {
  return /^[0-9a-hjkmnp-tv-z]{18}$/u.test(text);
}
