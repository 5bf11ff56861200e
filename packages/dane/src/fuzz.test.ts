/**
 * Hostile octets: whatever a server or a zone sends, a verdict comes back, and what is signed can't be changed.
 *
 * `DANELAW_FUZZ=1000000 npx vitest run --project unit packages/dane/src/fuzz.test.ts` for the long mode.
 */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Certificate } from './certificate.js';
import { checkDer, DerError, DerReader, TAG } from './der.js';
import { judgeRecord } from './usable.js';
import { verifyCertificate } from './verify.js';

const long = Number(process.env['DANELAW_FUZZ'] ?? 0);
/** The short mode is the same each time; the long one is new each time, and prints its seed where it fails. */
const runs = long > 0 ? { numRuns: long } : { numRuns: 1_500, seed: 7672 };
const timeout = long > 0 ? long * 5 : 30_000;

interface VectorFile {
  readonly certificates: Readonly<Record<string, string>>;
  readonly vectors: readonly {
    readonly name: string;
    readonly chain: readonly string[];
    readonly tlsa: readonly string[];
  }[];
}
const file: VectorFile = JSON.parse(
  readFileSync(new URL('../vectors/vectors.json', import.meta.url), 'utf8'),
);
const samples = Object.values(file.certificates).map((base64) => Buffer.from(base64, 'base64'));
const time = new Date('2026-06-01T00:00:00Z');

const good = file.vectors.find(({ name }) => name === '2 0 1 of the root matches');
if (!good) throw new Error('the vectors have changed');
const chain = good.chain.map((name) => Buffer.from(file.certificates[name] ?? '', 'base64'));
const root = {
  usage: 2,
  selector: 0,
  matchingType: 1,
  data: Buffer.from(good.tlsa[0]?.slice(6) ?? '', 'hex'),
};

/** One change of one octet, a cut, or octets put in. */
const change = fc.record({
  kind: fc.constantFrom('set', 'flip', 'cut', 'insert', 'drop'),
  at: fc.nat(4_000),
  octet: fc.nat(255),
});

function mutate(bytes: Buffer, changes: readonly { kind: string; at: number; octet: number }[]): Buffer {
  let result = Buffer.from(bytes);
  for (const { kind, at: anywhere, octet } of changes) {
    const at = anywhere % Math.max(1, result.length);
    if (kind === 'set') result[at] = octet;
    else if (kind === 'flip') result[at] = (result[at] ?? 0) ^ (1 << (octet % 8));
    else if (kind === 'cut') result = result.subarray(0, at);
    else if (kind === 'insert')
      result = Buffer.concat([result.subarray(0, at), Buffer.from([octet]), result.subarray(at)]);
    else result = Buffer.concat([result.subarray(0, at), result.subarray(at + 1)]);
  }
  return result;
}

const mutant = fc
  .tuple(fc.constantFrom(...samples), fc.array(change, { minLength: 1, maxLength: 4 }))
  .map(([sample, changes]) => mutate(sample, changes));

/** Runs it, and lets only the parser's own error pass. */
function orDerError(run: () => unknown): void {
  try {
    run();
  } catch (error) {
    if (!(error instanceof DerError)) throw error;
  }
}

describe('hostile octets', () => {
  it('the DER reader ends, consumes and throws nothing but DerError', { timeout }, () => {
    const octets = fc.oneof(fc.uint8Array({ maxLength: 300 }), mutant);
    fc.assert(
      fc.property(octets, (bytes) => {
        orDerError(() => checkDer(bytes));
        orDerError(() => {
          const reader = new DerReader(bytes);
          let consumed = 0;
          while (!reader.atEnd) consumed += reader.read().encoded.length;
          expect(consumed).toBe(bytes.length);
        });
      }),
      runs,
    );
  });

  it('every field of a damaged certificate is read or refused', { timeout }, () => {
    fc.assert(
      fc.property(mutant, (bytes) => {
        const certificate = new Certificate(bytes);
        orDerError(() => certificate.spki);
        orDerError(() => certificate.subjectKey);
        orDerError(() => certificate.validity);
        orDerError(() => certificate.identity);
        orDerError(() => certificate.publicKey);
        orDerError(() => certificate.extensions);
        expect(typeof certificate.title).toBe('string');
      }),
      runs,
    );
  });

  it('what is sliced out as the key is what OpenSSL takes for it', { timeout }, () => {
    fc.assert(
      fc.property(mutant, (bytes) => {
        const certificate = new Certificate(bytes);
        orDerError(() => {
          // OpenSSL encodes the key anew, so a key that is not DER inside may differ; its length may not.
          const spki = certificate.publicKey.export({ type: 'spki', format: 'der' });
          if (certificate.publicKey.asymmetricKeyType === 'ed25519')
            expect(spki.equals(certificate.spki)).toBe(true);
        });
      }),
      runs,
    );
  });

  it('a verdict comes back for any chain and any record', { timeout }, () => {
    const record = fc.record({
      usage: fc.nat(4),
      selector: fc.nat(2),
      matchingType: fc.nat(3),
      data: fc.oneof(mutant, fc.uint8Array({ maxLength: 80 })),
    });
    fc.assert(
      fc.property(
        fc.array(mutant, { maxLength: 4 }),
        fc.array(record, { maxLength: 4 }),
        fc.string(),
        (sent, tlsa, baseDomain) => {
          const verdict = verifyCertificate({ chain: sent, tlsa: [...tlsa, root], baseDomain, time });
          expect(typeof verdict.reason).toBe('string');
          for (const each of tlsa) judgeRecord(each);
        },
      ),
      runs,
    );
  });

  it('nothing within the signed part of a certificate can be changed', { timeout }, () => {
    fc.assert(
      fc.property(fc.nat(1), fc.array(change, { minLength: 1, maxLength: 3 }), (which, changes) => {
        const original = chain[which] ?? Buffer.alloc(0);
        const outer = new DerReader(new DerReader(original).read().content);
        const tbs = outer.expect(TAG.sequence, 'tbsCertificate').encoded;
        const rest = Buffer.concat([outer.read().encoded, outer.read().encoded]);
        const changed = mutate(Buffer.from(tbs), changes);
        if (changed.equals(tbs)) return;
        const forged = wrap(Buffer.concat([changed, rest]));
        const sent = chain.map((certificate, index) => (index === which ? forged : certificate));
        const verdict = verifyCertificate({ chain: sent, tlsa: [root], baseDomain: 'mx.example.com', time });
        expect(verdict.authenticated, verdict.reason).toBe(false);
      }),
      runs,
    );
  });

  it('the unchanged chain of that test is good', () => {
    expect(verifyCertificate({ chain, tlsa: [root], baseDomain: 'mx.example.com', time }).authenticated).toBe(
      true,
    );
    const [leaf] = chain;
    if (!leaf) throw new Error('no chain');
    const body = new DerReader(leaf).read().content;
    expect(wrap(Buffer.from(body)).equals(leaf)).toBe(true);
  });
});

/** A SEQUENCE around content of 128 to 65535 octets. */
function wrap(content: Buffer): Buffer {
  const { length } = content;
  const header = length > 0xff ? [0x30, 0x82, length >> 8, length & 0xff] : [0x30, 0x81, length];
  return Buffer.concat([Buffer.from(header), content]);
}
