/** Commands about the relay of this machine go by its configuration, named or not. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { EXIT } from './exit.js';
import { readRelayConfiguration } from './network-options.js';

const folder = mkdtempSync(join(tmpdir(), 'danelaw-relay-configuration-'));
afterAll(() => rmSync(folder, { recursive: true }));

function written(name: string, toml: string): string {
  const file = join(folder, name);
  writeFileSync(file, toml);
  return file;
}

const stateOf = async (named: string | undefined, usual: string): Promise<string> =>
  (await readRelayConfiguration(named, usual)).relay.state;

const USUAL = written('usual.toml', 'state = "/srv/usual"\n');
const NAMED = written('named.toml', 'state = "/srv/named"\n');
const WRONG = written('wrong.toml', 'stat = "/srv/wrong"\n');

describe('the configuration of the relay', () => {
  it.each([
    ['is the usual one where none is named', undefined, USUAL, '/srv/usual'],
    ['is the one that is named', NAMED, USUAL, '/srv/named'],
    ['is built in where there is none', undefined, join(folder, 'nowhere.toml'), '/var/lib/danelaw'],
  ])('%s', async (_name, named, usual, state) => {
    expect(await stateOf(named, usual)).toBe(state);
  });

  it('is never taken for the built-in one where it is wrong', async () => {
    await expect(stateOf(undefined, WRONG)).rejects.toMatchObject({
      exitCode: EXIT.CONFIG,
      message: expect.stringMatching(/^\S*wrong\.toml, line 1: .*state/u),
    });
  });

  it('says of a file that was named that it was', async () => {
    await expect(stateOf(WRONG, USUAL)).rejects.toMatchObject({
      message: expect.stringMatching(/^--config: /u),
    });
  });
});
