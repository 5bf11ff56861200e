import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { resolvePolicy } from '@danelaw/smtp';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ConfigError, defaultConfig, readConfig } from './config.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'danelaw-config-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

async function read(text: string) {
  const file = join(folder, 'danelaw.toml');
  writeFileSync(file, text);
  return await readConfig(file);
}

describe('readConfig', () => {
  it('reads a policy table, with dates as TOML has them', async () => {
    const { policyTable } = await read(`
      [[policy]]
      domain = "broken.example"
      level = "encrypt"
      exception = { reason = "ticket 4711", expires = 2026-12-01 }

      [[policy]]
      domain = "*"
      level = "dane"
      insecure_mx = "encrypt"
      audit = { reason = "first look", expires = 2026-12-01T12:00:00+01:00 }
    `);
    const at = (time: string) => resolvePolicy(policyTable, 'broken.example', Date.parse(time));
    expect(at('2026-11-30T23:59:59Z')).toMatchObject({ level: 'encrypt' });
    expect(at('2026-12-01T00:00:00Z')).toMatchObject({ level: 'dane', audit: { reason: 'first look' } });
    expect(at('2026-12-01T11:00:00Z')).toMatchObject({ level: 'dane', audit: undefined });
  });

  it('an empty file has no rules', async () => {
    expect(await read('')).toEqual(defaultConfig());
  });

  it.each<[string, string, RegExp]>([
    ['TOML that is none', '\n[[policy]\n', /danelaw\.toml, line 2: /u],
    [
      'a rule that is wrong',
      '[[policy]]\ndomain = "*"\nlevel = "dnae"',
      /policy rule 1, level: must be one of none, /u,
    ],
    [
      'a misspelt table',
      '[[polices]]\nlevel = "may"',
      /line 1: polices: is no key here; did you mean "policy"\?/u,
    ],
    ['a DKIM rule that is wrong', '[[dkim]]\ndomain = "*"', /danelaw\.toml: dkim rule 1, selector: /u],
    ['a table in place of a list', '[policy]\nlevel = "may"', /must be a list of rules/u],
  ])('refuses %s, and says where', async (_, text, message) => {
    await expect(read(text)).rejects.toThrow(ConfigError);
    await expect(read(text)).rejects.toThrow(message);
  });

  const relay =
    '[[policy]]\ndomain = "*"\nlevel = "dane"\nrelay = "[r.example]"\ncredentials = "smarthost"\n';

  it('reads logins, with their passwords from files', async () => {
    const secret = join(folder, 'secret');
    writeFileSync(secret, 'p w\n');
    const { credentials } = await read(`
      ${relay}
      [credentials.smarthost]
      username = "me"
      password_file = "${secret}"
      [credentials.other]
      username = "you"
      password = "x"
    `);
    expect(credentials.get('smarthost')).toEqual({ username: 'me', password: 'p w' });
    expect(credentials.get('other')).toEqual({ username: 'you', password: 'x' });
  });

  it.each<[string, string, RegExp]>([
    [
      'a rule whose login is not there',
      relay,
      /policy rule 1, credentials: there is no \[credentials\.smarthost\]/u,
    ],
    ['a login without a name', '[credentials.a]\npassword = "x"', /\[credentials\.a\] needs a "username"/u],
    ['one without a password', '[credentials.a]\nusername = "x"', /either "password_file" or "password"/u],
    ['one with two', '[credentials.a]\nusername = "x"\npassword = "x"\npassword_file = "x"', /either/u],
    [
      'a password file that is not there',
      '[credentials.a]\nusername = "x"\npassword_file = "/none"',
      /ENOENT/u,
    ],
    ['another key', '[credentials.a]\nusername = "x"\npasswort = "x"', /has no key "passwort"/u],
    ['no table', 'credentials = 1', /must be a table/u],
  ])('refuses %s', async (_, text, message) => {
    await expect(read(text)).rejects.toThrow(message);
  });

  it('says which file is not there', async () => {
    await expect(readConfig(join(folder, 'none.toml'))).rejects.toThrow(/can't read .*none\.toml/u);
  });
});
