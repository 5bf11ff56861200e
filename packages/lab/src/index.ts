export { answerFromZones, type Reply, type ServedZone } from './authority.js';
export {
  type Authority,
  type AuthorityRequest,
  type Certificate,
  type DnsNameConstraints,
  issue,
  type LeafRequest,
  makeAuthority,
  selfSigned,
  tlsaFor,
  type Validity,
} from './certificate.js';
export { type CertificateKey, type KeyKind, makeCertificateKey } from './certificate-key.js';
export type { Denial } from './denial.js';
export type { DnsSocket } from './dns-socket.js';
export type { Deed, Forgery, Habit } from './habit.js';
export { NameServer, type NameServerOptions } from './nameserver.js';
export type { Nsec3Options } from './nsec3-chain.js';
export {
  type Fault,
  type SignatureFault,
  type SignatureValidity,
  SignedZone,
  type Signing,
  type ZoneFault,
} from './sign.js';
export { type SignatureFields, signRrset } from './signature.js';
export { type Rrset, Zone } from './zone.js';
export { ALGORITHM, DIGEST, KSK_FLAGS, REVOKE_FLAG, ZoneKey, ZSK_FLAGS } from './zone-key.js';
export { absoluteName, parseRecordLine, parseZone } from './zone-text.js';
