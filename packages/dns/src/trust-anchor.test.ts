import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { encodeHex } from './base-encoding.js';
import { Name } from './name.js';
import { ROOT_DNSKEY } from './root-anchors.js';
import { parseTrustAnchors, rootTrustAnchors } from './trust-anchor.js';
import { concatBytes, WireError } from './wire.js';

/** RFC 4034 appendix B. */
function keyTag(rdata: Uint8Array): number {
  let sum = 0;
  rdata.forEach((octet, i) => {
    sum += i % 2 === 0 ? octet << 8 : octet;
  });
  return (sum + (sum >>> 16)) & 0xffff;
}

describe('the built-in root anchors', () => {
  test('are the digests of the keys 20326 and 38696 (RFC 4509)', () => {
    const keys = parseTrustAnchors(ROOT_DNSKEY);
    expect(keys.map((key) => keyTag(key.rdata))).toEqual([20326, 38696]);
    const digests = keys.map((key) =>
      createHash('sha256')
        .update(concatBytes([Name.root.canonical(), key.rdata]))
        .digest('hex'),
    );
    const anchors = rootTrustAnchors();
    expect(anchors.map(({ name }) => name.toString())).toEqual(['.', '.']);
    expect(anchors.map(({ data }) => data.type === 'DS' && [data.keyTag, encodeHex(data.digest)])).toEqual([
      [20326, digests[0]],
      [38696, digests[1]],
    ]);
  });
});

const DIGEST = 'E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D';
const KEY = 'l53+RnUsvFIlKZC2XRY4WQQ4MOkxEx/ZAgSHbRtqqtC//K5zPUFMPsfXaqfaKVvB64Aq/u/hdB8sPwOPwP5fpQ==';

describe('trust anchors are read', () => {
  const forms: readonly (readonly [string, string])[] = [
    ['without TTL and class', `example.com. DS 12345 8 2 ${DIGEST}`],
    ['with class', `example.com. IN DS 12345 8 2 ${DIGEST}`],
    ['with TTL and class', `example.com. 3600 IN DS 12345 8 2 ${DIGEST}`],
    ['with class and TTL', `example.com. IN 3600 DS 12345 8 2 ${DIGEST}`],
    ['without last dot, in lower case', `example.com ds 12345 8 2 ${DIGEST.toLowerCase()}`],
    [
      'with a digest in parts and parentheses',
      `example.com. DS 12345 8 2 ( ${DIGEST.slice(0, 10)}\n ${DIGEST.slice(10)} )`,
    ],
    ['with a comment', `; of today\nexample.com. DS 12345 8 2 ${DIGEST} ; keytag`],
    ['with an algorithm mnemonic', `example.com. DS 12345 RSASHA256 2 ${DIGEST}`],
    [
      "in BIND's form",
      `trust-anchors {\n  // today's\n  example.com. initial-ds 12345 8 2 "${DIGEST}"; # yes\n};`,
    ],
  ];
  for (const [form, text] of forms) {
    test(form, () => {
      const [anchor, ...more] = parseTrustAnchors(text);
      expect(more).toEqual([]);
      expect(anchor?.name.toString()).toBe('example.com');
      const { data } = anchor ?? {};
      expect(data?.type === 'DS' && { ...data, digest: encodeHex(data.digest) }).toEqual({
        type: 'DS',
        keyTag: 12345,
        algorithm: 8,
        digestType: 2,
        digest: DIGEST.toLowerCase(),
      });
    });
  }

  test('as keys, in all of the ways BIND writes them', () => {
    const line = parseTrustAnchors([`example. DNSKEY 257 3 13 ${KEY}`]);
    const half = KEY.length / 2;
    for (const statement of [
      `trust-anchors { example. initial-key 257 3 13 "${KEY}"; };`,
      `managed-keys { "example." initial-key 257 3 13 "${KEY.slice(0, half)}" "${KEY.slice(half)}"; };`,
      `/* old */ trusted-keys { example. 257 3 13 "${KEY}"; };`.replace('/* old */ ', '/* old */\n'),
    ]) {
      expect(parseTrustAnchors(statement)).toEqual(line);
    }
  });

  test('from several lines, of several zones', () => {
    const anchors = parseTrustAnchors([
      `. DS 1 8 2 ${DIGEST}`,
      `test. DS 2 8 2 ${DIGEST}`,
      `test. DNSKEY 257 3 13 ${KEY}`,
    ]);
    expect(anchors.map(({ name, data }) => `${name} ${data.type}`)).toEqual([
      '. DS',
      'test DS',
      'test DNSKEY',
    ]);
  });
});

describe('trust anchors are refused', () => {
  const bad: readonly (readonly [string, string, RegExp])[] = [
    ['nothing', '; only a comment', /no trust anchor/],
    ['another type', '. IN A 192.0.2.1', /A record of \. is no trust anchor/],
    ['a revoked key', `. DNSKEY 385 3 13 ${KEY}`, /revoked/],
    ['a key that is not a zone key', `. DNSKEY 1 3 13 ${KEY}`, /not a zone key/],
    ['a key of another protocol', `. DNSKEY 257 2 13 ${KEY}`, /protocol 2/],
    ['another class', `. CH DS 1 8 2 ${DIGEST}`, /class IN/],
    ['a digest that is cut off', `. DS 1 8 2 ${DIGEST.slice(2)}`, /digest of 31 octets/],
    ['an odd number of digits', `. DS 1 8 2 ${DIGEST}0`, /hexadecimal/],
    ['a letter that base64 has not', `. DNSKEY 257 3 13 ${KEY.replace('+', '*')}`, /base64/],
    [
      "BIND's form with a number missing",
      `trust-anchors { . initial-ds 1 8 "${DIGEST}"; };`,
      /not a trust anchor/,
    ],
  ];
  for (const [what, text, message] of bad) {
    test(what, () => {
      expect(() => parseTrustAnchors(text)).toThrow(WireError);
      expect(() => parseTrustAnchors(text)).toThrow(message);
    });
  }
});
