/** The resolver that everything above uses: one question in, one of four states out; cached, and asked once at a time. */

import { isLoopback } from './address.js';
import { believedLookup } from './believe-ad.js';
import { AnswerCache } from './cache.js';
import { EDE, ede } from './dnssec/extended-error.js';
import { TrustChain } from './dnssec/trust-chain.js';
import { createForwarder, type Forwarder } from './forward.js';
import type { Lookup, ResolveOptions, Resolver } from './lookup.js';
import { Name } from './name.js';
import { requireType } from './record.js';
import type { Source } from './source.js';
import { parseServer, readSystemServers } from './system.js';
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
  readonly rootHints?: readonly { readonly name: string; readonly address: string }[];
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
  if (options.upstream === 'iterate') {
    throw new TypeError(
      "upstream 'iterate' is not available in this version: name a resolver, or use 'system'",
    );
  }
  const clock = options.clock ?? Date.now;
  const network = options.transport === undefined ? createNetworkTransport() : undefined;
  const transport = options.transport ?? network;
  if (transport === undefined) throw new TypeError('no transport');
  const believes = trust === 'ad';
  const check = (servers: readonly ServerAddress[]) => {
    if (believes && options.trustRemoteAd !== true) requireLoopback(servers);
    return servers;
  };
  const source = forwardingSource(upstreamServers(options.upstream ?? 'system', check), transport, believes);
  const anchors = readAnchors(options.trustAnchors);
  return new CachingResolver({ source, clock, anchors, trust, close: async () => network?.close() });
}

type Servers = () => Promise<readonly ServerAddress[]>;

/** Addresses that were given are checked at once; the system's are read when the first question is asked. */
function upstreamServers(
  upstream: string | readonly string[],
  check: (servers: readonly ServerAddress[]) => readonly ServerAddress[],
): Servers {
  if (upstream === 'system') return async () => check(await readSystemServers());
  const texts = typeof upstream === 'string' ? [upstream] : upstream;
  if (texts.length === 0) throw new TypeError('upstream: no address given');
  const servers = check(texts.map(parseServer));
  return async () => servers;
}

/**
 * Asks recursive resolvers. Where we validate, CD asks them for what they have, bogus or not (RFC 4035 section 3.2.2);
 * where they do, AD asks them to say so (RFC 6840 section 5.7).
 */
function forwardingSource(servers: Servers, transport: Transport, believes: boolean): Source {
  let forwarder: Promise<Forwarder> | undefined;
  return {
    async ask(question, signal) {
      const flags = believes ? { cd: false, do: false, ad: true } : { cd: true, do: true };
      forwarder ??= servers().then((addresses) => createForwarder({ servers: addresses, transport }));
      let ready: Forwarder;
      try {
        ready = await forwarder;
      } catch (error) {
        forwarder = undefined;
        const reason = `no resolver to ask: ${error instanceof Error ? error.message : String(error)}`;
        return { kind: 'failure', reason, ede: ede(EDE.NETWORK_ERROR, reason) };
      }
      return ready.ask(question, signal === undefined ? flags : { ...flags, signal });
    },
    async close() {},
  };
}

function requireLoopback(servers: readonly ServerAddress[]): void {
  const remote = servers.find((server) => !isLoopback(server.address));
  if (remote === undefined) return;
  throw new TypeError(
    `trust 'ad' believes what ${remote.address} says about DNSSEC, but that is not this machine: anyone between could ` +
      `forge it (RFC 4035 section 4.9.3). Use trust 'validate', or trustRemoteAd: true where that network is yours`,
  );
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
