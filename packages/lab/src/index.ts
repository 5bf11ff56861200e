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
export type { ClientHello } from './client-hello.js';
export type { Denial } from './denial.js';
export type { DnsSocket } from './dns-socket.js';
export type { Deed, Forgery, Habit } from './habit.js';
export {
  type AskedQuestion,
  type Endpoint,
  type Internet,
  type InternetOptions,
  startInternet,
  WEB_AUTHORITY,
} from './internet.js';
export { LabError } from './loopback.js';
export {
  type AuthoritySpec,
  type CertificateSpec,
  DEFAULT_CAPABILITIES,
  type HandshakeHabit,
  type MailHabits,
  type MailHostSpec,
  type ReplyLine,
  type Stage,
  type StageHabit,
  type TlsaParameters,
  type TlsaSpec,
  type ValiditySpec,
} from './mail-habits.js';
export { type Authorities, makeAuthorities } from './mail-identity.js';
export type {
  CommandRecord,
  ConnectionEnd,
  ConnectionRecord,
  MailRecord,
  ReceivedMessage,
  ReceivedRecipient,
  TlsFacts,
} from './mail-record.js';
export { type MailServer, type MailServerOptions, startMailServer } from './mailserver.js';
export { NameServer, type NameServerOptions } from './nameserver.js';
export type { Nsec3Options } from './nsec3-chain.js';
export { RecursiveFace, type RecursiveOptions } from './recursive.js';
export {
  type Authenticated,
  type Evidence,
  type Expected,
  type ExpectedDelivery,
  type ExpectedRefusal,
  expectedUnder,
  type HostSpec,
  type LocalRule,
  mailDomain,
  type Scenario,
  type StsSpec,
  withoutEvidence,
  type ZoneSpec,
} from './scenario.js';
export { SCENARIOS } from './scenarios/index.js';
export { STS_SCENARIOS } from './scenarios/mta-sts.js';
export {
  type Fault,
  type SignatureFault,
  type SignatureValidity,
  SignedZone,
  type Signing,
  type ZoneFault,
} from './sign.js';
export { type SignatureFields, signRrset } from './signature.js';
export { startWebServer, type WebServer, type WebServerOptions } from './web-server.js';
export { type Rrset, Zone } from './zone.js';
export { ALGORITHM, DIGEST, KSK_FLAGS, REVOKE_FLAG, ZoneKey, ZSK_FLAGS } from './zone-key.js';
export { parseRecordLine, parseZone } from './zone-text.js';
