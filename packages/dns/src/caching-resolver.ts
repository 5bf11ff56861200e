/** What is between a caller and the network: answers kept, equal questions asked once, and what is in use kept fresh. */
import { createHash } from 'node:crypto';
import { untilAbort } from './abort.js';
import { AnswerBuilder } from './answer-builder.js';
import { believedLookup } from './believe-ad.js';
import { AnswerCache, type CacheCounters } from './cache.js';
import { readDump, writeDump } from './cache-dump.js';
import { Budget, type Strictness } from './dnssec/bounds.js';
import { EDE, ede } from './dnssec/extended-error.js';
import { TrustChain } from './dnssec/trust-chain.js';
import { type Answered, isAnswered, type Lookup, type ResolveOptions, type Resolver } from './lookup.js';
import { Name } from './name.js';
import { ProofCache } from './proof-cache.js';
import { requireType } from './record.js';
import { RRTYPE } from './rrtype.js';
import type { Source } from './source.js';
import type { TrustAnchor } from './trust-anchor.js';
import { AnchorKeeper } from './trust-anchor-keeper.js';
import { validatedLookup } from './validate.js';
import { WireError } from './wire.js';

/** Seconds for which an answer past its time is handed on (RFC 8767 section 4). */
const STALE_TTL = 30;

/** A resolver whose cache can be watched, saved and loaded. */
export interface CachedResolver extends Resolver {
  /** How the cache does. */
  readonly counters: CacheCounters;
  /** The cached answers as text, for `loadCache` of a later run. */
  saveCache(): string;
  /**
   * Takes the answers of an earlier run that still hold. What the dump says is believed, so it must come from a place where
   * only this program can write; one made under other trust anchors is left out as a whole.
   * @returns how many answers were taken
   */
  loadCache(dump: string): number;
}

/** What is told of a look-up to whoever counts them. */
export interface LookupTold {
  readonly status: Lookup['status'];
  /** Nobody had to be asked, not even by another look-up of the same that was under way. */
  readonly cached: boolean;
}

export interface CachingParts extends Strictness {
  readonly source: Source;
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
  readonly anchors: readonly TrustAnchor[];
  readonly trust: 'validate' | 'ad';
  readonly maxCacheOctets?: number;
  /** File in which the anchors are kept up to date (RFC 5011). */
  readonly anchorState?: string;
  readonly onLookup?: (told: LookupTold) => void;
  readonly close: () => Promise<void>;
}

export class CachingResolver implements CachedResolver {
  readonly #parts: CachingParts;
  readonly #chain: TrustChain;
  readonly #cache: AnswerCache;
  readonly #proofs: ProofCache;
  readonly #underWay = new Map<string, Promise<Lookup>>();
  /** What answers rest on: they mean nothing under other anchors. */
  readonly #origin: string;
  #keeper: Promise<AnchorKeeper> | undefined;

