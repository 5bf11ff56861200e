/**
 * MTA-STS policies that were fetched, for as long as their `max_age` says - over restarts too.
 *
 * The cache is what makes MTA-STS hold: whoever can suppress the TXT record or the web server can keep a
 * sender from learning of a policy, but not make it forget one (RFC 8461 section 10.2). So a policy leaves
 * the cache by expiring or by being replaced, and by nothing else. That holds for a full cache too: it takes
 * no newcomers rather than let whoever makes us ask about many domains push another's policy out.
 *
 * As text it is one JSON object a line. Lines that are not understood are left out. Whoever can write the
 * file decides which policies bind: keep it where only the program can.
 */
import { parseDomain } from './mailbox.js';
import { MAX_MAX_AGE, MAX_MX_PATTERNS, type StsPolicyBody } from './mta-sts-policy.js';

/** Changes when older programs could no longer read what is written. */
const FORMAT = 'danelaw-mta-sts-1';
/** Domains; a policy is some hundred octets, so these are some ten megabytes. */
export const MAX_CACHED_POLICIES = 50_000;

export interface CachedStsPolicy {
  readonly domain: string;
  /** The version, from the TXT record that led to the fetch. */
  readonly id: string;
  readonly policy: StsPolicyBody;
  /** Milliseconds since the epoch. */
  readonly fetched: number;
}

/** Milliseconds since the epoch: from then on it binds no more. */
export function expiryOf({ policy, fetched }: Pick<CachedStsPolicy, 'policy' | 'fetched'>): number {
  return fetched + policy.maxAge * 1000;
}

export class StsCache {
  readonly #policies = new Map<string, CachedStsPolicy>();
  readonly #limit: number;

  constructor(limit = MAX_CACHED_POLICIES) {
    this.#limit = limit;
  }

  /** Unexpired. */
  get(domain: string, now: number): CachedStsPolicy | undefined {
    const cached = this.#policies.get(domain);
    return cached !== undefined && expiryOf(cached) > now ? cached : undefined;
  }

  /** False where there was no room, even without what has expired. */
  set(cached: CachedStsPolicy, now: number): boolean {
    if (!this.#policies.has(cached.domain) && this.#policies.size >= this.#limit) {
      for (const [domain, each] of this.#policies) if (expiryOf(each) <= now) this.#policies.delete(domain);
      if (this.#policies.size >= this.#limit) return false;
    }
    this.#policies.set(cached.domain, cached);
    return true;
  }

  /** Every unexpired policy. */
  entries(now: number): CachedStsPolicy[] {
    return [...this.#policies.values()].filter((cached) => expiryOf(cached) > now);
  }

  /** The unexpired policies as text, to be kept over a restart. */
  save(now: number): string {
    const lines = this.entries(now).map(({ domain, id, fetched, policy }) =>
      JSON.stringify({ domain, id, fetched, ...policy }),
    );
    return `${[JSON.stringify({ format: FORMAT }), ...lines].join('\n')}\n`;
  }

  /** Takes in what `save` wrote. A policy that is here already and was fetched later stays. */
  load(text: string, now: number): void {
    const [first = '', ...lines] = text.split('\n');
    const head = readJson(first);
    if (!isObject(head) || head['format'] !== FORMAT) return;
    for (const line of lines) {
      const cached = readLine(readJson(line));
      if (cached === undefined || expiryOf(cached) <= now) continue;
      const present = this.#policies.get(cached.domain);
      if (present === undefined || present.fetched < cached.fetched) this.set(cached, now);
    }
  }
}

function readLine(line: unknown): CachedStsPolicy | undefined {
  if (!isObject(line)) return undefined;
  const { domain, id, fetched, mode, maxAge, mx } = line;
  if (typeof domain !== 'string' || parseDomain(domain) !== domain || typeof id !== 'string')
    return undefined;
  if (!isCount(fetched) || !isCount(maxAge) || maxAge > MAX_MAX_AGE) return undefined;
  if (mode !== 'enforce' && mode !== 'testing' && mode !== 'none') return undefined;
  const isTexts = (list: unknown[]): list is string[] => list.every((each) => typeof each === 'string');
  if (!Array.isArray(mx) || mx.length > MAX_MX_PATTERNS || !isTexts(mx)) return undefined;
  return { domain, id, fetched, policy: { mode, maxAge, mx } };
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;
