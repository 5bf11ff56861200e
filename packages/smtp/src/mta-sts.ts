/**
 * MTA-STS (RFC 8461): a domain promises by HTTPS that its mail hosts have certificates of public authorities,
 * and asks senders to insist on them. For domains that can't, or won't, sign their DNS.
 *
 * It is trust on first use. The TXT record that announces a policy may be suppressed, so a sender that knows
 * no policy can be kept from learning of it; one that does know it goes by it until it expires, whatever DNS
 * says meanwhile (section 5.1). So the life of a policy here is:
 *
 *  - the TXT record says which version is current; another one than ours is fetched before the mail goes on;
 *  - if that fails, ours holds on; where there is none, the domain has none for now, and for five minutes
 *    nobody asks its web server again (section 3.3);
 *  - a policy that is older than a day is fetched again behind the mail's back, long before it expires.
 *
 * What failed on the way comes with the finding, to be logged and reported (section 6).
 */
import type { Roots } from '@danelaw/dane';
import { isAnswered, type Resolver } from '@danelaw/dns';
import { type Connect, connectTcp } from './connection.js';
import { parseDomain } from './mailbox.js';
import { type CachedStsPolicy, expiryOf, StsCache } from './mta-sts-cache.js';
import { FETCH_TIMEOUT, fetchStsPolicy } from './mta-sts-fetch.js';
import { readStsRecord, type StsRecord } from './mta-sts-record.js';
import type { StsFinding, StsProblem, StsSource } from './sts-finding.js';

/** Milliseconds after which a policy is fetched again ("a suggested refresh frequency is once per day"). */
export const REFRESH_AFTER = 86_400_000;
/** Milliseconds for which a failed fetch is not tried again ("five minutes or longer per version ID"). */
export const RETRY_AFTER = 300_000;
/** Failed fetches that are remembered. */
const MAX_FAILURES = 10_000;

export interface MtaStsOptions {
  /** Who is trusted as web server; the Web's roots where it is left out. */
  readonly roots?: Roots;
  /** Opens TCP connections to web servers. */
  readonly connect?: Connect;
  /** The port of web servers; 443. */
  readonly port?: number;
  /** Milliseconds for one fetch; a minute. */
  readonly timeout?: number;
  readonly cache?: StsCache;
}

export interface StsAsk {
  readonly resolver: Resolver;
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly signal?: AbortSignal | undefined;
}

type Fetch =
  | { readonly status: 'fetched'; readonly cached: CachedStsPolicy }
  | { readonly status: 'failed'; readonly problem: StsProblem };

export class MtaSts implements StsSource {
  readonly cache: StsCache;
  readonly #options: MtaStsOptions;
  readonly #stop = new AbortController();
  /** One fetch at a time for a domain and version. */
  readonly #running = new Map<string, Promise<Fetch>>();
  /** By domain and version: until when it is not fetched again, and why. */
  readonly #failures = new Map<string, { readonly until: number; readonly problem: StsProblem }>();

  constructor(options: MtaStsOptions = {}) {
    this.#options = options;
    this.cache = options.cache ?? new StsCache();
  }

  /**
   * The policy that binds mail to this domain now.
   *
   * @param domain the next-hop domain; one in A-labels. An address literal has no policy (section 3.4)
   */
  async policyFor(domain: string, ask: StsAsk): Promise<StsFinding> {
    if (parseDomain(domain) !== domain || domain.startsWith('[')) {
      return { status: 'none', domain, reason: `"${domain}" is no domain name`, problems: [] };
    }
    const cached = this.cache.get(domain, ask.now);
    const record = await this.#record(domain, ask);
    switch (record.status) {
      case 'record': {
        if (record.id === cached?.id) {
          if (ask.now - cached.fetched >= REFRESH_AFTER) void this.#fetch(domain, record.id, ask);
          return findingOf(cached, 'cache');
        }
        return await this.#update(domain, record.id, cached, ask);
      }
      case 'none':
      case 'invalid':
      case 'failed': {
        // "the absence of a usable TXT record is not by itself sufficient to remove" a cached policy (section
        // 3.1).
        const reason = record.status === 'none' ? `${domain} has no MTA-STS record` : record.reason;
        if (cached === undefined) return { status: 'none', domain, reason, problems: [] };
        return findingOf(
          cached,
          'cache',
          problemsWith(cached, { failureType: 'sts-policy-fetch-error', reason }),
        );
      }
      default: {
        const never: never = record;
        return never;
      }
    }
  }

