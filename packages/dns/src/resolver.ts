/** The resolver that everything above uses, made from options: one question in, one of four states out. */

import { isIP } from 'node:net';
import { type CachedResolver, CachingResolver, type LookupTold } from './caching-resolver.js';
import { forwardingSource, requireLoopback, upstreamServers } from './forwarding.js';
import { createIterator } from './iterate.js';
import { Name } from './name.js';
import { ROOT_HINTS, type RootHint } from './root-hints.js';
import { DNS_PORT, parseServer, type ServerAddress } from './server-address.js';
import type { Source } from './source.js';
import { readSystemServers } from './system.js';
import { createSocketTransport, type Transport } from './transport.js';
import { parseTrustAnchors, rootTrustAnchors, type TrustAnchor } from './trust-anchor.js';
import type { Notice } from './way-notice.js';
import { createWaysOut } from './ways-out.js';
import { WireError } from './wire.js';

export interface ResolverOptions {
  /**
   * `'system'` (default): the system's resolvers where DNSSEC survives them, else the root's servers and those below, else
   * `fallback`. `'iterate'`: from the root. Or resolvers, asked as told: `'192.0.2.1'`, `'192.0.2.1#5353'`, and over TLS
   * `'tls://ADDRESS[#PORT][/NAME][?pin=sha256-BASE64]'`.
   */
  readonly upstream?: 'system' | 'iterate' | string | readonly string[];
  /** Who validates: we (`'validate'`, default), or the resolver on this machine whose AD bit is believed (`'ad'`). */
  readonly trust?: 'validate' | 'ad';
  /** Resolvers for when neither the system's nor the root's servers can be used, best `'tls://...'`; with `'system'` only. */
  readonly fallback?: readonly string[];
  /** Hears, once each time it changes, that another way than the system's resolvers is used, or that there is none. */
  readonly onNotice?: (notice: Notice) => void;
  /** Hears of each look-up that was answered, for whoever counts; those that were given up are not told. */
  readonly onLookup?: (told: LookupTold) => void;
  /** The resolv.conf(5) that names the system's resolvers. */
  readonly resolvConf?: string;
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
  /**
   * File in which the trust anchors are kept up to date (RFC 5011): new keys of their zone are trusted after thirty days,
   * revoked ones never again. All anchors must be of one zone.
   */
  readonly trustAnchorState?: string;
  /**
   * NSEC3 with more than 150 iterations makes a look-up fail; without it the answer is `insecure` (RFC 9276 section 3.2), and
   * whoever can change answers can then deny, or invent, any unsigned name of such a zone.
   */
  readonly strict?: boolean;
  /**
   * Octets of memory for answers, by estimate; 64 MiB where absent. Where it is less, less is kept of zones, keys and servers
   * as well.
   */
  readonly maxCacheOctets?: number;
}

/**
 * Makes a resolver.
 * @throws TypeError where an option is not valid; the message says which and why
 */
export function createResolver(options: ResolverOptions = {}): CachedResolver {
  const trust = options.trust ?? 'validate';
  const clock = options.clock ?? Date.now;
  const network = options.transport === undefined ? createSocketTransport() : undefined;
  const transport = options.transport ?? network;
  if (transport === undefined) throw new TypeError('no transport');
  const anchors = readAnchors(options.trustAnchors);
  const source = chooseSource(options, { transport, clock, anchors });
  const { maxCacheOctets, trustAnchorState } = options;
  if (trustAnchorState !== undefined) requireOneZone(anchors);
  const cache = {
    ...(maxCacheOctets === undefined ? {} : { maxCacheOctets }),
    ...(trustAnchorState === undefined || trust === 'ad' ? {} : { anchorState: trustAnchorState }),
  };
  return new CachingResolver({
    source,
    clock,
    anchors,
    trust,
    strict: options.strict,
    ...cache,
    ...(options.onLookup === undefined ? {} : { onLookup: options.onLookup }),
    close: async () => network?.close(),
  });
}

interface Surroundings {
  readonly transport: Transport;
  readonly clock: () => number;
  readonly anchors: readonly TrustAnchor[];
}

function chooseSource(options: ResolverOptions, surroundings: Surroundings): Source {
  const { upstream = 'system', trust = 'validate', fallback = [] } = options;
  if (fallback.length > 0 && (upstream !== 'system' || trust === 'ad')) {
    throw new TypeError(
      "fallback is for upstream 'system' with trust 'validate': there it is the last way out",
    );
  }
  if (trust === 'ad') return believedSource(options, surroundings.transport);
  if (upstream === 'iterate') return iteratingSource(options, surroundings);
  if (upstream !== 'system')
    return forwardingSource(upstreamServers(upstream), surroundings.transport, false);
  const { resolvConf, onNotice } = options;
  return createWaysOut({
    ...surroundings,
    systemServers: () => readSystemServers(resolvConf),
    iterator: iteratingSource(options, surroundings),
    fallback: fallback.map(parseServer),
    ...(onNotice === undefined ? {} : { onNotice }),
  });
}

/** Not probed: whoever believes a resolver has to know which. */
function believedSource(options: ResolverOptions, transport: Transport): Source {
  const { upstream = 'system', resolvConf, trustRemoteAd = false } = options;
  if (upstream === 'iterate') {
    throw new TypeError(
      "trust 'ad' needs a resolver that validates: with upstream 'iterate' there is none, so use 'validate'",
    );
  }
  const check = (servers: readonly ServerAddress[]) => {
    if (!trustRemoteAd) requireLoopback(servers);
    return servers;
  };
  if (upstream !== 'system') return forwardingSource(upstreamServers(upstream, check), transport, true);
  return forwardingSource(async () => check(await readSystemServers(resolvConf)), transport, true);
}

function iteratingSource(options: ResolverOptions, { transport, clock }: Surroundings): Source {
  return createIterator({
    rootHints: readHints(options.rootHints ?? ROOT_HINTS),
    transport,
    port: options.port ?? DNS_PORT,
    qnameMinimisation: options.qnameMinimisation ?? true,
    clock,
    ...(options.maxCacheOctets === undefined ? {} : { maxCacheOctets: options.maxCacheOctets }),
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

function requireOneZone(anchors: readonly TrustAnchor[]): void {
  const [first, ...others] = anchors;
  if (first === undefined || others.every((anchor) => anchor.name.equals(first.name))) return;
  throw new TypeError('trustAnchorState: the trust anchors must all be of one zone to be followed');
}

function readAnchors(texts: readonly string[] | undefined): readonly TrustAnchor[] {
  try {
    return texts === undefined ? rootTrustAnchors() : parseTrustAnchors(texts);
  } catch (error) {
    if (error instanceof WireError) throw new TypeError(`trustAnchors: ${error.message}`);
    throw error;
  }
}
