import { describe, expect, it } from 'vitest';
import { parseRecords } from '../master-file.js';
import { Name } from '../name.js';
import { parseDs } from '../record.js';
import { RRTYPE } from '../rrtype.js';
import { BoundError, Budget, MAX_CHECKS_PER_RRSET } from './bounds.js';
import { dsMatchesKey, keyTag, readZoneKey, type ZoneKey } from './key.js';
import { type RRset, RRsets } from './rrset.js';
import { verifyRRset } from './signature.js';

interface Vector {
  readonly title: string;
  readonly text: string;
  readonly owner: string;
  readonly covered: number;
  readonly at: string;
}

/** The examples that the RFCs print, letter for letter (the RRSIGs of RFC 8080 as its erratum corrects them). */
const VECTORS: Vector[] = [
  {
    title: 'ECDSAP256SHA256 (RFC 6605 section 6.1)',
    owner: 'www.example.net',
    covered: RRTYPE.A,
    at: '2010-08-20T00:00:00Z',
    text: `
example.net. 3600 IN DNSKEY 257 3 13 ( GojIhhXUN/u4v54ZQqGSnyhWJwaubCvTmeexv7bR6edb krSqQpF64cYbcB7wNcP+e+MAnLr+Wi9xMWyQLc8NAA== )
example.net. 3600 IN DS 55648 13 2 ( b4c8c1fe2e7477127b27115656ad6256f424625bf5c1 e2770ce6d6e37df61d17 )
www.example.net. 3600 IN A 192.0.2.1
www.example.net. 3600 IN RRSIG A 13 3 3600 ( 20100909100439 20100812100439 55648 example.net.
  qx6wLYqmh+l9oCKTN6qIc+bw6ya+KJ8oMz0YP107epXA yGmt+3SNruPFKG7tZoLBLlUzGGus7ZwmwWep666VCw== )`,
  },
  {
    title: 'ECDSAP384SHA384 (RFC 6605 section 6.2)',
    owner: 'www.example.net',
    covered: RRTYPE.A,
    at: '2010-08-20T00:00:00Z',
    text: `
example.net. 3600 IN DNSKEY 257 3 14 ( xKYaNhWdGOfJ+nPrL8/arkwf2EY3MDJ+SErKivBVSum1 w/egsXvSADtNJhyem5RCOpgQ6K8X1DRSEkrbYQ+OB+v8
  /uX45NBwY8rp65F6Glur8I/mlVNgF6W/qTI37m40 )
example.net. 3600 IN DS 10771 14 4 ( 72d7b62976ce06438e9c0bf319013cf801f09ecc84b8 d7e9495f27e305c6a9b0563a9b5f4d288405c3008a94 6df983d6 )
www.example.net. 3600 IN A 192.0.2.1
www.example.net. 3600 IN RRSIG A 14 3 3600 ( 20100909102025 20100812102025 10771 example.net.
  /L5hDKIvGDyI1fcARX3z65qrmPsVz73QD1Mr5CEqOiLP 95hxQouuroGCeZOvzFaxsT8Glr74hbavRKayJNuydCuz
  WTSSPdz7wnqXL5bdcJzusdnI0RSMROxxwGipWcJm )`,
  },
  {
    title: 'Ed25519 (RFC 8080 section 6.1)',
    owner: 'example.com',
    covered: RRTYPE.MX,
    at: '2015-08-01T00:00:00Z',
    text: `
example.com. 3600 IN DNSKEY 257 3 15 ( l02Woi0iS8Aa25FQkUd9RMzZHJpBoRQwAQEX1SxZJA4= )
example.com. 3600 IN DS 3613 15 2 ( 3aa5ab37efce57f737fc1627013fee07bdf241bd10f3b1964ab55c78e79 a304b )
example.com. 3600 IN MX 10 mail.example.com.
example.com. 3600 IN RRSIG MX 15 2 3600 ( 1440021600 1438207200 3613 example.com.
  oL9krJun7xfBOIWcGHi7mag5/hdZrKWw15jPGrHpjQeR AvTdszaPD+QLs3fx8A4M3e23mRZ9VrbpMngwcrqNAg== )`,
  },
];

function read(text: string): { sets: RRsets; keys: ZoneKey[]; ds: RRset | undefined; zone: Name } {
  const records = parseRecords(text);
  const sets = new RRsets(records);
  const dnskey = sets.ofType(RRTYPE.DNSKEY)[0];
  if (dnskey === undefined) throw new Error('vector without DNSKEY');
  const keys = dnskey.rdatas.flatMap((rdata) => readZoneKey(rdata) ?? []);
  return { sets, keys, ds: sets.ofType(RRTYPE.DS)[0], zone: dnskey.name };
}

