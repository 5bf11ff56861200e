/**
 * The RRSIGs are checked here with node:crypto from the RFCs' words, sharing nothing with the code that made
 * them.
 */
import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto';
import { Name, RRTYPE } from '@danelaw/dns';
import { describe, expect, it } from 'vitest';
import { SignedZone, type Signing } from './sign.js';
import type { Rrset } from './zone.js';
import { ALGORITHM, DIGEST } from './zone-key.js';
import { parseZone } from './zone-text.js';

const NOW = Date.UTC(2026, 5, 1);
const LINES = [
  '@ NS ns',
  'ns A 192.0.2.1',
  '@ MX 10 MX.Upper.Example.',
  '@ MX 5 mx',
  '@ TXT "Letters Stay" "as they are"',
  '*.wild A 192.0.2.2',
  '_25._tcp.mx TLSA 3 1 1 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff',
];

function signedZone(signing: Signing = {}): SignedZone {
  return new SignedZone(parseZone('zone.example', LINES), signing, () => NOW);
}

function setOf(signed: SignedZone, name: string, type: number): Rrset {
  const set = signed.set(Name.parse(name), type);
  if (set === undefined) throw new Error(`no ${type} at ${name}`);
  return set;
}

function onlySignature(signed: SignedZone, set: Rrset): Buffer {
  const [signature, ...more] = signed.signatures(set);
  if (signature === undefined || more.length > 0) throw new Error('one signature was expected');
  return Buffer.from(signature);
}

/** Length of the uncompressed name at an offset. */
function nameLength(octets: Buffer, at: number): number {
  let end = at;
  while (octets[end] !== 0) end += 1 + (octets[end] ?? 0);
  return end + 1 - at;
}

interface ReadSignature {
  readonly algorithm: number;
  readonly labels: number;
  readonly expiration: number;
  readonly inception: number;
  readonly tag: number;
  readonly signer: Buffer;
  readonly head: Buffer;
  readonly signature: Buffer;
}

/** RFC 4034 section 3.1 */
function readSignature(rdata: Buffer): ReadSignature {
  const end = 18 + nameLength(rdata, 18);
  return {
    algorithm: rdata.readUInt8(2),
    labels: rdata.readUInt8(3),
    expiration: rdata.readUInt32BE(8),
    inception: rdata.readUInt32BE(12),
    tag: rdata.readUInt16BE(16),
    signer: rdata.subarray(18, end),
    head: rdata.subarray(0, end),
    signature: rdata.subarray(end),
  };
}

/**
 * RFC 4034 section 3.1.8.1; `canonical` puts letters of names in RDATA into lower case, by hand for each
 * type.
 */
function signedOctets(set: Rrset, head: Buffer, canonical: (rdata: Buffer) => Buffer): Buffer {
  const records = set.rdatas.map((rdata) => {
    const octets = canonical(Buffer.from(rdata));
    const fixed = Buffer.alloc(10);
    fixed.writeUInt16BE(set.type, 0);
    fixed.writeUInt16BE(1, 2);
    fixed.writeUInt32BE(set.ttl, 4);
    fixed.writeUInt16BE(octets.length, 8);
    const owner = Buffer.from(
      set.name.wire.map((octet) => (octet >= 65 && octet <= 90 ? octet + 32 : octet)),
    );
    return { octets, whole: Buffer.concat([owner, fixed, octets]) };
  });
  records.sort((a, b) => Buffer.compare(a.octets, b.octets));
  return Buffer.concat([head, ...records.map(({ whole }) => whole)]);
}

const asIs = (rdata: Buffer) => rdata;
const inLowerCase = (rdata: Buffer) => Buffer.from(rdata.toString('latin1').toLowerCase(), 'latin1');

/** From the public key field of a DNSKEY record: RFC 3110, RFC 6605 section 4, RFC 8080 section 3. */
function publicKeyOf(dnskey: Buffer): KeyObject {
  const key = dnskey.subarray(4);
  const base64url = (octets: Buffer) => octets.toString('base64url');
  switch (dnskey[3]) {
    case 5:
    case 7:
    case 8:
    case 10: {
      const length = key[0] ?? 0;
      const e = base64url(key.subarray(1, 1 + length));
      return createPublicKey({
        format: 'jwk',
        key: { kty: 'RSA', e, n: base64url(key.subarray(1 + length)) },
      });
    }
    case 13:
    case 14: {
      const half = key.length / 2;
      const crv = dnskey[3] === 13 ? 'P-256' : 'P-384';
      const [x, y] = [base64url(key.subarray(0, half)), base64url(key.subarray(half))];
      return createPublicKey({ format: 'jwk', key: { kty: 'EC', crv, x, y } });
    }
    default: {
      const crv = dnskey[3] === 15 ? 'Ed25519' : 'Ed448';
      return createPublicKey({ format: 'jwk', key: { kty: 'OKP', crv, x: base64url(key) } });
    }
  }
}

