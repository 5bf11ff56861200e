/**
 * Debian's package, as an administrator lives with it: built twice, installed, configured, started by systemd under all its
 * restrictions, sent through, upgraded with mail in the queue, removed and purged.
 */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createTransport } from 'nodemailer';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RecordingServer } from '../packages/mta/test/recording-server.js';
import { BootedDebian } from './booted-debian.js';
import { makeFolder, removeFolder } from './folder.js';
import { runOk } from './run.js';

const BUILD = fileURLToPath(new URL('../packaging/build-deb.js', import.meta.url));
/** Nobody else in the network of these tests has port 25 there. */
const HOST = '127.0.0.125';
const FIRST = '/var/tmp/first.deb';
const SECOND = '/var/tmp/second.deb';

/** As with networks of our own: a machine that permits no container is no failure, in CI neither. */
const forbidden = await BootedDebian.obstacle();
if (forbidden !== undefined) console.warn(`\n*** SKIPPED: the Debian package: ${forbidden} ***\n`);
const title = `the Debian package${forbidden === undefined ? '' : ` (SKIPPED: ${forbidden})`}`;

describe.skipIf(forbidden !== undefined)(title, () => {
  let folder: string;
  let debian: BootedDebian;
  let builds: readonly Buffer[];
  let server: RecordingServer;
  let port: number;

  beforeAll(async () => {
    folder = await makeFolder('packaging');
    // Two builders with nothing in common but the input.
    builds = await Promise.all([build(join(folder, 'a'), '022'), build(join(folder, 'b'), '077')]);
    const [first = Buffer.alloc(0)] = builds;
    debian = await BootedDebian.boot(join(folder, 'container'), {
      [FIRST]: first,
      [SECOND]: await withVersion(join(folder, 'a'), '9.9.9'),
    });
    server = new RecordingServer({});
    port = await server.listen();
  });
  afterAll(async () => {
    await server?.close();
    await debian?.end();
    await removeFolder(folder);
  });

  const configuration = (): string => `
hostname = "relay.example.net"
[[listen]]
address = "${HOST}:25"
[[listen]]
address = "127.0.0.1:2525"
[dns]
resolver = ["127.0.0.1#1"]
[sts]
enabled = false
[http]
listen = "${HOST}:8025"
[[policy]]
domain = "*"
level = "none"
relay = "[127.0.0.1]:${port}"
`;

  const property = (name: string) => debian.ok('systemctl', 'show', '--property', name, '--value', 'danelaw');
  const facts = (path: string) => debian.ok('stat', '--format', '%a %U:%G', path);
  const asUser = (user: string, command: string) =>
    debian.run('setpriv', '--reuid', user, '--regid', user, '--init-groups', 'sh', '-c', command);
  const sendmail = (subject: string) =>
    asUser(
      'www-data',
      `printf 'Subject: ${subject}\\n\\nx\\n' | danelaw sendmail -i -f a@b.example you@there.example`,
    );
  const received = async (subject: string): Promise<string> => {
    for (;;) {
      const text = server.texts.find((each) => each.split('\n').includes(`Subject: ${subject}`));
      if (text !== undefined) return text;
      await sleep(20);
    }
  };
  const submit = async (subject: string): Promise<string> => {
    const transport = createTransport({ host: HOST, port: 25, ignoreTLS: true });
    const { response } = await transport.sendMail({
      from: 'a@b.example',
      to: 'you@there.example',
      subject,
      text: 'x',
    });
    return /queued as ([0-9a-z]{18})/u.exec(response)?.[1] ?? '';
  };

  test('is the same octet for octet, whoever builds it', () => {
    const [first, second] = builds;
    expect(first?.length).toBeGreaterThan(1_000_000);
    expect(second?.equals(first ?? Buffer.alloc(0))).toBe(true);
  });

  test('installs a user, folders and a configuration, and does not start before somebody has looked at it', async () => {
    expect(await debian.ok('dpkg', '--install', FIRST)).toContain('systemctl enable --now danelaw');
    expect(await debian.ok('getent', 'passwd', 'danelaw')).toMatch(
      /:\/var\/lib\/danelaw:\/usr\/sbin\/nologin$/u,
    );
    expect(await facts('/var/lib/danelaw')).toBe('700 danelaw:danelaw');
    expect(await facts('/var/spool/danelaw/maildrop')).toBe('3777 danelaw:danelaw');
    expect(await facts('/etc/danelaw/danelaw.toml')).toBe('640 root:danelaw');
    expect([await property('ActiveState'), await property('UnitFileState')]).toEqual([
      'inactive',
      'disabled',
    ]);
    expect(await debian.ok('danelaw', '--version')).toMatch(/^\d/u);
    expect(await debian.ok('sh', '-c', 'man danelaw | head -5')).toContain('DANE');
    expect(await facts('/usr/share/danelaw/hooks/certbot')).toBe('755 root:root');
    // Nobody has told it of a certificate.
    expect(await debian.ok('/usr/share/danelaw/hooks/retry')).toBe('');
  });

  test('has a unit that systemd finds nothing wrong with, and little exposed', async () => {
    expect(
      await debian.run('systemd-analyze', 'verify', '/lib/systemd/system/danelaw.service'),
    ).toMatchObject({
      code: 0,
      stderr: '',
    });
    // Ten times the exposure that systemd counts, of a hundred.
    await debian.ok(
      'systemd-analyze',
      'security',
      '--offline=true',
      '--threshold=20',
      '/lib/systemd/system/danelaw.service',
    );
  });

  test('starts, as its own user with port 25 and no other privilege, and delivers', async () => {
    await debian.ok('sh', '-c', `printf '%s' '${configuration()}' >/etc/danelaw/danelaw.toml`);
    await debian.ok('systemctl', 'enable', '--now', 'danelaw');
    await listening();
    await submit('through the package');
    expect(await received('through the package')).toContain('by relay.example.net with ESMTP');
    for (const path of ['/', '/page/page.css', '/metrics']) {
      expect([path, (await fetch(`http://${HOST}:8025${path}`)).status]).toEqual([path, 200]);
    }
    const status = await debian.ok('cat', `/proc/${await property('MainPID')}/status`);
    const line = (name: string) => new RegExp(`^${name}:\\s+(\\S+)`, 'mu').exec(status)?.[1];
    const netBindService = '0000000000000400';
    expect({
      user: line('Uid'),
      effective: line('CapEff'),
      bounding: line('CapBnd'),
      gainsNone: line('NoNewPrivs'),
      filtered: line('Seccomp'),
    }).toEqual({
      user: await debian.ok('id', '--user', 'danelaw'),
      effective: netBindService,
      bounding: netBindService,
      gainsNone: '1',
      filtered: '2',
    });
  });

  test('takes a new configuration', async () => {
    await debian.ok('systemctl', 'reload', 'danelaw');
    await logged('"event":"reloaded"');
  });

  test('takes mail of any user over SMTP, and from the maildrop where it was down meanwhile', async () => {
    expect(await sendmail('while it runs')).toMatchObject({ code: 0, stderr: '' });
    await received('while it runs');
    await debian.ok('systemctl', 'stop', 'danelaw');
    expect(await sendmail('while it is down')).toMatchObject({ code: 0, stderr: '' });
    const files = await debian.ok('sh', '-c', 'stat --format "%a %U:%G" /var/spool/danelaw/maildrop/0*');
    expect(files).toBe('640 www-data:danelaw');
    await debian.ok('chmod', '3770', '/var/spool/danelaw/maildrop');
    const refused = await sendmail('never');
    expect(refused).toMatchObject({ code: 75, stderr: expect.stringContaining('you may not write there') });
    await debian.ok('chmod', '3777', '/var/spool/danelaw/maildrop');
    await debian.ok('systemctl', 'start', 'danelaw');
    const uid = await debian.ok('id', '--user', 'www-data');
    expect(await received('while it is down')).toContain(`(local, uid ${uid})`);
  });

  test('is upgraded while it runs, with what waits in its queue', async () => {
    await listening();
    await server.close();
    const id = await submit('waits');
    await logged(`"id":"${id}".*"event":"deferred"`);
    const before = await property('MainPID');
    await debian.ok('dpkg', '--install', SECOND);
    expect(await debian.ok('dpkg-query', '--show', 'danelaw')).toBe('danelaw\t9.9.9');
    await listening();
    expect(await property('MainPID')).not.toBe(before);
    const queue = await asUser('danelaw', 'danelaw queue list --json');
    expect(queue.stdout).toContain(id);
    expect(await debian.ok('cat', '/etc/danelaw/danelaw.toml')).toBe(configuration().trim());
    server = new RecordingServer({});
    await server.listen(port);
    await asUser('danelaw', `danelaw queue retry ${id}`);
    await received('waits');
  });

  test('is removed with its mail left behind, and purged with everything but its user, as it says', async () => {
    const removed = await debian.ok('dpkg', '--remove', 'danelaw');
    expect(removed).toContain('the queue stays in /var/lib/danelaw');
    expect((await debian.run('systemctl', 'is-active', 'danelaw')).stdout.trim()).toBe('inactive');
    await debian.ok('test', '-d', '/var/lib/danelaw/queue', '-a', '-f', '/etc/danelaw/danelaw.toml');
    const purged = await debian.ok('dpkg', '--purge', 'danelaw');
    expect(purged).toContain('deleting /var/lib/danelaw, with all mail in it');
    const left = 'ls -d /etc/danelaw /var/lib/danelaw /var/spool/danelaw /usr/lib/danelaw /usr/bin/danelaw';
    expect((await debian.run('sh', '-c', left)).stdout).toBe('');
    await debian.ok('getent', 'passwd', 'danelaw');
  });

  /** Resolves when the relay's log has the words; the test's own time-out ends the wait. */
  async function logged(words: string): Promise<void> {
    while ((await debian.run('journalctl', '--quiet', '--unit', 'danelaw', '--grep', words)).stdout === '') {
      await sleep(50);
    }
  }

  async function listening(): Promise<void> {
    const transport = createTransport({ host: HOST, port: 25, ignoreTLS: true });
    while (!(await transport.verify().catch(() => false))) await sleep(50);
  }
});

async function build(out: string, mask: string): Promise<Buffer> {
  const command = `umask ${mask} && exec "$0" "$@"`;
  const { stdout } = await promisify(execFile)('sh', ['-c', command, process.execPath, BUILD, '--out', out]);
  return await readFile(stdout.trim());
}

/** The same package under another version. */
async function withVersion(out: string, version: string): Promise<Buffer> {
  const script = `cd ${out} && dpkg-deb --raw-extract danelaw_*.deb x && sed -i 's/^Version: .*/Version: ${version}/' x/DEBIAN/control && dpkg-deb -Znone --root-owner-group --build x second.deb`;
  await runOk('sh', ['-c', script]);
  return await readFile(join(out, 'second.deb'));
}
