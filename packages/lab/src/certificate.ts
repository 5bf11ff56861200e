/**
 * X.509 certificates made at start: authorities, the certificates they issue, and the TLSA records that match
 * them.
 *
 * The profile is RFC 5280's, and each request says only what is to be different from it. What a real
 * authority must never do can be asked for on purpose (a CA without its flag, an unknown critical extension,
 * a spoiled signature), for DANE-TA(2) turns on these and DANE-EE(3) on none of them (RFC 7671 sections 5.1
 * and 5.2).
 *
 * Roll-overs and cross-certificates need no function of their own: an authority made with the `key` of
 * another is the same authority under a different certificate, one made with its `name` and a new key is its
 * successor.
 */
import { createHash, randomBytes } from 'node:crypto';
import type { TlsaRecord } from '@danelaw/dane';
import { AsnConvert, OctetString } from '@peculiar/asn1-schema';
import {
  AlgorithmIdentifier,
  AttributeTypeAndValue,
  AttributeValue,
  AuthorityKeyIdentifier,
  BasicConstraints,
  Certificate as CertificateStructure,
  ExtendedKeyUsage,
  Extension,
  Extensions,
  GeneralName,
  GeneralSubtree,
  GeneralSubtrees,
  id_ce_authorityKeyIdentifier,
  id_ce_basicConstraints,
  id_ce_extKeyUsage,
  id_ce_keyUsage,
  id_ce_nameConstraints,
  id_ce_subjectAltName,
  id_ce_subjectKeyIdentifier,
  id_kp_clientAuth,
  id_kp_emailProtection,
  id_kp_serverAuth,
  KeyIdentifier,
  KeyUsage,
  KeyUsageFlags,
  Name,
  NameConstraints,
  RelativeDistinguishedName,
  SubjectAlternativeName,
  SubjectKeyIdentifier,
  SubjectPublicKeyInfo,
  TBSCertificate,
  Validity as ValidityStructure,
  Version,
} from '@peculiar/asn1-x509';
import {
  type CertificateKey,
  type KeyKind,
  makeCertificateKey,
  type SignatureHash,
  signatureAlgorithm,
  signWith,
} from './certificate-key.js';

export interface Validity {
  readonly notBefore: Date;
  readonly notAfter: Date;
}

export interface Certificate {
  /** The whole certificate: what TLSA selector 0 is about. */
  readonly der: Uint8Array;
  readonly pem: string;
  readonly key: CertificateKey;
  /** The private key, PKCS #8. */
  readonly keyPem: string;
  /** This certificate and those above it, its root last. */
  readonly chain: readonly Certificate[];
}

/** A certificate that issues others. `name` is its subject's common name. */
export interface Authority extends Certificate {
  readonly name: string;
}

/** What every certificate can have, or lack. */
export interface CommonRequest {
  readonly validity: Validity;
  /** A kind of key to make, or a key that is there already. Default: a new P-256 pair. */
  readonly key?: KeyKind | CertificateKey;
  /** Default: SHA-256. */
  readonly signatureHash?: SignatureHash;
  /** Replaces the profile's; an empty list leaves the extension out. */
  readonly keyUsage?: readonly KeyUsageName[];
  /** Replaces the profile's; an empty list leaves the extension out. */
  readonly extendedKeyUsage?: readonly KeyPurpose[];
  /**
   * Adds a critical extension that no verifier knows: RFC 5280 section 4.2 has them refuse the certificate.
   */
  readonly unknownCriticalExtension?: boolean;
  /** The signature's last octet is changed. */
  readonly spoiledSignature?: boolean;
}

export interface AuthorityRequest extends CommonRequest {
  readonly name: string;
  /** Without one the authority is a root: self-signed. */
  readonly parent?: Authority;
  /** How many intermediates may follow below this one. Default: no limit. */
  readonly pathLength?: number;
  readonly nameConstraints?: DnsNameConstraints;
  /** What basicConstraints says. Default: `ca`. */
  readonly basicConstraints?: 'ca' | 'not-ca' | 'absent';
}

/** DNS subtrees, as in RFC 5280 section 4.2.1.10: `good.example` is that name and all below it. */
export interface DnsNameConstraints {
  readonly permitted?: readonly string[];
  readonly excluded?: readonly string[];
}

export interface LeafRequest extends CommonRequest {
  /**
   * dNSName entries of subjectAltName, octet by octet as given: wildcards, upper case and NULs are not
   * corrected.
   */
  readonly names: readonly string[];
  /** Default: the subject is empty. */
  readonly commonName?: string;
  /** Entries of subjectAltName which are no DNS names. */
  readonly otherNames?: OtherNames;
}

export interface OtherNames {
  readonly ip?: readonly string[];
  readonly email?: readonly string[];
  readonly uri?: readonly string[];
}

export type KeyUsageName = keyof typeof KeyUsageFlags;
export type KeyPurpose = 'serverAuth' | 'clientAuth' | 'emailProtection';