function verify(set: RRset, zone: Name, keys: readonly ZoneKey[], at: string) {
  return verifyRRset(set, { name: zone, keys }, Date.parse(at), new Budget('test'));
}

describe.each(VECTORS)('$title', ({ text, owner, covered, at }) => {
  const { sets, keys, ds, zone } = read(text);
  const set = sets.get(Name.parse(owner), covered);
  if (set === undefined || ds === undefined) throw new Error('vector is incomplete');

  it('the signature holds', async () => {
    expect(await verify(set, zone, keys, at)).toMatchObject({ valid: true });
  });

  it('the DS is the digest of the key', () => {
    const [rdata] = ds.rdatas;
    if (rdata === undefined) throw new Error('no DS');
    expect(keys.map((key) => dsMatchesKey(parseDs(rdata), zone, key))).toEqual([true]);
  });

  it('an owner name in capitals is the same name (RFC 4034 section 6.2)', async () => {
    expect(await verify({ ...set, name: Name.parse(owner.toUpperCase()) }, zone, keys, at)).toMatchObject({
      valid: true,
    });
  });

  it('another RDATA is refused', async () => {
    const rdatas = set.rdatas.map((rdata) =>
      Uint8Array.from(rdata, (octet, i) => (i === 0 ? octet ^ 1 : octet)),
    );
    expect(await verify({ ...set, rdatas }, zone, keys, at)).toMatchObject({
      valid: false,
      ede: { code: 6 },
    });
  });

  it('another owner name is refused', async () => {
    const name = Name.parse(`x${owner}`);
    expect(await verify({ ...set, name }, zone, keys, at)).toMatchObject({ valid: false });
  });

  it('a day too late it has expired, a month too early it is not yet valid', async () => {
    expect(await verify(set, zone, keys, '2016-01-01T00:00:00Z')).toMatchObject({
      valid: false,
      ede: { code: 7 },
    });
    expect(await verify(set, zone, keys, '2010-01-01T00:00:00Z')).toMatchObject({
      valid: false,
      ede: { code: 8 },
    });
  });

  it('a signer that is not the zone is refused (RFC 4035 section 5.3.1)', async () => {
    expect(await verify(set, zone.parent(), keys, at)).toMatchObject({ valid: false, ede: { code: 6 } });
  });
});

describe('the cost of one RRset is bounded (CVE-2023-50387)', () => {
  const [vector] = VECTORS;
  if (vector === undefined) throw new Error('no vector');
  const { sets, keys, zone } = read(vector.text);
  const set = sets.get(Name.parse(vector.owner), vector.covered);
  if (set === undefined) throw new Error('vector is incomplete');
  const broken = set.signatures.map((signature) => ({ ...signature, signature: new Uint8Array(64) }));

  it('many keys of one tag end in a BoundError, not in a verdict', async () => {
    const many = Array.from({ length: MAX_CHECKS_PER_RRSET + 1 }, () => keys).flat();
    await expect(verify({ ...set, signatures: broken }, zone, many, vector.at)).rejects.toThrow(BoundError);
  });

  it('so do many signatures', async () => {
    const signatures = Array.from({ length: 17 }, () => broken).flat();
    await expect(verify({ ...set, signatures }, zone, keys, vector.at)).rejects.toThrow(BoundError);
  });

  it('the budget of the look-up counts every check', async () => {
    const budget = new Budget('test', 0);
    const checked = verifyRRset(set, { name: zone, keys }, Date.parse(vector.at), budget);
    await expect(checked).rejects.toThrow(BoundError);
  });
});

it('the key tag is that of RFC 4034 section 5.4', () => {
  const [record] = parseRecords(`dskey.example.com. 86400 IN DNSKEY 256 3 5 ( AQOeiiR0GOMYkDshWoSKz9Xz
    fwJr1AYtsmx3TGkJaNXVbfi/ 2pHm822aJ5iI9BMzNXxeYCmZ DRD99WYwYqUSdjMmmAphXdvx egXd/M5+X7OrzKBaMbCVdFLU
    Uh6DhweJBjEVv5f2wwjM9Xzc nOf+EPbtG9DMBmADjFDc2w/r ljwvFw== )`);
  expect(record && keyTag(record.rdata)).toBe(60485);
});
