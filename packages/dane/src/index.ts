/** @danelaw/dane: which TLSA records apply to a server, and does this certificate chain match them. */
export { keepParsed } from './certificate.js';
export { type ConnectOptions, connectDane, type DaneConnection } from './connect.js';
export { type ConnectFault, DaneConnectError } from './connect-error.js';
export { connectDaneService, type ServiceOptions } from './connect-service.js';
export { type Connector, type Destination, daneAgent, daneConnector } from './connector.js';
export { type DiscoverOptions, discover } from './discover.js';
export type * from './finding.js';
export {
  type Fingerprint,
  type FingerprintVerdict,
  parseFingerprint,
  verifyFingerprint,
} from './fingerprint.js';
export {
  type PkixAuthenticated,
  type PkixInput,
  type PkixRefused,
  type PkixVerdict,
  Roots,
  verifyPkix,
  webRoots,
} from './pkix.js';
export { matchesName } from './reference-identifier.js';
export {
  type ImplicitMxOrigin,
  type MxOrigin,
  type RelayOrigin,
  referenceNames,
  type ServerOrigin,
} from './reference-names.js';
export {
  type AuthenticatedBy,
  type DaneTrust,
  type PkixTrust,
  type Secured,
  type SecureOptions,
  secureSocket,
  type Trust,
} from './secure-socket.js';
export { MAX_CHAIN_CERTIFICATES, takeChain } from './sent-chain.js';
export {
  type AskCertificateOptions,
  type AskedCertificate,
  askCertificate,
  type HandshakeOffer,
  type ProbedVersion,
  type SignatureKind,
} from './served-certificates.js';
export type { StartTls } from './start-tls.js';
export { type DaneTlsOptions, daneTlsOptions, type VerifiedServer } from './tls-options.js';
export { abbreviateTlsa, formatTlsa, type TlsaRecord } from './tlsa.js';
export {
  type CertificationRequest,
  publicKeyOf,
  readCertificationRequest,
  type TlsaParameters,
  tlsaRecordFor,
  tlsaRecordForKey,
} from './tlsa-for.js';
export { judgeTlsa } from './usable.js';
export {
  type Authenticated,
  type CertificateResult,
  type MatchedTlsa,
  type NotAuthenticated,
  type NothingUsable,
  type Verdict,
  type VerificationInput,
  verifyCertificate,
} from './verify.js';
