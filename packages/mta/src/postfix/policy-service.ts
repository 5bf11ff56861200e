/**
 * Answers questions for TLS policies: from the cache, or by looking up, once for all who ask at the same time.
 * What goes over the wire is the business of `socketmap.ts`.
 */
import {
  type ExceptionUse,
  exceptionUses,
  type PolicyTable,
  type ResolvedPolicy,
  resolvePolicy,
} from '@danelaw/smtp';
import { localLevel } from './local-level.js';
import { formatNextHopKey, type NextHopKey, parseNextHopKey } from './next-hop-key.js';
import { type Entry, PolicyCache } from './policy-cache.js';
import { type Answer, decideLevel, decideSts, type Sources } from './tls-level.js';

export interface ServiceOptions extends Sources {
  /** The SMTP port, where a key has none; TLSA records are per port. */
  readonly smtpPort?: number;
  /** Milliseconds for all look-ups of one answer; Postfix gives up after 100 s. */
  readonly timeout?: number;
  /** What local policy says; its rules go before what is looked up. */
  readonly policyTable?: PolicyTable;
  /** Hears of each use of an exception or an audit. */
  readonly onException?: (key: string, use: ExceptionUse) => void;
  /** Hears of each answer that was looked up. */
  readonly onAnswer?: (key: string, answer: Answer) => void;
}

export interface Counters {
  readonly questions: number;
  /** Keys that are no destination. */
  readonly invalid: number;
  readonly fromCache: number;
  readonly lookedUp: number;
  readonly prefetched: number;
  readonly answers: Readonly<
    Record<'dane' | 'dane-only' | 'secure' | 'local' | 'none' | 'temporary', number>
  >;
  /** Exceptions and audits that were applied, and how often. */
  readonly exceptions: readonly { readonly use: ExceptionUse; readonly count: number }[];
}

const TIMEOUT = 30_000;
/** Look-ups ahead of time that run at once. */
const PARALLEL_PREFETCHES = 4;

export class PolicyService {
  readonly #options: ServiceOptions;
  readonly #cache: PolicyCache;
  readonly #underWay = new Map<string, Promise<Answer>>();
  readonly #stop = new AbortController();
  readonly #counted = { questions: 0, invalid: 0, fromCache: 0, lookedUp: 0, prefetched: 0 };
  readonly #answers = { dane: 0, 'dane-only': 0, secure: 0, local: 0, none: 0, temporary: 0 };

  readonly #exceptions = new Map<string, { use: ExceptionUse; count: number }>();

  constructor(options: ServiceOptions) {
    this.#options = options;
    this.#cache = new PolicyCache(options.clock);
  }

  get counters(): Counters {
    const exceptions = [...this.#exceptions.values()].map((each) => ({ ...each }));
    return { ...this.#counted, answers: { ...this.#answers }, exceptions };
  }

  get size(): number {
    return this.#cache.size;
  }

  /** @param text a key as Postfix has it */
  async answer(text: string): Promise<Answer> {
    this.#counted.questions += 1;
    const key = parseNextHopKey(text, this.#options.smtpPort ?? 25);
    if (key === undefined) {
      this.#counted.invalid += 1;
      return { status: 'none', ttl: 0, reason: 'DANE has nothing to say about such a destination' };
    }
    const name = formatNextHopKey(key);
    const resolved = this.#resolve(key);
    for (const use of exceptionUses(resolved)) this.#note(name, use);
    const local = localLevel(resolved);
    const answer = typeof local === 'string' ? await this.#kept(key, name) : local;
    this.#answers[answer.status === 'policy' ? answer.level : answer.status] += 1;
    return answer;
  }

  async #kept(key: NextHopKey, name: string): Promise<Answer> {
    const kept = this.#cache.use(name);
    if (kept !== undefined) this.#counted.fromCache += 1;
    return kept ?? (await this.#lookUp(key, name, true));
  }

  /** What the policy table says now: its rules can end by themselves. */
  #resolve(key: NextHopKey): ResolvedPolicy {
    const { policyTable = { rules: [] }, clock } = this.#options;
    return resolvePolicy(policyTable, key.kind === 'domain' ? key.domain : key.host, clock());
  }

  #note(name: string, use: ExceptionUse): void {
    const id = `${use.rule} ${use.kind}`;
    const counted = this.#exceptions.get(id);
    if (counted === undefined) this.#exceptions.set(id, { use, count: 1 });
    else counted.count += 1;
    this.#options.onException?.(name, use);
  }

  entries(): readonly Entry[] {
    return this.#cache.entries();
  }

  purge(): void {
    this.#cache.clear();
  }

  /** Looks up again what is in use and about to run out. To be called every minute or so. */
  async prefetch(): Promise<void> {
    const due = this.#cache.due().values();
    const worker = async (): Promise<void> => {
      for (const name of due) {
        const key = parseNextHopKey(name, 0);
        if (key === undefined || this.#stop.signal.aborted) continue;
        this.#counted.prefetched += 1;
        await this.#lookUp(key, name, false);
      }
    };
    await Promise.all(Array.from({ length: PARALLEL_PREFETCHES }, worker));
  }

  /** Ends what is under way: it is answered as a temporary failure. */
  stop(): void {
    this.#stop.abort(new Error('the policy server is ending'));
  }

  #lookUp(key: NextHopKey, name: string, used: boolean): Promise<Answer> {
    const same = this.#underWay.get(name);
    if (same !== undefined) return same;
    const work = this.#decide(key)
      .then((answer) => {
        this.#counted.lookedUp += 1;
        this.#cache.keep(name, answer, used);
        this.#options.onAnswer?.(name, answer);
        return answer;
      })
      .finally(() => this.#underWay.delete(name));
    this.#underWay.set(name, work);
    return work;
  }

  async #decide(key: NextHopKey): Promise<Answer> {
    const { timeout = TIMEOUT } = this.#options;
    const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(timeout)]);
    try {
      const decide = localLevel(this.#resolve(key)) === 'sts' ? decideSts : decideLevel;
      return await decide(key, this.#options, signal);
    } catch (error) {
      if (!signal.aborted) throw error;
      return { status: 'temporary', reason: `it could not be found out within ${timeout / 1000} s` };
    }
  }
}
