/**
 * A certification request (PKCS #10, RFC 2986) for a mail host: what an authority is given to make a certificate of.
 *
 * Subject and subjectAltName name the host and nothing else: with DANE-TA records the name counts (RFC 7672 section 3.2.2), and public
 * authorities take requests with the name in both. The signature proves to the authority that who asks has the private key.
 */
import { type KeyObject, sign } from 'node:crypto';
import { Attributes, CertificationRequest, CertificationRequestInfo } from '@peculiar/asn1-csr';
import { AsnConvert, OctetString } from '@peculiar/asn1-schema';
import {
  AlgorithmIdentifier,
  Attribute,
  AttributeTypeAndValue,
  AttributeValue,
  Extension,
  Extensions,
  GeneralName,
  id_ce_subjectAltName,
  Name,
  RelativeDistinguishedName,
  SubjectAlternativeName,
  SubjectPublicKeyInfo,
} from '@peculiar/asn1-x509';

/** RFC 5280 appendix A.1. */
const ID_AT_COMMON_NAME = '2.5.4.3';
/** Upper bound of a common name there; the longer names stand in subjectAltName alone. */
const MAX_COMMON_NAME = 64;
/** RFC 2985 section 5.4.2. */
const ID_EXTENSION_REQUEST = '1.2.840.113549.1.9.14';
/** RFC 5758 section 3.2, RFC 8017 appendix A.2.4. */
const ECDSA_WITH_SHA256 = '1.2.840.10045.4.3.2';
const RSA_WITH_SHA256 = '1.2.840.113549.1.1.11';

export interface RequestedCertificate {
  /** In A-labels, without a dot at the end. */
  readonly host: string;
  /** Of an EC or an RSA key. */
  readonly privateKey: KeyObject;
  /** SubjectPublicKeyInfo of the same key, in DER. */
  readonly spki: Uint8Array;
}

/** PEM. */
export function certificationRequest({ host, privateKey, spki }: RequestedCertificate): string {
  const certificationRequestInfo = new CertificationRequestInfo({
    subject: subjectOf(host),
    subjectPKInfo: AsnConvert.parse(spki, SubjectPublicKeyInfo),
    attributes: new Attributes([extensionRequest(host)]),
  });
  const signed = new Uint8Array(AsnConvert.serialize(certificationRequestInfo));
  const isRsa = privateKey.asymmetricKeyType === 'rsa';
  const request = new CertificationRequest({
    certificationRequestInfo,
    signatureAlgorithm: new AlgorithmIdentifier(
      isRsa ? { algorithm: RSA_WITH_SHA256, parameters: null } : { algorithm: ECDSA_WITH_SHA256 },
    ),
    signature: arrayBuffer(sign('sha256', signed, privateKey)),
  });
  return pem(new Uint8Array(AsnConvert.serialize(request)));
}

function subjectOf(host: string): Name {
  if (host.length > MAX_COMMON_NAME) return new Name();
  const value = new AttributeValue({ utf8String: host });
  return new Name([
    new RelativeDistinguishedName([new AttributeTypeAndValue({ type: ID_AT_COMMON_NAME, value })]),
  ]);
}

function extensionRequest(host: string): Attribute {
  const names = new SubjectAlternativeName([new GeneralName({ dNSName: host })]);
  const extnValue = new OctetString(AsnConvert.serialize(names));
  // RFC 5280 section 4.2.1.6: critical where there is no other name.
  const critical = host.length > MAX_COMMON_NAME;
  const extensions = new Extensions([new Extension({ extnID: id_ce_subjectAltName, critical, extnValue })]);
  return new Attribute({ type: ID_EXTENSION_REQUEST, values: [AsnConvert.serialize(extensions)] });
}

/** Lines of 64 characters (RFC 7468 section 2). */
function pem(der: Uint8Array): string {
  const lines = Buffer.from(der)
    .toString('base64')
    .match(/.{1,64}/gu);
  return `-----BEGIN CERTIFICATE REQUEST-----\n${(lines ?? []).join('\n')}\n-----END CERTIFICATE REQUEST-----\n`;
}

const arrayBuffer = (octets: Uint8Array): ArrayBuffer => new Uint8Array(octets).buffer;
