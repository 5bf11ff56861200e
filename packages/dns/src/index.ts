/** @danelaw/dns: asks DNS a question and says how far the answer can be trusted. */

export {
  type Authorities,
  type AuthoritiesOptions,
  type Authority,
  type AuthorityAnswer,
  type AuthorityRecord,
  askAuthorities,
} from './authorities.js';
export { formatBase32hex } from './base32hex.js';
export type { CacheCounters } from './cache.js';
export type { CachedResolver, LookupTold } from './caching-resolver.js';
export { VIA_ROOT } from './iterate.js';
export * from './lookup.js';
export { parseRecordText } from './master-file.js';
export {
  type Edns,
  type EdnsOption,
  encodeMessage,
  encodeQuery,
  type Flags,
  type Message,
  parseMessage,
  type QueryOptions,
  type Question,
  type ResourceRecord,
} from './message.js';
export { Name } from './name.js';
export { formatRdata, formatRecord, parseName } from './presentation.js';
export { type Probed, type ProbeOptions, probeUpstream } from './probe.js';
export type { RecordData } from './record.js';
export { parseRdata, parseTarget, requireType } from './record.js';
export { createResolver, type ResolverOptions } from './resolver.js';
export { parseRootHints, type RootHint } from './root-hints.js';
export { CLASS_IN, RCODE, RRTYPE, rcodeName, typeName, typeNumber } from './rrtype.js';
export { formatServer, parseServer, type ServerAddress, type TlsIdentity } from './server-address.js';
export { createNetworkTransport, type NetworkTransport, type Transport, type TurnEnd } from './transport.js';
export { TransportError } from './transport-error.js';
export { parseTrustAnchors, type TrustAnchor } from './trust-anchor.js';
export type { TsigError } from './tsig.js';
export { parseTsigKey, type TsigAlgorithm, TsigKey } from './tsig-key.js';
export { sendUpdate, type UpdateOptions, type UpdateOutcome } from './update.js';
export { type Change, formatUpdate, type Prerequisite, type Update } from './update-message.js';
export type { Notice } from './way-notice.js';
export { compareBytes, concatBytes, WireError } from './wire.js';
export { findPrimary, type Primary, type PrimaryOptions } from './zone-servers.js';