  /**
   * Fetches every policy again that is older than a day: to be called once a day (section 3.3), so that an
   * attacker has to keep it from us for all of its life. Resolves to what failed, domain by domain.
   */
  async refresh(ask: StsAsk): Promise<readonly (StsProblem & { readonly domain: string })[]> {
    const problems: (StsProblem & { readonly domain: string })[] = [];
    for (const cached of this.cache.entries(ask.now)) {
      if (ask.now - cached.fetched < REFRESH_AFTER) continue;
      ask.signal?.throwIfAborted();
      const { domain } = cached;
      const record = await this.#record(domain, ask);
      const id = record.status === 'record' ? record.id : cached.id;
      const fetched = await untilAborted(this.#fetch(domain, id, ask), ask.signal);
      if (fetched.status === 'failed') {
        problems.push(...problemsWith(cached, fetched.problem).map((problem) => ({ ...problem, domain })));
      }
    }
    return problems;
  }

  /** Ends fetches that are under way, and waits for them. */
  async close(): Promise<void> {
    this.#stop.abort();
    await Promise.allSettled(this.#running.values());
  }

  /** Waits for fetches that go on in the background. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#running.values());
  }

  /** There is another version than ours: it is fetched, and until it is there ours holds. */
  async #update(
    domain: string,
    id: string,
    cached: CachedStsPolicy | undefined,
    ask: StsAsk,
  ): Promise<StsFinding> {
    const fetched = await untilAborted(this.#fetch(domain, id, ask), ask.signal);
    if (fetched.status === 'fetched') return findingOf(fetched.cached, 'fetch');
    const { problem } = fetched;
    if (cached !== undefined) return findingOf(cached, 'cache', problemsWith(cached, problem));
    // "senders MUST continue with delivery as though the domain has not implemented MTA-STS" (section 3.3).
    return { status: 'none', domain, reason: problem.reason, problems: [problem] };
  }

  async #record(
    domain: string,
    { resolver, signal }: StsAsk,
  ): Promise<StsRecord | { readonly status: 'failed'; readonly reason: string }> {
    const name = `_mta-sts.${domain}`;
    if (name.length > MAX_NAME) return { status: 'none' };
    const lookup = await resolver.resolve(name, 'TXT', signal === undefined ? {} : { signal });
    if (!isAnswered(lookup)) {
      return {
        status: 'failed',
        reason: `the TXT look-up of ${name} failed (${lookup.status}): ${lookup.reason}`,
      };
    }
    return readStsRecord(
      lookup.records.flatMap(({ data }) =>
        data.type === 'TXT' ? [Buffer.concat(data.strings).toString('latin1')] : [],
      ),
    );
  }

  #fetch(domain: string, id: string, ask: StsAsk): Promise<Fetch> {
    const key = `${domain} ${id}`;
    const running = this.#running.get(key);
    if (running !== undefined) return running;
    const failure = this.#failures.get(key);
    if (failure !== undefined && failure.until > ask.now) {
      return Promise.resolve({ status: 'failed', problem: failure.problem });
    }
    const started = this.#fetchNow(domain, id, ask).finally(() => this.#running.delete(key));
    // Whoever waits hears of it; in the background nobody does, and there is only an abort to hear of.
    started.catch(() => {});
    this.#running.set(key, started);
    return started;
  }

  async #fetchNow(domain: string, id: string, { resolver, now }: StsAsk): Promise<Fetch> {
    const { roots, connect = connectTcp, port = 443, timeout = FETCH_TIMEOUT } = this.#options;
    const { signal } = this.#stop;
    const fetched = await fetchStsPolicy(domain, { resolver, connect, port, roots, now, timeout, signal });
    const key = `${domain} ${id}`;
    if (fetched.status === 'failed') {
      // The oldest goes first: forgetting one costs its web server a question.
      const [oldest] = this.#failures.keys();
      if (this.#failures.size >= MAX_FAILURES && oldest !== undefined) this.#failures.delete(oldest);
      this.#failures.set(key, { until: now + RETRY_AFTER, problem: fetched.problem });
      return fetched;
    }
    this.#failures.delete(key);
    const cached = { domain, id, policy: fetched.policy, fetched: now };
    this.cache.set(cached, now);
    return { status: 'fetched', cached };
  }
}

/** Octets of a name in text, without the trailing dot (RFC 1035 section 2.3.4). */
const MAX_NAME = 253;

function findingOf(
  cached: CachedStsPolicy,
  from: 'fetch' | 'cache',
  problems: readonly StsProblem[] = [],
): StsFinding {
  const { domain, id, policy } = cached;
  const { mode } = policy;
  if (mode === 'none') {
    // Section 5: "treat the Policy Domain as though it does not have any active policy".
    return { status: 'none', domain, reason: `the MTA-STS policy of ${domain} has the mode none`, problems };
  }
  return {
    status: 'policy',
    domain,
    id,
    policy: { ...policy, mode },
    from,
    expires: expiryOf(cached),
    problems,
  };
}

/** Section 6: failures are reportable "except if that policy's mode is 'none'". */
function problemsWith({ policy }: CachedStsPolicy, problem: StsProblem): readonly StsProblem[] {
  return policy.mode === 'none' ? [] : [problem];
}

/** A fetch is shared, so it goes on where one of those who wait for it gives up. */
async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return await promise;
  signal.throwIfAborted();
  let onAbort = (): void => {};
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
