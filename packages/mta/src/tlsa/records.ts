/**
 * Which TLSA records a server's certificates and keys ask for, by the parameters that the administrator chose.
 *
 * Usages 1 and 3 speak of the server's own certificate, so there is one record for each certificate that it has. Usages 0 and 2
 * speak of an authority above it: the one that issued it, unless another one is chosen by its depth. A key that has no certificate
 * yet - a certification request, a bare key - can only be published as the server's own key.
 */
import { X509Certificate } from 'node:crypto';
import {
  formatTlsa,
  type TlsaParameters,
  type TlsaRecord,
  tlsaRecordFor,
  tlsaRecordForKey,
} from '@danelaw/dane';
import { type BareKey, type Material, MaterialError, type ServerChain } from './material.js';

export interface PlannedRecord {
  readonly record: TlsaRecord;
  readonly parameters: TlsaParameters;
  /** What it names. */
  readonly subject: RecordSubject;
}

export type RecordSubject =
  | {
      readonly kind: 'certificate';
      readonly der: Uint8Array;
      /** 0 is the server's own certificate, 1 the one above it. */
      readonly depth: number;
      readonly server: ServerChain;
    }
  | { readonly kind: 'key'; readonly key: BareKey };

/** RFC 7672 section 3.1.1: what SHOULD be published in most cases. */
export const RECOMMENDED: TlsaParameters = { usage: 3, selector: 1, matchingType: 1 };

/**
 * @param depth which certificate above the server's usages 0 and 2 are about; 1 is its issuer
 * @throws MaterialError where the material has nothing that these parameters could name
 */
export function planRecords(
  { servers, keys }: Material,
  wanted: readonly TlsaParameters[],
  depth = 1,
): readonly PlannedRecord[] {
  const planned = wanted.flatMap((parameters) => [
    ...servers.map((server) => forServer(server, parameters, depth)),
    ...keys.map((key) => forKey(key, parameters)),
  ]);
  const seen = new Set<string>();
  return planned.filter(({ record }) => {
    const text = formatTlsa(record);
    return !seen.has(text) && seen.add(text);
  });
}

const isAboutAuthority = ({ usage }: TlsaParameters): boolean => usage === 0 || usage === 2;
const words = ({ usage, selector, matchingType }: TlsaParameters): string =>
  `${usage} ${selector} ${matchingType}`;

function forServer(server: ServerChain, parameters: TlsaParameters, depth: number): PlannedRecord {
  const at = isAboutAuthority(parameters) ? anchorDepth(server, parameters, depth) : 0;
  const der = server.chain[at];
  if (der === undefined) throw new MaterialError(`${server.from}: there is no certificate in it`);
  const record = tlsaRecordFor(der, parameters);
  return { record, parameters, subject: { kind: 'certificate', der, depth: at, server } };
}

function anchorDepth(
  { chain, linked, from }: ServerChain,
  parameters: TlsaParameters,
  depth: number,
): number {
  if (depth < linked) return depth;
  const [own] = chain;
  // The file of an authority, by itself.
  if (linked === 1 && depth === 1 && own !== undefined && new X509Certificate(own).ca) return 0;
  const above = linked - 1;
  throw new MaterialError(
    `${from}: TLSA ${words(parameters)} names a certificate above the server's own, and there ` +
      `${above === 0 ? 'is none' : `are only ${above}`} in it: give the whole chain, or the authority's certificate`,
  );
}

function forKey(key: BareKey, parameters: TlsaParameters): PlannedRecord {
  if (isAboutAuthority(parameters)) {
    throw new MaterialError(
      `${key.from}: TLSA ${words(parameters)} names an authority, and a ${key.kind} says nothing of who ` +
        "issues: give the authority's certificate",
    );
  }
  if (parameters.selector === 0) {
    throw new MaterialError(
      `${key.from}: TLSA ${words(parameters)} names a whole certificate, and a ${key.kind} is none: ` +
        'use selector 1, or wait for the certificate',
    );
  }
  return { record: tlsaRecordForKey(key.spki, parameters), parameters, subject: { kind: 'key', key } };
}
