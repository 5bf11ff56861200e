import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { main } from './main.js';

async function run(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  let out = '';
  let err = '';
  const code = await main(['dkim', ...argv], {
    stdout: { write: (text) => (out += text) },
    stderr: { write: (text) => (err += text) },
    stdin: (async function* () {})(),
    env: {},
    signal: new AbortController().signal,
  });
  return { code, out, err };
}

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'danelaw-dkim-'));
  file = join(folder, 'k.pem');
});
afterEach(() => rmSync(folder, { recursive: true }));

const whose = ['--domain', 'Bücher.example', '--selector', '2026a'];

describe('danelaw dkim', () => {
  it.each(['rsa2048', 'ed25519'])(
    'makes a key (%s) that only its owner reads, and prints its record, then and later',
    async (algorithm) => {
      const made = await run('key', ...whose, '--algorithm', algorithm, file);
      expect(made).toMatchObject({ code: 0, err: '' });
      expect(made.out).toMatch(/^2026a\._domainkey\.xn--bcher-kva\.example\. IN TXT /u);
      expect(statSync(file).mode & 0o777).toBe(0o600);
      expect(await run('record', file)).toEqual(made);
    },
  );

  it('never writes over a file', async () => {
    writeFileSync(file, 'precious');
    const { code, err } = await run('key', ...whose, file);
    expect({ code, err }).toEqual({ code: 66, err: expect.stringMatching(/can't make .*EEXIST/u) });
    expect(readFileSync(file, 'utf8')).toBe('precious');
  });

  it('prints the record of a key from elsewhere, for machines too', async () => {
    await run('key', ...whose, '--algorithm', 'ed25519', file);
    writeFileSync(file, readFileSync(file, 'utf8').replace(/^DKIM.*\n/u, ''));
    expect((await run('record', file)).out).toMatch(/^IN TXT "v=DKIM1; k=ed25519; p=[^"]{44}"\n$/u);
    const { out } = await run('record', '--domain', 'b.example', '--selector', 's', '--json', file);
    expect(JSON.parse(out)).toEqual({
      name: 's._domainkey.b.example',
      type: 'TXT',
      text: expect.stringMatching(/^v=DKIM1; k=ed25519; p=/u),
    });
  });

  it.each<[string, string[], number, RegExp]>([
    ['a key without a selector', ['key', '--domain', 'a.example', 'x'], 64, /--domain and --selector/u],
    ['a key without a domain', ['key', 'x'], 64, /needs --domain and --selector/u],
    ['a domain that is none', ['key', '--domain', '-', '--selector', 's', 'x'], 64, /--domain -: /u],
    ['a literal', ['key', '--domain', '[192.0.2.1]', '--selector', 's', 'x'], 64, /must be a name/u],
    [
      'a selector that is none',
      ['key', '--domain', 'a.example', '--selector', 'a b', 'x'],
      64,
      /--selector a b/u,
    ],
    [
      'an algorithm that is none',
      ['key', '--algorithm', 'rsa', 'x'],
      64,
      /Allowed choices are rsa2048, ed25519/u,
    ],
    ['a file that is not there', ['record', '/nonexistent/k.pem'], 66, /can't read it \(ENOENT\)/u],
  ])('refuses %s', async (_, argv, code, message) => {
    const result = await run(...argv);
    expect(result.err).toMatch(message);
    expect(result).toMatchObject({ code, out: '' });
  });
});
