/**
 * The extensions that decide what a certificate may do (RFC 5280 section 4.2), read for DANE-TA only.
 *
 * Names come from here, from the parsed subjectAltName, and never from a printed form of it: a URI that contains
 * `, DNS:victim.example` prints exactly as a DNS name would. Before the decoder sees a value, `checkDer` has made
 * sure that it has one meaning only.
 *
 * The decoder (@peculiar/asn1-x509) takes longer to load than all the rest of danelaw, and DANE-EE never needs it. So it is
 * loaded at the first call - by `require`, because verification is synchronous.
 */
import { createRequire } from 'node:module';
import type { RawExtension } from './certificate.js';
import { checkDer, DerError } from './der.js';

/** RFC 5280: what the extensions of one certificate say. Absent means that the extension is absent. */
export interface Extensions {
  readonly basicConstraints?: BasicConstraints;
  readonly keyUsage?: ReadonlySet<string>;
  /** Dotted key purposes. */
  readonly extendedKeyUsage?: ReadonlySet<string>;
  readonly subjectAltName?: AlternativeNames;
  readonly nameConstraints?: NameConstraints;
  /** Critical, and not one whose meaning is enforced here: the certificate must not be used (section 4.2). */
  readonly unhandledCritical: readonly string[];
}

export interface BasicConstraints {
  readonly ca: boolean;
  readonly pathLength?: number;
}

/** Form of a GeneralName (section 4.2.1.6). */
export type NameForm = 'dns' | 'directory' | 'email' | 'uri' | 'ip' | 'other';

/** The names of one subjectAltName. Only DNS and directory names have a value that anything here compares. */
export interface AlternativeNames {
  readonly dns: readonly string[];
  /** DER of each directoryName. */
  readonly directory: readonly Uint8Array[];
  readonly forms: ReadonlySet<NameForm>;
}

export interface NameConstraints {
  readonly permitted: readonly Subtree[];
  readonly excluded: readonly Subtree[];
}

export type Subtree =
  | { readonly form: 'dns'; readonly base: string }
  | { readonly form: 'directory'; readonly base: Uint8Array }
  | { readonly form: 'email' | 'uri' | 'ip' | 'other' };

const BASIC_CONSTRAINTS = '2.5.29.19';
const KEY_USAGE = '2.5.29.15';
const EXTENDED_KEY_USAGE = '2.5.29.37';
const SUBJECT_ALT_NAME = '2.5.29.17';
const NAME_CONSTRAINTS = '2.5.29.30';

/**
 * Known, and without effect on whether a path is valid here:
 * key identifiers help to find issuers and prove nothing; policies only matter to who asks for one (our
 * user-initial-policy-set is any-policy, RFC 5280 section 6.1.1); revocation is not checked (RFC 7672 section 4).
 * policyConstraints is not among them: it can demand a policy, and that is not evaluated here, so a critical one refuses.
 */
const WITHOUT_EFFECT: ReadonlySet<string> = new Set([
  '2.5.29.35', // authorityKeyIdentifier
  '2.5.29.14', // subjectKeyIdentifier
  '2.5.29.32', // certificatePolicies
  '2.5.29.33', // policyMappings
  '2.5.29.54', // inhibitAnyPolicy
  '2.5.29.31', // cRLDistributionPoints
]);

/** Names of one certificate that are looked at; a certificate of more is refused. Real ones stay below a few hundred. */
const MAX_NAMES = 2_000;

interface Decoder {
  readonly x509: typeof import('@peculiar/asn1-x509');
  readonly schema: typeof import('@peculiar/asn1-schema');
}

let decoder: Decoder | undefined;

function loadDecoder(): Decoder {
  if (decoder) return decoder;
  const require = createRequire(import.meta.url);
  const x509: Decoder['x509'] = require('@peculiar/asn1-x509');
  const schema: Decoder['schema'] = require('@peculiar/asn1-schema');
  decoder = { x509, schema };
  return decoder;
}

