/**
 * From the description of a mail host to its certificates and TLSA records.
 *
 * Two things are kept apart: what the owner of the host made and published, and what is presented to whoever
 * connects. TLSA records always come from the first, so an attack is `habits.presents`, and an owner's
 * mistake a TLSA record `of` something else.
 */
import type { TlsaRecord } from '@danelaw/dane';
import {
  type Authority,
  type Certificate,
  type CommonRequest,
  issue,
  makeAuthority,
  selfSigned,
  tlsaFor,
  type Validity,
} from './certificate.js';
import type {
  AuthoritySpec,
  CertificateSpec,
  MailHostSpec,
  TlsaParameters,
  TlsaSpec,
  ValiditySpec,
} from './mail-habits.js';

/** The authorities of a scenario by their names in its table. */
export type Authorities = ReadonlyMap<string, Authority>;

/** A certificate and all that is sent with it. */
export interface Presentation {
  readonly leaf: Certificate;
  /** On the wire, leaf first. */
  readonly sent: readonly Certificate[];
  /** Shown to those who offer no kind of signature that the leaf can make. */
  readonly second?: Presentation;
}

export interface MailIdentity {
  readonly host: string;
  /** The host's own, for names that have no certificate to themselves. */
  readonly own: Presentation;
  readonly byName: ReadonlyMap<string, Presentation>;
  /** What is presented to everybody instead. */
  readonly instead?: Presentation;
  readonly tlsa: readonly TlsaRecord[];
}

/** `now` is in milliseconds since the epoch. Throws where a spec names an authority that is not there. */
export function makeAuthorities(specs: Readonly<Record<string, AuthoritySpec>>, now: number): Authorities {
  const made = new Map<string, Authority>();
  const make = (key: string, asking: readonly string[]): Authority => {
    const already = made.get(key);
    if (already !== undefined) return already;
    const spec = Object.hasOwn(specs, key) ? specs[key] : undefined;
    if (spec === undefined)
      throw new Error(`No authority is called ${key}, wanted by ${asking.at(-1) ?? 'nobody'}`);
    if (asking.includes(key)) throw new Error(`The authority ${key} would be its own parent`);
    const other = (name: string) => make(name, [...asking, key]);
    const authority = makeAuthority({
      ...common(spec, now),
      name: spec.name ?? key,
      ...(spec.parent === undefined ? {} : { parent: other(spec.parent) }),
      ...(spec.sameKeyAs === undefined ? {} : { key: other(spec.sameKeyAs).key }),
      ...(spec.pathLength === undefined ? {} : { pathLength: spec.pathLength }),
      ...(spec.nameConstraints === undefined ? {} : { nameConstraints: spec.nameConstraints }),
      ...(spec.basicConstraints === undefined ? {} : { basicConstraints: spec.basicConstraints }),
    });
    made.set(key, authority);
    return authority;
  };
  for (const key of Object.keys(specs)) make(key, []);
  return made;
}

export function makeMailIdentity(
  host: string,
  spec: MailHostSpec,
  authorities: Authorities,
  now: number,
): MailIdentity {
  const present = (certificate: CertificateSpec, name: string) =>
    presentation(certificate, name, authorities, now);
  const second = spec.secondCertificate === undefined ? undefined : present(spec.secondCertificate, host);
  const own = { ...present(spec.certificate ?? {}, host), ...(second === undefined ? {} : { second }) };
  const byName = Object.entries(spec.certificatesByName ?? {}).map(
    ([name, certificate]) => [name.toLowerCase(), present(certificate, name)] as const,
  );
  const instead = spec.habits?.presents;
  return {
    host,
    own,
    byName: new Map(byName),
    ...(instead === undefined ? {} : { instead: present(instead, host) }),
    tlsa: (spec.tlsa ?? []).map((record) => tlsaRecord(record, own, authorities)),
  };
}

const DAY = 86_400_000;

function validityAt(spec: ValiditySpec, now: number): Validity {
  const days = (from: number, to: number) => ({
    notBefore: new Date(now + from * DAY),
    notAfter: new Date(now + to * DAY),
  });
  if (typeof spec === 'object') return spec;
  switch (spec) {
    case 'current':
      return days(-1, 90);
    case 'expired':
      return days(-90, -1);
    case 'not-yet-valid':
      return days(1, 90);
    default: {
      const never: never = spec;
      return never;
    }
  }
}

