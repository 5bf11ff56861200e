/** `packaging/danelaw.toml`, which is installed as the configuration: as it stands, and with all that it shows switched on. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { defaultConfig, readConfig } from '../config.js';

const EXAMPLE = new URL('../../../../packaging/danelaw.toml', import.meta.url);
const folder = mkdtempSync(join(tmpdir(), 'danelaw-example-'));
afterAll(() => rmSync(folder, { recursive: true }));

function written(text: string): string {
  const file = join(folder, 'danelaw.toml');
  writeFileSync(file, text);
  return file;
}

describe('the example configuration', () => {
  const text = readFileSync(EXAMPLE, 'utf8');

  it('changes only where the relay listens', async () => {
    const { relay, ...others } = await readConfig(written(text));
    const { relay: usual, ...usualOthers } = defaultConfig();
    const listen = [25, 2525].map((port) => ({ address: '127.0.0.1', port, tls: 'starttls' }));
    expect([relay, others]).toEqual([{ ...usual, listen }, usualOthers]);
  });

  it('shows keys and values that are right, and the defaults where it does not say that it is an example', async () => {
    const all = text.replace(/^#(?=[[a-z])/gmu, '');
    expect(all.match(/^#[^ \n]/gmu)).toBeNull();
    const { relay, dkim, policyTable } = await readConfig(written(all));
    const { relay: usual } = defaultConfig();
    const same = ['state', 'retry', 'queue', 'delivery', 'log'] as const;
    for (const key of same) expect([key, relay[key]]).toEqual([key, usual[key]]);
    expect(relay.clients).toEqual(usual.clients);
    expect([relay.maildrop.folder, dkim.length, policyTable.rules.length]).toEqual([
      usual.maildrop.folder,
      1,
      1,
    ]);
  });
});
