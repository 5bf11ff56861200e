import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readConfig } from '../config.js';
import { checkFiles } from './check-files.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'danelaw-check-'));
  const { privateKey } = generateKeyPairSync('ed25519');
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' });
  await writeFile(join(folder, 'key'), pem, { mode: 0o600 });
  await writeFile(join(folder, 'wide'), 'a word that nobody guesses', { mode: 0o644 });
  await writeFile(join(folder, 'token'), 'a-word-that-nobody-guesses', { mode: 0o600 });
});
afterEach(() => rm(folder, { recursive: true }));

async function findings(toml: string, mode = 0o600): Promise<string[]> {
  const file = join(folder, 'danelaw.toml');
  await writeFile(file, toml.replaceAll('DIR', folder), { mode });
  const found: string[] = [];
  const add = (...words: readonly string[]): void =>
    void found.push(words.join(' | ').replaceAll(folder, 'DIR'));
  await checkFiles(await readConfig(file), file, add);
  return found;
}

const DKIM = '[[dkim]]\ndomain = "example.org"\nselector = "s"\nkey_file = ';
const POSTGRES = '[queue]\nengine = "postgres"\nurl = "postgres://d@db/d"\n';

describe('the files of a configuration', () => {
  it.each<[string, string, RegExp]>([
    [
      'a DKIM key that is not there',
      `${DKIM}"DIR/none"`,
      /^error \| dkim \| .*DIR\/none: can't read it \(ENOENT\)$/u,
    ],
    ['a DKIM key that is none', `${DKIM}"DIR/wide"`, /^error \| dkim \| .*there is no private key in it/u],
    [
      'a certificate that is none',
      '[tls]\ncertificate = "DIR/token"\nkey = "DIR/key"',
      /^error \| tls \| DIR\/token and DIR\/key can't be used/u,
    ],
    [
      'a token that is not there',
      '[http]\nlisten = "127.0.0.1:1"\ntoken_file = "DIR/none"',
      /^error \| http \| http\.token_file: ENOENT/u,
    ],
    [
      "a database's password that is not there",
      `${POSTGRES}password_file = "DIR/none"`,
      /^error \| queue \| ENOENT/u,
    ],
  ])('are looked at before the relay starts: %s', async (_, toml, expected) => {
    expect(await findings(toml)).toEqual([expect.stringMatching(expected)]);
  });

  it('are fine where they can be used, and nobody else may read them', async () => {
    const http = '[http]\nlisten = "127.0.0.1:1"\ntoken_file = "DIR/token"\n';
    const all = `${http}${POSTGRES}password_file = "DIR/token"\n${DKIM}"DIR/key"`;
    expect(await findings(all)).toEqual(['ok | dkim | 1 of 1 keys can be used']);
  });

  it.each<[string, string, string]>([
    ['a password in a file', `${POSTGRES}password_file = "DIR/wide"`, 'DIR/wide'],
    ['passwords of users', '[users]\nann = "$scrypt$"', 'DIR/danelaw.toml'],
    ['a token', '[http]\nlisten = "127.0.0.1:1"\ntoken = "0123456789abcdef"', 'DIR/danelaw.toml'],
    ['a password in an address', POSTGRES.replace('d@', 'd:secret@'), 'DIR/danelaw.toml'],
    ['a login at a relay', '[credentials.x]\nusername = "u"\npassword = "p"', 'DIR/danelaw.toml'],
  ])('that everybody may read are told of, and not what is in them: %s', async (_, toml, file) => {
    const found = await findings(toml, 0o644);
    expect(found).toEqual([
      expect.stringContaining(`warning | ${file} | everybody on this machine may read it`),
    ]);
    expect(found.join()).not.toMatch(/secret@|0123456789|guesses/u);
  });

  it('without a secret in them may be read by everybody', async () => {
    expect(await findings('hostname = "mx.example.org"', 0o644)).toEqual([]);
  });
});
