/** The vectors of `packages/dane/vectors`, as `verifyCertificate` takes them. */
import { readFileSync } from 'node:fs';
import type { TlsaRecord } from '../tlsa.js';

export type Expected = 'authenticated' | 'refused' | 'unusable';

export interface Vector {
  readonly name: string;
  readonly expect: Expected;
  readonly chain: readonly string[];
  /** `3 1 1 hex`. */
  readonly tlsa: readonly string[];
  readonly baseDomain: string;
  readonly otherNames: readonly string[];
  readonly openssl: Expected;
  readonly differs?: string;
  /** Part of the reason. */
  readonly reason?: string;
  readonly resultType?: string;
  readonly matched?: Record<string, unknown>;
}

interface VectorFile {
  readonly time: string;
  readonly certificates: Readonly<Record<string, string>>;
  readonly vectors: readonly Vector[];
}

const file: VectorFile = JSON.parse(
  readFileSync(new URL('../../vectors/vectors.json', import.meta.url), 'utf8'),
);

export const { vectors } = file;

export function inputOf({ chain, tlsa, baseDomain, otherNames }: Vector) {
  return {
    chain: chain.map((name) => Buffer.from(file.certificates[name] ?? '', 'base64')),
    tlsa: tlsa.map(recordOf),
    baseDomain,
    otherNames,
    time: new Date(file.time),
  };
}

/** @throws Error where there is no vector of that name */
export function inputOfNamed(name: string) {
  const vector = vectors.find((each) => each.name === name);
  if (vector === undefined) throw new Error(`no vector ${name}`);
  return inputOf(vector);
}

export function recordOf(text: string): TlsaRecord {
  const [usage, selector, matchingType, hex = ''] = text.split(' ');
  return {
    usage: Number(usage),
    selector: Number(selector),
    matchingType: Number(matchingType),
    data: Buffer.from(hex, 'hex'),
  };
}
