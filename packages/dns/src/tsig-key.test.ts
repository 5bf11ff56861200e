import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { Name } from './name.js';
import { MAX_KEY_FILE_CHARACTERS, parseTsigKey, TsigKey } from './tsig-key.js';

const SECRET = 'wf6RFTWUKcvx04aVWvOYaQUI1SgIEKjodidQNWVtyBI=';
const SLASHES = 'aaaa//bbbb//';
const BIND = `key "update.key" {
	algorithm hmac-sha256;
	secret "${SECRET}";
};
`;
const KNOT = `# hmac-sha256:update.key:${SECRET}
key:
  - id: update.key
    algorithm: hmac-sha256
    secret: ${SECRET}
`;

describe('a file with a TSIG key', () => {
  test.each([
    ['what tsig-keygen writes (BIND)', BIND],
    ['the same on one line, without quotes', `key update.key {algorithm hmac-sha256;secret ${SECRET};};`],
    ['the same with comments', `/* for\nupdates */ // here\n# too\n${BIND}// "end`],
    ['secret first', `key "update.key" { secret "${SECRET}"; algorithm HMAC-SHA256; };`],
    ['what keymgr -t writes (Knot)', KNOT],
    [
      'the same in quotes',
      `key:\r\n  - id: "update.key"\r\n    algorithm: 'hmac-sha256'\r\n    secret: "${SECRET}"\r\n`,
    ],
    ['algorithm, name and secret with colons', `hmac-sha256:update.key:${SECRET}\n`],
    ['the same with a dot, behind a comment', `# made yesterday\n\nhmac-sha256.:update.key.:${SECRET}`],
  ])('is read: %s', (_what, text) => {
    const key = parseTsigKey(text);
    expect([key.name.toString(), key.algorithm, key.isShort, key.macOctets]).toEqual([
      'update.key',
      'hmac-sha256',
      false,
      32,
    ]);
    expect(key.mac(new Uint8Array(3))).toEqual(
      new TsigKey(Name.parse('a'), 'hmac-sha256', Buffer.from(SECRET, 'base64')).mac(new Uint8Array(3)),
    );
  });

  test('whose secret looks like a comment is read', () => {
    const key = parseTsigKey(`key k { algorithm hmac-sha1; secret ${SLASHES}; };`);
    expect([key.algorithm, key.isShort]).toEqual(['hmac-sha1', true]);
    expect(parseTsigKey(`key k { algorithm hmac-sha1; secret "${SLASHES}"; };`).macOctets).toBe(20);
  });

  test.each(['hmac-sha1', 'hmac-sha224', 'hmac-sha256', 'hmac-sha384', 'hmac-sha512'])(
    'may be of %s',
    (algorithm) => {
      const key = parseTsigKey(`${algorithm}:k:${SECRET}`);
      expect(key.mac(new Uint8Array(1)).length).toBe(key.macOctets);
    },
  );

  test.each([
    ['nothing', '', 'not a TSIG key'],
    ['a secret alone', SECRET, 'not a TSIG key'],
    ['name and secret alone', `update.key:${SECRET}`, 'not a TSIG key'],
    ['fields in another order', `${SECRET}:hmac-sha256:update.key`, 'secret is not Base64'],
    ['name and secret changed over', `hmac-sha256:${SECRET}:update.key`, 'secret is not Base64'],
    ['HMAC-MD5, in whatever form', `hmac-md5.sig-alg.reg.int:k:${SECRET}`, 'HMAC-MD5 must not be used'],
    ['an algorithm that cuts MACs short', `hmac-sha256-128:k:${SECRET}`, 'none of hmac-sha1, '],
    ['a secret that is none', 'hmac-sha256:k:not/base64', 'not Base64'],
    ['an empty secret', 'key k { algorithm hmac-sha256; secret ""; };', 'not Base64'],
    ['no secret', 'key k { algorithm hmac-sha256; };', 'lacks'],
    ['two secrets', `key k { secret "${SECRET}"; secret "${SECRET}"; };`, 'two of "secret"'],
    ['several keys', BIND + BIND, 'several keys'],
    [
      'several keys of Knot',
      `${KNOT}  - id: b\n    algorithm: hmac-sha1\n    secret: AAAA\n`,
      'several keys',
    ],
    ['something else besides', `options { };\n${BIND}`, 'not a TSIG key'],
    ['an end that is missing', BIND.slice(0, -4), 'not a TSIG key'],
    ['a comment that is never closed', `/* ${BIND}`, 'not a TSIG key'],
    ['a name that is none', `hmac-sha256:a..b:${SECRET}`, 'not a domain name'],
    ['too much', BIND.padEnd(MAX_KEY_FILE_CHARACTERS + 1), 'characters'],
  ])('is refused where it holds %s, and nothing of it is quoted', (_what, text, words) => {
    let message = '';
    try {
      parseTsigKey(text);
    } catch (error) {
      message = error instanceof Error && error.name === 'WireError' ? error.message : 'another error';
    }
    expect(message).toContain(words);
    expect(message).not.toContain(SECRET.slice(0, 8));
  });

  test('gives a key whose secret nothing prints', () => {
    const key = parseTsigKey(BIND);
    const shown = `${inspect(key, { depth: 9, showHidden: true })} ${JSON.stringify(key)} ${String(key)}`;
    for (const secret of [SECRET, Buffer.from(SECRET, 'base64').toString('hex')]) {
      expect(shown).not.toContain(secret.slice(0, 8));
    }
  });
});
