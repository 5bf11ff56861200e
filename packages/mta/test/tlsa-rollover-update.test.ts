/**
 * `danelaw tlsa rollover step --update` as far as the lab goes, whose name servers take no updates: what
 * would be sent, what is refused beforehand, and that nothing is taken for done. The updates themselves are
 * sent to BIND and Knot in interop/.
 */
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Internet, startInternet } from '@danelaw/lab';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { main } from '../src/cli/main.js';
import { dnsOptions, type Ended } from './program.js';

const SECRET = 'wf6RFTWUKcvx04aVWvOYaQUI1SgIEKjodidQNWVtyBI=';
const DOMAIN = 'single.example';

let internet: Internet;
let folder: string;
let state: string;
let keyFile: string;
let dns: string[];

beforeAll(async () => {
  internet = await startInternet([
    {
      domain: DOMAIN,
      shows: 'a roll-over',
      rule: 'RFC 7671 section 8.1',
      zones: { [DOMAIN]: { records: ['@ MX 10 mx'] } },
      hosts: { [`mx.${DOMAIN}`]: { tlsa: ['3 1 1'] } },
      expected: { status: 'deferred', because: 'no mail is sent here' },
    },
  ]);
  folder = await mkdtemp(join(tmpdir(), 'danelaw-test-'));
  state = join(folder, 'state');
  keyFile = join(folder, 'update.key');
  const anchor = join(folder, 'root.ds');
  await writeFile(anchor, internet.trustAnchors.join('\n'));
  await writeFile(keyFile, `key "update.key" { algorithm hmac-sha256; secret "${SECRET}"; };\n`, {
    mode: 0o600,
  });
  dns = [...dnsOptions(internet, anchor), '--dns-port', String(internet.dnsPort), '--timeout', '5'];
  const server = ['--port', String(internet.smtpPort), '--starttls', 'smtp'];
  await rollover('start', `mx.${DOMAIN}`, ...dns, ...server);
});
afterAll(async () => {
  await internet?.close();
  await rm(folder, { recursive: true });
});

async function rollover(...argv: string[]): Promise<Ended> {
  let out = '';
  let err = '';
  const code = await main(['tlsa', 'rollover', ...argv, '--state', state], {
    stdout: { write: (text) => (out += text) },
    stderr: { write: (text) => (err += text) },
    stdin: { async *[Symbol.asyncIterator]() {} },
    env: process.env,
    signal: new AbortController().signal,
  });
  expect(out + err).not.toContain(SECRET.slice(0, 8));
  return { code, out, err };
}
const step = (...argv: string[]): Promise<Ended> => rollover('step', ...dns, ...argv);

describe('danelaw tlsa rollover step --update', () => {
  it('says what would be sent, to whom and with which key, and sends nothing (--dry-run)', async () => {
    const name = `_${internet.smtpPort}\\._tcp\\.mx\\.single\\.example\\.`;
    const { code, out, err } = await step('--update', keyFile, '--dry-run');
    expect([code, err]).toEqual([0, '']);
    expect(out).toMatch(
      new RegExp(
        `an update to \\S+ \\[127\\.[0-9.]+#${internet.dnsPort}\\], signed with "update\\.key" \\(hmac-sha256\\):\n` +
          `zone single\\.example\\.\nprereq nxrrset ${name} IN CNAME\n` +
          `update add ${name} [0-9]+ IN TLSA 3 1 1 [0-9a-f]{64}\nsend\n$`,
        'u',
      ),
    );
    const json = await step('--update', keyFile, '--dry-run', '--json', '--update-server', '192.0.2.7#54');
    expect(JSON.parse(json.out)).toMatchObject({
      decision: { action: 'publish' },
      update: {
        to: '192.0.2.7 [192.0.2.7#54], signed with "update.key" (hmac-sha256)',
        script: expect.stringContaining('update add'),
      },
    });
  });

  it('ends with 75 where the server takes no updates, and does not take it for done', async () => {
    const { code, out, err } = await step('--update', keyFile);
    expect([code, out, err]).toEqual([75, '', expect.stringContaining('whether it was carried out shows')]);
    expect((await rollover('status', ...dns)).out).toContain('publish in the zone');
  });

  it('warns of a key that everybody can read', async () => {
    await chmod(keyFile, 0o644);
    const { err } = await step('--update', keyFile, '--dry-run');
    await chmod(keyFile, 0o600);
    expect(err).toContain(`chmod o= ${keyFile}`);
  });

  it('ends with 65 for a file that is no key, with 66 for none, and quotes nothing of it', async () => {
    const file = join(folder, 'mixed-up');
    await writeFile(file, `hmac-sha256:${SECRET}:update.key`);
    const damaged = await step('--update', file);
    expect([damaged.code, damaged.err]).toEqual([65, expect.stringContaining('not Base64')]);
    const missing = await step('--update', join(folder, 'nothing'));
    expect([missing.code, missing.err]).toEqual([66, expect.stringContaining('there is no such file')]);
  });

  it('ends with 64 for a server that can not be one', async () => {
    expect((await step('--update', keyFile, '--update-server', 'ns1:53')).code).toBe(64);
  });
});
