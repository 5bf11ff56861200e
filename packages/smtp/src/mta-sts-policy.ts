/**
 * The policy at `https://mta-sts.DOMAIN/.well-known/mta-sts.txt` (RFC 8461 section 3.2): which hosts take the
 * domain's mail, and whether a sender must insist on it.
 *
 *     version: STSv1
 *     mode: enforce
 *     mx: mail.example.com
 *     mx: *.example.net
 *     max_age: 604800
 */
import { isHostName } from './mailbox.js';

/** Octets; section 3.3 suggests it ("a suggested maximum policy size is 64 kilobytes"). */
export const MAX_POLICY_OCTETS = 65_536;
/** Seconds: a leap year (section 3.2). A longer `max_age` is cut to it. */
export const MAX_MAX_AGE = 31_557_600;
/**
 * Patterns that are kept: a policy of 64 KiB could hold thousands, and each host is compared with all of
 * them.
 */
export const MAX_MX_PATTERNS = 1_000;

export type StsMode = 'enforce' | 'testing' | 'none';

export interface StsPolicyBody {
  readonly mode: StsMode;
  /** Seconds from the fetch on. */
  readonly maxAge: number;
  /** Host names in lower case, or such with a leading `*.`, which stands for one label. */
  readonly mx: readonly string[];
}

export type ParsedStsPolicy =
  | { readonly status: 'policy'; readonly policy: StsPolicyBody }
  | { readonly status: 'invalid'; readonly reason: string };

const FIELD = /^([A-Za-z0-9][A-Za-z0-9_.-]{0,31}):[ \t]*(.*)$/u;
const MAX_AGE = /^[0-9]{1,10}$/u;

/** @param text of at most `MAX_POLICY_OCTETS` octets, which the fetch sees to */
export function parseStsPolicy(text: string): ParsedStsPolicy {
  const invalid = (reason: string): ParsedStsPolicy => ({ status: 'invalid', reason });
  const fields = new Map<string, string>();
  const mx: string[] = [];
  const lines = text.split(/\r?\n/u).map((line) => line.replace(/[ \t]+$/u, ''));
  if (lines.at(-1) === '') lines.pop(); // the last line end is optional
  for (const [index, line] of lines.entries()) {
    const [, name, value] = FIELD.exec(line) ?? [];
    if (name === undefined || value === undefined || value === '') {
      return invalid(`line ${index + 1} is not "key: value"`);
    }
    if (name === 'mx') {
      const pattern = value.toLowerCase().replace(/\.$/u, '');
      if (!isHostName(pattern.replace(/^\*\./u, ''))) {
        return invalid(`line ${index + 1}: "mx" must be a host name, or "*." and one`);
      }
      if (mx.length === MAX_MX_PATTERNS) return invalid(`it has more than ${MAX_MX_PATTERNS} "mx" lines`);
      mx.push(pattern);
    } else if (!fields.has(name)) {
      // "If any non-repeated field ... is duplicated, all entries except for the first SHALL be ignored."
      fields.set(name, value);
    }
  }
  if (fields.get('version') !== 'STSv1') return invalid('its version is not STSv1');
  const mode = fields.get('mode');
  if (mode !== 'enforce' && mode !== 'testing' && mode !== 'none') {
    return invalid('its mode is none of enforce, testing, none');
  }
  const age = fields.get('max_age');
  if (age === undefined || !MAX_AGE.test(age)) return invalid('its max_age is not a number of seconds');
  // "required at least once, except when mode is 'none'"
  if (mx.length === 0 && mode !== 'none') return invalid('it has no "mx" line');
  return { status: 'policy', policy: { mode, maxAge: Math.min(Number(age), MAX_MAX_AGE), mx } };
}

/**
 * RFC 8461 section 4.1: the pattern is the name, or `*.` stands for exactly one label in front of the rest.
 */
export function matchesMx({ mx }: Pick<StsPolicyBody, 'mx'>, host: string): boolean {
  const name = host.toLowerCase().replace(/\.$/u, '');
  const parent = name.slice(name.indexOf('.') + 1);
  return mx.some((pattern) =>
    pattern.startsWith('*.') ? name.includes('.') && pattern.slice(2) === parent : pattern === name,
  );
}