/** A root, or an intermediate where `parent` is given. */
export function makeAuthority(request: AuthorityRequest): Authority {
  const { name, parent } = request;
  const certificate = make({
    subject: commonName(name),
    issuer: parent === undefined ? undefined : { name: commonName(parent.name), certificate: parent },
    request,
    extensions: [
      ...basicConstraints(request),
      ...keyUsage(request.keyUsage ?? ['keyCertSign', 'cRLSign']),
      ...extendedKeyUsage(request.extendedKeyUsage ?? []),
      ...nameConstraints(request.nameConstraints),
    ],
  });
  return { name, ...certificate };
}

/** A server's certificate, signed by `authority`. */
export function issue(authority: Authority, request: LeafRequest): Certificate {
  return makeLeaf(request, { name: commonName(authority.name), certificate: authority });
}

/** A server's certificate signed by its own key, as most DANE-EE(3) hosts may well have. */
export function selfSigned(request: LeafRequest): Certificate {
  return makeLeaf(request, undefined);
}

/**
 * The TLSA record that this certificate matches. Parameters which nobody defined still give a record, with
 * the data of selector 0 and SHA2-256, since unusable records must be published to be tested.
 */
export function tlsaFor(
  certificate: Pick<Certificate, 'der' | 'key'>,
  usage: number,
  selector: number,
  matchingType: number,
): TlsaRecord {
  const selected = selector === 1 ? certificate.key.spki : certificate.der;
  return { usage, selector, matchingType, data: associationData(selected, matchingType) };
}

function associationData(selected: Uint8Array, matchingType: number): Uint8Array {
  if (matchingType === 0) return selected;
  return createHash(matchingType === 2 ? 'sha512' : 'sha256')
    .update(selected)
    .digest();
}

interface Issuer {
  readonly name: Name;
  readonly certificate: Certificate;
}

function makeLeaf(request: LeafRequest, issuer: Issuer | undefined): Certificate {
  const subject = request.commonName === undefined ? new Name() : commonName(request.commonName);
  return make({
    subject,
    issuer,
    request,
    extensions: [
      ...keyUsage(request.keyUsage ?? ['digitalSignature']),
      ...extendedKeyUsage(request.extendedKeyUsage ?? ['serverAuth']),
      ...subjectAltName(request, subject.length === 0),
    ],
  });
}

function make(parts: {
  subject: Name;
  issuer: Issuer | undefined;
  request: CommonRequest;
  extensions: Extension[];
}): Certificate {
  const { subject, issuer, request } = parts;
  const key = typeof request.key === 'object' ? request.key : makeCertificateKey(request.key);
  const signer = issuer?.certificate.key ?? key;
  const hash = request.signatureHash ?? 'sha256';
  const { oid, nullParameters } = signatureAlgorithm(signer.kind, hash);
  const signature = new AlgorithmIdentifier({
    algorithm: oid,
    ...(nullParameters ? { parameters: null } : {}),
  });
  const tbsCertificate = new TBSCertificate({
    version: Version.v3,
    serialNumber: serialNumber(),
    signature,
    issuer: issuer?.name ?? subject,
    validity: new ValidityStructure({ ...request.validity }),
    subject,
    subjectPublicKeyInfo: AsnConvert.parse(key.spki, SubjectPublicKeyInfo),
    extensions: new Extensions([
      ...parts.extensions,
      ...keyIdentifiers(key, signer),
      ...unknownCritical(request.unknownCriticalExtension),
    ]),
  });
  const signatureValue = signWith(signer, hash, new Uint8Array(AsnConvert.serialize(tbsCertificate)));
  if (request.spoiledSignature) spoil(signatureValue);
  const der = new Uint8Array(
    AsnConvert.serialize(
      new CertificateStructure({
        tbsCertificate,
        signatureAlgorithm: signature,
        signatureValue: arrayBuffer(signatureValue),
      }),
    ),
  );
  return finished(der, key, issuer?.certificate.chain ?? []);
}

function finished(der: Uint8Array, key: CertificateKey, above: readonly Certificate[]): Certificate {
  const chain: Certificate[] = [];
  const certificate: Certificate = {
    der,
    pem: toPem(der),
    key,
    keyPem: key.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
    chain,
  };
  chain.push(certificate, ...above);
  return certificate;
}

/** Lines of 64 characters (RFC 7468 section 2). */
function toPem(der: Uint8Array): string {
  const lines = Buffer.from(der)
    .toString('base64')
    .match(/.{1,64}/g);
  return `-----BEGIN CERTIFICATE-----\n${(lines ?? []).join('\n')}\n-----END CERTIFICATE-----\n`;
}

/** Positive, at most 20 octets, without a leading zero octet (RFC 5280 section 4.1.2.2). */
function serialNumber(): ArrayBuffer {
  const serial = randomBytes(16);
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40;
  return arrayBuffer(serial);
}

