/**
 * The values of options, read from text. A wrong one is refused with what was expected, and the nearest right
 * one where there is one: a policy level or a resolver that was guessed at could weaken what a person
 * believes to be protected.
 */
import { isIP } from 'node:net';
import { parseServer } from '@danelaw/dns';
import { InvalidArgumentError } from 'commander';
import { parseTime } from './time.js';

/**
 * Where questions go: the system's resolvers, the Internet's own name servers, or these (`ip`, `ip#port`,
 * `tls://ip#port`).
 */
export type ResolverChoice = 'system' | 'iterate' | readonly string[];

const MAX_PORT = 65535;
/** More at a time than any machine has descriptors for. */
const MAX_COUNT = 10_000;
/** At most this many wrong letters still count as a slip of the finger. */
const MAX_SLIPS = 2;

/**
 * A parser for one of a few words. `later` are words of the vocabulary that this version does not know yet.
 */
export function oneOf<T extends string>(
  choices: readonly T[],
  later: readonly string[] = [],
): (text: string) => T {
  return (text) => {
    const found = choices.find((choice) => choice === text);
    if (found !== undefined) return found;
    const supported = `Supported: ${choices.join(', ')}.`;
    if (later.includes(text)) throw new InvalidArgumentError(`"${text}" is not supported yet. ${supported}`);
    const near = nearest(text, choices);
    throw new InvalidArgumentError(near === undefined ? supported : `Did you mean ${near}? ${supported}`);
  };
}

export function portValue(text: string): number {
  const port = /^[0-9]{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (port >= 1 && port <= MAX_PORT) return port;
  throw new InvalidArgumentError(`A port is a number from 1 to ${MAX_PORT}.`);
}

export const countUpTo =
  (most: number) =>
  (text: string): number => {
    const count = Number(text);
    if (/^[0-9]+$/u.test(text) && count >= 1 && count <= most) return count;
    throw new InvalidArgumentError(`It should be a number from 1 to ${most}.`);
  };

/** A count of things that are done at a time. */
export const countValue = countUpTo(MAX_COUNT);

export function timeValue(text: string): number {
  const time = parseTime(text);
  if (time !== undefined) return time;
  throw new InvalidArgumentError(
    'A time is ISO 8601 (2026-11-24T12:00:00Z; UTC where no zone is given) or epoch seconds.',
  );
}

/** Timers count in 32 bits of milliseconds; a day is more than any server takes. */
const MAX_SECONDS = 86_400;

/** @returns milliseconds */
export function secondsValue(text: string): number {
  const seconds = /^[0-9]{1,5}(?:\.[0-9]{1,3})?$/.test(text) ? Number(text) : Number.NaN;
  if (seconds > 0 && seconds <= MAX_SECONDS) return Math.ceil(seconds * 1000);
  throw new InvalidArgumentError(
    `A time-out is a number of seconds, more than 0 and at most ${MAX_SECONDS}.`,
  );
}

/** One `--resolver` value; with several, all must be addresses. */
export function resolverValue(text: string, previous: ResolverChoice | undefined): ResolverChoice {
  const value = text === 'system' || text === 'iterate' ? text : [serverAddress(text)];
  if (previous === undefined) return value;
  if (typeof value === 'string' || typeof previous === 'string') {
    throw new InvalidArgumentError('"system" and "iterate" stand alone; only addresses can be several.');
  }
  return [...previous, ...value];
}

/** Where to ask over TLS when nothing else works; may be given several times. */
export function fallbackValue(text: string, others: readonly string[] = []): readonly string[] {
  if (!text.startsWith(TLS_SCHEME)) {
    throw new InvalidArgumentError('Expected tls://ADDR[#PORT][/NAME][?pin=sha256-BASE64].');
  }
  return [...others, serverAddress(text)];
}

const TLS_SCHEME = 'tls://';

function serverAddress(text: string): string {
  if (text.startsWith(TLS_SCHEME)) return overTls(text);
  const [, address = '', port] = /^([^#]*)(?:#(.*))?$/.exec(text) ?? [];
  if (isIP(address) === 0) {
    const near = nearest(text, ['system', 'iterate']);
    const hint = near === undefined ? '' : `Did you mean ${near}? `;
    const colon = /^([0-9.]+):([0-9]+)$/.exec(text);
    const mark = colon === null ? '' : `The port stands behind "#": ${colon[1]}#${colon[2]}. `;
    throw new InvalidArgumentError(
      `${hint}${mark}Expected system, iterate, or an IP address with an optional #PORT, or tls://ADDR/NAME.`,
    );
  }
  if (port !== undefined) portValue(port);
  return text;
}

function overTls(text: string): string {
  try {
    parseServer(text);
  } catch (error) {
    if (error instanceof TypeError) throw new InvalidArgumentError(`${error.message}.`);
    throw error;
  }
  return text;
}

/** The one of `words` that is nearest to `text`, if it is near enough to be meant. */
export function nearest(text: string, words: readonly string[]): string | undefined {
  const limit = Math.min(MAX_SLIPS, Math.max(1, Math.floor(text.length / 2)));
  let best: { word: string; distance: number } | undefined;
  for (const word of words) {
    const distance = editDistance(text.toLowerCase(), word.toLowerCase());
    if (distance <= limit && distance < (best?.distance ?? Infinity)) best = { word, distance };
  }
  return best?.word;
}

/** Levenshtein's distance; long texts are never near anything here. */
function editDistance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > MAX_SLIPS) return Infinity;
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substituted = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substituted, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? Infinity;
}
