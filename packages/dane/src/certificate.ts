/**
 * A certificate (RFC 5280 section 4.1) as the server sent it.
 *
 * The DER octets are the truth: what TLSA records match is sliced from them (`certificate.spki`), never encoded again.
 * Everything beyond is lazy, because a DANE-EE match - nearly all DANE there is - needs one digest and no more:
 * OpenSSL's view of the certificate (to check signatures) and its extensions are read only where DANE-TA asks.
 */
import { createHash, type KeyObject, X509Certificate } from 'node:crypto';
import { contextTag, DerError, DerReader, readBoolean, readObjectIdentifier, readWhole, TAG } from './der.js';
import { canonicalName, commonNames } from './distinguished-name.js';
import { type Extensions, readExtensions } from './extensions.js';
import { readValidity, type Validity } from './validity.js';

/** OpenSSL refuses a certificate message over 100 KiB; no single certificate comes near this. Octets. */
export const MAX_CERTIFICATE_OCTETS = 65_536;

/** Where the fields lie, each as the octets sent. */
interface Layout {
  /** 1, 2 or 3. */
  readonly version: number;
  readonly innerSignatureAlgorithm: Uint8Array;
  readonly signatureAlgorithm: Uint8Array;
  readonly issuer: Uint8Array;
  readonly validity: Uint8Array;
  readonly subject: Uint8Array;
  readonly spki: Uint8Array;
  /** The content of `[3]`, where it is present. */
  readonly extensions?: Uint8Array;
}

export interface RawExtension {
  /** Dotted. */
  readonly oid: string;
  readonly critical: boolean;
  /** The content of extnValue. */
  readonly value: Uint8Array;
}

/** Every getter throws `DerError` where the octets it needs are not what RFC 5280 says. */
export class Certificate {
  readonly der: Uint8Array;
  #layout: Layout | undefined;
  #x509: X509Certificate | undefined;
  #publicKey: KeyObject | undefined;
  #extensions: Extensions | undefined;
  #subjectKey: string | undefined;
  #issuerKey: string | undefined;
  #identity: string | undefined;
  #validity: Validity | undefined;
  readonly #digests = new Map<string, Buffer>();

  constructor(der: Uint8Array) {
    this.der = der;
  }

  /** The one that is kept (`keepParsed`), or a new one. */
  static of(der: Uint8Array): Certificate {
    return kept.get(der) ?? new Certificate(der);
  }

  /** SubjectPublicKeyInfo, tag and length included: what selector SPKI(1) selects (RFC 6698 section 2.1.2). */
  get spki(): Uint8Array {
    return this.layout.spki;
  }

  get layout(): Layout {
    this.#layout ??= readLayout(this.der);
    return this.#layout;
  }