const HASH: Record<number, string | null> = {
  5: 'sha1',
  7: 'sha1',
  8: 'sha256',
  10: 'sha512',
  13: 'sha256',
  14: 'sha384',
  15: null,
  16: null,
};

function verifies(octets: Buffer, dnskey: Buffer, signature: Buffer): boolean {
  const hash = HASH[dnskey[3] ?? 0] ?? null;
  return verify(hash, octets, { key: publicKeyOf(dnskey), dsaEncoding: 'ieee-p1363' }, signature);
}

/** RFC 4034 appendix B, in its own words. */
function tagOf(dnskey: Buffer): number {
  let sum = 0;
  for (let i = 0; i < dnskey.length; i++) sum += i & 1 ? (dnskey[i] ?? 0) : (dnskey[i] ?? 0) * 256;
  sum += Math.floor(sum / 65536) % 65536;
  return sum % 65536;
}

function keysOf(signed: SignedZone): Buffer[] {
  return setOf(signed, 'zone.example', RRTYPE.DNSKEY).rdatas.map((rdata) => Buffer.from(rdata));
}

function keyFor(signed: SignedZone, tag: number): Buffer {
  const key = keysOf(signed).find((dnskey) => tagOf(dnskey) === tag);
  if (key === undefined) throw new Error(`no DNSKEY has the tag ${tag}`);
  return key;
}

describe('signatures verify by node:crypto', () => {
  for (const [mnemonic, number] of Object.entries(ALGORITHM)) {
    it(`with ${mnemonic}, made by the zone signing key`, () => {
      const signed = signedZone({ algorithm: number });
      const set = setOf(signed, 'zone.example', RRTYPE.TXT);
      const { head, signature, algorithm, tag, signer } = readSignature(onlySignature(signed, set));
      const dnskey = keyFor(signed, tag);
      expect(algorithm).toBe(number);
      expect(dnskey.readUInt16BE(0)).toBe(256);
      expect(signer).toEqual(Buffer.from(Name.parse('zone.example').wire));
      expect(verifies(signedOctets(set, head, asIs), dnskey, signature)).toBe(true);
      const tampered = signedOctets({ ...set, ttl: set.ttl + 1 }, head, asIs);
      expect(verifies(tampered, dnskey, signature)).toBe(false);
    });
  }

  it('over the DNSKEY set by the key signing key', () => {
    const signed = signedZone();
    const set = setOf(signed, 'zone.example', RRTYPE.DNSKEY);
    const { head, signature, tag } = readSignature(onlySignature(signed, set));
    const dnskey = keyFor(signed, tag);
    expect(dnskey.readUInt16BE(0)).toBe(257);
    expect(verifies(signedOctets(set, head, asIs), dnskey, signature)).toBe(true);
  });

  it('by the one key of a zone that has only one', () => {
    const signed = signedZone({ keys: 'csk' });
    expect(keysOf(signed)).toHaveLength(1);
    const set = setOf(signed, 'zone.example', RRTYPE.TXT);
    const { head, signature, tag } = readSignature(onlySignature(signed, set));
    expect(verifies(signedOctets(set, head, asIs), keyFor(signed, tag), signature)).toBe(true);
  });

  it('over names in RDATA in lower case, records in canonical order (RFC 4034 section 6.2 and 6.3)', () => {
    const signed = signedZone();
    const set = setOf(signed, 'zone.example', RRTYPE.MX);
    const { head, signature, tag } = readSignature(onlySignature(signed, set));
    const dnskey = keyFor(signed, tag);
    expect(verifies(signedOctets(set, head, inLowerCase), dnskey, signature)).toBe(true);
    expect(verifies(signedOctets(set, head, asIs), dnskey, signature)).toBe(false);
  });

  it('over a wildcard under its own name, with the asterisk not counted (RFC 4034 section 3.1.3)', () => {
    const signed = signedZone();
    const set = setOf(signed, '*.wild.zone.example', RRTYPE.A);
    const { head, signature, tag, labels } = readSignature(onlySignature(signed, set));
    expect(labels).toBe(3);
    expect(verifies(signedOctets(set, head, asIs), keyFor(signed, tag), signature)).toBe(true);
  });

  it('from an hour before the clock until two weeks after it, or as asked for', () => {
    const set = setOf(signedZone(), 'zone.example', RRTYPE.TXT);
    const usual = readSignature(onlySignature(signedZone(), set));
    expect([usual.inception, usual.expiration]).toEqual([NOW / 1000 - 3600, NOW / 1000 + 14 * 86_400]);
    const asked = readSignature(onlySignature(signedZone({ validity: { from: -5, until: 7 } }), set));
    expect([asked.inception, asked.expiration]).toEqual([NOW / 1000 - 5, NOW / 1000 + 7]);
  });
});

