import { generateKeyPairSync } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DkimConfigError, type DkimRule, loadDkimKeys, parseDkimRules } from './dkim-rules.js';

const rule = { domain: 'a.example', selector: 's1', key_file: '/k.pem' };

describe('parseDkimRules', () => {
  it.each<[string, object, Partial<DkimRule>]>([
    [
      'a domain',
      rule,
      { pattern: 'a.example', signingDomain: 'a.example', selector: 's1', keyFile: '/k.pem' },
    ],
    ['a domain in UTF-8', { ...rule, domain: 'BÜCHER.example' }, { pattern: 'xn--bcher-kva.example' }],
    [
      'a wildcard',
      { ...rule, domain: '*.a.example' },
      { pattern: '*.a.example', signingDomain: 'a.example' },
    ],
    [
      'all domains',
      { ...rule, domain: '*', signing_domain: 'B.example' },
      { pattern: '*', signingDomain: 'b.example' },
    ],
  ])('takes %s', (_, table, expected) => {
    expect(parseDkimRules([table])).toMatchObject([expected]);
  });

  it.each<[string, unknown, RegExp]>([
    ['one table in place of a list', rule, /must be a list/u],
    ['what is no table', ['x'], /dkim rule 1 must be a table/u],
    ['a misspelt key', [rule, { ...rule, selektor: 'x' }], /dkim rule 2 has no key "selektor"/u],
    ['no domain', [{ selector: 'a', key_file: 'b' }], /rule 1, domain: must be/u],
    ['a literal', [{ ...rule, domain: '[192.0.2.1]' }], /domain: must be/u],
    ['a wildcard in the middle', [{ ...rule, domain: 'a.*.example' }], /domain: must be/u],
    ['a selector that is none', [{ ...rule, selector: 'a;b' }], /selector: must be/u],
    ['no key file', [{ ...rule, key_file: 1 }], /key_file: must be/u],
    ['all domains without a signing domain', [{ ...rule, domain: '*' }], /signing_domain: needed/u],
    ['a signing domain that is none', [{ ...rule, signing_domain: 'a b' }], /signing_domain: must be/u],
  ])('refuses %s', (_, value, message) => {
    expect(() => parseDkimRules(value)).toThrow(message);
    expect(() => parseDkimRules(value)).toThrow(DkimConfigError);
  });
});

describe('loadDkimKeys', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'danelaw-dkim-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  async function load(pem: string, mode = 0o600) {
    const keyFile = join(folder, 'k.pem');
    writeFileSync(keyFile, pem);
    chmodSync(keyFile, mode);
    return await loadDkimKeys(parseDkimRules([{ ...rule, key_file: keyFile }]));
  }
  const rsa = (modulusLength: number): string =>
    generateKeyPairSync('rsa', { modulusLength })
      .privateKey.export({ type: 'pkcs1', format: 'pem' })
      .toString();
  const pem = (type: 'ed25519' | 'ed448'): string =>
    (type === 'ed25519' ? generateKeyPairSync('ed25519') : generateKeyPairSync('ed448')).privateKey
      .export({ type: 'pkcs8', format: 'pem' })
      .toString();

  it('reads RSA and Ed25519', async () => {
    expect(await load(rsa(2048))).toMatchObject({
      keys: [{ algorithm: 'rsa-sha256', domain: 'a.example' }],
      warnings: [],
    });
    expect(await load(pem('ed25519'))).toMatchObject({
      keys: [{ algorithm: 'ed25519-sha256' }],
      warnings: [],
    });
  });

  it('warns of a key that every user can read, and not of one for its group', async () => {
    expect((await load(pem('ed25519'), 0o644)).warnings).toEqual([
      expect.stringMatching(/every user .* chmod 600/u),
    ]);
    expect((await load(pem('ed25519'), 0o640)).warnings).toEqual([]);
  });

  it('warns of a short key, and refuses one that is too short (RFC 8301 section 3.2)', async () => {
    expect((await load(rsa(1024))).warnings).toEqual([expect.stringMatching(/1024 bits/u)]);
    await expect(load(rsa(768))).rejects.toThrow(/RFC 8301 forbids/u);
  });

  it.each<[string, string, RegExp]>([
    ['text', 'hello', /no private key/u],
    ['a key of another kind', pem('ed448'), /type ed448/u],
  ])('refuses a file with %s', async (_, text, message) => {
    await expect(load(text)).rejects.toThrow(message);
    await expect(load(text)).rejects.toThrow(DkimConfigError);
  });

  it('names the file that is not there', async () => {
    const rules = parseDkimRules([{ ...rule, key_file: join(folder, 'none.pem') }]);
    await expect(loadDkimKeys(rules)).rejects.toThrow(
      /dkim rule 1, key_file .*none\.pem: can't read it \(ENOENT\)/u,
    );
  });
});
