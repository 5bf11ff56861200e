import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { DEFAULT_MAILDROP } from '../maildrop/folder.js';
import { EXIT } from './exit.js';
import { DEFAULT_RELAY, relayWays } from './relay-address.js';

const folder = mkdtempSync(join(tmpdir(), 'danelaw-relay-address-'));
afterAll(() => rmSync(folder, { recursive: true }));
const NOWHERE = join(folder, 'nowhere.toml');

function written(toml: string): string {
  const file = join(folder, 'danelaw.toml');
  writeFileSync(file, toml);
  return file;
}

const listen = (address: string, tls = 'starttls'): string =>
  `[[listen]]\naddress = "${address}"\ntls = "${tls}"\n`;

describe('relayWays', () => {
  it.each<[string, string, string]>([
    ['nothing about it: the default', 'hostname = "a.example"', DEFAULT_RELAY],
    ['one address', listen('192.0.2.1:25'), '192.0.2.1:25'],
    ['loopback before others', listen('192.0.2.1:25') + listen('127.0.0.2:2525'), '127.0.0.2:2525'],
    ['every IPv4 address: loopback', listen('0.0.0.0:25'), '127.0.0.1:25'],
    ['every address: loopback', listen('[::]:25'), '[::1]:25'],
    [
      'TLS from the start is passed over',
      listen('127.0.0.1:465', 'implicit') + listen('192.0.2.1:25'),
      '192.0.2.1:25',
    ],
    [
      'password files that nobody may read',
      '[credentials.x]\nusername = "a"\npassword_file = "/nowhere"',
      DEFAULT_RELAY,
    ],
  ])('%s', async (_, toml, expected) => {
    const file = written(toml);
    expect((await relayWays(file, NOWHERE)).address).toBe(expected);
    expect((await relayWays(undefined, file)).address).toBe(expected);
  });

  it.each<[string, string, string | undefined]>([
    ['nothing about it: the usual folder', 'hostname = "a.example"', DEFAULT_MAILDROP],
    ['a folder', 'maildrop = "/srv/mail/drop"', '/srv/mail/drop'],
    ['none', 'maildrop = ""', undefined],
  ])('maildrop: %s', async (_, toml, expected) => {
    expect((await relayWays(written(toml), NOWHERE)).maildrop).toBe(expected);
  });

  it('is the default where there is no file', async () => {
    expect(await relayWays(undefined, NOWHERE)).toEqual({
      address: DEFAULT_RELAY,
      maildrop: DEFAULT_MAILDROP,
    });
  });

  it.each<[string, string, string]>([
    ['no TOML', 'listen = [', 'line 1'],
    ['no address', listen('here'), '"here" is none'],
    ['a maildrop in the folder of the caller', 'maildrop = "drop"', 'must begin with "/"'],
    ['TLS from the start only', listen('127.0.0.1:465', 'implicit'), 'use --relay'],
  ])(
    '%s: an error, for which no message is given up unless the user named the file',
    async (_, toml, words) => {
      const file = written(toml);
      const message = expect.stringContaining(words);
      await expect(relayWays(file, NOWHERE)).rejects.toMatchObject({ message, exitCode: EXIT.CONFIG });
      await expect(relayWays(undefined, file)).rejects.toMatchObject({
        message,
        exitCode: EXIT.TEMPORARY,
      });
    },
  );

  it('a file that was named and is not there: an error', async () => {
    await expect(relayWays(NOWHERE, NOWHERE)).rejects.toMatchObject({ exitCode: EXIT.CONFIG });
  });
});
