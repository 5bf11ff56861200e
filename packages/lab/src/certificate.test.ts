import { execFileSync } from 'node:child_process';
import { createHash, createPublicKey, X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  type Authority,
  type Certificate,
  issue,
  makeAuthority,
  selfSigned,
  tlsaFor,
} from './certificate.js';
import { type KeyKind, makeCertificateKey } from './certificate-key.js';

const validity = { notBefore: new Date('2030-01-01T00:00:00Z'), notAfter: new Date('2030-12-31T23:59:59Z') };
const INSIDE = Date.parse('2030-06-01T00:00:00Z');
const root = makeAuthority({ name: 'Root', validity });
const issuing = makeAuthority({ name: 'Issuing', parent: root, pathLength: 0, validity });
const parsed = (certificate: Certificate) => new X509Certificate(certificate.der);

describe('the structure, read by node', () => {
  test('a chain: names, dates, CA flags and signatures', () => {
    const leaf = issue(issuing, { names: ['mx.good.example', '*.good.example'], commonName: 'mx', validity });
    const [x, i, r] = leaf.chain.map(parsed);
    expect(leaf.chain).toHaveLength(3);
    expect([x?.ca, i?.ca, r?.ca]).toEqual([false, true, true]);
    expect([x?.subject, x?.issuer, i?.issuer, r?.issuer]).toEqual([
      'CN=mx',
      'CN=Issuing',
      'CN=Root',
      'CN=Root',
    ]);
    expect(x?.subjectAltName).toBe('DNS:mx.good.example, DNS:*.good.example');
    expect(x?.verify(createPublicKey(issuing.pem))).toBe(true);
    expect(i?.verify(createPublicKey(root.pem))).toBe(true);
    expect(r?.verify(createPublicKey(root.pem))).toBe(true);
    expect([x?.validFrom, x?.validTo]).toEqual(['Jan  1 00:00:00 2030 GMT', 'Dec 31 23:59:59 2030 GMT']);
    expect(x?.checkPrivateKey(leaf.key.privateKey)).toBe(true);
    expect(leaf.keyPem).toContain('PRIVATE KEY');
  });

  test.each<KeyKind>(['p256', 'p384', 'rsa2048', 'rsa1024', 'ed25519'])('%s signs and is signed', (kind) => {
    const authority = makeAuthority({ name: kind, key: kind, validity });
    const leaf = issue(authority, { names: ['a.example'], key: kind, validity });
    expect(parsed(leaf).verify(createPublicKey(authority.pem))).toBe(true);
    expect(parsed(leaf).publicKey.export({ format: 'der', type: 'spki' })).toEqual(
      Buffer.from(leaf.key.spki),
    );
  });

  test('dates from 2050 on are written as GeneralizedTime', () => {
    const late = { notBefore: new Date('2049-12-31T23:59:59Z'), notAfter: new Date('2050-01-01T00:00:00Z') };
    const leaf = selfSigned({ names: ['a.example'], validity: late });
    expect(parsed(leaf).validTo).toBe('Jan  1 00:00:00 2050 GMT');
    expect(Buffer.from(leaf.der).includes('20500101000000Z')).toBe(true);
  });

  test('an octet changed in the signature is all that is wrong with a spoiled one', () => {
    const leaf = issue(issuing, { names: ['a.example'], validity, spoiledSignature: true });
    expect(parsed(leaf).checkIssued(parsed(issuing))).toBe(true);
    expect(parsed(leaf).verify(createPublicKey(issuing.pem))).toBe(false);
  });

  test('a successor has the name, a cross-certificate the key', () => {
    const successor = makeAuthority({ name: 'Issuing', parent: root, validity });
    const cross = makeAuthority({
      name: 'Issuing',
      key: issuing.key,
      parent: makeAuthority({ name: 'Other', validity }),
      validity,
    });
    const leaf = parsed(issue(issuing, { names: ['a.example'], validity }));
    expect(leaf.verify(createPublicKey(successor.pem))).toBe(false);
    expect(leaf.verify(createPublicKey(cross.pem))).toBe(true);
    expect(parsed(cross).issuer).toBe('CN=Other');
  });

  test('a NUL stays inside its name', () => {
    const leaf = selfSigned({ names: ['mx.good.example\0.evil.example'], validity });
    expect(Buffer.from(leaf.der).includes('mx.good.example\0.evil.example')).toBe(true);
  });

  test('entries that are no DNS names', () => {
    const otherNames = { ip: ['192.0.2.1', '2001:db8::1'], email: ['a@b.example'], uri: ['x://y'] };
    expect(parsed(selfSigned({ names: [], otherNames, validity })).subjectAltName).toBe(
      'IP Address:192.0.2.1, IP Address:2001:DB8:0:0:0:0:0:1, email:a@b.example, URI:x://y',
    );
  });
});

