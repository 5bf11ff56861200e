/** The resolver that everything above uses: one question in, one of four states out; cached, and asked once at a time. */

import { isIP } from 'node:net';
import { believedLookup } from './believe-ad.js';
import { AnswerCache } from './cache.js';
import { TrustChain } from './dnssec/trust-chain.js';
import { forwardingSource, requireLoopback, upstreamServers } from './forwarding.js';
import { createIterator } from './iterate.js';
import type { Lookup, ResolveOptions, Resolver } from './lookup.js';
import { Name } from './name.js';
import { requireType } from './record.js';
import { ROOT_HINTS, type RootHint } from './root-hints.js';
import type { Source } from './source.js';
import { DNS_PORT } from './system.js';
import { createNetworkTransport, type ServerAddress, type Transport } from './transport.js';
import { parseTrustAnchors, rootTrustAnchors, type TrustAnchor } from './trust-anchor.js';
import { validatedLookup } from './validate.js';
import { WireError } from './wire.js';

export interface ResolverOptions {
  /** `'system'` (default): the addresses of the system's configuration; or `'ip'`, `'ip#port'`, several of them. */
  readonly upstream?: 'system' | 'iterate' | string | readonly string[];
  /** Who validates: we (`'validate'`, default), or the resolver on this machine whose AD bit is believed (`'ad'`). */
  readonly trust?: 'validate' | 'ad';
  /** DS or DNSKEY records in presentation format; the root's built-in ones where absent. */
  readonly trustAnchors?: readonly string[];
  /** Name servers to start from when iterating. */
  readonly rootHints?: readonly RootHint[];
  /** Replaces the network. */
  readonly transport?: Transport;
  /** Milliseconds since the epoch. */
  readonly clock?: () => number;
  /** When iterating. */
  readonly qnameMinimisation?: boolean;
  /** Port of authoritative servers when iterating. */
  readonly port?: number;
  /** Believe the AD bit of a resolver that is not on loopback: only where the way to it can't be tampered with. */
  readonly trustRemoteAd?: boolean;
}

/**
 * Makes a resolver.
 * @throws TypeError where an option is not valid; the message says which and why
 */
export function createResolver(options: ResolverOptions = {}): Resolver {
  const trust = options.trust ?? 'validate';
  const clock = options.clock ?? Date.now;
  const network = options.transport === undefined ? createNetworkTransport() : undefined;
  const transport = options.transport ?? network;
  if (transport === undefined) throw new TypeError('no transport');
  const source = chooseSource(options, transport, clock);
  const anchors = readAnchors(options.trustAnchors);
  return new CachingResolver({ source, clock, anchors, trust, close: async () => network?.close() });
}

function chooseSource(options: ResolverOptions, transport: Transport, clock: () => number): Source {
  const believes = options.trust === 'ad';
  const upstream = options.upstream ?? 'system';
  if (upstream !== 'iterate') {
    const check = (servers: readonly ServerAddress[]) => {
      if (believes && options.trustRemoteAd !== true) requireLoopback(servers);
      return servers;
    };
    return forwardingSource(upstreamServers(upstream, check), transport, believes);
  }
  if (believes) {
    throw new TypeError(
      "trust 'ad' needs a resolver that validates: with upstream 'iterate' there is none, so use 'validate'",
    );
  }
  return createIterator({
    rootHints: readHints(options.rootHints ?? ROOT_HINTS),
    transport,
    port: options.port ?? DNS_PORT,
    qnameMinimisation: options.qnameMinimisation ?? true,
    clock,
  });
}

function readHints(hints: readonly RootHint[]): { name: Name; address: string }[] {
  if (hints.length === 0) throw new TypeError('rootHints: no server given');
  return hints.map(({ name, address }) => {
    if (isIP(address) === 0) throw new TypeError(`rootHints: "${address}" is not an IP address`);
    try {
      return { name: Name.parse(name), address };
    } catch (error) {
      if (error instanceof WireError) throw new TypeError(`rootHints: ${error.message}`);
      throw error;
    }
  });
}

function readAnchors(texts: readonly string[] | undefined): readonly TrustAnchor[] {
  try {
    return texts === undefined ? rootTrustAnchors() : parseTrustAnchors(texts);
  } catch (error) {
    if (error instanceof WireError) throw new TypeError(`trustAnchors: ${error.message}`);
    throw error;
  }
}

interface Parts {
  readonly source: Source;
  readonly clock: () => number;
  readonly anchors: readonly TrustAnchor[];
  readonly trust: 'validate' | 'ad';
  readonly close: () => Promise<void>;
}

class CachingResolver implements Resolver {
  readonly #parts: Parts;
  readonly #chain: TrustChain;
  readonly #cache: AnswerCache;
  readonly #underWay = new Map<string, Promise<Lookup>>();

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#chain = new TrustChain(parts);
    this.#cache = new AnswerCache(parts);
  }

  async resolve(name: string, type: string, options: ResolveOptions = {}): Promise<Lookup> {
    options.signal?.throwIfAborted();
    const key = cacheKey(name, type);
    const known = this.#cache.get(key);
    if (known !== undefined) return known;
    const lookup = this.#shared(key, name, type);
    return options.signal === undefined ? lookup : abortable(lookup, options.signal);
  }

  async close(): Promise<void> {
    this.#cache.clear();
    this.#chain.forget();
    await this.#parts.source.close();
    await this.#parts.close();
  }

  /** Equal look-ups at the same time are one; it goes on where one of those who wait for it gives up. */
  #shared(key: string, name: string, type: string): Promise<Lookup> {
    const underWay = this.#underWay.get(key);
    if (underWay !== undefined) return underWay;
    const lookup = this.#lookUp(key, name, type).finally(() => this.#underWay.delete(key));
    this.#underWay.set(key, lookup);
    return lookup;
  }

  async #lookUp(key: string, nameText: string, typeText: string): Promise<Lookup> {
    const { name, type } = readQuestion(nameText, typeText);
    const { source, clock, trust } = this.#parts;
    const chain = this.#chain;
    const lookup =
      trust === 'ad'
        ? await believedLookup(name, type, source)
        : await validatedLookup(name, type, { source, chain, clock });
    this.#cache.set(key, lookup);
    return lookup;
  }
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

/** Leaves off waiting when the signal aborts; the work itself has its own bounds. */
function abortable<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
