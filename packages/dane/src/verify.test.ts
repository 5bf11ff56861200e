/** What the vectors can't ask: how long it takes in checks, and the shape of a verdict. */
import { describe, expect, it } from 'vitest';
import { inputOfNamed as inputOf, recordOf } from './testing/vectors.js';
import { judgeTlsa, MAX_FULL_RECORDS } from './usable.js';
import { verifyCertificate } from './verify.js';

describe('verifyCertificate', () => {
  it('tells which record matched which certificate', () => {
    const input = inputOf('one match of two suffices: DANE-EE wrong, DANE-TA right');
    const verdict = verifyCertificate(input);
    if (!verdict.authenticated) throw new Error(verdict.reason);
    expect(verdict.matched).toEqual({
      usage: 2,
      selector: 0,
      matchingType: 1,
      record: input.tlsa[1],
      depth: 2,
      certificate: input.chain[2],
      referenceName: 'mx.example.com',
      presentedName: 'mx.example.com',
    });
  });

  it('says for each record why it does not match', () => {
    const input = inputOf('2 0 1 of a root that the server does not send');
    const tlsa = [...input.tlsa, recordOf(`3 1 1 ${'ab'.repeat(32)}`), recordOf(`1 1 1 ${'ab'.repeat(32)}`)];
    const verdict = verifyCertificate({ ...input, tlsa });
    expect(verdict).toMatchObject({
      authenticated: false,
      usable: true,
      records: [
        { reason: expect.stringContaining('the server must send it') },
        { reason: expect.stringContaining("the server's key is another one") },
        { reason: expect.stringContaining('PKIX-EE(1)') },
      ],
    });
  });

  it('says of every anchor that the name is wrong, where it is', () => {
    const input = inputOf('2 0 1 of the root matches');
    const tlsa = [...input.tlsa, ...inputOf('2 1 1 of the issuing CA matches').tlsa];
    const verdict = verifyCertificate({ ...input, tlsa, baseDomain: 'mx.example.net' });
    const wrong = { reason: expect.stringContaining('is for mx.example.com, not for mx.example.net') };
    expect(verdict).toMatchObject({ resultType: 'certificate-host-mismatch', records: [wrong, wrong] });
  });

  it('keeps its sentence short however many records there are', () => {
    const input = inputOf('3 1 1 of another certificate does not match');
    const tlsa = Array.from({ length: 1_000 }, (_, index) =>
      recordOf(`3 1 1 ${index.toString(16).padStart(64, '0')}`),
    );
    const verdict = verifyCertificate({ ...input, tlsa });
    expect(verdict.authenticated).toBe(false);
    expect(verdict.reason).toContain('and 995 more');
    expect(verdict.reason.length).toBeLessThan(1_000);
  });

  it('is for now where no time is given', () => {
    const { time: _, ...input } = inputOf("the server's certificate has expired");
    expect(verifyCertificate(input)).toMatchObject({ resultType: 'certificate-expired' });
  });

  it('refuses a time that is none, which would be before and after nothing', () => {
    const input = inputOf("the server's certificate has expired");
    expect(() => verifyCertificate({ ...input, time: new Date('never') })).toThrow(TypeError);
  });

  it('takes plain Uint8Arrays as well as Buffers', () => {
    const input = inputOf('2 1 0: the bare key signed the topmost certificate');
    const chain = input.chain.map((der) => Uint8Array.from(der));
    const tlsa = input.tlsa.map((record) => ({ ...record, data: Uint8Array.from(record.data) }));
    expect(verifyCertificate({ ...input, chain, tlsa }).authenticated).toBe(true);
  });

  it('does not touch its input', () => {
    const input = inputOf('2 0 0 of a root that the server does not send');
    const before = JSON.stringify(input);
    verifyCertificate(input);
    expect(JSON.stringify(input)).toBe(before);
  });
});

describe('bounds on records', () => {
  it('decodes a limited number of Full(0) records, and every digest', () => {
    const [full] = inputOf('2 0 0 of a root that the server does not send').tlsa;
    if (!full) throw new Error('no record');
    const digest = recordOf(`3 1 1 ${'ab'.repeat(32)}`);
    const judged = judgeTlsa([...Array.from({ length: 100 }, () => full), digest]);
    expect(judged.filter(({ setAside }) => setAside === undefined)).toHaveLength(MAX_FULL_RECORDS + 1);
  });
});
