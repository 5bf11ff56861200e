/** The hooks of `packaging/hooks`, called as each program calls its hooks: what they make of it for `danelaw tlsa deploy`. */
import { spawn } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Ended } from './program.js';

const HOOKS = fileURLToPath(new URL('../../../packaging/hooks', import.meta.url));
const TO = '/tls with space';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'danelaw-hooks-'));
  await writeFile(join(folder, 'danelaw'), `#!/bin/sh\nprintf '<%s>' "$@"\nexit "\${CODE:-0}"\n`);
  await chmod(join(folder, 'danelaw'), 0o755);
  await configure('mx.example', `to='${TO}'\nreload='systemctl reload x'\noptions='--port 26 --no-server'\n`);
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

const configure = (name: string, text: string): Promise<void> =>
  writeFile(join(folder, `${name}.conf`), text);

function call(env: Readonly<Record<string, string>>, program: string, ...args: string[]): Promise<Ended> {
  const child = spawn(program, args, {
    env: { PATH: `${folder}:${process.env['PATH'] ?? ''}`, DANELAW_DEPLOY: folder, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, out, err }));
  });
}
const hook = (name: string): string => join(HOOKS, name);
const deployed = (client: string, chain: string, key: string): string =>
  [
    ...['tlsa', 'deploy', 'mx.example', '--to', TO, '--certificate', chain, '--key', key],
    ...['--client', client, '--reload', 'systemctl reload x', '--port', '26', '--no-server'],
  ]
    .map((each) => `<${each}>`)
    .join('');
const ACME_SH = `_err() { echo "$*" >&2; }
_getdeployconf() { :; }
_savedeployconf() { :; }
. '${HOOKS}/danelaw.sh'
danelaw_deploy mx.example "\${KEY:-/key}" /cert /ca '/full chain' /pfx`;

describe('hooks', () => {
  it.each<[string, Record<string, string>, string, string[], string]>([
    [
      'certbot gives the folder of the certificate (RENEWED_LINEAGE)',
      { RENEWED_LINEAGE: '/etc/le/live/mx.example', RENEWED_DOMAINS: 'mx.example www.example' },
      hook('certbot'),
      [],
      deployed('certbot', '/etc/le/live/mx.example/fullchain.pem', '/etc/le/live/mx.example/privkey.pem'),
    ],
    [
      'lego 4 gives name and files (LEGO_CERT_...)',
      { LEGO_CERT_DOMAIN: 'mx.example', LEGO_CERT_PATH: '/l/a b.crt', LEGO_CERT_KEY_PATH: '/l/mx.key' },
      hook('lego'),
      [],
      deployed('lego', '/l/a b.crt', '/l/mx.key'),
    ],
    [
      'lego 5 gives name and files (LEGO_HOOK_CERT_...)',
      {
        LEGO_HOOK_CERT_NAME: 'mx.example',
        LEGO_HOOK_CERT_PATH: '/l/mx.crt',
        LEGO_HOOK_CERT_KEY_PATH: '/l/mx.key',
      },
      hook('lego'),
      [],
      deployed('lego', '/l/mx.crt', '/l/mx.key'),
    ],
    ['acme.sh gives five files', {}, '/bin/sh', ['-c', ACME_SH], deployed('acme.sh', '/full chain', '/key')],
  ])('%s', async (_, env, program, args, expected) => {
    const found = program === '/bin/sh' ? { ...env, DANELAW_HOOKS: HOOKS } : env;
    expect(await call(found, program, ...args)).toEqual({ code: 0, out: expected, err: '' });
    expect((await call({ ...found, CODE: '75' }, program, ...args)).code).toBe(75);
  });

  it('acme.sh: an ECDSA certificate beside an RSA one has a configuration of its own', async () => {
    const env = { DANELAW_HOOKS: HOOKS, KEY: '/root/.acme.sh/mx.example_ecc/mx.example.key' };
    expect((await call(env, '/bin/sh', '-c', ACME_SH)).out).toContain(`<--to><${TO}>`);
    await configure('mx.example_ecc', 'to=/ecc\nhost=mx.example\n');
    expect((await call(env, '/bin/sh', '-c', ACME_SH)).out).toContain('<mx.example><--to></ecc>');
  });

  it('is found where a link in a folder of the program points to it', async () => {
    const link = join(folder, 'link');
    await symlink(hook('certbot'), link);
    expect((await call({ RENEWED_LINEAGE: '/live/mx.example' }, link)).out).toContain('<deploy>');
  });

  const FILES = ['/d/privkey.pem', '/d/cert.pem', '/d/fullchain.pem', '/d/chain.pem'];
  it.each([
    ['deploy_cert', [...FILES, '1']],
    ['unchanged_cert', FILES],
  ])(
    'dehydrated: %s is told on standard error, and does not stop it where one waits',
    async (operation, files) => {
      const run = (code: string) =>
        call({ CODE: code }, hook('dehydrated'), operation, 'mx.example', ...files);
      const err = deployed('dehydrated', '/d/fullchain.pem', '/d/privkey.pem');
      expect(await run('0')).toEqual({ code: 0, out: '', err });
      expect(await run('75')).toEqual({ code: 0, out: '', err });
      expect(await run('73')).toEqual({ code: 73, out: '', err });
    },
  );

  it.each(['generate_csr', 'deploy_challenge', 'exit_hook', 'this_hookscript_is_broken'])(
    'dehydrated: %s is nothing to it',
    async (operation) => {
      const ended = await call({}, hook('dehydrated'), operation, 'mx.example', '/d');
      expect(ended).toEqual({ code: 0, out: '', err: '' });
    },
  );

  it('leaves certificates alone that have no configuration', async () => {
    const ended = await call({ RENEWED_LINEAGE: '/live/www.example' }, hook('certbot'));
    expect(ended).toEqual({ code: 0, out: '', err: '' });
  });

  it.each<[string, string, string, number, RegExp]>([
    ['a configuration that does not say where to', 'a.example', 'reload=x', 78, /does not say where/u],
    ['a configuration that is no shell', 'a.example', "to='", 2, /conf/u],
    ['a name that leads elsewhere', '../a.example', 'to=/x', 64, /no certificate is called/u],
    ['no name', '', 'to=/x', 64, /no certificate is called/u],
  ])('refuses %s', async (_, name, text, code, words) => {
    await configure('a.example', text);
    const ended = await call({}, hook('deploy'), 'certbot', name, '/c', '/k');
    expect(ended).toEqual({ code, out: '', err: expect.stringMatching(words) });
  });

  it('retry asks about each certificate that has a configuration, and tells the worst', async () => {
    await configure('b.example', 'to=/b\nhost=mx.b.example\n');
    const { code, out } = await call({ CODE: '75' }, hook('retry'));
    expect(code).toBe(75);
    expect(out).toBe(
      `<tlsa><deploy><mx.b.example><--to></b><tlsa><deploy><mx.example><--to><${TO}><--reload><systemctl reload x>` +
        '<--port><26><--no-server>',
    );
    await mkdir(join(folder, 'none'));
    expect(await call({ DANELAW_DEPLOY: join(folder, 'none') }, hook('retry'))).toEqual({
      ...{ code: 0, out: '', err: '' },
    });
  });
});
