/**
 * The vectors of `packages/dane/vectors`: certificates made for the purpose, the verdict that the RFCs ask for, and the
 * verdict of OpenSSL's own DANE code beside it. Where the two differ the vector says why.
 */
import { describe, expect, it } from 'vitest';
import { type Expected, inputOf, type Vector, vectors } from './testing/vectors.js';
import { type Verdict, verifyCertificate } from './verify.js';

const verify = (vector: Vector): Verdict => verifyCertificate(inputOf(vector));

function outcome(verdict: Verdict): Expected {
  if (!verdict.usable) return 'unusable';
  return verdict.authenticated ? 'authenticated' : 'refused';
}

describe('certificate verification', () => {
  it.each(vectors)('$name: $expect', (vector) => {
    const verdict = verify(vector);
    expect(outcome(verdict), verdict.reason).toBe(vector.expect);
    if (vector.reason !== undefined) expect(verdict.reason).toContain(vector.reason);
    if (vector.matched) expect(verdict).toMatchObject({ matched: vector.matched });
    if (vector.resultType !== undefined) expect(verdict).toMatchObject({ resultType: vector.resultType });
  });

  it('differs from OpenSSL only where the vector says why', () => {
    const unexplained = vectors.filter(
      (each) => (each.openssl !== each.expect) !== (each.differs !== undefined),
    );
    expect(unexplained.map(({ name }) => name)).toEqual([]);
    expect(vectors.length).toBeGreaterThan(150);
  });
});