/** The fields that have the same name and meaning in a spec and in a request, and the dates worked out. */
function common(spec: AuthoritySpec | CertificateSpec, now: number): CommonRequest {
  const { key, signatureHash, keyUsage, extendedKeyUsage, unknownCriticalExtension, spoiledSignature } = spec;
  return {
    validity: validityAt(spec.validity ?? 'current', now),
    ...(key === undefined ? {} : { key }),
    ...(signatureHash === undefined ? {} : { signatureHash }),
    ...(keyUsage === undefined ? {} : { keyUsage }),
    ...(extendedKeyUsage === undefined ? {} : { extendedKeyUsage }),
    ...(unknownCriticalExtension === undefined ? {} : { unknownCriticalExtension }),
    ...(spoiledSignature === undefined ? {} : { spoiledSignature }),
  };
}

function presentation(
  spec: CertificateSpec,
  name: string,
  authorities: Authorities,
  now: number,
): Presentation {
  const request = {
    ...common(spec, now),
    names: spec.names ?? [name],
    ...(spec.commonName === undefined ? {} : { commonName: spec.commonName }),
    ...(spec.otherNames === undefined ? {} : { otherNames: spec.otherNames }),
  };
  const leaf =
    spec.issuer === undefined
      ? selfSigned(request)
      : issue(authorityNamed(spec.issuer, authorities), request);
  const following = followers(leaf, spec.chain ?? 'full', authorities, now);
  return { leaf, sent: [leaf, ...following] };
}

function followers(
  leaf: Certificate,
  chain: NonNullable<CertificateSpec['chain']>,
  authorities: Authorities,
  now: number,
): readonly Certificate[] {
  if (chain === 'leaf-only') return [];
  if (chain === 'full') return leaf.chain.slice(1);
  if (chain === 'without-root') return leaf.chain.slice(1, -1);
  return chain.map((entry) => {
    if (entry === 'leaf') return leaf;
    if (entry === 'stranger') return makeStranger(now);
    return authorityNamed(entry, authorities);
  });
}

function makeStranger(now: number): Certificate {
  const names = ['stranger.invalid'];
  return selfSigned({ names, commonName: 'Stranger', validity: validityAt('current', now) });
}

function authorityNamed(name: string, authorities: Authorities): Authority {
  const authority = authorities.get(name);
  if (authority !== undefined) return authority;
  throw new Error(
    `No authority is called ${name}; there are: ${[...authorities.keys()].join(', ') || 'none'}`,
  );
}

function tlsaRecord(spec: TlsaSpec, own: Presentation, authorities: Authorities): TlsaRecord {
  const { leaf } = own;
  if (typeof spec === 'string') {
    const [usage, selector, matchingType] = tlsaParameters(spec);
    const issuer = leaf.chain[1] ?? leaf;
    return tlsaFor(usage === 0 || usage === 2 ? issuer : leaf, usage, selector, matchingType);
  }
  if ('hex' in spec) {
    const [usage, selector, matchingType] = tlsaParameters(spec.parameters);
    return { usage, selector, matchingType, data: Buffer.from(spec.hex, 'hex') };
  }
  if ('of' in spec) return tlsaFor(subjectOf(spec.of, own, authorities), ...tlsaParameters(spec.parameters));
  return spec;
}

function subjectOf(
  of: string,
  { leaf, second }: Presentation,
  authorities: Authorities,
): Pick<Certificate, 'der' | 'key'> {
  if (of === 'leaf') return leaf;
  if (of === 'second' && second !== undefined) return second.leaf;
  // Its dates are of no account: no server ever presents it.
  if (of === 'stranger') return makeStranger(0);
  return authorityNamed(of, authorities);
}

function tlsaParameters(parameters: TlsaParameters): [number, number, number] {
  const [usage, selector, matchingType, ...more] = parameters.split(' ').map(Number);
  const isOctet = (value: number | undefined): value is number =>
    value !== undefined && Number.isInteger(value) && value >= 0 && value <= 255;
  if (!isOctet(usage) || !isOctet(selector) || !isOctet(matchingType) || more.length > 0) {
    throw new Error(`TLSA parameters are three numbers from 0 to 255, as in 3 1 1; not ${parameters}`);
  }
  return [usage, selector, matchingType];
}
