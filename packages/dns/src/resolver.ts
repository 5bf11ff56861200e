/** The resolver that everything above uses, made from options: one question in, one of four states out. */

import { isIP } from 'node:net';
import { type CachedResolver, CachingResolver } from './caching-resolver.js';
import { forwardingSource, requireLoopback, upstreamServers } from './forwarding.js';
import { createIterator } from './iterate.js';
import { Name } from './name.js';
import { ROOT_HINTS, type RootHint } from './root-hints.js';
import type { Source } from './source.js';
import { DNS_PORT } from './system.js';
import { createNetworkTransport, type ServerAddress, type Transport } from './transport.js';
import { parseTrustAnchors, rootTrustAnchors, type TrustAnchor } from './trust-anchor.js';
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
  /**
   * File in which the trust anchors are kept up to date (RFC 5011): new keys of their zone are trusted after thirty days,
   * revoked ones never again. All anchors must be of one zone.
   */
  readonly trustAnchorState?: string;
  /** Octets of memory for answers, by estimate; 64 MiB where absent. */
  readonly maxCacheOctets?: number;
}

/**
 * Makes a resolver.
 * @throws TypeError where an option is not valid; the message says which and why
 */
export function createResolver(options: ResolverOptions = {}): CachedResolver {
  const trust = options.trust ?? 'validate';
  const clock = options.clock ?? Date.now;
  const network = options.transport === undefined ? createNetworkTransport() : undefined;
  const transport = options.transport ?? network;
  if (transport === undefined) throw new TypeError('no transport');
  const source = chooseSource(options, transport, clock);
  const anchors = readAnchors(options.trustAnchors);
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
    ...cache,
    close: async () => network?.close(),
  });
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