/** The last octet belongs to the signature's number, not to its structure, so only the check itself fails. */
function spoil(signature: Uint8Array): void {
  const last = signature.length - 1;
  signature[last] = (signature[last] ?? 0) ^ 0x01;
}

const id_at_commonName = '2.5.4.3';

function commonName(name: string): Name {
  const value = new AttributeValue({ utf8String: name });
  return new Name([
    new RelativeDistinguishedName([new AttributeTypeAndValue({ type: id_at_commonName, value })]),
  ]);
}

function basicConstraints(request: AuthorityRequest): Extension[] {
  const habit = request.basicConstraints ?? 'ca';
  if (habit === 'absent') return [];
  const constraints = new BasicConstraints({
    cA: habit === 'ca',
    ...(request.pathLength === undefined ? {} : { pathLenConstraint: request.pathLength }),
  });
  return [extension(id_ce_basicConstraints, constraints, 'critical')];
}

function keyUsage(names: readonly KeyUsageName[]): Extension[] {
  if (names.length === 0) return [];
  const flags = names.reduce((sum, name) => sum | KeyUsageFlags[name], 0);
  return [extension(id_ce_keyUsage, new KeyUsage(flags), 'critical')];
}

const PURPOSE_OIDS: Record<KeyPurpose, string> = {
  serverAuth: id_kp_serverAuth,
  clientAuth: id_kp_clientAuth,
  emailProtection: id_kp_emailProtection,
};

function extendedKeyUsage(purposes: readonly KeyPurpose[]): Extension[] {
  if (purposes.length === 0) return [];
  return [
    extension(id_ce_extKeyUsage, new ExtendedKeyUsage(purposes.map((purpose) => PURPOSE_OIDS[purpose]))),
  ];
}

function nameConstraints(constraints: DnsNameConstraints | undefined): Extension[] {
  if (constraints === undefined) return [];
  const subtrees = (names: readonly string[]) =>
    new GeneralSubtrees(
      names.map((name) => new GeneralSubtree({ base: new GeneralName({ dNSName: name }), minimum: 0 })),
    );
  const structure = new NameConstraints({
    ...(constraints.permitted === undefined ? {} : { permittedSubtrees: subtrees(constraints.permitted) }),
    ...(constraints.excluded === undefined ? {} : { excludedSubtrees: subtrees(constraints.excluded) }),
  });
  return [extension(id_ce_nameConstraints, structure, 'critical')];
}

/** Critical where the subject is empty (RFC 5280 section 4.2.1.6). */
function subjectAltName(request: LeafRequest, emptySubject: boolean): Extension[] {
  const { ip = [], email = [], uri = [] } = request.otherNames ?? {};
  const entries = [
    ...request.names.map((dNSName) => new GeneralName({ dNSName })),
    ...ip.map((iPAddress) => new GeneralName({ iPAddress })),
    ...email.map((rfc822Name) => new GeneralName({ rfc822Name })),
    ...uri.map((uniformResourceIdentifier) => new GeneralName({ uniformResourceIdentifier })),
  ];
  if (entries.length === 0) return [];
  const criticality = emptySubject ? 'critical' : 'not critical';
  return [extension(id_ce_subjectAltName, new SubjectAlternativeName(entries), criticality)];
}

/** RFC 5280 sections 4.2.1.1 and 4.2.1.2; OpenSSL chooses among issuers of one name by these. */
function keyIdentifiers(subject: CertificateKey, signer: CertificateKey): Extension[] {
  return [
    extension(id_ce_subjectKeyIdentifier, new SubjectKeyIdentifier(keyIdentifier(subject))),
    extension(
      id_ce_authorityKeyIdentifier,
      new AuthorityKeyIdentifier({ keyIdentifier: new KeyIdentifier(keyIdentifier(signer)) }),
    ),
  ];
}

function keyIdentifier(key: CertificateKey): ArrayBuffer {
  const { subjectPublicKey } = AsnConvert.parse(key.spki, SubjectPublicKeyInfo);
  return arrayBuffer(createHash('sha1').update(new Uint8Array(subjectPublicKey)).digest());
}

/** In the arc that RFC 5612 sets aside for examples. */
const UNKNOWN_EXTENSION_OID = '1.3.6.1.4.1.32473.1';
const DER_NULL = new Uint8Array([5, 0]);

function unknownCritical(wanted: boolean | undefined): Extension[] {
  if (!wanted) return [];
  return [
    new Extension({
      extnID: UNKNOWN_EXTENSION_OID,
      critical: true,
      extnValue: new OctetString(DER_NULL.buffer),
    }),
  ];
}

function extension(
  extnID: string,
  structure: object,
  criticality: 'critical' | 'not critical' = 'not critical',
): Extension {
  const extnValue = new OctetString(AsnConvert.serialize(structure));
  return new Extension({ extnID, critical: criticality === 'critical', extnValue });
}

function arrayBuffer(bytes: Uint8Array): ArrayBuffer {
  return new Uint8Array(bytes).buffer;
}