  constructor(parts: CachingParts) {
    const { clock, maxCacheOctets } = parts;
    this.#parts = parts;
    this.#chain = new TrustChain(parts);
    this.#proofs = new ProofCache(clock, maxCacheOctets);
    const refresh = ({ name, type }: Answered) => this.#refresh(name, type);
    this.#cache = new AnswerCache({
      clock,
      refresh,
      ...(maxCacheOctets === undefined ? {} : { maxOctets: maxCacheOctets }),
    });
    this.#origin = originOf(parts);
  }

  resolve(name: string, type: string, options?: ResolveOptions): Promise<Lookup> {
    const signal = options?.signal;
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (options?.explain === true) return untilAborted(this.#explained(name, type), signal);
    const key = cacheKey(name, type);
    const known = this.#cache.get(key);
    if (known !== undefined) {
      this.#parts.onLookup?.({ status: known.status, cached: true });
      return Promise.resolve(known);
    }
    const lookup = untilAborted(this.#shared(key, name, type), signal);
    return this.#parts.onLookup === undefined ? lookup : this.#told(lookup);
  }

  async #told(answer: Promise<Lookup>): Promise<Lookup> {
    const lookup = await answer;
    this.#parts.onLookup?.({ status: lookup.status, cached: false });
    return lookup;
  }

  async #explained(nameText: string, typeText: string): Promise<Lookup> {
    const { name, type } = readQuestion(nameText, typeText);
    const { source, clock, trust } = this.#parts;
    if (trust === 'ad') return believedLookup(name, type, source);
    const unready = await this.#anchorsUnready();
    if (unready !== undefined) return withoutAnchors(name, type, unready);
    return this.#withVia(
      await validatedLookup(name, type, {
        source,
        clock,
        strict: this.#parts.strict,
        chain: this.#chain,
        explain: true,
      }),
    );
  }

  get counters(): CacheCounters {
    return this.#cache.counters;
  }

  saveCache(): string {
    return writeDump(this.#origin, this.#cache.kept());
  }

  loadCache(dump: string): number {
    const answers = readDump(this.#origin, dump);
    for (const [key, kept] of answers) this.#cache.keep(key, kept);
    return answers.length;
  }

  async close(): Promise<void> {
    this.#cache.clear();
    this.#proofs.clear();
    this.#chain.forget();
    await this.#parts.source.close();
    await this.#parts.close();
  }

  /** Equal look-ups at the same time are one; it goes on where one of those who wait for it gives up. */
  #shared(key: string, nameText: string, typeText: string): Promise<Lookup> {
    const underWay = this.#underWay.get(key);
    if (underWay !== undefined) return underWay;
    let question: { readonly name: Name; readonly type: number };
    try {
      question = readQuestion(nameText, typeText);
    } catch (error) {
      return Promise.reject(error);
    }
    const lookup = this.#lookUp(key, question.name, question.type);
    this.#underWay.set(key, lookup);
    return lookup;
  }

  /** Ends being under way when it ends; it waits at least once before that. */
  async #lookUp(key: string, name: Name, type: number): Promise<Lookup> {
    try {
      const unready = this.#parts.anchorState === undefined ? undefined : await this.#anchorsUnready();
      if (unready !== undefined) return withoutAnchors(name, type, unready);
      const { source, trust } = this.#parts;
      const told = trust === 'ad' ? believedLookup(name, type, source) : this.#validated(name, type);
      const fresh = this.#withVia(await told);
      const lookup =
        fresh.status === 'indeterminate' ? ((await this.#staleAnswer(key, name, type)) ?? fresh) : fresh;
      if (lookup === fresh) this.#cache.set(key, lookup);
      return lookup;
    } finally {
      this.#underWay.delete(key);
    }
  }

  #withVia(lookup: Lookup): Lookup {
    const { via } = this.#parts.source;
    return via === undefined ? lookup : { ...lookup, via };
  }

  async #validated(name: Name, type: number): Promise<Lookup> {
    const { source, clock } = this.#parts;
    const denied = this.#proofs.deny(name, type, this.#chain.anchorAbove(name));
    if (denied !== undefined) return denied;
    const parts = { source, clock, strict: this.#parts.strict, chain: this.#chain, proofs: this.#proofs };
    const lookup = await validatedLookup(name, type, parts);
    // The failure may be the network's: where there is another way by now, it is tried once.
    if (isAnswered(lookup) || !(await source.reconsider?.())) return lookup;
    return validatedLookup(name, type, parts);
  }

  /**
   * RFC 8767, for data that nobody signed: the last answer, where its servers can't be reached now. The chain of trust must
   * say, now, that the zone is insecure: had it been signed meanwhile, old data would be a way around that.
   */
  async #staleAnswer(key: string, name: Name, type: number): Promise<Answered | undefined> {
    const stale = this.#cache.stale(key);
    if (stale === undefined || this.#parts.trust === 'ad') return undefined;
    const names = [name, Name.parse(stale.canonicalName)];
    for (const each of names) {
      const within = type === RRTYPE.DS ? each.parent() : each;
      const zone = await this.#chain.zoneOf(within, false, new Budget(`${each}`));
      if (zone.status !== 'insecure') return undefined;
    }
    const records = stale.records.map((record) => ({ ...record, ttl: STALE_TTL }));
    return {
      ...stale,
      records,
      ttl: STALE_TTL,
      ede: ede(EDE.STALE_ANSWER, 'its servers can not be reached now'),
    };
  }

  /** Reads the anchors' state first of all, and looks after it when it is time to. The reason, where it can't be read. */
  async #anchorsUnready(): Promise<string | undefined> {
    const { anchorState: file, anchors: configured, source, clock } = this.#parts;
    const zone = configured[0]?.name;
    if (file === undefined || zone === undefined) return undefined;
    this.#keeper ??= AnchorKeeper.open({ file, configured, zone, source, clock }).then((keeper) => {
      this.#trust(keeper.anchors);
      return keeper;
    });
    try {
      const keeper = await this.#keeper;
      if (keeper.isDue) void this.#follow(keeper);
      return undefined;
    } catch (error) {
      this.#keeper = undefined;
      return `the trust anchors' state in ${file} can't be used: ${error instanceof Error ? error.message : String(error)}`;
    }
  }

  #trust(anchors: readonly TrustAnchor[]): void {
    this.#chain.trust(anchors);
    this.#parts.source.trust?.(anchors);
  }

  /** RFC 5011 section 2.3. A state that can't be written is tried again when the next look-up comes. */
  async #follow(keeper: AnchorKeeper): Promise<void> {
    const before = JSON.stringify(keeper.anchors);
    try {
      await keeper.refresh();
    } catch {
      return;
    }
    if (JSON.stringify(keeper.anchors) !== before) this.#trust(keeper.anchors);
  }

  #refresh(name: string, type: string): void {
    // A failure leaves what is there until its time is over.
    void this.#shared(cacheKey(name, type), name, type).catch(() => {});
  }
}

function withoutAnchors(name: Name, type: number, reason: string): Lookup {
  return new AnswerBuilder(name, type).failed('indeterminate', reason, ede(EDE.OTHER, reason));
}

function untilAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  return signal === undefined ? work : untilAbort(work, signal);
}

function originOf({ trust, anchors, strict = false }: CachingParts): string {
  if (trust === 'ad') return 'ad';
  const texts = anchors.map(({ name, rdata }) => `${name.key} ${Buffer.from(rdata).toString('hex')}`).sort();
  return createHash('sha256')
    .update([strict, ...texts].join('\n'))
    .digest('hex');
}

/** Names that differ only in case or in a last dot are one; other spellings of one name are merely kept twice. */
function cacheKey(name: string, type: string): string {
  const end = name.length > 1 && name.endsWith('.') ? name.length - 1 : name.length;
  return `${name.slice(0, end).toLowerCase()}/${type}`;
}

function readQuestion(nameText: string, typeText: string): { name: Name; type: number } {
  try {
    return { name: Name.parse(nameText), type: requireType(typeText) };
  } catch (error) {
    if (error instanceof WireError) throw new TypeError(error.message);
    throw error;
  }
}