describe('TLSA records', () => {
  const leaf = issue(issuing, { names: ['a.example'], validity });
  const spki = parsed(leaf).publicKey.export({ format: 'der', type: 'spki' });
  const hash = (name: string, data: Uint8Array) => createHash(name).update(data).digest('hex');
  test.each([
    ['3 0 0', Buffer.from(leaf.der).toString('hex')],
    ['3 0 1', hash('sha256', leaf.der)],
    ['3 0 2', hash('sha512', leaf.der)],
    ['3 1 0', spki.toString('hex')],
    ['3 1 1', hash('sha256', spki)],
    ['3 1 2', hash('sha512', spki)],
    ['3 7 9', hash('sha256', leaf.der)],
  ])('%s', (parameters, data) => {
    const [usage = 0, selector = 0, matchingType = 0] = parameters.split(' ').map(Number);
    const record = tlsaFor(leaf, usage, selector, matchingType);
    expect([record.usage, record.selector, record.matchingType]).toEqual([usage, selector, matchingType]);
    expect(Buffer.from(record.data).toString('hex')).toBe(data);
  });
});

/** OpenSSL judges our certificates as PKIX: what it finds is what we meant, no more and no less. */
describe.skipIf(!hasOpenssl())(
  'the profile, judged by openssl verify (skipped where there is no OpenSSL 3)',
  () => {
    const ca = (request: Partial<Parameters<typeof makeAuthority>[0]>) =>
      makeAuthority({ name: 'Odd', parent: root, validity, ...request });
    const under = (authority: Authority, request: Partial<Parameters<typeof issue>[1]> = {}) =>
      issue(authority, { names: ['mx.good.example'], validity, ...request });
    const past = { notBefore: new Date('2029-01-01T00:00:00Z'), notAfter: new Date('2029-12-31T00:00:00Z') };
    const rows: [string, () => Certificate, RegExp][] = [
      ['a good leaf', () => under(issuing), /: OK/],
      ['a good leaf of a P-384 authority', () => under(ca({ key: 'p384' })), /: OK/],
      ['a good leaf with an RSA key', () => under(issuing, { key: 'rsa2048' }), /: OK/],
      ['a good leaf with an Ed25519 key', () => under(issuing, { key: 'ed25519' }), /: OK/],
      ['an expired leaf', () => under(issuing, { validity: past }), /certificate has expired/],
      ['an expired authority', () => under(ca({ validity: past })), /certificate has expired/],
      [
        'an authority without the CA flag',
        () => under(ca({ basicConstraints: 'not-ca' })),
        /invalid CA certificate/,
      ],
      [
        'no basicConstraints',
        () => under(ca({ basicConstraints: 'absent', keyUsage: [] })),
        /invalid CA certificate/,
      ],
      [
        'an authority that may not sign',
        () => under(ca({ keyUsage: ['digitalSignature'] })),
        /invalid CA certificate|does not include certificate signing/,
      ],
      ['below a path length of 0', () => under(ca({ parent: issuing })), /path length constraint exceeded/],
      ['a permitted name', () => under(ca({ nameConstraints: { permitted: ['good.example'] } })), /: OK/],
      [
        'a name not permitted',
        () => under(ca({ nameConstraints: { permitted: ['x.example'] } })),
        /permitted subtree violation/,
      ],
      [
        'an excluded name',
        () => under(ca({ nameConstraints: { excluded: ['good.example'] } })),
        /excluded subtree violation/,
      ],
      [
        'a client certificate',
        () => under(issuing, { extendedKeyUsage: ['clientAuth'] }),
        /unsuitable certificate purpose|unsupported certificate purpose/,
      ],
      [
        'an unknown critical extension',
        () => under(issuing, { unknownCriticalExtension: true }),
        /unhandled critical extension/,
      ],
      ['a spoiled signature', () => under(issuing, { spoiledSignature: true }), /signature failure/],
      [
        'a SHA-1 signature',
        () => under(issuing, { signatureHash: 'sha1' }),
        /signature digest algorithm too weak/,
      ],
      ['a short RSA key', () => under(issuing, { key: 'rsa1024' }), /key too weak/],
    ];
    test.each(rows)('%s', (_name, make, verdict) => {
      expect(opensslVerify(make())).toMatch(verdict);
    });

    function opensslVerify(leaf: Certificate): string {
      const directory = mkdtempSync(join(tmpdir(), 'danelaw-certificate-'));
      try {
        const file = (name: string, text: string) => {
          writeFileSync(join(directory, name), text);
          return join(directory, name);
        };
        const trusted = file('root.pem', root.pem);
        const between = file(
          'between.pem',
          leaf.chain
            .slice(1)
            .map(({ pem }) => pem)
            .join(''),
        );
        const options = [
          '-x509_strict',
          '-auth_level',
          '2',
          '-purpose',
          'sslserver',
          '-attime',
          String(INSIDE / 1000),
        ];
        return run([...options, '-CAfile', trusted, '-untrusted', between, file('leaf.pem', leaf.pem)]);
      } finally {
        rmSync(directory, { recursive: true });
      }
    }

    function run(options: string[]): string {
      try {
        return execFileSync('openssl', ['verify', ...options], { encoding: 'utf8', stdio: 'pipe' });
      } catch (error) {
        return error instanceof Error && 'stderr' in error ? String(error.stderr) : String(error);
      }
    }
  },
);

test('a key that is given is used', () => {
  const key = makeCertificateKey('p384');
  expect(selfSigned({ names: ['a.example'], key, validity }).key).toBe(key);
});

function hasOpenssl(): boolean {
  try {
    return /^OpenSSL 3/.test(execFileSync('openssl', ['version'], { encoding: 'utf8' }));
  } catch {
    return false;
  }
}
