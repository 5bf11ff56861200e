/**
 * The vectors of `packages/dane/vectors`: certificates made for the purpose, the verdict that the RFCs ask for, and the
 * verdict of OpenSSL's own DANE code beside it. Where the two differ the vector says why.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type Verdict, verifyCertificate } from './verify.js';

type Expected = 'authenticated' | 'refused' | 'unusable';

interface Vector {
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
  readFileSync(new URL('../vectors/vectors.json', import.meta.url), 'utf8'),
);

function verify(vector: Vector): Verdict {
  return verifyCertificate({
    chain: vector.chain.map((name) => Buffer.from(file.certificates[name] ?? '', 'base64')),
    tlsa: vector.tlsa.map((text) => {
      const [usage, selector, matchingType, hex = ''] = text.split(' ');
      return {
        usage: Number(usage),
        selector: Number(selector),
        matchingType: Number(matchingType),
        data: Buffer.from(hex, 'hex'),
      };
    }),
    baseDomain: vector.baseDomain,
    otherNames: vector.otherNames,
    time: new Date(file.time),
  });
}

function outcome(verdict: Verdict): Expected {
  if (!verdict.usable) return 'unusable';
  return verdict.authenticated ? 'authenticated' : 'refused';
}

describe('certificate verification', () => {
  it.each(file.vectors)('$name: $expect', (vector) => {
    const verdict = verify(vector);
    expect(outcome(verdict), verdict.reason).toBe(vector.expect);
    if (vector.reason !== undefined) expect(verdict.reason).toContain(vector.reason);
    if (vector.matched) expect(verdict).toMatchObject({ matched: vector.matched });
    if (vector.resultType !== undefined) expect(verdict).toMatchObject({ resultType: vector.resultType });
  });

  it('differs from OpenSSL only where the vector says why', () => {
    const unexplained = file.vectors.filter(
      (each) => (each.openssl !== each.expect) !== (each.differs !== undefined),
    );
    expect(unexplained.map(({ name }) => name)).toEqual([]);
    expect(file.vectors.length).toBeGreaterThan(150);
  });
});