  /** OpenSSL's reading, for signatures and keys. */
  get x509(): X509Certificate {
    if (this.#x509) return this.#x509;
    // Node takes PEM as well as DER; the layout's first octet says that this is DER.
    void this.layout;
    try {
      this.#x509 = new X509Certificate(this.der);
    } catch (error) {
      throw new DerError(`OpenSSL can't read the certificate (${messageOf(error)})`);
    }
    return this.#x509;
  }

  get publicKey(): KeyObject {
    const x509 = this.x509;
    try {
      this.#publicKey ??= x509.publicKey;
    } catch (error) {
      throw new DerError(`OpenSSL can't read the public key (${messageOf(error)})`);
    }
    return this.#publicKey;
  }

  /** What a TLSA record with this selector and matching type holds for this certificate (RFC 6698 section 2.1). */
  association(selector: 0 | 1, matchingType: 0 | 1 | 2): Uint8Array {
    const selected = selector === 0 ? this.der : this.spki;
    if (matchingType === 0) return selected;
    const key = `${selector} ${matchingType}`;
    let digest = this.#digests.get(key);
    if (!digest) {
      digest = createHash(matchingType === 1 ? 'sha256' : 'sha512')
        .update(selected)
        .digest();
      this.#digests.set(key, digest);
    }
    return digest;
  }

  /** Comparable form of the subject, as RFC 5280 section 7.1 compares names. */
  get subjectKey(): string {
    this.#subjectKey ??= canonicalName(this.layout.subject);
    return this.#subjectKey;
  }

  get issuerKey(): string {
    this.#issuerKey ??= canonicalName(this.layout.issuer);
    return this.#issuerKey;
  }

  /** Subject and key: what makes two certificates speak for the same CA. */
  get identity(): string {
    this.#identity ??= `${this.subjectKey} ${Buffer.from(this.spki).toString('latin1')}`;
    return this.#identity;
  }

  /** Self-issued (RFC 5280 section 3.2): same name. Not the same as self-signed: roll-over certificates are not. */
  get selfIssued(): boolean {
    return this.subjectKey === this.issuerKey;
  }

  get validity(): Validity {
    this.#validity ??= readValidity(this.layout.validity);
    return this.#validity;
  }

  /** What the extensions say; the first call loads their decoder. */
  get extensions(): Extensions {
    this.#extensions ??= readExtensions(listExtensions(this.layout));
    return this.#extensions;
  }

  /** For people: the common name of the subject, else that there is none. Control characters are shown as `?`. */
  get title(): string {
    try {
      const [name] = commonNames(this.layout.subject);
      return name === undefined ? 'no common name' : `CN=${name.replace(/[^\x20-\x7e]/g, '?').slice(0, 80)}`;
    } catch {
      return 'unreadable';
    }
  }
}

function readLayout(der: Uint8Array): Layout {
  if (der.length > MAX_CERTIFICATE_OCTETS) throw new DerError(`certificate of ${der.length} octets`);
  const certificate = readWhole(der, TAG.sequence, 'Certificate');
  const tbs = new DerReader(certificate.expect(TAG.sequence, 'tbsCertificate').content);
  const signatureAlgorithm = certificate.expect(TAG.sequence, 'signatureAlgorithm').encoded;
  certificate.expect(TAG.bitString, 'signatureValue');
  certificate.end('Certificate');

  const version = readVersion(tbs);
  tbs.expect(TAG.integer, 'serialNumber');
  const innerSignatureAlgorithm = tbs.expect(TAG.sequence, 'signature').encoded;
  const issuer = tbs.expect(TAG.sequence, 'issuer').encoded;
  const validity = tbs.expect(TAG.sequence, 'validity').content;
  const subject = tbs.expect(TAG.sequence, 'subject').encoded;
  const spki = tbs.expect(TAG.sequence, 'subjectPublicKeyInfo').encoded;
  checkSpki(spki);
  tbs.optional(0x81); // issuerUniqueID and
  tbs.optional(0x82); // subjectUniqueID: primitive, of no use to anyone
  const extensions = tbs.optional(contextTag(3))?.content;
  tbs.end('tbsCertificate');
  return {
    version,
    innerSignatureAlgorithm,
    signatureAlgorithm,
    issuer,
    validity,
    subject,
    spki,
    ...(extensions && { extensions }),
  };
}

function readVersion(tbs: DerReader): number {
  const explicit = tbs.optional(contextTag(0));
  if (!explicit) return 1;
  const reader = new DerReader(explicit.content);
  const { content } = reader.expect(TAG.integer, 'version');
  reader.end('version');
  const [value] = content;
  if (content.length !== 1 || value === undefined || value > 2)
    throw new DerError('version is not 1, 2 or 3');
  return value + 1;
}

/** The outer structure of a SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7). */
export function checkSpki(spki: Uint8Array): void {
  const reader = readWhole(spki, TAG.sequence, 'SubjectPublicKeyInfo');
  const algorithm = new DerReader(reader.expect(TAG.sequence, 'algorithm').content);
  readObjectIdentifier(algorithm.expect(TAG.objectIdentifier, 'algorithm').content);
  reader.expect(TAG.bitString, 'subjectPublicKey');
  reader.end('SubjectPublicKeyInfo');
}

function listExtensions(layout: Layout): RawExtension[] {
  if (!layout.extensions) return [];
  if (layout.version !== 3) throw new DerError(`a version ${layout.version} certificate has extensions`);
  const list = readWhole(layout.extensions, TAG.sequence, 'extensions');
  const extensions: RawExtension[] = [];
  const seen = new Set<string>();
  while (!list.atEnd) {
    const extension = new DerReader(list.expect(TAG.sequence, 'extension').content);
    const oid = readObjectIdentifier(extension.expect(TAG.objectIdentifier, 'extnID').content);
    const flag = extension.optional(TAG.boolean);
    const critical = flag ? readBoolean(flag.content) : false;
    const value = extension.expect(TAG.octetString, 'extnValue').content;
    extension.end('extension');
    // RFC 5280 section 4.2: a certificate MUST NOT include more than one instance of an extension.
    if (seen.has(oid)) throw new DerError(`extension ${oid} appears twice`);
    seen.add(oid);
    extensions.push({ oid, critical, value });
  }
  return extensions;
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const kept = new WeakMap<Uint8Array, Certificate>();

/**
 * For a chain that is judged again and again, as one that is stored with an open connection: what is read of its
 * certificates - layout, keys, digests, extensions; no verdict - is kept as long as these arrays are. Whoever calls this
 * promises that their octets never change.
 */
export function keepParsed(chain: readonly Uint8Array[]): void {
  for (const der of chain) if (!kept.has(der)) kept.set(der, new Certificate(der));
}