describe('DS records', () => {
  it.each([
    [DIGEST.SHA1, 'sha1'],
    [DIGEST.SHA256, 'sha256'],
    [DIGEST.SHA384, 'sha384'],
  ])('of type %d are the %s digest of owner and DNSKEY (RFC 4034 section 5.1.4)', (type, hash) => {
    const signed = signedZone({ digests: [type] });
    const ds = Buffer.from(signed.dsRecords()[0] ?? []);
    const dnskey = keyFor(signed, ds.readUInt16BE(0));
    const digest = createHash(hash).update(Name.parse('zone.example').wire).update(dnskey).digest();
    expect(dnskey.readUInt16BE(0)).toBe(257);
    expect([ds[2], ds[3]]).toEqual([13, type]);
    expect(ds.subarray(4)).toEqual(digest);
  });

  it('match no key of the zone where that is the fault', () => {
    const signed = signedZone({ faults: [{ fault: 'ds-mismatch' }] });
    const ds = Buffer.from(signed.dsRecords()[0] ?? []);
    const digests = keysOf(signed).map((key) =>
      createHash('sha256').update(Name.parse('zone.example').wire).update(key).digest('hex'),
    );
    expect(digests).not.toContain(ds.subarray(4).toString('hex'));
  });
});

describe('declared faults', () => {
  const txt = (signed: SignedZone) => {
    const set = setOf(signed, 'zone.example', RRTYPE.TXT);
    return { set, ...readSignature(onlySignature(signed, set)) };
  };

  it.each(['damaged', 'wrong-key'] as const)(
    '%s: the signature does not verify by the key it names',
    (fault) => {
      const signed = signedZone({ faults: [{ fault }] });
      const { set, head, signature, tag } = txt(signed);
      expect(verifies(signedOctets(set, head, asIs), keyFor(signed, tag), signature)).toBe(false);
    },
  );

  it.each([
    ['expired', false],
    ['not-yet-valid', true],
  ] as const)('%s: the signature verifies, its dates are wrong', (fault, future) => {
    const signed = signedZone({ faults: [{ fault }] });
    const { set, head, signature, tag, inception, expiration } = txt(signed);
    expect(verifies(signedOctets(set, head, asIs), keyFor(signed, tag), signature)).toBe(true);
    expect(future ? inception > NOW / 1000 : expiration < NOW / 1000).toBe(true);
  });

  it('wrong-signer: the parent is named as signer', () => {
    const { signer } = txt(signedZone({ faults: [{ fault: 'wrong-signer' }] }));
    expect(signer).toEqual(Buffer.from(Name.parse('example').wire));
  });

  it('wrong-labels: more labels than the owner has', () => {
    expect(txt(signedZone({ faults: [{ fault: 'wrong-labels' }] })).labels).toBe(3);
  });

  it('missing: no signature, and only where it was declared', () => {
    const signed = signedZone({ faults: [{ fault: 'missing', name: '@', type: 'MX' }] });
    expect(signed.signatures(setOf(signed, 'zone.example', RRTYPE.MX))).toEqual([]);
    expect(signed.signatures(setOf(signed, 'zone.example', RRTYPE.TXT))).toHaveLength(1);
  });

  it('no-dnskey: the apex has no DNSKEY, and the others are still signed', () => {
    const signed = signedZone({ faults: [{ fault: 'no-dnskey' }] });
    expect(signed.set(Name.parse('zone.example'), RRTYPE.DNSKEY)).toBeUndefined();
    expect(signed.signatures(setOf(signed, 'zone.example', RRTYPE.TXT))).toHaveLength(1);
  });
});
