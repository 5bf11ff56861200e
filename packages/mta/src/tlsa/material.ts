/**
 * From what several files hold to what is to be published about one server: its certificates, each with the chain above it,
 * and keys that have no certificate yet.
 *
 * The files of one call belong together: a chain in one, the private key in another, a second certificate of another kind of key
 * in a third. Which certificate is the server's is not a matter of the order: it is one that issued none of the others. A private
 * key that belongs to none of the certificates beside it is the commonest accident before an outage, and refused.
 */
import { X509Certificate } from 'node:crypto';
import { publicKeyOf } from '@danelaw/dane';
import type { Item } from './file-contents.js';

export interface NamedItem {
  readonly item: Item;
  /** The file, for people. */
  readonly from: string;
}

/** One certificate of a server, and all that may stand above it. */
export interface ServerChain {
  /** DER; the server's own first, then those above it in order, then what has no place. */
  readonly chain: readonly Uint8Array[];
  /** How many of them, the server's own included, follow one another by name and signature. */
  readonly linked: number;
  readonly from: string;
}

/** A key without a certificate: `spki` is SubjectPublicKeyInfo in DER. */
export interface BareKey {
  readonly spki: Uint8Array;
  readonly kind: Exclude<Item['kind'], 'certificate'>;
  readonly from: string;
}

export interface Material {
  readonly servers: readonly ServerChain[];
  readonly keys: readonly BareKey[];
}

/** The files do not belong together; the message is for people. */
export class MaterialError extends Error {
  override readonly name = 'MaterialError';
}

/** Certificates of one server. An RSA and an ECDSA one, each old and new, are four. */
const MAX_SERVERS = 8;

/** @throws MaterialError */
export function assemble(items: readonly NamedItem[]): Material {
  const certificates: Parsed[] = [];
  const bare: BareKey[] = [];
  for (const { item, from } of items) {
    if (item.kind !== 'certificate') bare.push({ spki: item.spki, kind: item.kind, from });
    else if (!certificates.some(({ der }) => isSame(der, item.der))) certificates.push(parse(item.der, from));
  }
  const leaves = leavesOf(certificates);
  if (leaves.length > MAX_SERVERS) {
    throw new MaterialError(
      `there are ${leaves.length} certificates of which none has issued another: give the server's, and those ` +
        'above it',
    );
  }
  checkPrivateKeys(bare, certificates);
  const servers = leaves.map((leaf) => chainFrom(leaf, certificates, leaves));
  const known = new Set(certificates.map(({ spki }) => keyOf(spki)));
  const keys = bare.filter(({ spki }) => {
    if (known.has(keyOf(spki))) return false;
    known.add(keyOf(spki));
    return true;
  });
  return { servers, keys };
}

interface Parsed {
  readonly der: Uint8Array;
  readonly spki: Uint8Array;
  readonly x509: X509Certificate;
  readonly from: string;
}

function parse(der: Uint8Array, from: string): Parsed {
  try {
    return { der, spki: publicKeyOf(der), x509: new X509Certificate(der), from };
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error);
    throw new MaterialError(`${from}: a certificate in it can't be read: ${words}`);
  }
}

/** Those that issued none of the others. Where all issued one another (roll-over certificates), the first. */
function leavesOf(certificates: readonly Parsed[]): readonly Parsed[] {
  const leaves = certificates.filter(
    (each) => !certificates.some((other) => !isSame(other.spki, each.spki) && isIssuedBy(other, each)),
  );
  return leaves.length > 0 ? leaves : certificates.slice(0, 1);
}

function checkPrivateKeys(bare: readonly BareKey[], certificates: readonly Parsed[]): void {
  if (certificates.length === 0) return;
  for (const { kind, spki, from } of bare) {
    if (kind !== 'private key' || certificates.some((each) => isSame(each.spki, spki))) continue;
    const files = [...new Set(certificates.map((each) => each.from))].join(', ');
    throw new MaterialError(
      `the private key in ${from} belongs to no certificate in ${files}: a server can't use them together`,
    );
  }
}

function chainFrom(leaf: Parsed, certificates: readonly Parsed[], leaves: readonly Parsed[]): ServerChain {
  const others = certificates.filter((each) => !leaves.includes(each));
  const linked = [leaf];
  for (let top = leaf; ; ) {
    const issuer = others.find((each) => !linked.includes(each) && isIssuedBy(top, each));
    if (issuer === undefined) break;
    linked.push(issuer);
    top = issuer;
  }
  const rest = others.filter((each) => !linked.includes(each));
  return { chain: [...linked, ...rest].map(({ der }) => der), linked: linked.length, from: leaf.from };
}

function isIssuedBy(certificate: Parsed, issuer: Parsed): boolean {
  if (!certificate.x509.checkIssued(issuer.x509)) return false;
  try {
    return certificate.x509.verify(issuer.x509.publicKey);
  } catch {
    return false; // A key that OpenSSL has no use for has signed nothing here.
  }
}

const keyOf = (octets: Uint8Array): string => Buffer.from(octets).toString('latin1');
const isSame = (one: Uint8Array, other: Uint8Array): boolean => Buffer.compare(one, other) === 0;