/** @throws DerError where an extension that is read here is malformed */
export function readExtensions(raw: readonly RawExtension[]): Extensions {
  const extensions: { -readonly [K in keyof Extensions]: Extensions[K] } = { unhandledCritical: [] };
  const unhandled: string[] = [];
  for (const extension of raw) {
    switch (extension.oid) {
      case BASIC_CONSTRAINTS:
        extensions.basicConstraints = read(extension, 'basicConstraints', readBasicConstraints);
        break;
      case KEY_USAGE:
        extensions.keyUsage = read(extension, 'keyUsage', readKeyUsage);
        break;
      case EXTENDED_KEY_USAGE:
        extensions.extendedKeyUsage = read(extension, 'extKeyUsage', readExtendedKeyUsage);
        break;
      case SUBJECT_ALT_NAME:
        extensions.subjectAltName = read(extension, 'subjectAltName', readSubjectAltName);
        break;
      case NAME_CONSTRAINTS:
        extensions.nameConstraints = read(extension, 'nameConstraints', readNameConstraints);
        break;
      default:
        if (extension.critical && !WITHOUT_EFFECT.has(extension.oid)) unhandled.push(extension.oid);
    }
  }
  extensions.unhandledCritical = unhandled;
  return extensions;
}

function read<T>(extension: RawExtension, what: string, parse: (value: Uint8Array) => T): T {
  try {
    checkDer(extension.value);
    return parse(extension.value);
  } catch (error) {
    throw new DerError(`${what} is malformed (${error instanceof Error ? error.message : String(error)})`);
  }
}

function readBasicConstraints(value: Uint8Array): BasicConstraints {
  const { x509, schema } = loadDecoder();
  const parsed = schema.AsnConvert.parse(value, x509.BasicConstraints);
  const written: unknown = parsed.pathLenConstraint;
  if (written === undefined) return { ca: parsed.cA };
  // INTEGER (0..MAX): the decoder gives one that does not fit a number as decimal text, whatever its types say.
  const pathLength = Number(written);
  if (!(pathLength >= 0)) throw new DerError('pathLenConstraint is negative');
  return { ca: parsed.cA, pathLength };
}

function readKeyUsage(value: Uint8Array): Set<string> {
  const { x509, schema } = loadDecoder();
  return new Set(schema.AsnConvert.parse(value, x509.KeyUsage).toJSON());
}

function readExtendedKeyUsage(value: Uint8Array): Set<string> {
  const { x509, schema } = loadDecoder();
  return new Set(schema.AsnConvert.parse(value, x509.ExtendedKeyUsage));
}

function readSubjectAltName(value: Uint8Array): AlternativeNames {
  const { x509, schema } = loadDecoder();
  const names = schema.AsnConvert.parse(value, x509.SubjectAlternativeName);
  if (names.length > MAX_NAMES) throw new DerError(`${names.length} names`);
  const dns: string[] = [];
  const directory: Uint8Array[] = [];
  const forms = new Set<NameForm>();
  for (const name of names) {
    const read = readGeneralName(name);
    forms.add(read.form);
    if (read.form === 'dns') dns.push(read.base);
    else if (read.form === 'directory') directory.push(read.base);
  }
  return { dns, directory, forms };
}

function readNameConstraints(value: Uint8Array): NameConstraints {
  const { x509, schema } = loadDecoder();
  const parsed = schema.AsnConvert.parse(value, x509.NameConstraints);
  const permitted = readSubtrees(parsed.permittedSubtrees ?? []);
  const excluded = readSubtrees(parsed.excludedSubtrees ?? []);
  if (permitted.length + excluded.length > MAX_NAMES) throw new DerError('too many subtrees');
  return { permitted, excluded };
}

type ParsedSubtree = import('@peculiar/asn1-x509').GeneralSubtree;
type ParsedName = import('@peculiar/asn1-x509').GeneralName;

function readSubtrees(subtrees: Iterable<ParsedSubtree>): Subtree[] {
  return Array.from(subtrees, ({ base, minimum, maximum }) => {
    // RFC 5280 section 4.2.1.10: within this profile minimum MUST be zero and maximum MUST be absent.
    if (minimum !== 0 || maximum !== undefined) throw new DerError('a subtree has a minimum or a maximum');
    return readGeneralName(base);
  });
}

function readGeneralName(name: ParsedName): Subtree {
  const { schema } = loadDecoder();
  if (name.dNSName !== undefined) return { form: 'dns', base: name.dNSName };
  if (name.directoryName !== undefined) {
    return { form: 'directory', base: new Uint8Array(schema.AsnConvert.serialize(name.directoryName)) };
  }
  if (name.rfc822Name !== undefined) return { form: 'email' };
  if (name.uniformResourceIdentifier !== undefined) return { form: 'uri' };
  if (name.iPAddress !== undefined) return { form: 'ip' };
  return { form: 'other' };
}
