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
  let chance = 0;
  for (const octet of random(RANDOM_OCTETS)) chance = chance * 256 + octet;
  return base32(Math.max(0, Math.floor(now)), TIME_DIGITS) + base32(chance, (RANDOM_OCTETS * 8) / 5);
}

/** The last so many digits of a number up to 2 ** 53. */
function base32(number: number, digits: number): string {
  let text = '';
  for (let rest = number; text.length < digits; rest = Math.floor(rest / 32)) {
    text = DIGITS.charAt(rest % 32) + text;
  }
  return text;
}

/** Whether a text is such a name. What is no name never reaches a file system or a database. */
export function isQueueId(text: string): boolean {
  return /^[0-9a-hjkmnp-tv-z]{18}$/u.test(text);
}
