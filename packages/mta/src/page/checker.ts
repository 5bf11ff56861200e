/**
 * `danelaw check` for the page: a domain with the eyes of this relay - its resolver, its rules, its name - and the chains
 * of trust that the picture is drawn from. Two at a time and for so long, as each makes connections to strangers.
 */
import type { Lookup, Resolver } from '@danelaw/dns';
import { parseMailDomain } from '../address.js';
import { type CheckContext, checkDomain } from '../cli/check-domain.js';
import type { Check } from '../cli/check-report.js';

export interface CheckedDomain {
  readonly check: Check;
  /** How the MX records, and each server's TLSA and address records, were proved. */
  readonly lookups: readonly Lookup[];
}

export type CheckResult =
  | { readonly status: 'checked'; readonly checked: CheckedDomain }
  | { readonly status: 'invalid' | 'busy' | 'too-late'; readonly reason: string };

export interface CheckerOptions {
  /** As the configuration is now. */
  readonly context: () => CheckContext;
  /** Checks at a time. */
  readonly atOnce?: number;
  /** Milliseconds for one. */
  readonly time?: number;
}

const AT_ONCE = 2;
/** Milliseconds: somebody waits in front of the page. */
export const CHECK_TIME = 60_000;
/** Characters of the field: a domain has 253 at most, and Unicode may be longer in A-labels. */
const MAX_TEXT = 253;
/** Servers whose chains are drawn. */
const MAX_DRAWN_HOSTS = 6;

export class Checker {
  readonly #context: () => CheckContext;
  readonly #atOnce: number;
  readonly #time: number;
  #running = 0;

  constructor({ context, atOnce = AT_ONCE, time = CHECK_TIME }: CheckerOptions) {
    this.#context = context;
    this.#atOnce = atOnce;
    this.#time = time;
  }

  /** @param signal aborts when nobody waits for the answer any more; the promise rejects then */
  async check(text: string, signal: AbortSignal): Promise<CheckResult> {
    const trimmed = text.trim();
    if (trimmed.length > MAX_TEXT) return { status: 'invalid', reason: 'it is too long for a domain' };
    const parsed = parseMailDomain(trimmed);
    if (!parsed.ok) return { status: 'invalid', reason: `"${trimmed}" is no domain: ${parsed.reason}` };
    if (this.#running >= this.#atOnce) {
      return { status: 'busy', reason: `${this.#atOnce} checks are running already; try again in a minute` };
    }
    this.#running += 1;
    const late = AbortSignal.timeout(this.#time);
    try {
      const context = { ...this.#context(), signal: AbortSignal.any([signal, late]) };
      const check = await checkDomain(parsed.domain, context);
      const lookups = await explained(check, context.resolver, context.signal);
      return { status: 'checked', checked: { check, lookups } };
    } catch (error) {
      if (!late.aborted || signal.aborted) throw error;
      const reason = `the check took longer than ${this.#time / 1000} s; "danelaw check ${parsed.domain}" has more patience`;
      return { status: 'too-late', reason };
    } finally {
      this.#running -= 1;
    }
  }
}

/** What a check rests on, for the picture. @throws (rejects) only when the signal aborts */
export async function explained(
  { domain, report }: Check,
  resolver: Pick<Resolver, 'resolve'>,
  signal: AbortSignal,
): Promise<readonly Lookup[]> {
  const options = { explain: true, signal };
  if (domain.startsWith('[')) return [];
  const hosts = report.hosts.filter(({ host }) => host.kind !== 'address').slice(0, MAX_DRAWN_HOSTS);
  const asked = hosts.flatMap(({ host, finding }) => {
    const isV6 = finding.status === 'reachable' && finding.addresses.every(({ family }) => family === 6);
    return [
      resolver.resolve(host.host, isV6 ? 'AAAA' : 'A', options),
      resolver.resolve(`_${host.port}._tcp.${host.host}`, 'TLSA', options),
    ];
  });
  return await Promise.all([resolver.resolve(domain, 'MX', options), ...asked]);
}
