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
